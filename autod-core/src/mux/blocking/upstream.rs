//! The caller's items, as they come from an iterator.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;

/// An iterator as a stream.
///
/// To ask an iterator may block, on a terminal for example, and what was given before should not wait
/// for that. So each item is sent before the next one is asked for, unless the iterator knows that
/// there are more.
struct Items<I> {
    iterator: I,
    /// What came last has been passed on, and may not have been sent.
    pending: bool,
}

impl<I: Iterator + Unpin> Stream for Items<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<I::Item>> {
        if self.pending && self.iterator.size_hint().0 == 0 {
            self.pending = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.pending = true;
        Poll::Ready(self.iterator.next())
    }
}

/// The items of an iterator, as the stream that the async method takes.
pub fn items<T>(
    items: impl IntoIterator<Item = T, IntoIter: Send + 'static>,
) -> impl Stream<Item = T> + Send + Unpin + 'static {
    Items { iterator: Box::new(items.into_iter()), pending: false }
}
