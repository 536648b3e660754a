//! Streams that go on where they were interrupted.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;

use crate::error::{CallError, Error};

/// How often a stream is opened again at most before it gives an item.
const TRIES: u32 = 5;

/// The errors that a stream of a client can end with.
pub trait StreamError: sealed::Sealed {
    /// The framework's error, unless it is the service's own.
    fn framework(&self) -> Option<&Error>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Error {}
    impl<E> Sealed for super::CallError<E> {}
}

impl StreamError for Error {
    fn framework(&self) -> Option<&Error> {
        Some(self)
    }
}

impl<E> StreamError for CallError<E> {
    fn framework(&self) -> Option<&Error> {
        match self {
            Self::Autod(error) => Some(error),
            Self::Service(_) => None,
        }
    }
}

/// A stream that is opened again when its connection is lost; see [`resume`].
#[must_use = "a stream is opened when it is polled"]
pub struct Resume<S, P, Open, Position> {
    open: Open,
    position: Position,
    items: Option<S>,
    last: Option<P>,
    /// How often it was opened since the last item.
    fruitless: u32,
}

/// A stream that goes on after a lost connection where it was interrupted.
///
/// `open` calls the method with the position of the last item that has been taken, `None` at first;
/// the method gives the items after that. `position` tells where an item stands. So no item is
/// given twice and none is left out, as far as the service keeps to it: a method that drops old
/// items ([`Incoming::skipped`](crate::Incoming::skipped)) leaves those out as ever.
///
/// Use a client that [connects again](crate::Reconnect): it decides when, and how long to wait. The
/// stream is opened again when the connection is lost or the daemon closes. All other errors end it, as
/// does one that cannot be opened because there is no connection, and the fifth loss in a row without
/// an item. Dropping it cancels the call.
///
/// ```
/// # use autod_core::{Incoming, Result, resume};
/// # struct JournalClient;
/// # impl JournalClient {
/// #     fn follow(&self, _: Option<u64>) -> Incoming<(u64, String)> { unimplemented!() }
/// # }
/// # async fn print(journal: JournalClient) -> Result<()> {
/// let mut entries = resume(|after| journal.follow(after), |(number, _)| *number);
/// while let Some(entry) = entries.next().await {
///     println!("{}", entry?.1);
/// }
/// # Ok(())
/// # }
/// ```
pub fn resume<T, E, S, P, Open, Position>(
    open: Open,
    position: Position,
) -> Resume<S, P, Open, Position>
where
    Open: FnMut(Option<P>) -> S,
    Position: FnMut(&T) -> P,
    S: Stream<Item = Result<T, E>> + Unpin,
    E: StreamError,
    P: Clone,
{
    Resume::new(open, position)
}

impl<T, E, S, P, Open, Position> Resume<S, P, Open, Position>
where
    Self: Stream<Item = Result<T, E>> + Unpin,
{
    /// The next item; `None` after the last one. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<T, E>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<S, P, Open, Position> Resume<S, P, Open, Position> {
    /// Where the last item stood that has been taken.
    pub fn position(&self) -> Option<&P> {
        self.last.as_ref()
    }
}

impl<T, E, S, P, Open, Position> Stream for Resume<S, P, Open, Position>
where
    Open: FnMut(Option<P>) -> S,
    Position: FnMut(&T) -> P,
    S: Stream<Item = Result<T, E>> + Unpin,
    E: StreamError,
    P: Clone,
{
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.fruitless > TRIES {
                return Poll::Ready(None);
            }
            let items = this.items.get_or_insert_with(|| (this.open)(this.last.clone()));
            let next = ready!(Pin::new(items).poll_next(context));
            if let Some(given) = this.take(next) {
                return Poll::Ready(given);
            }
        }
    }
}

/// With a client that blocks; [`blocking::resume`](crate::blocking::resume) makes it.
impl<T, E, S, P, Open, Position> Iterator for Resume<S, P, Open, Position>
where
    Open: FnMut(Option<P>) -> S,
    Position: FnMut(&T) -> P,
    S: Iterator<Item = Result<T, E>>,
    E: StreamError,
    P: Clone,
{
    type Item = Result<T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.fruitless > TRIES {
                return None;
            }
            let items = self.items.get_or_insert_with(|| (self.open)(self.last.clone()));
            let next = items.next();
            // Whoever has waited long enough for an item may wait again.
            if let Some(Err(error)) = &next
                && error.framework().is_some_and(Error::is_timeout)
            {
                return next;
            }
            if let Some(given) = self.take(next) {
                return given;
            }
        }
    }
}

impl<S, P, Open, Position> Resume<S, P, Open, Position> {
    pub(crate) fn new(open: Open, position: Position) -> Self {
        Self { open, position, items: None, last: None, fruitless: 0 }
    }

    /// What is given for what the stream has; `None` if it has to be opened again.
    #[expect(clippy::option_option, reason = "the inner one is that of a stream")]
    fn take<T, E>(&mut self, next: Option<Result<T, E>>) -> Option<Option<Result<T, E>>>
    where
        Position: FnMut(&T) -> P,
        E: StreamError,
    {
        match next {
            Some(Ok(item)) => {
                self.last = Some((self.position)(&item));
                self.fruitless = 0;
                Some(Some(Ok(item)))
            }
            Some(Err(error)) if self.fruitless < TRIES && was_interrupted(&error) => {
                self.items = None;
                self.fruitless += 1;
                None
            }
            end => {
                // Whatever it is asked now, it has ended.
                self.fruitless = TRIES + 1;
                self.items = None;
                Some(end)
            }
        }
    }
}

impl<S, P, Open, Position> Unpin for Resume<S, P, Open, Position> {}

/// Whether it is the connection that has ended a stream which had begun.
fn was_interrupted(error: &impl StreamError) -> bool {
    error
        .framework()
        .is_some_and(|error| error.may_have_executed() && (error.is_lost() || error.is_closing()))
}
