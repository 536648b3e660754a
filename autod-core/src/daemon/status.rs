//! What a starting daemon tells its starter: seen, progress, ready, failed.
//!
//! "Seen" is said on the socket that the daemon's process has inherited, and carries one end of a
//! socket pair of the daemon's own, on which all the rest goes both ways. A process that main has
//! started has a copy of the inherited socket and would keep open what lies in its queue; of the
//! other one it has none.
//!
//! The daemon's side never fails and never waits long: its starter may be gone, stopped or slow,
//! and the daemon serves all the same. The starter's side only cuts messages out of bytes.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::passing::{self, no_signal};
use crate::flat_json::cut;

/// The longest text of one message.
const TEXT: usize = 16 << 10;

/// How long a starter may take to note a failure. It does nothing else then.
const NOTED: Duration = Duration::from_millis(500);

/// One message of a daemon that starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Main has handed over to autod.
    Seen,
    /// Init goes on and says how far it is.
    Progress(String),
    /// Init is through; the daemon serves.
    Ready,
    /// Init failed, in its own words.
    Failed(String),
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        let (tag, text) = match self {
            Self::Seen => (0, ""),
            Self::Progress(text) => (1, text.as_str()),
            Self::Ready => (2, ""),
            Self::Failed(text) => (3, text.as_str()),
        };
        let text = cut(text, TEXT);
        let length = u32::try_from(1 + text.len()).unwrap_or(1);
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.push(tag);
        bytes.extend(text.as_bytes());
        bytes
    }

    /// Cuts the first message off; `Ok(None)` asks for more bytes, `Err` says that these are none
    /// of a daemon.
    pub(super) fn take(bytes: &mut Vec<u8>) -> Result<Option<Self>, ()> {
        let Some(length) = bytes.first_chunk().map(|length| u32::from_le_bytes(*length) as usize)
        else {
            return Ok(None);
        };
        if length == 0 || length > 1 + TEXT {
            return Err(());
        }
        if bytes.len() < 4 + length {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&bytes[5..4 + length]).into_owned();
        let message = match bytes[4] {
            0 => Self::Seen,
            1 => Self::Progress(text),
            2 => Self::Ready,
            3 => Self::Failed(text),
            _ => return Err(()),
        };
        bytes.drain(..4 + length);
        Ok(Some(message))
    }
}

/// Says that main has handed over, and gives the socket on which the daemon goes on.
///
/// A starter that is gone is no error: it shows as the end of that socket.
pub(super) fn announce(inherited: &UnixStream) -> io::Result<UnixStream> {
    let (ours, theirs) = passing::pair()?;
    match passing::send(inherited, &Message::Seen.encode(), &[theirs.as_fd()]) {
        Err(error) if !is_gone(&error) => Err(error),
        _ => Ok(ours),
    }
}

/// Whether the other end of a socket is closed.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// The daemon's end of the channel.
#[derive(Debug)]
pub(crate) struct Status(Mutex<Option<UnixStream>>);

impl Status {
    pub(super) fn new(socket: UnixStream) -> Self {
        let patience = set_socket_timeout(&socket, Timeout::Send, Some(Duration::from_secs(1)));
        Self(Mutex::new(patience.is_ok().then_some(socket)))
    }

    /// A channel to nobody, for a daemon that has no starter.
    pub(crate) fn nowhere() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn progress(&self, text: &str) {
        self.send(&Message::Progress(text.to_owned()));
    }

    /// Says that the daemon serves, and hangs up.
    pub(crate) fn ready(&self) {
        self.send(&Message::Ready);
        self.hang_up();
    }

    /// Says why the daemon will not serve, and returns when the starter has written it down and
    /// hung up: whoever is told afterwards and comes again is past this failure.
    pub(crate) fn failed(&self, text: &str) {
        self.send(&Message::Failed(text.to_owned()));
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(socket) = socket else { return };
        let _ = socket.shutdown(Shutdown::Write);
        if set_socket_timeout(&socket, Timeout::Recv, Some(NOTED)).is_ok() {
            while let Err(rustix::io::Errno::INTR) = rustix::io::read(&socket, &mut [0; 1]) {}
        }
    }

    fn hang_up(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn send(&self, message: &Message) {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = socket.as_ref() else { return };
        let bytes = message.encode();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match rustix::net::send(open, rest, no_signal()) {
                Ok(count) => rest = &rest[count..],
                Err(rustix::io::Errno::INTR) => {}
                // Gone, or not reading for a second. Half a message can never be mended.
                Err(_) => {
                    *socket = None;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Instant;

    use super::*;
    use crate::daemon::passing::pair;

    fn all(mut bytes: Vec<u8>) -> Vec<Message> {
        std::iter::from_fn(|| Message::take(&mut bytes).unwrap()).collect()
    }

    #[test]
    fn messages_arrive_as_they_were_said() {
        let (mut ours, theirs) = pair().unwrap();
        let status = Status::new(theirs);
        status.progress("half \u{e9}");
        status.failed(&"x".repeat(TEXT * 2));
        status.ready();
        let mut bytes = Vec::new();
        ours.read_to_end(&mut bytes).unwrap();
        let expected =
            [Message::Progress("half \u{e9}".to_owned()), Message::Failed("x".repeat(TEXT))];
        assert_eq!(all(bytes), expected, "nothing comes after a hang-up");
    }

    #[test]
    fn seen_brings_a_socket_along() {
        let (starter, inherited) = pair().unwrap();
        let daemon = announce(&inherited).unwrap();
        let mut bytes = vec![0; 64];
        let (count, sockets) = passing::receive(&starter, &mut bytes).unwrap();
        bytes.truncate(count);
        assert_eq!(all(bytes), [Message::Seen]);
        let [socket]: [_; 1] = sockets.try_into().unwrap();
        Status::new(daemon).progress("half");
        let mut bytes = Vec::new();
        UnixStream::from(socket).read_to_end(&mut bytes).unwrap();
        assert_eq!(all(bytes), [Message::Progress("half".to_owned())]);
    }

    #[test]
    fn a_starter_that_is_gone_shows_as_the_end() {
        let (starter, inherited) = pair().unwrap();
        drop(starter);
        assert_eq!(announce(&inherited).unwrap().read(&mut [0]).unwrap(), 0);
        let (starter, inherited) = pair().unwrap();
        let mut daemon = announce(&inherited).unwrap();
        // It has not read what was said.
        drop(starter);
        assert_eq!(daemon.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn every_cut_of_the_bytes_gives_the_same_messages() {
        let bytes = [Message::Seen.encode(), Message::Progress("abc".into()).encode()].concat();
        for end in 0..bytes.len() {
            let mut head = bytes[..end].to_vec();
            let mut seen = Vec::new();
            while let Some(message) = Message::take(&mut head).unwrap() {
                seen.push(message);
            }
            head.extend(&bytes[end..]);
            seen.extend(all(head));
            assert_eq!(seen, [Message::Seen, Message::Progress("abc".into())]);
        }
        assert!(Message::take(&mut vec![0, 0, 0, 0]).is_err());
        assert!(Message::take(&mut vec![255, 255, 0, 0]).is_err());
        assert!(Message::take(&mut vec![1, 0, 0, 0, 9]).is_err());
    }

    #[test]
    fn a_vanished_or_stopped_starter_is_no_trouble() {
        let (ours, theirs) = pair().unwrap();
        let status = Status::new(theirs);
        drop(ours);
        status.progress("nobody reads");
        status.ready();
        Status::nowhere().failed("nobody there");

        let (_ours, theirs) = pair().unwrap();
        let status = Status::new(theirs);
        let began = Instant::now();
        for _ in 0..100 {
            status.progress(&"x".repeat(TEXT));
        }
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
