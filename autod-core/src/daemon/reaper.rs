//! The child handle of a daemon: reaped by a thread, so that its death shows at once and no zombie
//! stays, and signalled only while it is certain that the pid is still the child's.
//!
//! No signal handler is installed in the caller, and no other child of it is waited for.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::oneshot;

/// How a daemon ended; `None` if the caller's process ignores or reaps its children elsewhere.
pub(super) type Ending = Option<ExitStatus>;

/// The handle for signals.
pub(super) struct Reaped(Arc<Mutex<Option<Child>>>);

/// Watches a child until its end.
pub(super) fn watch(child: Child) -> std::io::Result<(Reaped, oneshot::Receiver<Ending>)> {
    let pid = Pid::from_child(&child);
    let shared = Arc::new(Mutex::new(Some(child)));
    let (tell, told) = oneshot::channel();
    let watched = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name("autod-reaper".to_owned()).stack_size(64 << 10);
    let spawned = thread.spawn(move || {
        // Leaves the zombie, which keeps the pid from being given to somebody else.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
        let child = watched.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = tell.send(child.and_then(|mut child| child.wait().ok()));
    });
    let reaped = Reaped(shared);
    match spawned {
        Ok(_) => Ok((reaped, told)),
        Err(error) => {
            reaped.signal(Signal::KILL);
            if let Some(mut child) = reaped.0.lock().unwrap_or_else(PoisonError::into_inner).take()
            {
                let _ = child.wait();
            }
            Err(error)
        }
    }
}

impl Reaped {
    /// Sends a signal unless the child has ended.
    pub(super) fn signal(&self, signal: Signal) {
        let child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(child) = child.as_ref() {
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }
}

/// An ending in words: "exited with status 3", "was killed by signal 9 (SIGKILL)".
pub(super) fn in_words(ending: Ending) -> String {
    let Some(status) = ending else { return "ended".to_owned() };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => match name(signal) {
            Some(name) => format!("was killed by signal {signal} ({name})"),
            None => format!("was killed by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

fn name(signal: i32) -> Option<&'static str> {
    const NAMES: [(Signal, &str); 13] = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::SYS, "SIGSYS"),
    ];
    NAMES.iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    async fn ending(script: &str, signal: Option<Signal>) -> String {
        let forking = crate::daemon::testing::forking();
        let child = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        drop(forking);
        let (reaped, told) = watch(child).unwrap();
        if let Some(signal) = signal {
            reaped.signal(signal);
        }
        let ending = told.await.unwrap();
        reaped.signal(Signal::KILL);
        assert!(reaped.0.lock().unwrap().is_none(), "it is reaped and cannot be signalled");
        in_words(ending)
    }

    #[tokio::test]
    async fn every_ending_has_its_words() {
        assert_eq!(ending("exit 3", None).await, "exited with status 3");
        assert_eq!(
            ending("sleep 60", Some(Signal::KILL)).await,
            "was killed by signal 9 (SIGKILL)"
        );
        assert_eq!(in_words(None), "ended");
    }
}
