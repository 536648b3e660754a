//! The calls that this end has made and the streams that it receives.
//!
//! Plain data: a slot for each open call, found by its id without a search. A slot is free again
//! only when the other end has said its last word about it, so a late frame cannot reach a younger
//! call.
//!
//! ```text
//!            open               Reply, Fail, End             take
//!   Free ------------> Open ------------------------> Ended -------> Free
//!                       |                                             ^
//!                       | abandon (Cancel is sent)                    |
//!                       +------> Abandoned -- Reply, Fail, End -------+
//! ```

use std::collections::VecDeque;
use std::task::Waker;

use super::loss::Loss;
use super::queue::{Place, Queue};
use super::wakers::set_waker;
use crate::wire::frame::{Broken, ENVELOPE, FailCode, Kind};

/// What a call is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Value,
    Items,
}

/// The last word about a call or stream.
#[derive(Debug)]
pub(super) enum End {
    Value(Vec<u8>),
    Finished,
    Fail(FailCode, Vec<u8>),
    Lost(Loss),
}

/// Some items of a stream as they came: their number and their encodings.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) count: u32,
    pub(super) bytes: Vec<u8>,
    /// Where the next item begins.
    pub(super) at: usize,
}

#[derive(Debug)]
pub(super) struct Outgoing {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// How many the other end takes at once.
    limit: usize,
    /// What the other end may have on its way in each stream.
    window: usize,
    /// The largest message that we receive.
    message: usize,
    queue: Queue,
}

#[derive(Debug, Default)]
struct Slot {
    stage: Stage,
    /// The pieces of a message that is not whole yet.
    partial: Option<(Kind, Vec<u8>)>,
    items: VecDeque<Items>,
    /// Bytes of items that came and were not given back as credit.
    held: usize,
    /// The part of `held` that the user has taken.
    taken: usize,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Free,
    Open(Expect),
    Ended(End),
    Abandoned(Expect),
}

impl Outgoing {
    pub(super) fn new(limit: u32, window: u32, message: u32) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            limit: limit as usize,
            window: window as usize,
            message: message as usize,
            queue: Queue::default(),
        }
    }

    /// Opens a slot, or takes a place in the queue for one.
    pub(super) fn open(
        &mut self,
        expect: Expect,
        place: &mut Option<Place>,
        waker: &Waker,
    ) -> Option<u32> {
        if !self.queue.may_enter(place, self.room(), waker) {
            return None;
        }
        if self.free.is_empty() {
            self.free.push(u32::try_from(self.slots.len()).ok()?);
            self.slots.push(Slot::default());
        }
        let index = self.free.pop()?;
        let slot = &mut self.slots[index as usize];
        slot.stage = Stage::Open(expect);
        slot.waker = Some(waker.clone());
        Some(index)
    }

    /// The slots that are free or can be made.
    fn room(&self) -> usize {
        self.free.len() + self.limit - self.slots.len()
    }

    /// Calls that are open or whose end nobody has taken.
    pub(super) fn in_use(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A caller left the queue.
    pub(super) fn give_up(&mut self, place: Place, wakers: &mut Vec<Waker>) {
        self.queue.give_up(place);
        self.queue.grant(self.room(), wakers);
    }

    fn release(&mut self, index: u32, wakers: &mut Vec<Waker>) {
        self.slots[index as usize] = Slot::default();
        self.free.push(index);
        self.queue.grant(self.room(), wakers);
    }

    /// The last word about a call, if it has come; the slot is then free.
    pub(super) fn poll_end(
        &mut self,
        index: u32,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Option<End> {
        let slot = &mut self.slots[index as usize];
        if !matches!(slot.stage, Stage::Ended(_)) {
            set_waker(&mut slot.waker, waker);
            return None;
        }
        let Stage::Ended(end) = std::mem::take(&mut slot.stage) else { return None };
        self.release(index, wakers);
        Some(end)
    }

    /// The next items of a stream and the credit to give for them.
    pub(super) fn poll_items(&mut self, index: u32, waker: &Waker) -> Option<(Items, u32)> {
        let window = self.window;
        let slot = &mut self.slots[index as usize];
        let Some(items) = slot.items.pop_front() else {
            set_waker(&mut slot.waker, waker);
            return None;
        };
        slot.taken += items.bytes.len();
        let mut credit = 0;
        // Half a window at a time: rarely enough to be cheap, early enough to keep the line full.
        if slot.taken * 2 >= window && matches!(slot.stage, Stage::Open(_)) {
            credit = u32::try_from(slot.taken).unwrap_or(u32::MAX);
            slot.held -= slot.taken;
            slot.taken = 0;
        }
        Some((items, credit))
    }

    /// The user lost interest. `true` if the other end must be told.
    pub(super) fn abandon(&mut self, index: u32, wakers: &mut Vec<Waker>) -> bool {
        let slot = &mut self.slots[index as usize];
        match slot.stage {
            Stage::Open(expect) => {
                slot.stage = Stage::Abandoned(expect);
                slot.waker = None;
                slot.items.clear();
                slot.partial = None;
                true
            }
            Stage::Ended(_) => {
                self.release(index, wakers);
                false
            }
            Stage::Free | Stage::Abandoned(_) => false,
        }
    }

    /// Frees the slot of a call of which nothing was sent.
    pub(super) fn withdraw(&mut self, index: u32, wakers: &mut Vec<Waker>) {
        self.release(index, wakers);
    }

    /// A frame of the answering end.
    pub(super) fn on_frame(
        &mut self,
        index: u32,
        id: u32,
        kind: Kind,
        more: bool,
        payload: &[u8],
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        let unexpected = Broken::Unexpected(kind, id);
        let slot = self.slots.get_mut(index as usize).ok_or(unexpected.clone())?;
        let (expect, abandoned) = match slot.stage {
            Stage::Open(expect) => (expect, false),
            Stage::Abandoned(expect) => (expect, true),
            Stage::Free | Stage::Ended(_) => return Err(unexpected),
        };
        let answers = match expect {
            Expect::Value => matches!(kind, Kind::Reply | Kind::Fail),
            Expect::Items => matches!(kind, Kind::Items | Kind::End | Kind::Fail),
        };
        if !answers {
            return Err(unexpected);
        }
        if abandoned {
            if kind != Kind::Items && !more {
                self.release(index, wakers);
            }
            return Ok(());
        }
        if kind == Kind::Items && slot.partial.is_none() && slot.held >= self.window {
            return Err(Broken::Credit(id));
        }
        let mut bytes = match slot.partial.take() {
            Some((begun, bytes)) if begun == kind => bytes,
            Some(_) => return Err(unexpected),
            None => Vec::new(),
        };
        if bytes.len() + payload.len() > self.message + ENVELOPE {
            return Err(Broken::Payload(kind));
        }
        bytes.extend_from_slice(payload);
        if more {
            slot.partial = Some((kind, bytes));
            return Ok(());
        }
        match kind {
            Kind::Items => {
                let (count, _) = bytes.split_first_chunk().ok_or(Broken::Payload(kind))?;
                let count = u32::from_le_bytes(*count);
                slot.held += bytes.len();
                slot.items.push_back(Items { count, bytes, at: 4 });
            }
            Kind::End => slot.stage = Stage::Ended(End::Finished),
            Kind::Reply => slot.stage = Stage::Ended(End::Value(bytes)),
            _ => {
                let code = FailCode::from_wire(*bytes.first().ok_or(Broken::Payload(kind))?);
                bytes.remove(0);
                slot.stage = Stage::Ended(End::Fail(code, bytes));
            }
        }
        wakers.extend(slot.waker.take());
        Ok(())
    }

    /// The connection is gone: every open call ends, everybody who waits is woken.
    pub(super) fn lose(&mut self, loss: &Loss, wakers: &mut Vec<Waker>) {
        self.queue.wake_all(wakers);
        for slot in &mut self.slots {
            if matches!(slot.stage, Stage::Open(_)) {
                slot.stage = Stage::Ended(End::Lost(loss.clone()));
            }
            wakers.extend(slot.waker.take());
        }
    }
}
