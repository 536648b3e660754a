//! Moving bytes between a plain stream and packets, blocking, one direction each. The same at both
//! ends of a bridge.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::packet::{Finder, Found, Mark, PAYLOAD};

/// After so many intervals without a sign of life the other end is given up.
pub(super) const MISSED: u32 = 3;

/// Writes packets to a descriptor that others may write to as well.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) mark: Mark,
    pub(super) to: BorrowedFd<'a>,
}

impl Sender<'_> {
    /// Sends bytes, in as many packets as they take.
    pub(super) fn send(self, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(PAYLOAD).try_for_each(|piece| self.write(&self.mark.packet(piece)))
    }

    pub(super) fn alive(self) -> io::Result<()> {
        self.write(&self.mark.packet(&[]))
    }

    pub(super) fn end(self) -> io::Result<()> {
        self.write(&self.mark.end())
    }

    fn write(self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(self.to, bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                // Somebody with the same descriptor may have made it so.
                Err(Errno::AGAIN) => {
                    wait(self.to, PollFlags::OUT, None)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends what the stream gives, until it ends, and a sign of life at each interval without.
    pub(super) fn forward(self, from: &UnixStream, interval: Duration) -> io::Result<()> {
        let mut chunk = [0; PAYLOAD];
        loop {
            if !wait(from.as_fd(), PollFlags::IN, Some(interval))? {
                self.alive()?;
                continue;
            }
            match (&*from).read(&mut chunk) {
                Ok(0) => return self.end(),
                Ok(count) => self.send(&chunk[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Finds packets on a descriptor.
pub(super) struct Receiver<'a> {
    from: BorrowedFd<'a>,
    finder: Finder,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(mark: Mark, from: BorrowedFd<'a>) -> Self {
        Self { from, finder: Finder::new(mark) }
    }

    /// The next packet; without a limit it is waited for as long as the stream lives. An error of
    /// the kind `TimedOut` if there is none in time, whatever else arrives.
    pub(super) fn next(&mut self, limit: Option<Duration>) -> io::Result<Found> {
        let until = limit.map(|limit| Instant::now() + limit);
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(found) = self.finder.next() {
                return Ok(found);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            // Also while something arrives all the time that is no packet.
            if left == Some(Duration::ZERO) || !wait(self.from, PollFlags::IN, left)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match rustix::io::read(self.from, &mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.finder.add(&chunk[..count]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives the stream what arrives, until the other end has no more to say.
    pub(super) fn deliver(&mut self, to: &UnixStream, interval: Duration) -> io::Result<()> {
        loop {
            match self.next(Some(interval * MISSED))? {
                Found::Payload(bytes) => (&*to).write_all(&bytes)?,
                Found::Alive => {}
                Found::End => return Ok(()),
            }
        }
    }
}

/// Waits until something can be done with a descriptor; `false` if it cannot in time.
fn wait(fd: BorrowedFd<'_>, what: PollFlags, limit: Option<Duration>) -> io::Result<bool> {
    let until = limit.map(|limit| Instant::now() + limit);
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i32::MAX.into()),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut [PollFd::from_borrowed_fd(fd, what)], left.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_without_end_is_no_sign_of_life() {
        let (near, far) = UnixStream::pair().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || while (&far).write_all(b"noise\n").is_ok() {});
            // Dropped here, also by a failure: that ends the noise.
            let near = near;
            let mut receiver = Receiver::new(Mark::random().unwrap(), near.as_fd());
            let began = Instant::now();
            let heard = receiver.next(Some(Duration::from_millis(50)));
            assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert!(began.elapsed() < Duration::from_secs(20));
        });
    }
}
