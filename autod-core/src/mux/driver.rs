//! The task that owns a connection's transport.
//!
//! A turn writes what is in the outbox with one system call, reads once, and hands over what came.
//! On a socket that is three system calls for a lone call and its answer: wait, receive, send. Many
//! calls share them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::ReadBuf;

use super::dispatch::Dispatch;
use super::lookout::Lookout;
use super::loss::Loss;
use super::request::Incall;
use super::shared::{Next, Shared};
use super::state::{Arrived, Expected};
use super::transport::{Looking, Transport};
use crate::error::ErrorKind;
use crate::wire::frame::{Broken, GoodbyeCode, HEADER, MAX_PIECE};

/// What the first read offers to take; a lone answer needs no more.
const FIRST_READ: usize = 8 << 10;

/// What one read can take at most: a whole frame at least.
const READ: usize = 2 * MAX_PIECE;

/// Finds in a row before the runtime looks after its other sockets.
const FINDS: u32 = 64;

/// Turns before other tasks of the runtime get theirs.
const TURNS: usize = 16;

/// With so much waiting for the other end to read, nothing more is taken from it.
const HIGH_WATER: usize = 4 << 20;

thread_local! {
    /// Lent to whoever reads on this thread: an idle connection owns no buffer.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pub(crate) struct Driver<T, D> {
    transport: T,
    shared: Arc<Shared>,
    dispatch: D,
    /// The start of a frame whose rest has not come.
    rest: Vec<u8>,
    /// How much a read offers to take. Grows while reads are filled.
    appetite: usize,
    writing: Vec<u8>,
    written: usize,
    /// Nothing will be sent after `writing`.
    ending: bool,
    /// The other end does not take anything any more; what it said before is still read.
    deaf: bool,
    /// Calls that wait until the answers before them are read.
    arrived: VecDeque<Arrived>,
    lookout: Lookout,
    finds: u32,
}

/// How far a half-turn came.
enum Progress {
    Some,
    None,
    End(Loss),
}

impl<T, D> Driver<T, D>
where
    T: Transport,
    D: Dispatch,
{
    /// `rest` is what was read behind the greetings.
    pub(crate) fn new(transport: T, shared: Arc<Shared>, dispatch: D, rest: Vec<u8>) -> Self {
        Self {
            transport,
            shared,
            dispatch,
            rest,
            appetite: FIRST_READ,
            writing: Vec::new(),
            written: 0,
            ending: false,
            deaf: false,
            arrived: VecDeque::new(),
            lookout: Lookout::closed(),
            finds: 0,
        }
    }

    /// Looks for so long for what comes next before it sleeps, if that turns out to help. One that
    /// is eager does so from the beginning.
    pub(crate) fn looking(mut self, limit: Duration, eager: bool) -> Self {
        self.lookout = Lookout::new(limit, eager);
        self
    }

    /// Works until the connection ends, for whatever reason.
    pub(crate) async fn run(mut self) {
        let early = std::mem::take(&mut self.rest);
        let begun = if early.is_empty() { None } else { self.take_bytes(&early) };
        let loss = match begun {
            Some(loss) => loss,
            // The turns are counted here, so tokio's own budget must not make a handler that is
            // ready look as if it were not.
            None => {
                tokio::task::unconstrained(std::future::poll_fn(|context| self.poll(context))).await
            }
        };
        self.shared.lose(loss);
        self.last_words().await;
    }

    /// Says goodbye if that is still possible without waiting, and closes.
    async fn last_words(&mut self) {
        std::future::poll_fn(|context| {
            if !self.deaf && matches!(self.poll_write(context), Poll::Ready(Ok(()))) {
                self.shared.next(&mut self.writing, context);
                let _ = self.poll_write(context);
            }
            let _ = Pin::new(&mut self.transport).poll_shutdown(context);
            Poll::Ready(())
        })
        .await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Loss> {
        for _ in 0..TURNS {
            let wrote = match self.write_turn(context) {
                Progress::End(loss) => return Poll::Ready(loss),
                Progress::Some => true,
                Progress::None => false,
            };
            let dispatched = self.dispatch();
            let read = match self.read_turn(context) {
                Progress::End(loss) => return Poll::Ready(loss),
                Progress::Some => true,
                Progress::None => false,
            };
            if wrote || dispatched || read {
                continue;
            }
            match self.look() {
                Progress::End(loss) => return Poll::Ready(loss),
                Progress::Some => {}
                Progress::None => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Before it sleeps: reads for a moment what is about to come. `Some` if calls came that are to
    /// be answered; answers are for tasks that have to get their turn first.
    ///
    /// The wakers are in place already, so whoever wants something sent is heard afterwards.
    fn look(&mut self) -> Progress {
        let expected = self.shared.expected();
        if expected == Expected::Nothing || !self.rest.is_empty() || self.is_held_up() {
            return Progress::None;
        }
        if self.finds >= FINDS {
            self.finds = 0;
            return Progress::None;
        }
        let Some(limit) = self.lookout.limit() else {
            self.lookout.sleeps(Instant::now);
            return Progress::None;
        };
        let Some(_looking) = Looking::begin() else { return Progress::None };
        let mut scratch = SCRATCH.take();
        if scratch.len() < self.appetite {
            scratch.resize(self.appetite, 0);
        }
        let end = Instant::now() + limit;
        let progress = loop {
            match self.transport.read_now(&mut scratch[..self.appetite]) {
                Ok(0) => break Progress::End(end_of_stream()),
                Ok(length) => {
                    self.lookout.found();
                    self.finds += 1;
                    break match self.take_bytes(&scratch[..length]) {
                        Some(loss) => Progress::End(loss),
                        None if expected == Expected::Answer => Progress::None,
                        None => Progress::Some,
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The runtime's own read will say the same.
                Err(_) => break Progress::None,
            }
            if Instant::now() >= end {
                self.lookout.missed();
                self.lookout.sleeps(Instant::now);
                break Progress::None;
            }
            std::hint::spin_loop();
        };
        SCRATCH.set(scratch);
        progress
    }

    /// Writes until the outbox is empty or the socket is full. Leaves the driver's waker in the
    /// shared state in the first case, in the transport in the second.
    fn write_turn(&mut self, context: &mut Context<'_>) -> Progress {
        let mut progress = Progress::None;
        loop {
            match self.poll_write(context) {
                Poll::Pending => return progress,
                Poll::Ready(Err(_)) => {
                    // Whoever closed may have said why: read on to the end.
                    self.deaf = true;
                    self.writing.clear();
                    self.written = 0;
                }
                Poll::Ready(Ok(())) => {}
            }
            if self.ending {
                return Progress::End(Loss::new(ErrorKind::Lost, "the connection was closed"));
            }
            match self.shared.next(&mut self.writing, context) {
                Next::Sleep => return progress,
                Next::Write => {}
                Next::WriteAndEnd => self.ending = true,
            }
            if self.deaf {
                self.writing.clear();
            }
            progress = Progress::Some;
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.writing.len() {
            let bytes = &self.writing[self.written..];
            match Pin::new(&mut self.transport).poll_write(context, bytes) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.written = 0;
        if self.writing.capacity() > READ {
            self.writing = Vec::new();
        } else {
            self.writing.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn read_turn(&mut self, context: &mut Context<'_>) -> Progress {
        if self.is_held_up() {
            return Progress::None;
        }
        let mut scratch = SCRATCH.take();
        let kept = self.rest.len();
        // A frame that has begun has to fit, whatever was read before.
        let offered = (kept + self.appetite).min(READ);
        if scratch.len() < offered {
            scratch.resize(offered, 0);
        }
        scratch[..kept].copy_from_slice(&self.rest);
        let mut buffer = ReadBuf::new(&mut scratch[..offered]);
        buffer.advance(kept);
        let polled = Pin::new(&mut self.transport).poll_read(context, &mut buffer);
        let length = buffer.filled().len();
        let progress = match polled {
            Poll::Pending => Progress::None,
            Poll::Ready(Ok(())) if length > kept => {
                self.lookout.woke(Instant::now);
                self.rest.clear();
                if length == offered {
                    self.appetite = (self.appetite * 2).min(READ);
                }
                match self.take_bytes(&scratch[..length]) {
                    Some(loss) => Progress::End(loss),
                    None => Progress::Some,
                }
            }
            Poll::Ready(Ok(())) => Progress::End(end_of_stream()),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                Progress::End(end_of_stream())
            }
            Poll::Ready(Err(error)) => Progress::End(Loss::new(
                ErrorKind::Lost,
                format!("the connection to the daemon broke: {error}"),
            )),
        };
        SCRATCH.set(scratch);
        progress
    }

    /// Takes the frames in `bytes`, keeps the start of one that is not whole.
    fn take_bytes(&mut self, bytes: &[u8]) -> Option<Loss> {
        let mut arrived = std::mem::take(&mut self.arrived);
        let taken = self.shared.on_bytes(bytes, &mut arrived);
        self.arrived = arrived;
        self.dispatch();
        match taken {
            Ok(used) => {
                debug_assert!(bytes.len() - used < HEADER + MAX_PIECE);
                self.rest.extend_from_slice(&bytes[used..]);
                if self.rest.is_empty() {
                    self.rest = Vec::new();
                }
                self.shared.is_lost().then(end_of_stream)
            }
            Err(broken) => Some(self.on_broken(&broken)),
        }
    }

    /// Hands the calls that have arrived to the service, as long as their answers are taken.
    fn dispatch(&mut self) -> bool {
        let mut some = false;
        while !self.arrived.is_empty() && !self.shared.has_unread_answers(HIGH_WATER) {
            let Some(call) = self.arrived.pop_front() else { break };
            some = true;
            if let Some(call) = Incall::new(&self.shared, call) {
                self.dispatch.dispatch(&self.shared, call);
            }
        }
        if self.arrived.is_empty() {
            self.arrived = VecDeque::new();
        }
        some
    }

    /// The other end does not read what it is answered: nothing more is taken from it.
    fn is_held_up(&self) -> bool {
        !self.arrived.is_empty() || self.shared.has_unread_answers(HIGH_WATER)
    }

    fn on_broken(&mut self, broken: &Broken) -> Loss {
        self.shared.leave(GoodbyeCode::Protocol, &broken.to_string());
        Loss::new(ErrorKind::Protocol, format!("the other end broke the protocol: {broken}"))
    }
}

impl<T, D> Drop for Driver<T, D> {
    /// Nobody waits for a driver that is gone, also if its runtime or a panic took it away.
    fn drop(&mut self) {
        self.shared.lose(Loss::new(ErrorKind::Lost, "the connection was dropped"));
    }
}

fn end_of_stream() -> Loss {
    Loss::new(ErrorKind::Lost, "the other end closed the connection")
}
