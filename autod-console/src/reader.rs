//! Whoever reads standard output.

use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::Poll;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Completes when nobody can read any more what is printed, which a command that has nothing to print
/// would not notice; never where that cannot be known, as of a file.
async fn gone() {
    if let Ok(output) = watched() {
        while let Ok(mut state) = output.writable().await {
            if state.ready().is_write_closed() {
                return;
            }
            state.clear_ready();
        }
    }
    pending::<()>().await;
}

fn watched() -> io::Result<AsyncFd<OwnedFd>> {
    let output = rustix::stdio::stdout().try_clone_to_owned()?;
    #[allow(deprecated, reason = "its successor is unsafe; an OwnedFd keeps its number")]
    AsyncFd::with_interest(output, Interest::WRITABLE)
}

/// Does this as long as somebody may read what it prints; `None` if nobody does any more.
///
/// # Panics
///
/// Outside of a tokio runtime with IO.
pub async fn while_read<T>(work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut gone) = (pin!(work), pin!(gone()));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => gone.as_mut().poll(context).map(|()| None),
    })
    .await
}
