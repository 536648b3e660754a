//! What a connection needs of its transport, beyond tokio's traits.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::UnixStream;

use super::shared::Shared;

/// A byte stream that a connection runs on.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Reads what is there already, past the runtime, which may not have heard of it yet.
    ///
    /// The runtime's readiness is not changed by it: what has been read this way may wake a task in
    /// vain once, and nothing that comes later is missed, because each arrival is an event.
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether there is something to read: as [`read_now`](Self::read_now) of one byte, which stays.
    fn peek_now(&self) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// It is that of a connector, whose state this is.
    fn joined(&mut self, _: &Arc<Shared>) {}

    /// Says how much the kernel is to take before the other end has read it.
    fn make_room(&self, room: Room);
}

/// What the kernel is to take before the other end has read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Room {
    /// As much as it takes by itself.
    #[default]
    Usual,
    /// Long messages are written, and nobody waits behind them.
    Wide,
    /// What is written waits for all that the kernel has taken, and somebody waits for it.
    Narrow,
}

impl Room {
    /// The bytes that the kernel is asked for. It may give less, and counts its own expense.
    fn bytes(self) -> Option<usize> {
        match self {
            Self::Usual => None,
            // More would not stay in a processor's cache between the two ends.
            Self::Wide => Some(256 << 10),
            Self::Narrow => Some(16 << 10),
        }
    }
}

impl Transport for UnixStream {
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.as_fd(), buffer)?)
    }

    fn peek_now(&self) -> io::Result<usize> {
        peek_now(self)
    }

    fn make_room(&self, room: Room) {
        make_room(self, room);
    }
}

/// [`Transport::peek_now`] of a socket.
pub(super) fn peek_now(socket: &impl AsFd) -> io::Result<usize> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let (length, _) = rustix::net::recv(socket, &mut [0], flags)?;
    Ok(length)
}

/// [`Transport::make_room`] of a socket.
pub(super) fn make_room(socket: &impl AsFd, room: Room) {
    if let Some(bytes) = room.bytes() {
        // It goes on with what it has.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(socket, bytes);
    }
}

/// Its other end is a task of the same process, which has to get its turn.
impl Transport for DuplexStream {
    fn read_now(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn make_room(&self, _: Room) {}
}
