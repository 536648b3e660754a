//! Greetings over a socket: reads exactly one, so that the frames behind it stay where they are.

use std::io;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::error::{Error, ErrorKind, Result};
use crate::wire::greeting::{Answer, Hello, Malformed, PREFIX, Prefix};

/// The first greeting of a caller.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// The version of its frames.
    pub(crate) version: u8,
    /// What it says, if it says it as this version does.
    pub(crate) hello: Result<Hello, Malformed>,
}

/// Reads the first greeting of a caller.
pub(crate) async fn read_hello(stream: &mut UnixStream) -> Result<Visitor> {
    let (prefix, fields) = read(stream).await.map_err(Heard::into_error)?;
    Ok(Visitor { version: prefix.version, hello: Hello::parse(prefix, &fields) })
}

/// What came instead of a greeting.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The other end hung up.
    Nothing,
    Error(Error),
}

impl Heard {
    fn into_error(self) -> Error {
        match self {
            Self::Nothing => {
                Error::new(ErrorKind::Lost, "the other end hung up without a greeting")
            }
            Self::Error(error) => error,
        }
    }
}

/// Reads one answer of a daemon.
pub(crate) async fn read_answer(stream: &mut UnixStream) -> Result<Answer, Heard> {
    let (prefix, fields) = read(stream).await?;
    Answer::parse(prefix, &fields).map_err(|error| Heard::Error(malformed(error)))
}

async fn read(stream: &mut UnixStream) -> Result<(Prefix, Vec<u8>), Heard> {
    let mut bytes = [0; PREFIX];
    let mut length = 0;
    let prefix = loop {
        length += read_some(stream, &mut bytes[length..]).await?;
        match Prefix::parse(&bytes[..length]) {
            Ok(Some(prefix)) => break prefix,
            Ok(None) => {}
            Err(error) => return Err(Heard::Error(malformed(error))),
        }
    };
    let mut fields = vec![0; prefix.length];
    let mut length = 0;
    while length < fields.len() {
        length += read_some(stream, &mut fields[length..]).await?;
    }
    Ok((prefix, fields))
}

async fn read_some(stream: &UnixStream, bytes: &mut [u8]) -> Result<usize, Heard> {
    let cannot_read = |error| Heard::Error(Error::system("cannot read a greeting", error));
    loop {
        stream.readable().await.map_err(cannot_read)?;
        match stream.try_read(bytes) {
            Ok(0) => return Err(Heard::Nothing),
            Ok(count) => return Ok(count),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {}
                io::ErrorKind::ConnectionReset => return Err(Heard::Nothing),
                _ => return Err(cannot_read(error)),
            },
        }
    }
}

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
