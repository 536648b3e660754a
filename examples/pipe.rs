//! A filter whose work is done by a daemon: `cat file | pipe`.
//!
//! Bytes go to the daemon as they come, and come back in upper case. The number of bytes of all
//! commands so far goes to standard error.

use std::io::{ErrorKind, Read, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// Makes letters large.
#[autod::service]
pub trait Upper {
    /// Gives back what it gets in upper case; then the number of bytes since the daemon began.
    async fn convert(&self, bytes: autod::ByteStream) -> Result<u64, String>;
}

struct Converter(Arc<AtomicU64>);

impl Upper for Converter {
    async fn convert(&self, mut bytes: autod::ByteStream) -> Result<u64, String> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = bytes.read(&mut buffer).await.map_err(|error| error.to_string())?;
            if length == 0 {
                return Ok(self.0.load(Relaxed));
            }
            self.0.fetch_add(length as u64, Relaxed);
            buffer[..length].make_ascii_uppercase();
            bytes.write_all(&buffer[..length]).await.map_err(|error| error.to_string())?;
        }
    }
}

fn main() -> ExitCode {
    let result = autod::Daemon::new("autod-pipe")
        .autoclose(Duration::from_secs(60))
        .init(async |_start| Ok(AtomicU64::new(0)))
        .serve(|total, _session| Converter(total))
        .run(async |upper: UpperClient| filter(upper.convert()).await);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pipe: {error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn filter(mut pipe: autod::Pipe<u64, autod::CallError<String>>) -> autod::Result<()> {
    let mut input = standard_input();
    let (mut from, mut to) = tokio::io::split(&mut pipe);
    let there = async {
        while let Some(part) = input.recv().await {
            // The daemon may take no more; `finish` tells why.
            if to.write_all(&part.map_err(autod::Error::custom)?).await.is_err() {
                break;
            }
        }
        to.shutdown().await.map_err(autod::Error::custom)
    };
    let back = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            match std::io::stdout().write_all(&buffer[..length]) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
                result => result.map_err(autod::Error::custom)?,
            }
        }
        Ok(())
    };
    // Reading ends when the daemon has answered or failed, also if nobody types any more.
    match select(pin!(there), pin!(back)).await {
        Either::Left((sent, back)) => sent.and(back.await)?,
        Either::Right((received, _)) => received?,
    }
    std::io::stdout().flush().map_err(autod::Error::custom)?;
    let total = pipe.finish().await?;
    eprintln!("{total} bytes so far");
    Ok(())
}

/// Reads standard input on a thread of its own: a read of a terminal cannot be interrupted, and
/// nothing has to wait for it.
fn standard_input() -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
    let (tell, told) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut part = vec![0; 64 << 10];
            let part = match input.read(&mut part) {
                Ok(0) => return,
                Ok(length) => {
                    part.truncate(length);
                    Ok(part)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = part.is_err();
            if tell.blocking_send(part).is_err() || failed {
                return;
            }
        }
    });
    told
}
