//! The client's side of a turn.

use crate::Result;

/// Runs `work` in a thread of its own, which it may pin.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        scope.spawn(work).join().unwrap_or_else(|_| Err("the client panicked".into()))
    })
}

/// The runtime of a client: one thread, as in a command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
