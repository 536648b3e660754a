//! Greetings over a socket.

use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::error::{Error, ErrorKind, Result};
use crate::mux::blocking::{Ready, wait};
use crate::wire::greeting::{Answer, Hello, Malformed, PREFIX, Prefix};

/// The first greeting of a caller.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// The version of its frames.
    pub(crate) version: u8,
    /// What it says, if it says it as this version does.
    pub(crate) hello: Result<Hello, Malformed>,
}

/// What came instead of a greeting.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The other end hung up.
    Nothing,
    Error(Error),
}

/// Reads greetings, and keeps what came behind them.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    bytes: Vec<u8>,
}

impl Ear {
    /// Reads the first greeting of a caller.
    pub(crate) async fn visitor(&mut self, stream: &UnixStream) -> Result<Visitor> {
        match self.greeting(stream).await {
            Ok((prefix, fields)) => {
                Ok(Visitor { version: prefix.version, hello: Hello::parse(prefix, &fields) })
            }
            Err(Heard::Nothing) => {
                Err(Error::new(ErrorKind::Lost, "the other end hung up without a greeting"))
            }
            Err(Heard::Error(error)) => Err(error),
        }
    }

    /// Reads one answer of a daemon.
    pub(crate) async fn answer(&mut self, stream: &UnixStream) -> Result<Answer, Heard> {
        let (prefix, fields) = self.greeting(stream).await?;
        Answer::parse(prefix, &fields).map_err(|error| Heard::Error(malformed(error)))
    }

    /// An answer that is there already; one system call tells.
    pub(crate) fn answer_now(
        &mut self,
        stream: &std::os::unix::net::UnixStream,
    ) -> Option<Result<Answer, Heard>> {
        // Whatever goes wrong is heard again by whoever listens for longer.
        self.read(|chunk| io::Read::read(&mut &*stream, chunk)).ok()?;
        match self.take() {
            Ok(None) => None,
            Ok(Some((prefix, fields))) => {
                Some(Answer::parse(prefix, &fields).map_err(|error| Heard::Error(malformed(error))))
            }
            Err(heard) => Some(Err(heard)),
        }
    }

    /// Reads one answer of a daemon and blocks meanwhile; `None` if none has come in time.
    pub(crate) fn answer_within(
        &mut self,
        stream: &std::os::unix::net::UnixStream,
        limit: Duration,
    ) -> Result<Option<Answer>, Heard> {
        let until = Instant::now().checked_add(limit);
        loop {
            if let Some((prefix, fields)) = self.take()? {
                let answer = Answer::parse(prefix, &fields);
                return answer.map(Some).map_err(|error| Heard::Error(malformed(error)));
            }
            if let Ready::TimedOut = wait(&[(stream.as_fd(), PollFlags::IN)], until) {
                return Ok(None);
            }
            self.hear(|chunk| io::Read::read(&mut &*stream, chunk))?;
        }
    }

    /// What came behind the last greeting.
    pub(crate) fn into_rest(self) -> Vec<u8> {
        self.bytes
    }

    async fn greeting(&mut self, stream: &UnixStream) -> Result<(Prefix, Vec<u8>), Heard> {
        loop {
            if let Some(greeting) = self.take()? {
                return Ok(greeting);
            }
            stream.readable().await.map_err(cannot_read)?;
            self.hear(|chunk| stream.try_read(chunk))?;
        }
    }

    /// Reads once what is there.
    fn hear(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> Result<(), Heard> {
        match self.read(read) {
            Ok(0) => Err(Heard::Nothing),
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Ok(()),
                io::ErrorKind::ConnectionReset => Err(Heard::Nothing),
                _ => Err(cannot_read(error)),
            },
        }
    }

    /// Reads once. The buffer is not kept across a wait, where each caller's future would hold it.
    fn read(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        let mut chunk = [0; CHUNK];
        let count = read(&mut chunk)?;
        self.bytes.extend_from_slice(&chunk[..count]);
        Ok(count)
    }

    /// The greeting at the start of what was heard, if it is whole.
    fn take(&mut self) -> Result<Option<(Prefix, Vec<u8>)>, Heard> {
        let prefix = Prefix::parse(&self.bytes).map_err(|error| Heard::Error(malformed(error)))?;
        let Some(prefix) = prefix else { return Ok(None) };
        let end = PREFIX + prefix.length;
        if self.bytes.len() < end {
            return Ok(None);
        }
        let rest = self.bytes.split_off(end);
        let mut fields = std::mem::replace(&mut self.bytes, rest);
        fields.drain(..PREFIX);
        Ok(Some((prefix, fields)))
    }
}

fn cannot_read(error: io::Error) -> Heard {
    Heard::Error(Error::system("cannot read a greeting", error))
}

/// Most greetings fit into this.
const CHUNK: usize = 2048;

fn malformed(error: Malformed) -> Error {
    Error::new(ErrorKind::Protocol, "the other end does not greet as autod does").caused_by(error)
}

/// Hands one answer to the kernel, whole.
pub(crate) async fn say(stream: &mut UnixStream, answer: &Answer, limit: Duration) -> Result<()> {
    timeout(limit, write_all(stream, &answer.to_bytes()))
        .await
        .map_err(|_| Error::new(ErrorKind::Timeout, "the caller does not read"))?
        .map_err(|error| Error::system("cannot answer a hello", error))
}

/// Writes all of `bytes`.
pub(crate) async fn write_all(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Completes when the other end has hung up. Whatever it says before is its business.
pub(crate) async fn hung_up(stream: &UnixStream) {
    let hung_up = stream
        .async_io(Interest::READABLE, || {
            match rustix::net::recv(stream, &mut [0; 1], rustix::net::RecvFlags::PEEK) {
                Ok((_, 0)) => Ok(()),
                // If it talks ahead, only a failing write will tell that it is gone.
                Ok(_) | Err(rustix::io::Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
                Err(_) => Ok(()),
            }
        })
        .await;
    drop(hung_up);
}
