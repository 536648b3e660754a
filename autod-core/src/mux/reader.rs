//! The half of a driver that reads.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut as _;
use tokio::io::ReadBuf;
use tokio_util::io::poll_read_buf;

use super::arrival::{Loan, Taken};
use super::backlog::Backlog;
use super::dispatch::Dispatch;
use super::driver::{Progress, READ, end_of_stream};
use super::loss::Loss;
use super::shared::Shared;
use super::state::Expected;
use super::transport::Transport;
use super::watch::Watch;
use crate::error::ErrorKind;
use crate::wire::frame::{Broken, GoodbyeCode, HEADER, MAX_PIECE};

/// What the first read offers to take; a lone answer needs no more.
const FIRST_READ: usize = 8 << 10;

thread_local! {
    /// Lent to whoever reads on this thread: an idle connection owns no buffer.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pub(super) struct Reader {
    /// The start of a frame whose rest has not come.
    rest: Vec<u8>,
    /// The last bytes were a part of a frame, and have been taken.
    amid: bool,
    /// Some of what was read in this poll was for somebody who waits for a turn.
    awaited: bool,
    /// How much a read offers to take. Grows while reads are filled.
    appetite: usize,
    /// What was read since somebody asked.
    read: usize,
    backlog: Backlog,
    watch: Watch,
}

/// What came of looking.
pub(super) enum Look {
    /// There is something to do.
    Turn,
    /// More of a long message has come. The runtime has to hear of it before it can be read.
    Readable,
    Sleep,
    End(Loss),
}

impl Reader {
    /// `rest` is what was read behind the greetings.
    pub(super) fn new(rest: Vec<u8>) -> Self {
        Self {
            rest,
            amid: false,
            awaited: false,
            appetite: FIRST_READ,
            read: 0,
            backlog: Backlog::new(),
            watch: Watch::closed(),
        }
    }

    /// Looks for so long for what comes next.
    pub(super) fn looking(&mut self, limit: Duration, eager: bool) {
        self.watch.open(limit, eager);
    }

    /// A poll of the driver begins.
    pub(super) fn begin(&mut self) {
        self.backlog.begin(self.watch.is_open());
        (self.read, self.awaited) = (0, false);
    }

    /// The bytes that were read since this was asked last.
    pub(super) fn take_read(&mut self) -> usize {
        std::mem::take(&mut self.read)
    }

    /// Whether the last bytes were a part of a long message.
    pub(super) fn is_amid(&self) -> bool {
        self.amid
    }

    /// Whether somebody who waited for what was read in this poll has to get a turn.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Whether no more calls may be handed over in this poll.
    pub(super) fn is_spent(&self) -> bool {
        self.backlog.is_spent()
    }

    /// Whether calls have arrived that were not handed over.
    pub(super) fn has_arrivals(&self) -> bool {
        !self.backlog.arrived.is_empty()
    }

    /// Whether looking has found so much in a row that others should have their turns. Begins to
    /// count again then.
    pub(super) fn is_sated(&mut self) -> bool {
        self.watch.is_sated()
    }

    /// Gives back memory that an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        self.backlog.shrink();
    }

    /// What was read behind the greetings.
    pub(super) fn take_early<D: Dispatch>(
        &mut self,
        shared: &Arc<Shared>,
        dispatch: &mut D,
    ) -> Option<Loss> {
        if self.rest.is_empty() {
            return None;
        }
        let early = std::mem::take(&mut self.rest);
        self.take_bytes(&early, shared, dispatch)
    }

    /// Reads once, and hands over what came.
    pub(super) fn turn<T: Transport, D: Dispatch>(
        &mut self,
        transport: &mut T,
        shared: &Arc<Shared>,
        dispatch: &mut D,
        context: &mut Context<'_>,
    ) -> Progress {
        if self.backlog.is_held_up(shared) {
            return Progress::None;
        }
        if self.amid
            && let Some(loan) = shared.lend()
        {
            return self.read_on(loan, transport, shared, dispatch, context);
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
        let polled = Pin::new(transport).poll_read(context, &mut buffer);
        let length = buffer.filled().len();
        let mut progress = self.on_read(polled.map_ok(|()| length - kept));
        if matches!(progress, Progress::Some) {
            self.rest.clear();
            let taken = self.take_bytes(&scratch[..length], shared, dispatch);
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
    fn read_on<T: Transport, D: Dispatch>(
        &mut self,
        mut loan: Loan,
        transport: &mut T,
        shared: &Arc<Shared>,
        dispatch: &mut D,
        context: &mut Context<'_>,
    ) -> Progress {
        let room = loan.make_room();
        let mut buffer = (&mut loan.message).limit(room);
        let polled = poll_read_buf(Pin::new(transport), context, &mut buffer);
        let progress = self.on_read(polled);
        let mut behind = std::mem::take(&mut self.rest);
        loan.part(&mut behind);
        let taken = shared.give_back(loan, &mut self.backlog.arrived);
        match taken {
            Ok(awaited) => self.awaited |= awaited,
            Err(broken) => return Progress::End(on_broken(shared, &broken)),
        }
        if !matches!(progress, Progress::Some) {
            return progress;
        }
        match self.take_bytes(&behind, shared, dispatch) {
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
                self.read += length;
                self.watch.woke();
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

    /// Before the driver sleeps: reads for a moment what is about to come. Answers are for tasks that
    /// have to get their turn first, and the rest of a long message is read to where it is kept.
    ///
    /// The driver is awake meanwhile, so it stops when there is something to send.
    pub(super) fn look<T: Transport, D: Dispatch>(
        &mut self,
        transport: &T,
        shared: &Arc<Shared>,
        dispatch: &mut D,
    ) -> Look {
        let expected = shared.expected();
        if expected == Expected::Nothing
            || self.awaited
            || !self.rest.is_empty()
            || self.has_arrivals()
            || self.backlog.is_held_up(shared)
        {
            return Look::Sleep;
        }
        let Some(turn) = self.watch.begin(self.amid) else { return Look::Sleep };
        let mut scratch = SCRATCH.take();
        if scratch.len() < self.appetite {
            scratch.resize(self.appetite, 0);
        }
        let (amid, room) = (self.amid, &mut scratch[..self.appetite]);
        let read = || if amid { transport.peek_now() } else { transport.read_now(room) };
        let look = match turn.look(read, || shared.expected() == expected) {
            None => Look::Sleep,
            Some(0) => Look::End(end_of_stream()),
            Some(_) if amid => Look::Readable,
            Some(length) => match self.take_bytes(&scratch[..length], shared, dispatch) {
                Some(loss) => Look::End(loss),
                None if self.awaited => Look::Sleep,
                None => Look::Turn,
            },
        };
        SCRATCH.set(scratch);
        look
    }

    /// Takes the frames in `bytes`, keeps the start of one that is not whole.
    fn take_bytes<D: Dispatch>(
        &mut self,
        bytes: &[u8],
        shared: &Arc<Shared>,
        dispatch: &mut D,
    ) -> Option<Loss> {
        let taken = shared.on_bytes(bytes, &mut self.backlog.arrived);
        self.hand_over(shared, dispatch);
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
            Err(broken) => Some(on_broken(shared, &broken)),
        }
    }

    /// Hands over what has arrived. `true` if there was something.
    pub(super) fn hand_over<D: Dispatch>(
        &mut self,
        shared: &Arc<Shared>,
        dispatch: &mut D,
    ) -> bool {
        self.backlog.hand_over(shared, dispatch)
    }
}

fn on_broken(shared: &Shared, broken: &Broken) -> Loss {
    shared.leave(GoodbyeCode::Protocol, &broken.to_string());
    Loss::new(ErrorKind::Protocol, format!("the other end broke the protocol: {broken}"))
}
