//! Signals, as something to wait for.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::pin::pin;

use futures::future::select;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokio::net::UnixStream;

pub(crate) struct Signals {
    end: UnixStream,
    reload: UnixStream,
}

impl Signals {
    /// Heard from now on, for the rest of the process's life.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { end: raised_by(&[SIGTERM, SIGINT])?, reload: raised_by(&[SIGHUP])? })
    }

    /// SIGTERM or SIGINT. Nothing is lost if the future is dropped.
    pub(crate) async fn end(&self) -> io::Result<()> {
        heard(&self.end).await
    }

    /// Any of the three, for a command that reads nothing again.
    pub(crate) async fn any(&self) -> io::Result<()> {
        let (end, hung_up) = (pin!(self.end()), pin!(self.reload()));
        select(end, hung_up).await.factor_first().0
    }

    /// SIGHUP. Nothing is lost if the future is dropped; several at a time may be one.
    pub(crate) async fn reload(&self) -> io::Result<()> {
        heard(&self.reload).await
    }
}

fn raised_by(signals: &[i32]) -> io::Result<UnixStream> {
    let (heard, raised) = StdStream::pair()?;
    for signal in signals {
        signal_hook::low_level::pipe::register(*signal, raised.try_clone()?)?;
    }
    heard.set_nonblocking(true)?;
    UnixStream::from_std(heard)
}

async fn heard(stream: &UnixStream) -> io::Result<()> {
    loop {
        stream.readable().await?;
        match stream.try_read(&mut [0; 64]) {
            Ok(0) => std::future::pending().await,
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
