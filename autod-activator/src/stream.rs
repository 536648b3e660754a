//! A connected stream, TCP or Unix.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, shutdown, sockopt,
};
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

use crate::address::Address;

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let (stream, peer) = connect_tcp(address).await?;
                // A port that nobody listens on may be given to our own end; TCP then connects it to
                // itself.
                if stream.local_addr()? == peer {
                    let _ = sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let _ = stream.set_nodelay(true);
                Ok(Self::Tcp(stream))
            }
            Address::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
        }
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(interest).await,
            Self::Unix(stream) => stream.ready(interest).await,
        }
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
        }
    }

    pub(crate) fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(buffer),
            Self::Unix(stream) => stream.try_write(buffer),
        }
    }

    /// Reads what is there by now, whether or not the runtime has heard of it yet.
    pub(crate) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(self, buffer, RecvFlags::DONTWAIT)?.0)
    }

    /// Writes what there is room for, whether or not the runtime has heard of it yet.
    pub(crate) fn write_now(&self, buffer: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self, buffer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    /// Does what fails with `WouldBlock` when the socket is not ready for it.
    #[cfg(target_os = "linux")]
    pub(crate) fn try_io<T>(
        &self,
        interest: Interest,
        work: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match self {
            Self::Tcp(stream) => stream.try_io(interest, work),
            Self::Unix(stream) => stream.try_io(interest, work),
        }
    }

    /// Says that nothing more is written.
    pub(crate) fn finish(&self) {
        // The other end may be gone, which it is told as well.
        let _ = shutdown(self, Shutdown::Write);
    }

    /// Closes it in a way that cannot be mistaken for an answer. A Unix socket can say so only if
    /// there is something unread.
    pub(crate) fn reset(self) {
        let _ = sockopt::set_socket_linger(&self, Some(Duration::ZERO));
    }
}

/// On the loopback device it is connected when the system call returns, although that says that it is
/// in progress: whoever looks need not wait to be woken.
async fn connect_tcp(address: &SocketAddr) -> io::Result<(TcpStream, SocketAddr)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from_std(socket.into())?;
    if let Ok(peer) = stream.peer_addr() {
        return Ok((stream, peer));
    }
    stream.writable().await?;
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    let peer = stream.peer_addr()?;
    Ok((stream, peer))
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
