//! The order in which streams send while much waits to be written.
//!
//! Credit is for each stream alone, so many streams together could put any amount into the outbox of
//! a connection whose other end does not read. Above [`CROWDED`] no message of a stream begins: it
//! waits for its turn, first come first served. Long arguments and answers do not count, nor does the
//! longest item: they are written in pieces, and streams beside them. Bound: what waits of streams is
//! less than that, one message for each thread that sends, and one message.
//!
//! ```text
//!   Free --crowded, or others wait--> Waiting --room--> Called --comes--> Free
//!                                        ^                |
//!                                        +----crowded-----+  first again
//! ```
//!
//! Nobody waits for ever: while somebody waits, there is something to write, or somebody was called.
//! What is written makes room. Whoever was called comes and sends, or its stream ends, which is written
//! too. One may also have nothing to send any more: the driver does not sleep while somebody waits, but
//! calls more, whoever was called before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Waker;

use super::flow::Role;
use super::outflow::Outflow;
use super::state::State;
use super::wakers::set_waker;
use crate::wire::frame::MAX_PIECE;

/// While more than this [waits](super::outbox::Outbox::crowd) to be written, no message of a stream
/// begins. Each stream that is called makes a whole message in its turn, and other connections wait for
/// those turns: with four times as much their p99 is five times as long, and no stream is faster.
pub(super) const CROWDED: usize = 256 << 10;

#[derive(Debug)]
pub(super) enum Turn {
    Free,
    Waiting,
    Called { _guard: Called },
}

/// Counted as long as whoever was called has not come and is not gone.
#[derive(Debug)]
pub(super) struct Called(Arc<AtomicUsize>);

impl Drop for Called {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Those who wait, and perhaps some who have gone since.
    waiting: VecDeque<Role>,
    /// Made when the first is called: most connections have no streams.
    called: Option<Arc<AtomicUsize>>,
}

impl Turns {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn called(&self) -> usize {
        self.called.as_ref().map_or(0, |called| called.load(Relaxed))
    }

    /// Whether it is the turn of a stream that has credit, while so much waits to be written. If not,
    /// the waker is woken when it is.
    pub(super) fn may_begin(
        &mut self,
        role: Role,
        outflow: &mut Outflow,
        level: usize,
        waker: &Waker,
    ) -> bool {
        let is_first = self.waiting.is_empty() && self.called() == 0;
        match std::mem::replace(&mut outflow.turn, Turn::Free) {
            Turn::Free if is_first && level < CROWDED => return true,
            Turn::Called { .. } if level < CROWDED => return true,
            Turn::Free => self.waiting.push_back(role),
            Turn::Called { .. } => self.waiting.push_front(role),
            Turn::Waiting => {}
        }
        outflow.turn = Turn::Waiting;
        set_waker(&mut outflow.waker, waker);
        false
    }
}

impl State {
    /// Calls those who wait longest, as far as there is room for them beside those who were called.
    pub(super) fn call_next(&mut self, wakers: &mut Vec<Waker>) {
        if !self.turns.is_empty() {
            let room = CROWDED.saturating_sub(self.outbox.crowd()).div_ceil(MAX_PIECE);
            self.call(room.saturating_sub(self.turns.called()), wakers);
        }
    }

    /// Nothing is left to write: calls more, also if those who were called do not come. `false` if
    /// nobody waits.
    pub(super) fn call_more(&mut self, wakers: &mut Vec<Waker>) -> bool {
        self.call(CROWDED / MAX_PIECE, wakers)
    }

    /// Whether somebody was called. Who was woken for another reason has no waker there.
    fn call(&mut self, count: usize, wakers: &mut Vec<Waker>) -> bool {
        let mut left = count;
        while left > 0 {
            let Some(role) = self.turns.waiting.pop_front() else { break };
            let called = Arc::clone(self.turns.called.get_or_insert_default());
            if let Some(outflow) = self.outflow(role)
                && matches!(outflow.turn, Turn::Waiting)
            {
                called.fetch_add(1, Relaxed);
                outflow.turn = Turn::Called { _guard: Called(called) };
                wakers.extend(outflow.waker.take());
                left -= 1;
            }
        }
        left < count
    }
}
