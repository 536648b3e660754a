//! A byte stream, as the caller of a method has it.

use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_util::task::AtomicWaker;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::asked::{End, Expect};
use super::bytes::{over, poll_write};
use super::call::{Decode, decode_result, decode_value};
use super::chunks::Chunk;
use super::connection::Connection;
use super::failure::Called;
use super::flow::{Received, Role};
use super::outcall::{Outcall, Upstream};
use crate::arguments::Arguments;
use crate::error::{CallError, Error, ErrorKind, chain};
use crate::service::Method;
use crate::wire::frame::FailCode;

/// The caller's end of a byte stream to a method, and the call itself.
///
/// What is written goes to the handler's [`ByteStream`](crate::ByteStream), and the other way round.
/// Nothing is sent before the first use. Each direction is sent no further ahead than
/// [`Limits::window`](crate::Limits::window), 256 KiB by default; flushing does nothing. Both
/// directions can be used at once, also from two tasks, with `tokio::io::split`.
///
/// - `shutdown` ends what the handler reads and lets this end read on.
/// - Reading gives 0 bytes when the handler has shut down its side, or has answered with a value. It
///   fails when the method failed, the call was cancelled, the connection is lost or the daemon is
///   closing.
/// - Writing fails when the handler takes no more; what became of the call tells
///   [`finish`](Self::finish).
/// - Dropping it before the end of the call cancels the call.
#[must_use = "a byte stream is opened when it is used"]
pub struct Pipe<T, E = Error> {
    outcall: Outcall,
    decode: Decode<T, E>,
    chunk: Chunk,
    /// What became of the call.
    end: Option<Result<End, Error>>,
    /// This end has been shut down.
    shut: bool,
    opening: Arc<Opening>,
    output: PhantomData<fn() -> (T, E)>,
}

/// Whoever waits until the call can be sent: two tasks may use one pipe.
#[derive(Default)]
struct Opening {
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Wake for Opening {
    fn wake(self: Arc<Self>) {
        self.reader.wake();
        self.writer.wake();
    }
}

/// Calls a method with a byte stream that cannot fail by itself.
pub fn pipe<T: DeserializeOwned + Send + 'static>(
    connection: &Connection,
    method: &'static Method,
    arguments: impl Arguments,
) -> Pipe<T> {
    Pipe::new(connection, method, arguments, decode_value)
}

/// Calls a method with a byte stream that returns a `Result`.
pub fn pipe_fallible<T, E>(
    connection: &Connection,
    method: &'static Method,
    arguments: impl Arguments,
) -> Pipe<T, CallError<E>>
where
    T: DeserializeOwned + Send + 'static,
    E: DeserializeOwned + Send + 'static,
{
    Pipe::new(connection, method, arguments, decode_result)
}

impl<T, E> Pipe<T, E> {
    fn new(
        connection: &Connection,
        method: &'static Method,
        arguments: impl Arguments,
        decode: Decode<T, E>,
    ) -> Self {
        let outcall = Outcall::new(connection, method, arguments, Expect::Bytes, Upstream::NONE);
        Self::of(outcall, decode)
    }

    /// The method that was called.
    pub(super) fn method(&self) -> Called {
        self.outcall.method
    }

    pub(super) fn of(outcall: Outcall, decode: Decode<T, E>) -> Self {
        Self {
            outcall,
            decode,
            chunk: Chunk::default(),
            end: None,
            shut: false,
            opening: Arc::default(),
            output: PhantomData,
        }
    }

    /// Sends the call, once. An error is the end of it.
    fn poll_open(
        &mut self,
        waiting: fn(&Opening) -> &AtomicWaker,
        context: &Context<'_>,
    ) -> Poll<Option<Role>> {
        if self.end.is_some() {
            return Poll::Ready(None);
        }
        if let Some(index) = self.outcall.index() {
            return Poll::Ready(Some(Role::Caller(index)));
        }
        waiting(&self.opening).register(context.waker());
        let waker = Waker::from(Arc::clone(&self.opening));
        let opened = ready!(self.outcall.poll_open(&waker));
        waker.wake();
        Poll::Ready(match opened {
            Ok(index) => Some(Role::Caller(index)),
            Err(error) => {
                self.end = Some(Err(self.outcall.named(error)));
                None
            }
        })
    }

    /// The next bytes; `None` at the end of them.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        if ready!(self.poll_open(|opening| &opening.reader, context)).is_none() {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.outcall.poll_receive(context)) {
            Ok(Received::Chunk(chunk)) => Some(chunk),
            Ok(Received::Finished) => None,
            Ok(Received::End(end)) => {
                self.end = Some(Ok(end));
                None
            }
            Ok(Received::Cut(error)) | Err(error) => {
                self.end = Some(Err(self.outcall.named(error)));
                None
            }
        })
    }

    /// Why reading ends: as it should, or not.
    fn end_of_reading(&self) -> io::Result<()> {
        let error = match &self.end {
            None | Some(Ok(End::Value(_))) => return Ok(()),
            Some(Ok(End::Fail(FailCode::Service, _))) => {
                let name = self.outcall.method.name;
                Error::new(ErrorKind::Service, format!("{name} failed with an error of its own"))
            }
            Some(Ok(end)) => self.outcall.failure(end.clone()),
            Some(Err(error)) => return Err(io::Error::other(chain(error))),
        };
        Err(error.into_io())
    }

    fn poll_shut(&mut self, context: &Context<'_>) -> Poll<()> {
        if !self.shut
            && let Some(role) = ready!(self.poll_open(|opening| &opening.writer, context))
        {
            self.outcall.shared().half_close(role);
        }
        self.shut = true;
        Poll::Ready(())
    }
}

impl<T, E: From<Error>> Pipe<T, E> {
    /// Shuts down this end, reads and throws away what the handler still sends, and gives what the
    /// method answers. Dropping the future cancels the call.
    ///
    /// # Errors
    ///
    /// Those of a [`Call`](crate::Call).
    pub async fn finish(mut self) -> Result<T, E> {
        std::future::poll_fn(|context| self.poll_finish(context)).await
    }

    pub(super) fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<Result<T, E>> {
        ready!(self.poll_shut(context));
        while ready!(self.poll_chunk(context)).is_some() {}
        let end = if let Some(end) = self.end.take() {
            end?
        } else {
            let end = ready!(self.outcall.poll_end(context));
            end.map_err(|error| self.outcall.named(error))?
        };
        Poll::Ready((self.decode)(end, &self.outcall))
    }
}

impl<T, E> AsyncRead for Pipe<T, E> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.chunk.read(buffer) {
            match ready!(this.poll_chunk(context)) {
                Some(chunk) => this.chunk = chunk,
                None => return Poll::Ready(this.end_of_reading()),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T, E> AsyncWrite for Pipe<T, E> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(self.poll_open(|opening| &opening.writer, context)) {
            Some(role) => poll_write(self.outcall.shared(), role, bytes, context),
            None => Poll::Ready(Err(over())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_shut(context).map(Ok)
    }
}

impl<T, E> Unpin for Pipe<T, E> {}
