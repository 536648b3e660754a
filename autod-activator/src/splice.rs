//! Bytes from one socket to another without a copy through this process, for connections that carry
//! many of them. Linux only; elsewhere, and without a descriptor to spare, there is no pipe.

use std::io;

use crate::stream::Stream;

/// How many pipes there are at a time, of two descriptors each. The others' bytes are copied.
#[cfg(target_os = "linux")]
const MOST: usize = 32;

/// What lies in a pipe at most.
#[cfg(target_os = "linux")]
const SIZE: usize = 256 << 10;

#[cfg(target_os = "linux")]
mod pipe {
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
    use tokio::io::Interest;

    use super::{MOST, SIZE, Stream, io};
    use crate::turn::Turn;

    static PIPES: AtomicUsize = AtomicUsize::new(0);

    /// How many directions carry many bytes, but for those that there was no pipe for.
    pub(crate) fn busy() -> usize {
        PIPES.load(Ordering::Relaxed)
    }

    /// The place that bytes are in while they belong to neither socket.
    #[derive(Debug)]
    pub(crate) struct Pipe {
        read: OwnedFd,
        write: OwnedFd,
        _counted: Counted,
    }

    #[derive(Debug)]
    struct Counted;

    impl Drop for Counted {
        fn drop(&mut self) {
            PIPES.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl Pipe {
        /// Nothing if there are too many already, or the system has none to spare.
        pub(crate) fn open() -> Option<Self> {
            let before = PIPES.fetch_add(1, Ordering::Relaxed);
            let counted = Counted;
            if before >= MOST {
                return None;
            }
            let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
            // With the usual size it does its work too.
            let _ = fcntl_setpipe_size(&write, SIZE);
            Some(Self { read, write, _counted: counted })
        }

        /// Moves everything up to the end. What was taken from one socket is given to the other before
        /// more is taken.
        pub(crate) async fn pump(&self, from: &Stream, to: &Stream) -> io::Result<()> {
            let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
            let mut turn = Turn::default();
            loop {
                let take = || Ok(splice(from, None, &self.write, None, SIZE, flags)?);
                let mut left = match from.try_io(Interest::READABLE, take) {
                    Ok(0) => return Ok(()),
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        from.ready(Interest::READABLE).await?;
                        continue;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                let length = left;
                while left > 0 {
                    let give = || Ok(splice(&self.read, None, to, None, left, flags)?);
                    match to.try_io(Interest::WRITABLE, give) {
                        Ok(length) => left -= length,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            to.ready(Interest::WRITABLE).await?;
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                turn.moved(length, busy()).await;
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod pipe {
    use super::{Stream, io};

    pub(crate) fn busy() -> usize {
        1
    }

    #[derive(Debug)]
    pub(crate) enum Pipe {}

    impl Pipe {
        pub(crate) fn open() -> Option<Self> {
            None
        }

        pub(crate) async fn pump(&self, _: &Stream, _: &Stream) -> io::Result<()> {
            match *self {}
        }
    }
}

pub(crate) use pipe::{Pipe, busy};
