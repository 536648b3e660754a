//! What a starter hands to its daemon: the settings, and with them the life lock and the door.
//!
//! One message with a length before it, on a socket that the daemon inherits; the two descriptors
//! travel with its first bytes. The payload is the callers' own and is not looked into.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use super::locks::LifeLock;
use crate::error::{Error, Result};

const LIMIT: usize = 16 << 20;

/// What the daemon is told; it overrides what its main computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Drawn by the starter; the environment names it too, so that no other socket is taken for this one.
    pub(super) nonce: u64,
    pub(super) app: String,
    pub(super) sock: PathBuf,
    pub(super) explicit: bool,
    pub(super) payload: Vec<u8>,
}

impl Settings {
    fn encode(&self) -> io::Result<Vec<u8>> {
        let fields =
            [self.app.as_bytes(), self.sock.as_os_str().as_bytes(), self.payload.as_slice()];
        let mut body = self.nonce.to_le_bytes().to_vec();
        body.push(u8::from(self.explicit));
        for field in fields {
            body.extend(prefix(field.len())?);
            body.extend(field);
        }
        let mut message = prefix(body.len())?.to_vec();
        message.extend(body);
        Ok(message)
    }

    /// Sends the settings with the life lock and the door; gives back what did not fit yet.
    pub(super) fn hand_over(
        &self,
        socket: &impl AsFd,
        life: &LifeLock,
        listener: &UnixListener,
    ) -> Result<Vec<u8>> {
        send(socket, self, life.as_fd(), listener.as_fd())
            .map_err(|error| Error::system("cannot hand the settings to the daemon", error))
    }

    fn decode(mut body: &[u8]) -> Option<Self> {
        let nonce = u64::from_le_bytes(*take(&mut body, 8)?.first_chunk()?);
        let explicit = match take(&mut body, 1)? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        let mut field = || {
            let length = u32::from_le_bytes(*take(&mut body, 4)?.first_chunk()?);
            take(&mut body, usize::try_from(length).ok()?).map(<[u8]>::to_vec)
        };
        let settings = Self {
            nonce,
            explicit,
            app: String::from_utf8(field()?).ok()?,
            sock: PathBuf::from(OsString::from_vec(field()?)),
            payload: field()?,
        };
        body.is_empty().then_some(settings)
    }
}

fn prefix(length: usize) -> io::Result<[u8; 4]> {
    u32::try_from(length).ok().filter(|_| length <= LIMIT).map(u32::to_le_bytes).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the settings are larger than 16 MiB")
    })
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

/// Sends as much as fits, the descriptors included, and gives back the rest.
///
/// It is done before the daemon exists, so no starter can die between the spawn and the hand-over.
pub(super) fn send(
    socket: &impl AsFd,
    settings: &Settings,
    life: BorrowedFd<'_>,
    listener: BorrowedFd<'_>,
) -> io::Result<Vec<u8>> {
    let mut message = settings.encode()?;
    let descriptors = [life, listener];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let sent = rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(
            socket,
            &[IoSlice::new(&message)],
            &mut control,
            SendFlags::DONTWAIT | no_signal(),
        )
    })?;
    Ok(message.split_off(sent))
}

/// Receives the settings, the life lock and the door.
pub(super) fn receive(mut socket: &UnixStream) -> io::Result<(Settings, OwnedFd, OwnedFd)> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let count = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut head)],
            &mut control,
            close_on_exec(),
        )
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
    socket.read_exact(&mut head[count..])?;
    let length = u32::from_le_bytes(head) as usize;
    if length > LIMIT {
        return Err(broken("the settings are larger than 16 MiB"));
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    let settings = Settings::decode(&body).ok_or_else(|| broken("the settings cannot be read"))?;
    let [life, listener]: [OwnedFd; 2] =
        descriptors.try_into().map_err(|_| broken("the lock and the door did not come along"))?;
    Ok((settings, life, listener))
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

/// A pair of connected sockets that no exec inherits by itself and that never raise a signal.
pub(super) fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let pair = UnixStream::pair()?;
    #[cfg(target_os = "macos")]
    for socket in [&pair.0, &pair.1] {
        rustix::net::sockopt::set_socket_nosigpipe(socket.as_fd(), true)?;
    }
    let _ = pair.0.as_fd();
    Ok(pair)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::daemon::files::Found;

    fn settings(payload: usize) -> Settings {
        Settings {
            nonce: 7,
            app: "counter".to_owned(),
            sock: "/run/x/sock".into(),
            explicit: true,
            payload: vec![9; payload],
        }
    }

    #[test]
    fn settings_and_descriptors_arrive_together() {
        let (ours, theirs) = pair().unwrap();
        let one = tempfile::tempfile().unwrap();
        let two = tempfile::tempfile().unwrap();
        let rest = send(&ours, &settings(3), one.as_fd(), two.as_fd()).unwrap();
        assert!(rest.is_empty());
        let (received, life, listener) = receive(&theirs).unwrap();
        assert_eq!(received, settings(3));
        assert!(Found::of(&life).unwrap().is_same(&Found::of(&one).unwrap()));
        assert!(Found::of(&listener).unwrap().is_same(&Found::of(&two).unwrap()));
        for descriptor in [life, listener] {
            let flags = rustix::io::fcntl_getfd(&descriptor).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
    }

    #[test]
    fn a_large_payload_is_sent_in_two_parts() {
        let (ours, theirs) = pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let rest = send(&ours, &settings(1 << 20), file.as_fd(), file.as_fd()).unwrap();
        assert!(!rest.is_empty());
        let writer = std::thread::spawn(move || (&ours).write_all(&rest).map(|()| ours));
        assert_eq!(receive(&theirs).unwrap().0, settings(1 << 20));
        writer.join().unwrap().unwrap();
        let huge = send(&theirs, &settings(LIMIT + 1), file.as_fd(), file.as_fd());
        assert_eq!(huge.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_is_no_settings_is_refused() {
        for (bytes, kind) in [
            (&b""[..], io::ErrorKind::UnexpectedEof),
            (&b"\x01\0\0\0x"[..], io::ErrorKind::InvalidData),
            (&b"\xff\xff\xff\xff"[..], io::ErrorKind::InvalidData),
        ] {
            let (mut ours, theirs) = pair().unwrap();
            ours.write_all(bytes).unwrap();
            drop(ours);
            assert_eq!(receive(&theirs).unwrap_err().kind(), kind, "{bytes:?}");
        }
        let encoded = settings(2).encode().unwrap();
        assert_eq!(Settings::decode(&encoded[4..]), Some(settings(2)));
        assert_eq!(Settings::decode(&encoded[4..encoded.len() - 1]), None);
        assert_eq!(Settings::decode(&[&encoded[4..], b"x"].concat()), None);
    }

    #[test]
    fn descriptors_that_stayed_behind_are_an_error() {
        let (mut ours, theirs) = pair().unwrap();
        ours.write_all(&settings(0).encode().unwrap()).unwrap();
        assert_eq!(receive(&theirs).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
