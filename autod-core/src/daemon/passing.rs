//! Descriptors that travel between two processes, and the sockets that they travel through.
//!
//! What is on its way lies in the queue of the receiving socket: the kernel closes it with the last
//! copy of that socket. What the bytes mean is not known here.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// The most descriptors of one message.
const MOST: usize = 2;

/// A pair of connected sockets that no exec inherits by itself and that never raise a signal.
pub(super) fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let pair = UnixStream::pair()?;
    #[cfg(target_os = "macos")]
    for socket in [&pair.0, &pair.1] {
        rustix::net::sockopt::set_socket_nosigpipe(socket.as_fd(), true)?;
    }
    Ok(pair)
}

/// Sends as much as fits, the descriptors with the first byte, and says how much that was; never
/// waits.
pub(super) fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let bytes = [IoSlice::new(bytes)];
    let flags = SendFlags::DONTWAIT | no_signal();
    let sent =
        rustix::io::retry_on_intr(|| rustix::net::sendmsg(&socket, &bytes, &mut control, flags))?;
    Ok(sent)
}

/// Receives once: how many bytes came, and the descriptors that came with them.
pub(super) fn receive(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let count = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(bytes)], &mut control, close_on_exec())
    })?
    .bytes;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    #[cfg(not(target_os = "linux"))]
    for descriptor in &descriptors {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok((count, descriptors))
}

#[cfg(target_os = "linux")]
fn close_on_exec() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

#[cfg(not(target_os = "linux"))]
fn close_on_exec() -> RecvFlags {
    RecvFlags::empty()
}

/// A reader that is gone is an error, not a signal. On macOS the socket itself says so.
#[cfg(target_os = "linux")]
pub(super) fn no_signal() -> SendFlags {
    SendFlags::NOSIGNAL
}

#[cfg(not(target_os = "linux"))]
pub(super) fn no_signal() -> SendFlags {
    SendFlags::empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::files::Found;

    #[test]
    fn descriptors_arrive_with_the_first_byte_and_no_exec_inherits_them() {
        let (ours, theirs) = pair().unwrap();
        let files = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
        let sent = send(&ours, b"two", &[files[0].as_fd(), files[1].as_fd()]).unwrap();
        assert_eq!(sent, 3);
        let mut bytes = [0; 1];
        let (count, received) = receive(&theirs, &mut bytes).unwrap();
        assert_eq!((count, &bytes), (1, b"t"));
        assert_eq!(received.len(), 2);
        for (received, file) in received.iter().zip(&files) {
            assert!(Found::of(received).unwrap().is_same(&Found::of(file).unwrap()));
            let flags = rustix::io::fcntl_getfd(received).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        assert_eq!(receive(&theirs, &mut [0; 9]).unwrap().0, 2);
    }

    #[test]
    fn nobody_waits_and_nobody_is_killed() {
        let (ours, theirs) = pair().unwrap();
        let much = vec![0; 1 << 20];
        assert!(send(&ours, &much, &[]).unwrap() < much.len());
        let full = loop {
            if let Err(error) = send(&ours, &much, &[]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        drop(theirs);
        assert_eq!(send(&ours, b"x", &[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
