//! A stream that comes from the other end.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use serde::de::DeserializeOwned;

use super::asked::{End, Expect};
use super::call::service_error;
use super::chunks::Chunk;
use super::connection::Connection;
use super::flow::{Received, Role};
use super::outcall::{Outcall, Upstream};
use super::serving::Ticket;
use super::shared::Shared;
use crate::arguments::Arguments;
use crate::codec::{self, Codec};
use crate::error::{CallError, Error, ErrorKind};
use crate::service::Method;

/// A stream of items from the other end: what a streaming method answers, or what a caller sends.
///
/// The other end sends ahead as much as [`Limits::window`](crate::Limits::window) allows and then
/// waits, unless the method drops old items instead ([`skipped`](Self::skipped)). It ends in one of
/// these ways:
///
/// - `None` after the last item: the other end has sent all of it;
/// - one last item that is an error, then `None`. The error tells whether the stream was
///   [cancelled](Error::is_cancelled), the [connection is lost](Error::is_lost) or the
///   [daemon is closing](Error::is_closing); otherwise it failed, or it is the service's own error.
///
/// **At the caller** nothing is sent before the first poll, and dropping the stream cancels the call.
/// A stream among the arguments is sent while this one is polled.
///
/// **In a handler** dropping it tells the caller to send no more. A handler whose caller cancels is
/// dropped; it does not see the error, but a task to which it gave the stream does. When the handler
/// has answered, its stream is over too. When the daemon is closing, what has come is still given.
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
pub struct Incoming<T, E = Error> {
    source: Source<E>,
    chunk: Chunk,
    skipped: u64,
    /// The way to an item of another codec than the usual one.
    decode: Option<DecodeItem<T>>,
    output: PhantomData<fn() -> T>,
}

/// Decodes the first item of what there is, and tells how long it was.
pub(super) type DecodeItem<T> = fn(&[u8]) -> Result<(T, usize), Error>;

enum Source<E> {
    Answer(Outcall, fn(End, &Outcall) -> E),
    Argument(Arc<Shared>, Ticket),
    Done,
}

/// Calls a method that answers with a stream.
pub fn open<T: DeserializeOwned + Send + 'static>(
    connection: &Connection,
    method: &'static Method,
    arguments: impl Arguments,
    upstream: Upstream,
) -> Incoming<T> {
    let outcall = Outcall::new(connection, method, arguments, Expect::Items, upstream);
    Incoming::new(Source::Answer(outcall, |end, outcall| outcall.failure(end)))
}

/// Calls a method that answers with a stream, or with an error of its own.
pub fn open_fallible<T, E>(
    connection: &Connection,
    method: &'static Method,
    arguments: impl Arguments,
    upstream: Upstream,
) -> Incoming<T, CallError<E>>
where
    T: DeserializeOwned + Send + 'static,
    E: DeserializeOwned + Send + 'static,
{
    let outcall = Outcall::new(connection, method, arguments, Expect::Items, upstream);
    Incoming::new(Source::Answer(outcall, service_error))
}

impl<T: DeserializeOwned + 'static> Incoming<T> {
    /// The caller's stream of a call that is answered.
    pub(super) fn of_call(shared: &Arc<Shared>, ticket: Ticket) -> Self {
        let mut items = Self::new(Source::Argument(Arc::clone(shared), ticket));
        items.decode = match shared.codec {
            Codec::Bincode => None,
            #[cfg(feature = "json")]
            Codec::Json => Some(codec::json::decode_prefix),
        };
        items
    }
}

impl<T, E> Incoming<T, E> {
    /// The answer of a call that is encoded otherwise.
    #[cfg(feature = "json")]
    pub(super) fn of_answer(
        outcall: Outcall,
        fail: fn(End, &Outcall) -> E,
        decode: DecodeItem<T>,
    ) -> Self {
        let mut items = Self::new(Source::Answer(outcall, fail));
        items.decode = Some(decode);
        items
    }

    fn new(source: Source<E>) -> Self {
        Self { source, chunk: Chunk::default(), skipped: 0, decode: None, output: PhantomData }
    }

    /// How many items were dropped before the one that came last, in all: those that a method with
    /// `#[autod(drop_oldest = ..)]` did not keep because they were not taken in time. 0 otherwise.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The method that answers with it; nothing for a caller's stream.
    pub(super) fn method(&self) -> &'static str {
        match &self.source {
            Source::Answer(outcall, _) => outcall.method.name,
            _ => "",
        }
    }

    fn close(&mut self) {
        self.chunk = Chunk::default();
        if let Source::Argument(shared, ticket) = &self.source {
            shared.refuse(*ticket);
        }
        self.source = Source::Done;
    }
}

impl<T: DeserializeOwned + 'static, E: From<Error>> Incoming<T, E> {
    /// The next item; `None` after the last one. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<T, E>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The next item, if it has been taken from the connection already.
    pub(super) fn next_now(&mut self) -> Option<Result<T, E>> {
        (self.chunk.count > 0).then(|| self.next_of_chunk())
    }

    fn next_of_chunk(&mut self) -> Result<T, E> {
        self.decode_next().map_err(|cause| {
            let error = self.undecodable(cause);
            self.close();
            error.into()
        })
    }

    fn decode_next(&mut self) -> Result<T, Error> {
        self.chunk.count -= 1;
        // The last item may take what is apart.
        let end = (self.chunk.count == 0).then(|| self.chunk.bytes.len());
        let (item, length) = match self.decode {
            None => codec::decode_from(&mut self.chunk.bytes, self.chunk.at)?,
            Some(decode) => {
                self.chunk.bytes.join();
                decode(self.chunk.bytes.head.get(self.chunk.at..).unwrap_or_default())?
            }
        };
        self.chunk.at += length;
        if end.is_some_and(|end| self.chunk.at != end) {
            return Err(Error::new(ErrorKind::Codec, "bytes are left over after the last item"));
        }
        Ok(item)
    }

    fn undecodable(&self, cause: Error) -> Error {
        match &self.source {
            Source::Answer(outcall, _) => outcall.undecodable(cause),
            _ => Error::new(ErrorKind::Codec, "an item of the caller's stream does not decode")
                .caused_by(cause),
        }
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Chunk>, E>> {
        let received = match &mut self.source {
            Source::Answer(outcall, _) => {
                let received = ready!(outcall.poll_receive(context));
                received.map_err(|error| outcall.named(error))?
            }
            Source::Argument(shared, ticket) => {
                ready!(shared.poll_receive(Role::Callee(*ticket), context))
            }
            Source::Done => return Poll::Ready(Ok(None)),
        };
        Poll::Ready(match (received, &self.source) {
            (Received::Chunk(chunk), _) => Ok(Some(chunk)),
            (Received::Finished | Received::End(End::Finished), _) => Ok(None),
            (Received::End(end), Source::Answer(outcall, fail)) => Err(fail(end, outcall)),
            (Received::End(_), _) => Ok(None),
            (Received::Cut(error), Source::Answer(outcall, _)) => Err(outcall.named(error).into()),
            (Received::Cut(error), _) => Err(error.into()),
        })
    }
}

impl<T: DeserializeOwned + 'static, E: From<Error>> Stream for Incoming<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while this.chunk.count == 0 {
            match ready!(this.poll_chunk(context)) {
                Ok(Some(chunk)) => {
                    this.skipped = this.skipped.saturating_add(chunk.skipped);
                    this.chunk = chunk;
                }
                Ok(None) => {
                    this.source = Source::Done;
                    return Poll::Ready(None);
                }
                Err(error) => {
                    this.source = Source::Done;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(Some(this.next_of_chunk()))
    }
}

impl<T, E> Unpin for Incoming<T, E> {}

impl<T, E> Drop for Incoming<T, E> {
    fn drop(&mut self) {
        self.close();
    }
}
