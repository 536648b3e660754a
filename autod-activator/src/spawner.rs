//! The thread that starts processes.
//!
//! Linux sends the signal of a parent's death when the *thread* that made the child ends. A thread
//! of a runtime may end at any time; this one ends with the process.

use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};

use tokio::sync::oneshot;

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

/// Starts a process. If the future is dropped, a process that was started is given to nobody: use it
/// from a task that is not cut short.
pub(crate) async fn spawn(command: Command, program: Program) -> std::io::Result<Child> {
    let (done, result) = oneshot::channel();
    run(move || {
        let _ = done.send(sys::spawn(command, program));
    });
    result.await.unwrap_or_else(|_| Err(std::io::Error::other("there is no thread to start it")))
}
