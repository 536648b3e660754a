//! A byte stream, as the handler of a call has it.

use std::io::{self, ErrorKind as IoErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::chunks::Chunk;
use super::flow::{Received, Role};
use super::serving::Ticket;
use super::shared::Shared;
use crate::error::Error;
use crate::wire::frame::MAX_PIECE;

/// The daemon's end of a byte stream: the last argument of a method.
///
/// ```text
/// #[autod::service]
/// pub trait Upper {
///     /// Gives back what it gets in upper case, and how many bytes that were.
///     async fn upper(&self, bytes: autod::ByteStream) -> Result<u64, String>;
/// }
/// ```
///
/// The client's method leaves the argument out and returns the other end, a
/// [`Pipe`](crate::Pipe). Each direction is sent no further ahead than
/// [`Limits::window`](crate::Limits::window), 256 KiB by default. Flushing does nothing: what is
/// written is on its way.
///
/// - Reading gives 0 bytes when the caller has shut down its side. It fails when the caller has
///   cancelled, the connection is lost, the daemon is closing or the handler has answered; the cause
///   is an [`Error`](crate::Error). When the daemon is closing, what has come is still given.
/// - `shutdown` ends the caller's reading and lets this end read on. The caller reads to the end too
///   when the method has answered with a value. So a handler that fails does not look like one that
///   is done, also if it drops this; dropping it only tells the caller to write no more.
/// - Writing fails when the call is over.
#[derive(Debug)]
pub struct ByteStream {
    shared: Arc<Shared>,
    ticket: Ticket,
    chunk: Chunk,
}

impl ByteStream {
    pub(super) fn new(shared: &Arc<Shared>, ticket: Ticket) -> Self {
        Self { shared: Arc::clone(shared), ticket, chunk: Chunk::default() }
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.chunk.read(buffer) {
            match ready!(this.shared.poll_receive(Role::Callee(this.ticket), context)) {
                Received::Chunk(chunk) => this.chunk = chunk,
                Received::Finished | Received::End(_) => break,
                Received::Cut(error) => return Poll::Ready(Err(error.into_io())),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_write(&self.shared, Role::Callee(self.ticket), bytes, context)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.half_close(Role::Callee(self.ticket));
        Poll::Ready(Ok(()))
    }
}

impl Drop for ByteStream {
    fn drop(&mut self) {
        self.shared.refuse(self.ticket);
    }
}

impl Chunk {
    /// Moves bytes into a buffer. `false` if there are none to move.
    pub(super) fn read(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let rest = &self.bytes.head[self.at..];
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..length]);
        self.at += length;
        length > 0 || buffer.remaining() == 0
    }
}

/// Sends some bytes, at most a piece.
pub(super) fn poll_write(
    shared: &Shared,
    role: Role,
    bytes: &[u8],
    context: &Context<'_>,
) -> Poll<io::Result<usize>> {
    let length = bytes.len().min(MAX_PIECE);
    if length == 0 {
        return Poll::Ready(Ok(0));
    }
    Poll::Ready(match ready!(shared.poll_send(role, 0, &bytes[..length], context)) {
        Ok(()) => Ok(length),
        Err(_) => Err(over()),
    })
}

/// The error of a write that nobody takes.
pub(super) fn over() -> io::Error {
    io::Error::new(IoErrorKind::BrokenPipe, "the other end takes no more bytes")
}

impl Error {
    /// The same as an error of reading or writing.
    pub(super) fn into_io(self) -> io::Error {
        let kind = if self.is_lost() {
            IoErrorKind::ConnectionReset
        } else if self.is_closing() || self.is_cancelled() {
            IoErrorKind::ConnectionAborted
        } else {
            IoErrorKind::Other
        };
        io::Error::new(kind, self)
    }
}
