//! The task that owns a connection's transport.
//!
//! A turn writes what is in the outbox with one system call, reads once, and hands over what came.
//! On a socket that is three system calls for a lone call and its answer: wait, receive, send. Many
//! calls share them.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::dispatch::Dispatch;
use super::loss::Loss;
use super::reader::{Look, Reader};
use super::shared::Shared;
use super::spares::SPARES;
use super::transport::Transport;
use super::writer::Writer;
use crate::error::ErrorKind;
use crate::wire::frame::MAX_PIECE;

/// What one read can take at most: a whole frame at least.
pub(super) const READ: usize = 2 * MAX_PIECE;

/// What is read and written of long messages before other tasks get their turns, unless somebody was
/// woken: some 50 us. In a pool a turn costs more than that, because it wakes another thread.
const PART: usize = 4 * MAX_PIECE;

/// Turns before other tasks of the runtime get theirs.
const TURNS: usize = 16;

pub(crate) struct Driver<T, D> {
    transport: T,
    shared: Arc<Shared>,
    dispatch: D,
    reader: Reader,
    writer: Writer,
    /// It has been polled.
    begun: bool,
}

/// How far a half-turn came.
pub(super) enum Progress {
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
        let (reader, writer) = (Reader::new(rest), Writer::new());
        Self { transport, shared, dispatch, reader, writer, begun: false }
    }

    /// Looks for so long for what comes next before it sleeps, if that turns out to help. One that
    /// is eager does so from the beginning, if it is the only one in this process.
    pub(crate) fn looking(mut self, limit: Duration, eager: bool) -> Self {
        self.reader.looking(limit, eager);
        self
    }

    /// Works until the connection ends, for whatever reason. The future is the driver itself, so that
    /// an idle connection holds no more than one.
    pub(crate) fn run(self) -> impl Future<Output = ()> {
        // The turns are counted here, so tokio's own budget must not make a handler that is ready
        // look as if it were not.
        tokio::task::unconstrained(self)
    }

    /// What was read behind the greetings.
    fn take_early(&mut self) -> Option<Loss> {
        if std::mem::replace(&mut self.begun, true) {
            return None;
        }
        self.reader.take_early(&self.shared, &mut self.dispatch)
    }

    /// Says goodbye if that is still possible without waiting, and closes.
    fn last_words(&mut self, context: &mut Context<'_>) {
        self.writer.last_words(&mut self.transport, &self.shared, context);
        let _ = Pin::new(&mut self.transport).poll_shutdown(context);
    }

    fn poll_loss(&mut self, context: &mut Context<'_>) -> Poll<Loss> {
        self.reader.begin();
        // What was read and written since others had their turns.
        let mut moved = 0;
        for _ in 0..TURNS {
            let wrote = match self.writer.turn(&mut self.transport, &self.shared, context) {
                Progress::End(loss) => return Poll::Ready(loss),
                Progress::Some => true,
                Progress::None => false,
            };
            if self.reader.is_spent() {
                break;
            }
            let dispatched = self.reader.hand_over(&self.shared, &mut self.dispatch);
            let read = match self.read_turn(context) {
                Progress::End(loss) => return Poll::Ready(loss),
                Progress::Some => true,
                Progress::None => false,
            };
            // What was written leads to nothing new; whatever else has to be said is seen before it
            // sleeps.
            moved += self.reader.take_read() + self.writer.take_written();
            if dispatched || read || wrote && !self.writer.is_empty() {
                // A turn with a long message takes as long as many calls.
                let is_long = self.reader.is_amid() || self.writer.is_long();
                if is_long && (self.reader.is_awaited() || moved >= PART) {
                    break;
                }
                continue;
            }
            if self.reader.is_sated() {
                break;
            }
            match self.look() {
                Look::End(loss) => return Poll::Ready(loss),
                Look::Readable => break,
                Look::Sleep if self.sleep(context) => return Poll::Pending,
                Look::Turn | Look::Sleep => {}
            }
        }
        visit(context)
    }

    fn read_turn(&mut self, context: &mut Context<'_>) -> Progress {
        self.reader.turn(&mut self.transport, &self.shared, &mut self.dispatch, context)
    }

    /// `false` if there is something to do after all. The transport has the waker already for what
    /// may come, and the waker alone while it takes nothing: more to write would change nothing then.
    fn sleep(&mut self, context: &Context<'_>) -> bool {
        if !self.writer.is_empty() {
            return true;
        }
        // Those that looking has found beside an answer: nobody wakes it for them.
        if self.reader.has_arrivals() {
            return false;
        }
        let sleeps = self.shared.sleep(context);
        if sleeps {
            self.writer.shrink();
            self.reader.shrink();
        }
        sleeps
    }

    /// Looks for what comes next, unless what is to be written waits for the other end.
    fn look(&mut self) -> Look {
        if !self.writer.is_empty() || self.reader.is_amid() && self.writer.is_accompanied() {
            return Look::Sleep;
        }
        self.reader.look(&self.transport, &self.shared, &mut self.dispatch)
    }
}

impl<T: Transport, D: Dispatch> Future for Driver<T, D> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let loss = match self.take_early() {
            Some(loss) => loss,
            None => ready!(self.poll_loss(context)),
        };
        self.shared.lose(loss);
        self.last_words(context);
        Poll::Ready(())
    }
}

/// Nothing in it is pinned.
impl<T, D> Unpin for Driver<T, D> {}

impl<T, D> Drop for Driver<T, D> {
    /// Nobody waits for a driver that is gone, also if its runtime or a panic took it away.
    fn drop(&mut self) {
        self.shared.lose(Loss::new(ErrorKind::Lost, "the connection was dropped"));
        SPARES.release();
    }
}

/// Lets the runtime look after its sockets and other tasks. It does not sleep over that, and comes
/// back.
fn visit<T>(context: &mut Context<'_>) -> Poll<T> {
    let mut turn = pin!(tokio::task::yield_now());
    // What was woken so far goes first, as does a look at the sockets; a waker alone would not do.
    let _ = turn.as_mut().poll(context);
    Poll::Pending
}

pub(super) fn end_of_stream() -> Loss {
    Loss::new(ErrorKind::Lost, "the other end closed the connection")
}
