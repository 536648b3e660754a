//! One forwarded connection: bytes both ways, each direction ending by itself.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use crate::error::Exit;
use crate::group::Group;
use crate::splice::{self, Pipe};
use crate::stream::Stream;
use crate::turn::Turn;

/// Large enough for a busy connection; an idle one has none.
const BUFFER: usize = 64 << 10;

/// After this time a connection counts as accepted.
const ACCEPTED: Duration = Duration::from_millis(50);

/// After so many full buffers in a row a connection counts as one that carries many bytes.
const BUSY: u32 = 4;

/// How many buffers each thread keeps for the next.
const SPARE: usize = 16;

/// The app behind a connection, as far as the connection is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) group: Arc<Group>,
    /// How it ended; closed without a word if nobody knows.
    pub(crate) exit: watch::Receiver<Option<End>>,
}

/// How an app ended, and whether it was meant to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) exit: Exit,
    pub(crate) ordered: bool,
}

impl Life {
    /// How it ended.
    pub(crate) async fn ended(&mut self) -> Option<End> {
        self.exit.wait_for(Option::is_some).await.ok().and_then(|end| *end)
    }
}

/// Carries bytes until both directions have ended. `fresh` is given back when the app has shown that it
/// has accepted the connection, or has had time to.
///
/// # Errors
///
/// One of the two ends broke off, or the app died: both connections are to be reset.
pub(crate) async fn relay(
    client: &Stream,
    app: &Stream,
    fresh: Option<OwnedSemaphorePermit>,
    mut life: Life,
) -> Result<(), String> {
    // Most clients speak first, and have done so by now.
    let mut up = std::pin::pin!(pump(client, app, true));
    let mut down = std::pin::pin!(async {
        if fresh.is_some() {
            let _ = timeout(ACCEPTED, app.ready(Interest::READABLE)).await;
            drop(fresh);
        }
        pump(app, client, false).await
    });
    let (mut up_done, mut down_done) = (false, false);
    while !(up_done && down_done) {
        tokio::select! {
            biased;
            read = &mut down, if !down_done => {
                read.map_err(|error| format!("the connection broke: {error}"))?;
                if life.group.is_ending() {
                    // A socket that a death has closed looks like one that was closed in order.
                    return match life.ended().await {
                        Some(end) if end.ordered || end.exit.is_success() => Ok(()),
                        Some(end) => Err(format!("the app died: {}", end.exit)),
                        None => Err("the app died".to_owned()),
                    };
                }
                // Both are closed now if this was the second, which says the same.
                if !up_done {
                    client.finish();
                }
                down_done = true;
            }
            read = &mut up, if !up_done => {
                read.map_err(|error| format!("the connection broke: {error}"))?;
                if !down_done {
                    app.finish();
                }
                up_done = true;
            }
            // It has said its last word: nobody is there to hear more.
            _ = life.ended(), if down_done => return Ok(()),
        }
    }
    Ok(())
}

/// With `now` it looks before it waits for the first time.
async fn pump(from: &Stream, to: &Stream, mut now: bool) -> io::Result<()> {
    let mut full = 0;
    let mut turn = Turn::default();
    loop {
        if !now {
            from.ready(Interest::READABLE).await?;
        }
        let mut buffer = Buffer::take();
        loop {
            let read =
                if now { from.read_now(&mut buffer.0) } else { from.try_read(&mut buffer.0) };
            now = false;
            let length = match read {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            write_all(to, &buffer.0[..length]).await?;
            turn.moved(length, splice::busy()).await;
            full = if length == BUFFER { full + 1 } else { 0 };
            if full >= BUSY
                && let Some(pipe) = Pipe::open()
            {
                drop(buffer);
                return pipe.pump(from, to).await;
            }
        }
    }
}

async fn write_all(to: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    let mut write = Stream::write_now as fn(&Stream, &[u8]) -> io::Result<usize>;
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                to.ready(Interest::WRITABLE).await?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        // The runtime has to hear of a socket that is full.
        write = Stream::try_write;
    }
    Ok(())
}

thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of the thread's, given back when it is dropped.
struct Buffer(Box<[u8]>);

impl Buffer {
    fn take() -> Self {
        let spare = BUFFERS.with_borrow_mut(Vec::pop);
        Self(spare.unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice()))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        let _ = BUFFERS.try_with(|buffers| {
            let mut buffers = buffers.borrow_mut();
            if buffers.len() < SPARE {
                buffers.push(buffer);
            }
        });
    }
}
