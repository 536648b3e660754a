//! A stream that comes from the other end.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::{failure, message, undecodable};
use super::connection::Connection;
use super::outgoing::{End, Expect, Items};
use super::queue::Place;
use crate::codec;
use crate::error::{Error, ErrorKind};
use crate::service::Method;

/// The items of a streaming method.
///
/// Nothing is sent before the first poll. The daemon sends ahead as much as
/// [`Limits::window`](crate::Limits::window) allows and then waits. An item that is an error is the
/// last one; dropping the stream cancels it.
///
/// ```no_run
/// # async fn watch(mut totals: autod_core::Incoming<i64>) -> autod_core::Result<()> {
/// while let Some(total) = totals.next().await {
///     println!("{}", total?);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream is opened when it is polled"]
pub struct Incoming<T> {
    connection: Connection,
    method: &'static Method,
    stage: Stage,
    items: Items,
    output: PhantomData<fn() -> T>,
}

enum Stage {
    /// `Some`: it has a place in the queue for a slot.
    Unsent(Vec<u8>, Option<Place>),
    Failed(Option<Error>),
    Open(u32),
    Done,
}

/// Calls a method that answers with a stream.
pub fn open<T: DeserializeOwned + Send + 'static>(
    connection: &Connection,
    method: &'static Method,
    arguments: &impl Serialize,
) -> Incoming<T> {
    let stage = match message(connection, method, arguments) {
        Ok(message) => Stage::Unsent(message, None),
        Err(error) => Stage::Failed(Some(error)),
    };
    Incoming {
        connection: connection.clone(),
        method,
        stage,
        items: Items::default(),
        output: PhantomData,
    }
}

impl<T: DeserializeOwned> Incoming<T> {
    /// The next item; `None` after the last one. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    fn decode_next(&mut self) -> Result<T, Error> {
        self.items.count -= 1;
        let rest = self.items.bytes.get(self.items.at..).unwrap_or_default();
        let (item, length) = codec::decode_prefix(rest)?;
        self.items.at += length;
        if self.items.count == 0 && self.items.at != self.items.bytes.len() {
            return Err(Error::new(ErrorKind::Codec, "bytes are left over after the last item"));
        }
        Ok(item)
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<T, Error>>> {
        self.close();
        Poll::Ready(Some(Err(error)))
    }
}

impl<T> Incoming<T> {
    fn close(&mut self) {
        self.items = Items::default();
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Open(index) => self.connection.shared().abandon(index),
            Stage::Unsent(_, Some(place)) => self.connection.shared().give_up(place),
            Stage::Unsent(_, None) | Stage::Failed(_) | Stage::Done => {}
        }
    }
}

impl<T: DeserializeOwned> Stream for Incoming<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.items.count > 0 {
                return match this.decode_next() {
                    Ok(item) => Poll::Ready(Some(Ok(item))),
                    Err(error) => this.fail(undecodable(this.method, error)),
                };
            }
            let shared = this.connection.shared();
            match &mut this.stage {
                Stage::Unsent(message, place) => {
                    match shared.poll_begin(Expect::Items, message, place, context) {
                        Poll::Ready(Ok(index)) => this.stage = Stage::Open(index),
                        Poll::Ready(Err(error)) => {
                            this.stage = Stage::Done;
                            return Poll::Ready(Some(Err(error)));
                        }
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Stage::Open(index) => match ready!(shared.poll_items(*index, context)) {
                    Ok(items) => this.items = items,
                    Err(end) => {
                        this.stage = Stage::Done;
                        return Poll::Ready(match end {
                            End::Finished => None,
                            other => Some(Err(failure(other, this.method))),
                        });
                    }
                },
                Stage::Failed(error) => {
                    let error = error.take();
                    this.stage = Stage::Done;
                    return Poll::Ready(error.map(Err));
                }
                Stage::Done => return Poll::Ready(None),
            }
        }
    }
}

impl<T> Unpin for Incoming<T> {}

impl<T> Drop for Incoming<T> {
    fn drop(&mut self) {
        self.close();
    }
}
