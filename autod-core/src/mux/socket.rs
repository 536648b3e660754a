//! A socket in the runtime that hears of room to write only when it has been full.
//!
//! Each read at the other end makes room at this one. Asked for that, the kernel makes an event of it:
//! one more for each call, and nobody waits for it.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

use super::blocking::{receive_now, send_now, send_parts_now};
use super::transport::{Room, Transport, make_room, peek_now};

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Socket(Ear);

/// What the runtime hears of.
#[derive(Debug)]
enum Ear {
    /// Something to read.
    Reading(AsyncFd<StdStream>),
    /// Room to write, too: from the first time on that there was none, or that a long message came.
    Both(UnixStream),
    /// The runtime could not be asked for both.
    Deaf,
}

fn deaf() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl Socket {
    /// A socket that does not block, in the current runtime.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub(crate) fn new(stream: StdStream) -> io::Result<Self> {
        #[allow(
            deprecated,
            reason = "what tokio has since is unsafe, for types that are no descriptor"
        )]
        let stream = AsyncFd::with_interest(stream, Interest::READABLE)?;
        Ok(Self(Ear::Reading(stream)))
    }

    pub(crate) fn into_std(self) -> io::Result<StdStream> {
        match self.0 {
            Ear::Reading(stream) => Ok(stream.into_inner()),
            Ear::Both(stream) => stream.into_std(),
            Ear::Deaf => Err(deaf()),
        }
    }

    /// Whoever waited for something to read has to ask again.
    fn both(&mut self) -> io::Result<Pin<&mut UnixStream>> {
        if let Ear::Reading(_) = &self.0
            && let Ear::Reading(stream) = std::mem::replace(&mut self.0, Ear::Deaf)
        {
            self.0 = Ear::Both(UnixStream::from_std(stream.into_inner())?);
        }
        match &mut self.0 {
            Ear::Both(stream) => Ok(Pin::new(stream)),
            Ear::Reading(_) | Ear::Deaf => Err(deaf()),
        }
    }

    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.0 {
            Ear::Reading(stream) => Ok(stream.get_ref().as_fd()),
            Ear::Both(stream) => Ok(stream.as_fd()),
            Ear::Deaf => Err(deaf()),
        }
    }

    /// Sends by `send` until the socket is full, and by `poll` from then on.
    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        send: impl FnOnce(&StdStream) -> io::Result<usize>,
        poll: impl FnOnce(Pin<&mut UnixStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Ear::Reading(stream) = &self.0 {
            match send(stream.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            // The task may wait for something to read, and has to say so again.
            context.waker().wake_by_ref();
        }
        poll(self.both()?, context)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Room that nobody has written to is for the rest of a long message.
        let is_fresh = buffer.initialized().len() < buffer.capacity();
        let Ear::Reading(stream) = &self.0 else {
            return self.both()?.poll_read(context, buffer);
        };
        if is_fresh {
            return self.both()?.poll_read(context, buffer);
        }
        loop {
            let mut ready = ready!(stream.poll_read_ready(context))?;
            let room = buffer.initialize_unfilled();
            match receive_now(stream.get_ref(), room) {
                Ok(count) => {
                    // That was all: the next event tells of more.
                    if 0 < count && count < room.len() {
                        ready.clear_ready();
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(
            context,
            |stream| send_now(stream, bytes),
            |stream, context| stream.poll_write(context, bytes),
        )
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(
            context,
            |stream| send_parts_now(stream, parts),
            |stream, context| stream.poll_write_vectored(context, parts),
        )
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Ear::Reading(stream) => {
                Poll::Ready(stream.get_ref().shutdown(std::net::Shutdown::Write))
            }
            Ear::Both(_) | Ear::Deaf => self.both()?.poll_shutdown(context),
        }
    }
}

impl Transport for Socket {
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.fd()?, buffer)?)
    }

    fn peek_now(&self) -> io::Result<usize> {
        peek_now(&self.fd()?)
    }

    fn make_room(&self, room: Room) {
        if let Ok(fd) = self.fd() {
            make_room(&fd, room);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::*;

    /// What it comes to, if it is woken for that: a limit of time alone would ask it once more.
    async fn soon<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
        timeout(Duration::from_secs(30), tokio::spawn(future)).await.unwrap().unwrap()
    }

    fn pair() -> (Socket, StdStream) {
        let (near, far) = StdStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        (Socket::new(near).unwrap(), far)
    }

    /// Writes until the socket is full; gives how much that was.
    fn fill(socket: &mut Socket, context: &mut Context<'_>) -> usize {
        let mut filled = 0;
        loop {
            match Pin::new(&mut *socket).poll_write(context, &[7; 4096]) {
                Poll::Ready(count) => filled += count.unwrap(),
                Poll::Pending => return filled,
            }
        }
    }

    /// The events that the kernel was asked for.
    #[cfg(target_os = "linux")]
    fn asked_for(socket: &Socket) -> u32 {
        use std::os::fd::AsRawFd as _;
        let number = socket.fd().unwrap().as_raw_fd().to_string();
        let of_socket = |path| {
            let text = std::fs::read_to_string(path).ok()?;
            text.lines().find_map(|line| {
                let mut words = line.split_whitespace();
                let is_ours = words.next()? == "tfd:" && words.next()? == number;
                let events = words.nth(1).filter(|_| is_ours)?;
                u32::from_str_radix(events, 16).ok()
            })
        };
        let mut all = std::fs::read_dir("/proc/self/fdinfo").unwrap();
        all.find_map(|entry| of_socket(entry.unwrap().path())).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn room_is_no_event_before_the_socket_was_full() {
        const OUT: u32 = rustix::event::epoll::EventFlags::OUT.bits();
        const IN: u32 = rustix::event::epoll::EventFlags::IN.bits();
        let (mut socket, mut far) = pair();
        for _ in 0..3 {
            far.write_all(b"call").unwrap();
            socket = soon(async move {
                assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 4);
                socket.write_all(b"answer").await.unwrap();
                socket
            })
            .await;
            far.read_exact(&mut [0; 6]).unwrap();
            assert_eq!(asked_for(&socket) & (IN | OUT), IN);
        }
        fill(&mut socket, &mut Context::from_waker(std::task::Waker::noop()));
        assert_eq!(asked_for(&socket) & (IN | OUT), IN | OUT);
    }

    #[tokio::test]
    async fn a_full_socket_is_written_on_when_there_is_room() {
        let (mut socket, mut far) = pair();
        let filled = std::future::poll_fn(|context| Poll::Ready(fill(&mut socket, context))).await;
        let reader = std::thread::spawn(move || far.read_exact(&mut vec![0; filled + 4096]));
        let written = soon(async move { socket.write(&[7; 4096]).await });
        assert_eq!(written.await.unwrap(), 4096);
        reader.join().unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_waits_for_something_to_read_is_not_forgotten_when_the_socket_is_full() {
        let (mut socket, mut far) = pair();
        let mut is_full = false;
        let read = std::future::poll_fn(move |context| {
            let mut bytes = [0; 8];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut socket).poll_read(context, &mut buffer);
            if read.is_pending() && !is_full {
                is_full = true;
                fill(&mut socket, context);
                // Nobody reads what was written: this is all that ever happens.
                far.write_all(b"word").unwrap();
            }
            read.map_ok(|()| buffer.filled().len())
        });
        assert_eq!(soon(read).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn an_end_behind_the_last_bytes_is_read() {
        let (mut socket, mut far) = pair();
        far.write_all(b"last").unwrap();
        let read = soon(async move {
            assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 4);
            socket.read(&mut [0; 8]).await
        });
        let end = std::thread::spawn(move || drop(far));
        assert_eq!(read.await.unwrap(), 0);
        end.join().unwrap();
    }

    #[tokio::test]
    async fn a_long_message_is_read_to_where_nothing_was_written() {
        let (mut socket, mut far) = pair();
        let writer = std::thread::spawn(move || far.write_all(&vec![3; 48 << 10]));
        let message = soon(async move {
            let mut message = Vec::with_capacity(64 << 10);
            while message.len() < 48 << 10 {
                socket.read_buf(&mut message).await.unwrap();
            }
            message
        });
        assert_eq!(message.await, vec![3; 48 << 10]);
        writer.join().unwrap().unwrap();
    }
}
