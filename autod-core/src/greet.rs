//! Greetings over a byte stream.

use std::io;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
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
    pub(crate) async fn visitor<T>(&mut self, stream: &mut T) -> Result<Visitor>
    where
        T: AsyncRead + Unpin,
    {
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
    pub(crate) async fn answer<T>(&mut self, stream: &mut T) -> Result<Answer, Heard>
    where
        T: AsyncRead + Unpin,
    {
        let (prefix, fields) = self.greeting(stream).await?;
        Answer::parse(prefix, &fields).map_err(|error| Heard::Error(malformed(error)))
    }

    /// An answer that is there already; one system call tells.
    pub(crate) fn answer_now(
        &mut self,
        stream: &std::os::unix::net::UnixStream,
    ) -> Option<Result<Answer, Heard>> {
        // Whatever goes wrong is heard again by whoever listens for longer.
        let mut chunk = [0; CHUNK];
        let count = io::Read::read(&mut &*stream, &mut chunk).ok()?;
        self.bytes.extend_from_slice(&chunk[..count]);
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
            let mut chunk = [0; CHUNK];
            match io::Read::read(&mut &*stream, &mut chunk) {
                Ok(0) => return Err(Heard::Nothing),
                Ok(count) => self.bytes.extend_from_slice(&chunk[..count]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Err(Heard::Nothing),
                    _ => return Err(cannot_read(error)),
                },
            }
        }
    }

    /// What came behind the last greeting.
    pub(crate) fn into_rest(self) -> Vec<u8> {
        self.bytes
    }

    /// Completes when the other end has hung up. What it says meanwhile is kept; if that is much,
    /// only a failing write will tell that it is gone.
    pub(crate) async fn hung_up<T: AsyncRead + Unpin>(&mut self, stream: &mut T) {
        while self.bytes.len() < TALK {
            match self.hear(stream).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending::<()>().await;
    }

    async fn greeting<T>(&mut self, stream: &mut T) -> Result<(Prefix, Vec<u8>), Heard>
    where
        T: AsyncRead + Unpin,
    {
        loop {
            if let Some(greeting) = self.take()? {
                return Ok(greeting);
            }
            match self.hear(stream).await {
                Ok(0) => return Err(Heard::Nothing),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
                        return Err(Heard::Nothing);
                    }
                    _ => return Err(cannot_read(error)),
                },
            }
        }
    }

    /// Reads once, when there is something.
    async fn hear<T: AsyncRead + Unpin>(&mut self, stream: &mut T) -> io::Result<usize> {
        std::future::poll_fn(|context| {
            // Not kept across a wait, where each caller's future would hold it.
            let mut chunk = [0; CHUNK];
            let mut buffer = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
            self.bytes.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
        .await
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

/// How much is kept of somebody who goes on talking before an answer.
const TALK: usize = 64 << 10;

fn malformed(error: Malformed) -> Error {
    Error::new(ErrorKind::Protocol, "the other end does not greet as autod does").caused_by(error)
}

/// Hands one answer to the transport, whole.
pub(crate) async fn say<T>(stream: &mut T, answer: &Answer, limit: Duration) -> Result<()>
where
    T: AsyncWrite + Unpin,
{
    timeout(limit, write_all(stream, &answer.to_bytes()))
        .await
        .map_err(|_| Error::new(ErrorKind::Timeout, "the caller does not read"))?
        .map_err(|error| Error::system("cannot answer a hello", error))
}

/// Writes all of `bytes`.
pub(crate) async fn write_all<T: AsyncWrite + Unpin>(
    stream: &mut T,
    bytes: &[u8],
) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
