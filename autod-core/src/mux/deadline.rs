//! How long a call may take, at both ends.
//!
//! A call without a deadline has no timer at either end. The caller's runs from the first poll; what
//! is left of it is sent along, as a duration, and the callee's runs from there.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

thread_local! {
    /// The deadline of the call whose handler is being polled on this thread.
    static CURRENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// When the call that is being answered has to be done, if its caller has set a
/// [deadline](crate::Call::deadline).
///
/// A handler asks for it to pass it on, or to do less when there is little time. It need not watch
/// it: at the deadline the handler is dropped at its next `await`, unless its method is
/// `#[autod(no_cancel)]`. The instant is by the daemon's own clock.
///
/// `None` outside of a handler, and in tasks and threads that a handler has started.
///
/// ```
/// # use std::time::{Duration, Instant};
/// fn effort() -> usize {
///     match autod_core::deadline() {
///         Some(end) if end < Instant::now() + Duration::from_millis(50) => 10,
///         _ => 1000,
///     }
/// }
/// assert_eq!(effort(), 1000);
/// ```
pub fn deadline() -> Option<std::time::Instant> {
    CURRENT.get().map(Instant::into_std)
}

/// Lets the code of a handler know its deadline while this lives.
pub(super) struct Known(Option<Instant>);

impl Known {
    pub(super) fn new(deadline: Instant) -> Self {
        Self(CURRENT.replace(Some(deadline)))
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// An instant and its timer.
pub(super) struct Deadline {
    pub(super) at: Instant,
    /// Present until it has passed.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// So long from now; `None` if that is beyond all clocks.
    pub(super) fn after(limit: Duration) -> Option<Self> {
        let at = Instant::now().checked_add(limit)?;
        Some(Self { at, timer: Some(Box::pin(sleep_until(at))) })
    }

    /// What is left.
    pub(super) fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Ready once, when it has passed.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(context));
        self.timer = None;
        Poll::Ready(())
    }
}
