//! What a starter hands to its daemon: the settings, and with them the life lock and the door.
//!
//! One message with a length before it, sent when the daemon's main has handed over; the two
//! descriptors travel with its first byte. The payload is the callers' own and is not looked into.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::passing;

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
    /// The message, which the life lock and the door travel with.
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
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

/// Receives the settings, the life lock and the door.
pub(super) fn receive(mut socket: &UnixStream) -> io::Result<(Settings, OwnedFd, OwnedFd)> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = [0; 4];
    let (count, descriptors) = passing::receive(socket, &mut head)?;
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsFd as _;

    use super::*;
    use crate::daemon::files::Found;
    use crate::daemon::passing::pair;

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
        let message = settings(3).encode().unwrap();
        let sent = passing::send(&ours, &message, &[one.as_fd(), two.as_fd()]).unwrap();
        assert_eq!(sent, message.len());
        let (received, life, listener) = receive(&theirs).unwrap();
        assert_eq!(received, settings(3));
        assert!(Found::of(&life).unwrap().is_same(&Found::of(&one).unwrap()));
        assert!(Found::of(&listener).unwrap().is_same(&Found::of(&two).unwrap()));
    }

    #[test]
    fn a_large_payload_is_sent_in_two_parts() {
        let (ours, theirs) = pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let message = settings(1 << 20).encode().unwrap();
        let sent = passing::send(&ours, &message, &[file.as_fd(), file.as_fd()]).unwrap();
        assert!(sent < message.len());
        let writer = std::thread::spawn(move || (&ours).write_all(&message[sent..]).map(|()| ours));
        assert_eq!(receive(&theirs).unwrap().0, settings(1 << 20));
        writer.join().unwrap().unwrap();
        let huge = settings(LIMIT + 1).encode();
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
