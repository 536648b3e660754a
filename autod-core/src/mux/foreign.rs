//! Any byte stream as the transport of a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::keep_alive::KeepAlive;
use super::shared::Shared;
use super::transport::{Room, Transport};

/// A byte stream of which nothing is known. What is written is flushed at once: it may be kept in
/// a buffer, as TLS does.
pub(crate) struct Foreign<T> {
    io: T,
    /// Something was written and may not have left.
    unflushed: bool,
    keep_alive: Option<KeepAlive>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Foreign<T> {
    pub(crate) fn new(io: T) -> Self {
        Self { io, unflushed: false, keep_alive: None }
    }

    /// From now on the other end is expected to say something now and then.
    pub(crate) fn keep_alive(&mut self, keep_alive: KeepAlive) {
        self.keep_alive = Some(keep_alive);
    }

    /// Whoever waits for the stream is woken when it can go on; an error is met by the next read or
    /// write.
    fn flush(&mut self, context: &mut Context<'_>) {
        if self.unflushed {
            self.unflushed = Pin::new(&mut self.io).poll_flush(context).is_pending();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Foreign<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.flush(context);
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        match &mut self.keep_alive {
            Some(keep_alive) if read.is_pending() => keep_alive.poll_gone(context).map(Err),
            Some(keep_alive) => {
                keep_alive.heard();
                read
            }
            None => read,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Foreign<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.unflushed |= matches!(written, Poll::Ready(Ok(_)));
        self.flush(context);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, parts);
        self.unflushed |= matches!(written, Poll::Ready(Ok(_)));
        self.flush(context);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for Foreign<T> {
    /// It may be the end of something that has to be polled to hear anything.
    fn read_now(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn joined(&mut self, shared: &Arc<Shared>) {
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.begin(shared);
        }
    }

    fn make_room(&self, _: Room) {}
}
