//! What goes to and fro between a starter and the daemon that it has spawned, and the end of that
//! daemon's process.
//!
//! The first message comes over the socket that the process has inherited, of which whatever main
//! started has a copy; it brings the socket for all that follows. What the messages mean for a
//! start is not known here.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::passing;
use super::reaper::Ending;
use super::status::Message;

/// The starter's end, and the process at the other.
pub(super) struct Channel {
    ended: oneshot::Receiver<Ending>,
    /// How the daemon's process ended, once it has.
    ending: Option<Ending>,
    /// The inherited one's other end, later that of the one which came with "seen".
    socket: Option<UnixStream>,
    /// Settings that are still to be sent.
    rest: Vec<u8>,
    received: Vec<u8>,
    /// The descriptor that came along with "seen".
    brought: Option<OwnedFd>,
}

/// What a starter waits for.
pub(super) enum Event {
    Said(Message),
    /// Its process did.
    Ended(Ending),
    /// Nothing came for as long as it had patience.
    Silent,
}

impl Channel {
    /// Begins with the other end of the socket that the daemon's process has inherited.
    pub(super) fn new(socket: StdStream, ended: oneshot::Receiver<Ending>) -> io::Result<Self> {
        let socket = Some(listen_to(socket)?);
        Ok(Self {
            ended,
            ending: None,
            socket,
            rest: Vec::new(),
            received: Vec::new(),
            brought: None,
        })
    }

    /// The next event. Dropped, nothing of it is lost.
    pub(super) async fn event(&mut self, mut patience: Pin<&mut Sleep>) -> Event {
        std::future::poll_fn(|cx| self.poll(cx, patience.as_mut())).await
    }

    /// Waits until the process has ended.
    pub(super) async fn ended(&mut self) {
        if self.ending.is_none() {
            self.ending = Some((&mut self.ended).await.unwrap_or(None));
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ending.is_some()
    }

    fn poll(&mut self, cx: &mut Context<'_>, patience: Pin<&mut Sleep>) -> Poll<Event> {
        self.poll_send(cx);
        if let Some(message) = self.poll_receive(cx) {
            return Poll::Ready(Event::Said(message));
        }
        if self.ending.is_none()
            && let Poll::Ready(ending) = Pin::new(&mut self.ended).poll(cx)
        {
            self.ending = Some(ending.unwrap_or(None));
            // What it said before it died may have come after the last look.
            if let Some(message) = self.poll_receive(cx) {
                return Poll::Ready(Event::Said(message));
            }
        }
        match self.ending {
            Some(ending) => Poll::Ready(Event::Ended(ending)),
            None => patience.poll(cx).map(|()| Event::Silent),
        }
    }

    /// Sends the message as far as it fits, and the descriptors with it; the rest follows.
    pub(super) fn send_with(
        &mut self,
        message: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let sent = passing::send(socket, message, descriptors)?;
        self.rest = message[sent..].to_vec();
        Ok(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) {
        let Some(socket) = &self.socket else { return };
        while !self.rest.is_empty() {
            if socket.poll_write_ready(cx).is_pending() {
                return;
            }
            match socket.try_write(&self.rest) {
                Ok(count) => drop(self.rest.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The daemon is gone, which its ending will tell.
                Err(_) => self.rest.clear(),
            }
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Option<Message> {
        loop {
            match Message::take(&mut self.received) {
                Ok(Some(Message::Seen)) if !self.move_over() => self.hang_up(),
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(()) => self.hang_up(),
            }
            let socket = self.socket.as_ref()?;
            let mut buffer = [0; 1024];
            let received = if self.ending.is_some() {
                // The runtime may not have heard of the last bytes yet, so the kernel is asked.
                passing::receive(socket, &mut buffer)
            } else if socket.poll_read_ready(cx).is_pending() {
                return None;
            } else {
                socket.try_io(Interest::READABLE, || passing::receive(socket, &mut buffer))
            };
            match received {
                Ok((0, _)) => self.hang_up(),
                Ok((count, descriptors)) => {
                    self.received.extend(&buffer[..count]);
                    self.brought = descriptors.into_iter().next().or(self.brought.take());
                }
                // Somebody else has a copy of the socket, and says nothing on it.
                Err(_) if self.ending.is_some() => self.hang_up(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.hang_up(),
            }
        }
    }

    /// Goes on with the socket that came along, if one did.
    fn move_over(&mut self) -> bool {
        let Some(socket) = self.brought.take() else { return false };
        self.socket = listen_to(socket.into()).ok();
        self.socket.is_some()
    }

    /// From now on only the daemon's end can tell something.
    fn hang_up(&mut self) {
        self.socket = None;
        self.received.clear();
    }
}

fn listen_to(socket: StdStream) -> io::Result<UnixStream> {
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use super::*;
    use crate::daemon::status::{self, Status};

    /// All that is heard until the end.
    async fn heard(channel: &mut Channel) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut patience = pin!(tokio::time::sleep(Duration::from_secs(20)));
        loop {
            match channel.event(patience.as_mut()).await {
                Event::Said(message) => messages.push(message),
                Event::Ended(ending) => {
                    assert!(ending.is_none());
                    return messages;
                }
                Event::Silent => panic!("it ended"),
            }
        }
    }

    #[tokio::test]
    async fn everything_said_before_the_end_is_heard() {
        let (ours, inherited) = passing::pair().unwrap();
        let (tell, ended) = oneshot::channel();
        let mut channel = Channel::new(ours, ended).unwrap();
        channel.rest = vec![1; 1 << 20];
        // A process of main's has a copy of the inherited socket, so it does not end.
        let _copy = inherited.try_clone().unwrap();
        let status = Status::new(status::announce(&inherited).unwrap());
        status.progress("half");
        status.failed("no");
        tell.send(None).unwrap();
        let half = Message::Progress("half".to_owned());
        let all = [Message::Seen, half, Message::Failed("no".to_owned())];
        assert_eq!(heard(&mut channel).await, all);
    }

    #[tokio::test]
    async fn who_says_seen_without_a_socket_is_heard_no_more() {
        let (ours, inherited) = passing::pair().unwrap();
        let (tell, ended) = oneshot::channel();
        let mut channel = Channel::new(ours, ended).unwrap();
        let seen = [1, 0, 0, 0, 0];
        passing::send(&inherited, &seen, &[]).unwrap();
        Status::new(inherited).progress("half");
        tell.send(None).unwrap();
        assert_eq!(heard(&mut channel).await, []);
    }
}
