//! What a framework could be at best: a multiplexer in tokio, written by hand for one small call.
//! Callers append to one buffer, a driver writes all of it and reads all that has come. Either end may
//! look for more a while before it sleeps.

use std::io::ErrorKind;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};

use super::{Kind, idle, serving_runtime};
use crate::Result;
use crate::load;
use crate::peer::{Peer, small_calls};
use crate::server::say_ready;
use crate::workload::Load;

pub(crate) const MUX: Kind = Kind {
    name: "raw-mux",
    text: "a tokio multiplexer by hand: what a framework could be at best",
    is_peer: false,
    can: small_calls,
    serve: |socket| serve(socket, Duration::ZERO),
    run: load::run::<Mux<false>>,
    idle: idle::<Mux<false>>,
};

pub(crate) const SPIN: Kind = Kind {
    name: "raw-mux-spin",
    text: "the same, looks for 30 us before it sleeps",
    // Each of many connections would look while others have something to do.
    can: |load| matches!(load, Load::Lone | Load::Callers(_)),
    serve: |socket| serve(socket, PATIENCE),
    run: load::run::<Mux<true>>,
    idle: idle::<Mux<true>>,
    ..MUX
};

const PATIENCE: Duration = Duration::from_micros(30);

/// A slot, four bytes, and a number, eight bytes; the answer has the same form.
const FRAME: usize = 12;

fn serve(socket: &Path, patience: Duration) -> Result<()> {
    serving_runtime()?.block_on(async {
        let listener = UnixListener::bind(socket)?;
        say_ready();
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::spawn(serve_connection(socket, patience));
        }
    })
}

/// An idle connection has no buffer.
async fn serve_connection(socket: UnixStream, patience: Duration) -> std::io::Result<()> {
    let mut rest = Vec::new();
    loop {
        let mut found = false;
        if !patience.is_zero() {
            found = look(&socket, patience).await;
        }
        if !found {
            socket.readable().await?;
        }
        if !serve_ready(&socket, &mut rest, found).await? {
            return Ok(());
        }
    }
}

/// Whether there is something to read, or an end, before the time is over.
async fn look(socket: &UnixStream, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    std::future::poll_fn(|context| match recv(socket, &mut [0_u8; 1][..], flags) {
        Err(Errno::AGAIN) if Instant::now() < until => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Err(Errno::AGAIN) => Poll::Ready(false),
        _ => Poll::Ready(true),
    })
    .await
}

/// The runtime does not know of what was found by looking, and would not read it.
fn read(socket: &UnixStream, bytes: &mut Vec<u8>, found: bool) -> std::io::Result<usize> {
    if !found {
        return socket.try_read_buf(bytes);
    }
    Ok(recv(socket, spare_capacity(bytes), RecvFlags::DONTWAIT)?.0)
}

async fn serve_ready(
    socket: &UnixStream,
    rest: &mut Vec<u8>,
    found: bool,
) -> std::io::Result<bool> {
    let mut bytes = std::mem::take(rest);
    bytes.reserve(16 << 10);
    match read(socket, &mut bytes, found) {
        Ok(0) => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    let whole = bytes.len() - bytes.len() % FRAME;
    for frame in bytes[..whole].chunks_exact_mut(FRAME) {
        if let Some((_, number)) = frame.split_last_chunk_mut() {
            *number = u64::from_le_bytes(*number).wrapping_add(1).to_le_bytes();
        }
    }
    let mut written = 0;
    while written < whole {
        match socket.try_write(&bytes[written..whole]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    if whole < bytes.len() {
        rest.extend_from_slice(&bytes[whole..]);
    }
    Ok(true)
}

/// Its driver looks before it sleeps, or does not.
#[derive(Clone)]
struct Mux<const LOOKS: bool>(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    outbox: Vec<u8>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    driver: Option<Waker>,
    lost: bool,
}

#[derive(Default)]
struct Slot {
    answer: Option<u64>,
    waker: Option<Waker>,
}

impl<const LOOKS: bool> Mux<LOOKS> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, n: u64) -> u32 {
        let mut state = self.state();
        let slot = state.free.pop().unwrap_or_else(|| {
            state.slots.push(Slot::default());
            u32::try_from(state.slots.len() - 1).unwrap_or(u32::MAX)
        });
        state.outbox.extend_from_slice(&slot.to_le_bytes());
        state.outbox.extend_from_slice(&n.to_le_bytes());
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        slot
    }

    fn poll_answer(&self, index: u32, context: &Context<'_>) -> Poll<Result<u64>> {
        let mut state = self.state();
        if state.lost {
            return Poll::Ready(Err("the connection is lost".into()));
        }
        let slot = &mut state.slots[index as usize];
        if let Some(answer) = slot.answer.take() {
            state.free.push(index);
            return Poll::Ready(Ok(answer));
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<const LOOKS: bool> Peer for Mux<LOOKS> {
    type Bytes = Vec<u8>;

    async fn connect(socket: &Path) -> Result<Self> {
        let socket = UnixStream::connect(socket).await?;
        let this = Self(Arc::default());
        tokio::spawn(Driver {
            socket,
            state: Arc::clone(&this.0),
            writing: Vec::new(),
            written: 0,
            reading: vec![0; 64 << 10],
            read: 0,
            wakers: Vec::new(),
            patience: if LOOKS { PATIENCE } else { Duration::ZERO },
            until: None,
        });
        Ok(this)
    }

    async fn next(&self, n: u64) -> Result<u64> {
        let slot = self.begin(n);
        std::future::poll_fn(|context| self.poll_answer(slot, context)).await
    }
}

struct Driver {
    socket: UnixStream,
    state: Arc<Mutex<State>>,
    writing: Vec<u8>,
    written: usize,
    reading: Vec<u8>,
    read: usize,
    wakers: Vec<Waker>,
    /// How long it looks before it sleeps.
    patience: Duration,
    until: Option<Instant>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let wrote = this.write(context);
            let read = this.read(context);
            match (wrote, read) {
                (Err(_), _) | (_, Err(_)) => return Poll::Ready(()),
                (Ok(false), Ok(false)) if this.goes_on_looking() => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                (Ok(false), Ok(false)) => return Poll::Pending,
                (Ok(_), Ok(_)) => this.until = None,
            }
        }
    }
}

impl Driver {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a driver that found nothing.
    fn goes_on_looking(&mut self) -> bool {
        if self.patience.is_zero() {
            return false;
        }
        let now = Instant::now();
        now < *self.until.get_or_insert(now + self.patience)
    }

    /// Whether something was written; else the driver is woken when it can be.
    fn write(&mut self, context: &mut Context<'_>) -> std::io::Result<bool> {
        if self.written == self.writing.len() {
            self.written = 0;
            let mut writing = std::mem::take(&mut self.writing);
            writing.clear();
            let mut state = self.state();
            std::mem::swap(&mut state.outbox, &mut writing);
            if writing.is_empty() {
                state.driver = Some(context.waker().clone());
            }
            drop(state);
            self.writing = writing;
            if self.writing.is_empty() {
                return Ok(false);
            }
        }
        let bytes = &self.writing[self.written..];
        match Pin::new(&mut self.socket).poll_write(context, bytes) {
            Poll::Ready(count) => {
                self.written += count?;
                Ok(true)
            }
            Poll::Pending => Ok(false),
        }
    }

    fn receive(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let bytes = &mut self.reading[self.read..];
        if !self.patience.is_zero() {
            // The runtime would tell only after its own look at all that it waits for.
            match recv(&self.socket, &mut *bytes, RecvFlags::DONTWAIT) {
                Ok((_, count)) => return Poll::Ready(Ok(count)),
                Err(Errno::AGAIN) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        let mut buffer = ReadBuf::new(bytes);
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Whether something was read; else the driver is woken when something can be.
    fn read(&mut self, context: &mut Context<'_>) -> std::io::Result<bool> {
        let Poll::Ready(count) = self.receive(context) else { return Ok(false) };
        let count = count?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.read += count;
        let (frames, _) = self.reading[..self.read].as_chunks::<FRAME>();
        let used = frames.len() * FRAME;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for frame in frames {
            let (Some(index), Some(number)) = (frame.first_chunk(), frame.last_chunk()) else {
                continue;
            };
            let Some(slot) = state.slots.get_mut(u32::from_le_bytes(*index) as usize) else {
                continue;
            };
            slot.answer = Some(u64::from_le_bytes(*number));
            self.wakers.extend(slot.waker.take());
        }
        drop(state);
        self.wakers.drain(..).for_each(Waker::wake);
        self.reading.copy_within(used..self.read, 0);
        self.read -= used;
        Ok(true)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut state = self.state();
        state.lost = true;
        let wakers: Vec<_> = state.slots.iter_mut().filter_map(|slot| slot.waker.take()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}
