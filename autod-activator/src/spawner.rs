//! The thread that starts processes.
//!
//! Linux sends the signal of a parent's death when the *thread* that made the child ends. A thread
//! of a runtime may end at any time; this one ends with the process.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

use rustix::process::Signal;
use tokio::sync::oneshot;

use crate::group::Group;
use crate::sys::{self, Program};

type Job = Box<dyn FnOnce() + Send>;

static THREAD: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();

/// Has the thread do it. The job is lost if the system has no thread to spare.
pub(crate) fn run(job: impl FnOnce() + Send + 'static) {
    let sender = THREAD.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        let work = move || jobs.into_iter().for_each(|job| job());
        let _ = std::thread::Builder::new().name("autod-spawner".to_owned()).spawn(work);
        Mutex::new(sender)
    });
    let _ = sender.lock().unwrap_or_else(PoisonError::into_inner).send(Box::new(job));
}

/// A process that nobody looks after yet, the leader of its group. Dropped so, it is killed.
#[derive(Debug)]
pub(crate) struct Newborn(Option<Child>);

impl Newborn {
    /// Its group, for somebody who looks after it from now on.
    pub(crate) fn into_group(mut self) -> Option<Group> {
        Group::of(self.0.take()?.id())
    }
}

impl Drop for Newborn {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            if let Some(group) = Group::of(child.id()) {
                group.signal(Signal::KILL);
            }
            let _ = child.wait();
        }
    }
}

/// Starts a process, which this makes the leader of a group. If the future is dropped, nothing is left
/// of it.
pub(crate) async fn spawn(mut command: Command, program: Program) -> std::io::Result<Newborn> {
    let (done, result) = oneshot::channel();
    command.process_group(0);
    run(move || {
        let _ = done.send(sys::spawn(command, program).map(|child| Newborn(Some(child))));
    });
    result.await.unwrap_or_else(|_| Err(std::io::Error::other("there is no thread to start it")))
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::process::Stdio;
    use std::task::{Context, Waker};

    use super::*;

    /// Whether the other end is closed within half a minute.
    fn is_closed(read: &std::os::fd::OwnedFd) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut polled = [PollFd::new(read, PollFlags::empty())];
        let limit = Timespec { tv_sec: 30, tv_nsec: 0 };
        poll(&mut polled, Some(&limit)).is_ok_and(|ready| ready > 0)
    }

    fn sleeper(held: std::os::fd::OwnedFd) -> (Command, Program) {
        let text = |text: &str| CString::new(text).unwrap();
        let mut command = Command::new("/bin/sh");
        command.stdin(Stdio::null());
        let program = Program {
            path: text("/bin/sh"),
            arguments: vec![text("sh"), text("-c"), text("sleep 100; :")],
            environment: vec![text("PATH=/usr/bin:/bin")],
            listen_pid: false,
            descriptors: vec![(held, 5)],
            open_files: None,
            death_signal: libc::SIGKILL,
        };
        (command, program)
    }

    #[test]
    fn a_process_that_nobody_waits_for_any_more_is_ended() {
        // Given up before the process is there, and after.
        for is_there in [false, true] {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
            let (gate, opened) = mpsc::channel::<()>();
            let (done, all_done) = mpsc::channel();
            run(move || {
                let _ = opened.recv();
            });
            let (command, program) = sleeper(write);
            let mut spawned = Box::pin(spawn(command, program));
            let polled = spawned.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            run(move || {
                let _ = done.send(());
            });
            if is_there {
                drop(gate);
                all_done.recv().unwrap();
                drop(spawned);
            } else {
                drop(spawned);
                drop(gate);
                all_done.recv().unwrap();
            }
            assert!(is_closed(&read), "it lives, there: {is_there}");
        }
    }
}
