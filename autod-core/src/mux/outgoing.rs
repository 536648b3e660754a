//! The calls that this end has made, with the streams of both directions.
//!
//! Plain data: a slot for each open call, found by its id without a search. A slot is free again
//! only when the other end has said its last word about it, and we ours: the end of our stream. So a
//! late frame cannot reach a younger call, in neither direction.

use std::sync::Arc;
use std::task::Waker;

use super::account::{Account, Share};
use super::asked::{Answer, End, Expect, Opening, Slot, Stage, fits, overfull};
use super::chunks::Chunk;
use super::inflow::{Bounds, Form, Inflow, Piece};
use super::loss::Loss;
use super::outflow::{Outflow, credit};
use super::pieces::Part;
use super::queue::{Place, Queue};
use super::wakers::set_waker;
use crate::wire::frame::{Broken, FailCode, Header, Kind};

#[derive(Debug)]
pub(super) struct Outgoing {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// How many the other end takes at once.
    limit: usize,
    bounds: Bounds,
    account: Arc<Account>,
    queue: Queue,
}

impl Outgoing {
    pub(super) fn new(limit: u32, bounds: Bounds, account: Arc<Account>) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            limit: limit as usize,
            bounds,
            account,
            queue: Queue::default(),
        }
    }

    /// Opens a slot, or takes a place in the queue for one.
    pub(super) fn open(
        &mut self,
        opening: Opening,
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
        slot.stage = Stage::Open(opening.expect);
        let form = match opening.expect {
            Expect::Value => None,
            Expect::Items => Some(Form::Items),
            Expect::Bytes => Some(Form::Bytes),
        };
        if let Some(form) = form {
            slot.inflow = Inflow::new(form, self.bounds.window, Share::new(&self.account));
        }
        slot.inflow.waker = Some(waker.clone());
        slot.sends = opening.sends;
        slot.outflow = opening.sends.then(|| Outflow::new(self.bounds.window));
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

    #[cfg(test)]
    pub(super) fn has_ended(&self, index: u32) -> bool {
        matches!(self.slots[index as usize].stage, Stage::Ended(_))
    }

    /// Whether a caller waits for a slot, or has not taken the one that it was granted.
    pub(super) fn has_queue(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A caller left the queue.
    pub(super) fn give_up(&mut self, place: Place, wakers: &mut Vec<Waker>) {
        self.queue.give_up(place);
        self.queue.grant(self.room(), wakers);
    }

    /// Makes a slot free: its call is over, or nothing of it was sent.
    pub(super) fn release(&mut self, index: u32, wakers: &mut Vec<Waker>) {
        self.slots[index as usize].clear();
        self.free.push(index);
        self.queue.grant(self.room(), wakers);
    }

    /// The last word about a call, if it has come; the slot is then free.
    #[inline]
    pub(super) fn poll_end(
        &mut self,
        index: u32,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Option<End> {
        let slot = &mut self.slots[index as usize];
        match slot.stage {
            Stage::Ended(_) => {}
            Stage::Overfull(expect) => {
                slot.stage = Stage::Abandoned(expect);
                return Some(overfull());
            }
            _ => {
                set_waker(&mut slot.inflow.waker, waker);
                return None;
            }
        }
        let Stage::Ended(end) = std::mem::take(&mut slot.stage) else { return None };
        self.release(index, wakers);
        Some(end)
    }

    /// The next part of a stream and the credit to give for those before it.
    pub(super) fn take(&mut self, index: u32) -> (Option<Chunk>, u32) {
        let slot = &mut self.slots[index as usize];
        let chunk = slot.inflow.take();
        let flows = matches!(slot.stage, Stage::Open(_)) && !slot.half_closed;
        if flows {
            return (chunk, slot.inflow.credit(self.bounds));
        }
        slot.inflow.settle();
        (chunk, 0)
    }

    /// Whether the callee has ended its byte stream, and the answer is to come.
    pub(super) fn is_half_closed(&self, index: u32) -> bool {
        let slot = &self.slots[index as usize];
        slot.half_closed && matches!(slot.stage, Stage::Open(_))
    }

    /// Our stream, as long as it may be sent.
    pub(super) fn outflow(&mut self, index: u32) -> Option<&mut Outflow> {
        self.slots[index as usize].outflow.as_mut()
    }

    /// Ends our stream. `false` if it had ended before.
    pub(super) fn half_close(&mut self, index: u32) -> bool {
        self.slots[index as usize].outflow.take().is_some()
    }

    /// The user lost interest. `true` if the other end must be told.
    pub(super) fn abandon(&mut self, index: u32, wakers: &mut Vec<Waker>) -> bool {
        let slot = &mut self.slots[index as usize];
        match slot.stage {
            Stage::Open(expect) => {
                slot.stage = Stage::Abandoned(expect);
                slot.inflow.clear();
                slot.outflow = None;
                true
            }
            Stage::Ended(_) => {
                self.release(index, wakers);
                false
            }
            Stage::Overfull(expect) => {
                slot.stage = Stage::Abandoned(expect);
                slot.inflow.clear();
                false
            }
            Stage::Free | Stage::Abandoned(_) => false,
        }
    }

    /// A frame of the answering end.
    pub(super) fn on_frame(
        &mut self,
        header: Header,
        payload: Part<'_>,
        wakers: &mut Vec<Waker>,
    ) -> Result<Answer, Broken> {
        let Header { kind, more, id, .. } = header;
        let unexpected = || Broken::Unexpected(kind, id);
        let index = id >> 1;
        let slot = self.slots.get_mut(index as usize).ok_or_else(unexpected)?;
        if kind == Kind::Reply && !more && slot.is_plain() && payload.len() <= self.bounds.message {
            // The most common end takes the shortest way.
            slot.stage = Stage::Ended(End::Value(payload.into_message()));
            wakers.extend(slot.inflow.waker.take());
            return Ok(Answer::Nothing);
        }
        let (expect, abandoned) = match slot.stage {
            Stage::Open(expect) => (expect, false),
            Stage::Abandoned(expect) | Stage::Overfull(expect) => (expect, true),
            Stage::Free | Stage::Ended(_) => return Err(unexpected()),
        };
        let whole_ones = matches!(kind, Kind::Credit | Kind::Cancel | Kind::End | Kind::Skip);
        if !fits(kind, expect, slot.sends) || whole_ones && !slot.inflow.is_whole() {
            return Err(unexpected());
        }
        let terminal = match kind {
            Kind::Reply | Kind::Fail => !more,
            Kind::End => expect == Expect::Items,
            _ => false,
        };
        if abandoned {
            match slot.stage {
                Stage::Overfull(_) if terminal => slot.stage = Stage::Ended(overfull()),
                _ if terminal => self.release(index, wakers),
                _ => {}
            }
            return Ok(Answer::Nothing);
        }
        match kind {
            Kind::Credit => {
                let credit = credit(payload.bytes())?;
                if let Some(outflow) = &mut slot.outflow {
                    outflow.grant(id, credit, wakers)?;
                }
                return Ok(Answer::Nothing);
            }
            Kind::Cancel => return Ok(slot.end_stream(wakers)),
            Kind::Skip => {
                slot.inflow.skip(payload.bytes())?;
                return Ok(Answer::Nothing);
            }
            Kind::Items | Kind::End if slot.half_closed => return Err(unexpected()),
            _ => {}
        }
        let message = match slot.inflow.piece(header, payload, self.bounds)? {
            Piece::Whole(message) => message,
            Piece::More => return Ok(Answer::Nothing),
            Piece::Full => {
                slot.stage = Stage::Overfull(expect);
                slot.inflow.forget_pieces();
                wakers.extend(slot.inflow.waker.take());
                wakers.extend(slot.outflow.take().and_then(|outflow| outflow.waker));
                return Ok(Answer::Cancel);
            }
        };
        match kind {
            Kind::Items => slot.inflow.push(message)?,
            Kind::End if terminal => slot.stage = Stage::Ended(End::Finished),
            Kind::End => slot.half_closed = true,
            Kind::Reply => slot.stage = Stage::Ended(End::Value(message)),
            _ => {
                let mut bytes = message.into_bytes();
                let code = FailCode::from_wire(*bytes.first().ok_or(Broken::Payload(kind))?);
                bytes.remove(0);
                slot.stage = Stage::Ended(End::Fail(code, bytes));
            }
        }
        wakers.extend(slot.inflow.waker.take());
        Ok(if terminal { slot.end_stream(wakers) } else { Answer::Nothing })
    }

    /// Lends what has come of the message that a frame belongs to, so that more can be read behind
    /// it. `None` if it is thrown away.
    pub(super) fn lend(&mut self, header: Header) -> Option<Vec<u8>> {
        let slot = self.slots.get_mut((header.id >> 1) as usize)?;
        matches!(slot.stage, Stage::Open(_)).then(|| slot.inflow.lend())
    }

    /// Wakes everybody who waits for something of a call.
    pub(super) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        self.queue.wake_all(wakers);
        for slot in &mut self.slots {
            wakers.extend(slot.inflow.waker.take());
            wakers.extend(slot.outflow.as_mut().and_then(|outflow| outflow.waker.take()));
        }
    }

    /// The connection is gone: every open call ends, everybody who waits is woken.
    pub(super) fn lose(&mut self, loss: &Loss, wakers: &mut Vec<Waker>) {
        self.queue.wake_all(wakers);
        for slot in &mut self.slots {
            if matches!(slot.stage, Stage::Open(_)) {
                slot.stage = Stage::Ended(End::Lost(loss.clone()));
            }
            wakers.extend(slot.inflow.waker.take());
            slot.end_stream(wakers);
        }
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.free.len() == self.slots.len() && self.queue.is_empty()
    }

    /// The credit that the callee's stream has left, as long as it flows.
    #[cfg(test)]
    pub(super) fn room_of(&self, index: u32) -> Option<i64> {
        let slot = &self.slots[index as usize];
        let flows = matches!(slot.stage, Stage::Open(_)) && !slot.half_closed;
        flows.then(|| slot.inflow.room()).flatten()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.slots.iter().map(|slot| slot.inflow.waiting()).sum()
    }
}
