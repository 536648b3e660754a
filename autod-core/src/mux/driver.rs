//! The task that owns a connection's transport.
//!
//! A turn writes what is in the outbox with one system call, reads once, and hands over what came.
//! On a socket that is three system calls for a lone call and its answer: wait, receive, send. Many
//! calls share them.

use std::cell::Cell;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BufMut as _;
use tokio::io::ReadBuf;
use tokio_util::io::poll_read_buf;

use super::arrival::{Loan, Taken};
use super::backlog::Backlog;
use super::company::Company;
use super::dispatch::Dispatch;
use super::lookout::Lookout;
use super::loss::Loss;
use super::shared::Shared;
use super::spares::SPARES;
use super::state::Expected;
use super::transport::{Looking, Transport};
use super::writer::Writer;
use crate::error::ErrorKind;
use crate::wire::frame::{Broken, GoodbyeCode, HEADER, MAX_PIECE};

/// What the first read offers to take; a lone answer needs no more.
const FIRST_READ: usize = 8 << 10;

/// What one read can take at most: a whole frame at least.
pub(super) const READ: usize = 2 * MAX_PIECE;

/// Finds in a row before the runtime looks after its other sockets.
const FINDS: u32 = 64;

/// What is read and written of long messages before other tasks get their turns, unless somebody was
/// woken: some 50 us. In a pool a turn costs more than that, because it wakes another thread.
const PART: usize = 4 * MAX_PIECE;

/// Turns before other tasks of the runtime get theirs.
const TURNS: usize = 16;

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
    /// The last bytes were a part of a frame, and have been taken.
    amid: bool,
    /// How much a read offers to take. Grows while reads are filled.
    appetite: usize,
    writer: Writer,
    backlog: Backlog,
    lookout: Lookout,
    /// For the rest of a long message.
    rest_lookout: Lookout,
    company: Company,
    finds: u32,
    /// What was read and written since others had their turns.
    moved: usize,
    /// Some of it was for somebody who waits for a turn.
    awaited: bool,
    /// It has been polled.
    begun: bool,
}

/// What came of looking.
enum Look {
    /// There is something to do.
    Turn,
    /// More of a long message has come. The runtime has to hear of it before it can be read.
    Readable,
    Sleep,
    End(Loss),
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
        Self {
            transport,
            shared,
            dispatch,
            rest,
            amid: false,
            appetite: FIRST_READ,
            writer: Writer::new(),
            backlog: Backlog::new(),
            lookout: Lookout::closed(),
            rest_lookout: Lookout::closed(),
            company: Company::join(),
            finds: 0,
            moved: 0,
            awaited: false,
            begun: false,
        }
    }

    /// Looks for so long for what comes next before it sleeps, if that turns out to help. One that
    /// is eager does so from the beginning, if it is the only one in this process.
    pub(crate) fn looking(mut self, limit: Duration, eager: bool) -> Self {
        self.lookout = Lookout::new(limit, eager && self.company.is_alone());
        self.rest_lookout = Lookout::new(limit, false);
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
        if std::mem::replace(&mut self.begun, true) || self.rest.is_empty() {
            return None;
        }
        let early = std::mem::take(&mut self.rest);
        self.take_bytes(&early)
    }

    /// Says goodbye if that is still possible without waiting, and closes.
    fn last_words(&mut self, context: &mut Context<'_>) {
        self.writer.last_words(&mut self.transport, &self.shared, context);
        let _ = Pin::new(&mut self.transport).poll_shutdown(context);
    }

    fn poll_loss(&mut self, context: &mut Context<'_>) -> Poll<Loss> {
        self.backlog.begin(self.lookout.limit().is_some());
        (self.moved, self.awaited) = (0, false);
        for _ in 0..TURNS {
            let wrote = match self.writer.turn(&mut self.transport, &self.shared, context) {
                Progress::End(loss) => return Poll::Ready(loss),
                Progress::Some => true,
                Progress::None => false,
            };
            if self.backlog.is_spent() {
                break;
            }
            let dispatched = self.hand_over();
            let read = match self.read_turn(context) {
                Progress::End(loss) => return Poll::Ready(loss),
                Progress::Some => true,
                Progress::None => false,
            };
            // What was written leads to nothing new; whatever else has to be said is seen before it
            // sleeps.
            self.moved += self.writer.take_written();
            if dispatched || read || wrote && !self.writer.is_empty() {
                // A turn with a long message takes as long as many calls.
                let is_long = self.amid || self.writer.is_long();
                if is_long && (self.awaited || self.moved >= PART) {
                    break;
                }
                continue;
            }
            if self.finds >= FINDS {
                self.finds = 0;
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

    /// `false` if there is something to do after all. The transport has the waker already for what
    /// may come, and the waker alone while it takes nothing: more to write would change nothing then.
    fn sleep(&mut self, context: &Context<'_>) -> bool {
        if !self.writer.is_empty() {
            return true;
        }
        // Those that looking has found beside an answer: nobody wakes it for them.
        if !self.backlog.arrived.is_empty() {
            return false;
        }
        let sleeps = self.shared.sleep(context);
        if sleeps {
            self.writer.shrink();
            self.backlog.shrink();
        }
        sleeps
    }

    /// Before it sleeps: reads for a moment what is about to come. Answers are for tasks that have to
    /// get their turn first, and the rest of a long message is read to where it is kept.
    ///
    /// It is awake meanwhile, so it stops when there is something to send.
    fn look(&mut self) -> Look {
        // What takes no lock is looked at first.
        if self.company.is_disturbed() {
            return Look::Sleep;
        }
        let expected = self.shared.expected();
        if expected == Expected::Nothing
            || self.awaited
            || self.amid && self.writer.is_accompanied()
            || !self.writer.is_empty()
            || !self.rest.is_empty()
            || !self.backlog.arrived.is_empty()
            || self.backlog.is_held_up(&self.shared)
        {
            return Look::Sleep;
        }
        let lookout = if self.amid { &mut self.rest_lookout } else { &mut self.lookout };
        let Some(limit) = lookout.limit() else {
            lookout.sleeps(Instant::now);
            return Look::Sleep;
        };
        let Some(_looking) = Looking::begin() else { return Look::Sleep };
        let mut scratch = SCRATCH.take();
        if scratch.len() < self.appetite {
            scratch.resize(self.appetite, 0);
        }
        let end = Instant::now() + limit;
        let look = loop {
            let read = if self.amid {
                self.transport.peek_now()
            } else {
                self.transport.read_now(&mut scratch[..self.appetite])
            };
            match read {
                Ok(0) => break Look::End(end_of_stream()),
                Ok(length) => {
                    self.company.heard();
                    lookout.found();
                    self.finds += 1;
                    if self.amid {
                        break Look::Readable;
                    }
                    break match self.take_bytes(&scratch[..length]) {
                        Some(loss) => Look::End(loss),
                        None if self.awaited => Look::Sleep,
                        None => Look::Turn,
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The runtime's own read will say the same.
                Err(_) => break Look::Sleep,
            }
            if self.shared.expected() != expected {
                break Look::Sleep;
            }
            if Instant::now() >= end {
                lookout.missed();
                lookout.sleeps(Instant::now);
                break Look::Sleep;
            }
            std::hint::spin_loop();
        };
        SCRATCH.set(scratch);
        look
    }

    fn read_turn(&mut self, context: &mut Context<'_>) -> Progress {
        if self.backlog.is_held_up(&self.shared) {
            return Progress::None;
        }
        if self.amid
            && let Some(loan) = self.shared.lend()
        {
            return self.read_on(loan, context);
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
        let mut progress = self.on_read(polled.map_ok(|()| length - kept));
        if matches!(progress, Progress::Some) {
            self.rest.clear();
            let taken = self.take_bytes(&scratch[..length]);
            if self.amid {
                // A long message had better be read to where it is kept.
                self.appetite = FIRST_READ;
            } else if length == offered {
                self.appetite = (self.appetite * 2).min(READ);
            }
            if let Some(loss) = taken {
                progress = Progress::End(loss);
            }
        }
        SCRATCH.set(scratch);
        progress
    }

    /// Reads the rest of a frame to where its message is kept.
    fn read_on(&mut self, mut loan: Loan, context: &mut Context<'_>) -> Progress {
        let room = loan.make_room();
        let mut buffer = (&mut loan.message).limit(room);
        let polled = poll_read_buf(Pin::new(&mut self.transport), context, &mut buffer);
        let progress = self.on_read(polled);
        let mut behind = std::mem::take(&mut self.rest);
        loan.part(&mut behind);
        let taken = self.shared.give_back(loan, &mut self.backlog.arrived);
        match taken {
            Ok(awaited) => self.awaited |= awaited,
            Err(broken) => return Progress::End(self.on_broken(&broken)),
        }
        if !matches!(progress, Progress::Some) {
            return progress;
        }
        match self.take_bytes(&behind) {
            Some(loss) => Progress::End(loss),
            None => Progress::Some,
        }
    }

    /// What a read of so many bytes means.
    fn on_read(&mut self, read: Poll<io::Result<usize>>) -> Progress {
        match read {
            Poll::Pending => Progress::None,
            Poll::Ready(Ok(0)) => Progress::End(end_of_stream()),
            Poll::Ready(Ok(length)) => {
                self.moved += length;
                self.company.heard();
                self.lookout.woke(Instant::now);
                self.rest_lookout.woke(Instant::now);
                Progress::Some
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                Progress::End(end_of_stream())
            }
            Poll::Ready(Err(error)) => {
                Progress::End(Loss::new(ErrorKind::Lost, format!("the connection broke: {error}")))
            }
        }
    }

    /// Takes the frames in `bytes`, keeps the start of one that is not whole.
    fn take_bytes(&mut self, bytes: &[u8]) -> Option<Loss> {
        let taken = self.shared.on_bytes(bytes, &mut self.backlog.arrived);
        self.hand_over();
        match taken {
            Ok(Taken { used, amid, awaited, lost }) => {
                self.amid = amid;
                self.awaited |= awaited;
                debug_assert!(bytes.len() - used < HEADER + MAX_PIECE);
                self.rest.extend_from_slice(&bytes[used..]);
                if self.rest.is_empty() {
                    self.rest = Vec::new();
                }
                lost.then(end_of_stream)
            }
            Err(broken) => Some(self.on_broken(&broken)),
        }
    }

    fn hand_over(&mut self) -> bool {
        self.backlog.hand_over(&self.shared, &mut self.dispatch)
    }

    fn on_broken(&mut self, broken: &Broken) -> Loss {
        self.shared.leave(GoodbyeCode::Protocol, &broken.to_string());
        Loss::new(ErrorKind::Protocol, format!("the other end broke the protocol: {broken}"))
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

fn end_of_stream() -> Loss {
    Loss::new(ErrorKind::Lost, "the other end closed the connection")
}
