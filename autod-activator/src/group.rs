//! A process group: its signals and its end. A number is signalled only while it is proven to be
//! ours: as long as its leader is not reaped, nobody else can have it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::error::Exit;

#[derive(Debug)]
pub(crate) struct Group {
    leader: Pid,
    /// Held while a signal is sent, so that the leader is not reaped at that moment.
    reaped: Mutex<bool>,
    /// It is meant to end: its leader's end is not the end of the others.
    stopping: AtomicBool,
    /// `/proc/PID/statm`, for [`is_ending`](Self::is_ending).
    memory: Option<File>,
}

impl Group {
    /// The group of this leader, which was started by this process and is not reaped.
    pub(crate) fn of(leader: u32) -> Option<Self> {
        let leader = Pid::from_raw(i32::try_from(leader).ok()?)?;
        let memory = File::open(format!("/proc/{leader}/statm")).ok();
        Some(Self { leader, reaped: Mutex::new(false), stopping: AtomicBool::new(false), memory })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.leader.as_raw_nonzero().get().unsigned_abs()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // There may be nobody left but the leader, who has ended.
            let _ = kill_process_group(self.leader, signal);
        }
    }

    /// From now on the leader's end leaves the others time to end too.
    pub(crate) fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the leader has begun to die. The kernel takes a process's memory away before it
    /// closes its sockets, so whoever sees a socket closed by a death sees this too; its exit comes
    /// only later.
    pub(crate) fn is_ending(&self) -> bool {
        let Some(memory) = &self.memory else { return false };
        let mut start = [0; 2];
        match memory.read_at(&mut start, 0) {
            Ok(length) => length < start.len() || &start == b"0 ",
            Err(_) => true,
        }
    }

    /// Waits until the whole group is gone, and reaps its leader. What the leader leaves behind
    /// is killed at once, unless the group is meant to end: then it was told, and has its time.
    /// `last` is called while the number is still ours.
    pub(crate) async fn gone(&self, last: impl FnOnce()) -> Exit {
        self.leader_ended().await;
        if self.stopping.load(Ordering::Relaxed) && self.has_others() {
            self.signal(Signal::TERM);
            let mut pause = Duration::from_millis(1);
            while self.has_others() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(50));
            }
        }
        self.signal(Signal::KILL);
        last();
        self.reap()
    }

    async fn leader_ended(&self) {
        #[cfg(target_os = "linux")]
        if let Ok(pidfd) =
            rustix::process::pidfd_open(self.leader, rustix::process::PidfdFlags::NONBLOCK)
        {
            #[allow(deprecated, reason = "its successor is unsafe; an OwnedFd keeps its number")]
            let watched = tokio::io::unix::AsyncFd::new(pidfd);
            if let Ok(watched) = watched
                && watched.readable().await.is_ok()
            {
                return;
            }
        }
        // No such system call, or no descriptor to spare.
        let leader = self.leader;
        let wait = move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(leader), options) {}
        };
        let (done, ended) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("autod-wait".to_owned());
        let thread = thread.spawn(move || {
            wait();
            let _ = done.send(());
        });
        if thread.is_ok() {
            let _ = ended.await;
            return;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while let Ok(None) = waitid(WaitId::Pid(leader), options) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn reap(&self) -> Exit {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        *reaped = true;
        match waitid(WaitId::Pid(self.leader), WaitIdOptions::EXITED) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Code(255),
            },
            // The program around us reaps all children, or ignores SIGCHLD.
            Ok(None) | Err(_) => Exit::Code(255),
        }
    }

    /// Whether anybody but the leader, who has ended, is in the group. Where there is no /proc to
    /// look into, nobody is given time.
    fn has_others(&self) -> bool {
        let Ok(entries) = std::fs::read_dir("/proc") else { return false };
        let leader = self.leader.as_raw_nonzero().get();
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| *pid != leader)
            .any(|pid| is_living_member(pid, leader))
    }
}

fn is_living_member(pid: i32, group: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name of the program, in brackets, may have anything in it.
    let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let state = fields.next();
    let number = fields.nth(1).and_then(|field| field.parse().ok());
    number == Some(group) && !matches!(state, Some("Z" | "X"))
}
