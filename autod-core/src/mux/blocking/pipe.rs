//! A byte stream that blocks.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::connection::Connection;
use crate::error::{Error, ErrorKind};
use crate::mux;
use crate::mux::failure::{Called, timed_out};

/// The caller's end of a byte stream to a method, and the call itself.
///
/// What is written goes to the handler's [`ByteStream`](crate::ByteStream), and the other way round.
/// It means the same as an async [`Pipe`](crate::Pipe): how reading and writing end, and what
/// dropping does, is said there. A shared reference reads and writes too, so two threads can use the
/// two directions at once:
///
/// ```no_run
/// # use std::io::{self, Read, Write};
/// # fn send(pipe: autod_core::blocking::Pipe<u64>) -> Result<u64, Box<dyn std::error::Error>> {
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         let sent = io::copy(&mut io::stdin(), &mut &pipe);
///         pipe.shutdown().and(sent)
///     });
///     io::copy(&mut &pipe, &mut io::stdout())
/// })?;
/// Ok(pipe.finish()?)
/// # }
/// ```
///
/// Nothing is sent before the first use. A write ends when the kernel has the bytes, or the thread that
/// drives a connection of its own; flushing does nothing more. With a [deadline](crate::blocking::Client::with_deadline) each read and write takes
/// so long at most, and fails with [`TimedOut`](io::ErrorKind::TimedOut) then; the stream goes on. A write
/// whose bytes were taken by then succeeds: the kernel gets them as soon as the connection is used again.
#[must_use = "a byte stream is opened when it is used"]
pub struct Pipe<T, E = Error> {
    connection: Connection,
    method: Called,
    /// Locked for a poll, never while somebody waits. Absent when it is dropped.
    call: Mutex<Option<mux::Pipe<T, E>>>,
}

/// Lets threads use the byte stream of a call.
pub fn pipe<T, E>(connection: &Connection, pipe: mux::Pipe<T, E>) -> Pipe<T, E> {
    Pipe { connection: connection.clone(), method: pipe.method(), call: Mutex::new(Some(pipe)) }
}

impl<T, E> Pipe<T, E> {
    fn lock(&self) -> MutexGuard<'_, Option<mux::Pipe<T, E>>> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for one direction of the pipe.
    fn wait_for<R>(
        &self,
        until: Option<Instant>,
        mut poll: impl FnMut(Pin<&mut mux::Pipe<T, E>>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> io::Result<R> {
        self.connection.drive().check().map_err(io::Error::other)?;
        let ready = self.connection.drive().wait_for(
            |context| match &mut *self.lock() {
                Some(pipe) => poll(Pin::new(pipe), context),
                None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            },
            until,
        );
        ready.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    fn read_some(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait_for(self.connection.until(), |pipe, context| {
            let mut buffer = ReadBuf::new(buffer);
            pipe.poll_read(context, &mut buffer).map_ok(|()| buffer.filled().len())
        })
    }

    fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        let until = self.connection.until();
        let count = self.wait_for(until, |pipe, context| pipe.poll_write(context, bytes))?;
        // Whoever has written may wait for what comes of it elsewhere.
        self.connection.drive().push_out(until);
        Ok(count)
    }

    /// Ends what the handler reads, and lets this end read on.
    ///
    /// # Errors
    ///
    /// The time for it is over.
    pub fn shutdown(&self) -> io::Result<()> {
        let until = self.connection.until();
        self.wait_for(until, mux::Pipe::poll_shutdown)?;
        self.connection.drive().push_out(until);
        Ok(())
    }
}

impl<T, E: From<Error>> Pipe<T, E> {
    /// Shuts down this end, reads and throws away what the handler still sends, and gives what the
    /// method answers.
    ///
    /// # Errors
    ///
    /// Those of a call. When its time is over the call is cancelled.
    pub fn finish(self) -> Result<T, E> {
        let drive = self.connection.drive();
        drive.check().map_err(|error| self.connection.inner().shared().named(error))?;
        let answered = self.connection.drive().wait_for(
            |context| {
                let mut call = self.lock();
                let finish = call.as_mut().map(|pipe| pipe.poll_finish(context));
                finish.unwrap_or_else(|| {
                    let error = Error::new(ErrorKind::Usage, "the byte stream is gone");
                    Poll::Ready(Err(error.into()))
                })
            },
            self.connection.until(),
        );
        answered.unwrap_or_else(|| {
            let error = timed_out(self.method).maybe_executed();
            Err(self.connection.inner().shared().named(error).into())
        })
    }
}

impl<T, E> Read for &Pipe<T, E> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_some(buffer)
    }
}

impl<T, E> Write for &Pipe<T, E> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_some(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T, E> Read for Pipe<T, E> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_some(buffer)
    }
}

impl<T, E> Write for Pipe<T, E> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_some(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T, E> Drop for Pipe<T, E> {
    fn drop(&mut self) {
        *self.lock() = None;
        self.connection.drive().flush();
    }
}
