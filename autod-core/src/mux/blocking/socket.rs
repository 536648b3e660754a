//! The system calls of a blocking connection.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

/// Nothing blocks, and nobody is killed by a signal.
#[cfg(target_os = "linux")]
const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
/// std has turned the signal off where the socket is made.
#[cfg(not(target_os = "linux"))]
const SEND: SendFlags = SendFlags::DONTWAIT;

/// What a wait has found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    /// Of the first of the descriptors; may be none.
    Events(PollFlags),
    TimedOut,
}

/// Waits until one of them is ready.
pub(crate) fn wait(on: &[(BorrowedFd<'_>, PollFlags)], until: Option<Instant>) -> Ready {
    let mut polled: Vec<_> =
        on.iter().map(|(fd, events)| PollFd::from_borrowed_fd(*fd, *events)).collect();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) if left.is_none() => {}
            Ok(0) => return Ready::TimedOut,
            Err(Errno::INTR) => {}
            // Whoever reads or writes is told what is wrong.
            Err(_) => return Ready::Events(on[0].1),
            Ok(_) => return Ready::Events(polled[0].revents()),
        }
    }
}

/// Reads, and waits for something to read.
pub(super) fn receive(socket: &UnixStream, buffer: &mut [u8]) -> io::Result<usize> {
    receive_with(socket, buffer, RecvFlags::empty())
}

/// Reads what is there.
pub(in crate::mux) fn receive_now(socket: &UnixStream, buffer: &mut [u8]) -> io::Result<usize> {
    receive_with(socket, buffer, RecvFlags::DONTWAIT)
}

fn receive_with(socket: &UnixStream, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    loop {
        match recv(socket, &mut *buffer, flags) {
            Ok((_, count)) => return Ok(count),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes what the kernel takes at once.
pub(in crate::mux) fn send_now(socket: &UnixStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match send(socket, bytes, SEND) {
            Err(Errno::INTR) => {}
            sent => return Ok(sent?),
        }
    }
}

/// As [`send_now`], of several parts.
pub(in crate::mux) fn send_parts_now(
    socket: &UnixStream,
    parts: &[IoSlice<'_>],
) -> io::Result<usize> {
    loop {
        match sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), SEND) {
            Err(Errno::INTR) => {}
            sent => return Ok(sent?),
        }
    }
}
