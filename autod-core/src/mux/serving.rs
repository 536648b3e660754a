//! The calls that the other end has made.
//!
//! Plain data, the mirror of `outgoing`: the caller chose the slots, so an id beyond the limit or
//! in use is a broken protocol. Whoever answers shows a [`Ticket`]; one of an older call in the
//! same slot is worth nothing.

use std::task::Waker;

use super::wakers::set_waker;
use crate::wire::frame::{Broken, ENVELOPE, FailCode, Kind};

/// The right to answer one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
pub(super) struct Serving {
    slots: Vec<Slot>,
    limit: usize,
    /// The largest message that we receive.
    message: usize,
    /// What the other end receives of a stream before it gives credit.
    window: i64,
    /// The most bytes of arguments that all calls together may hold.
    memory: usize,
    held: usize,
    running: usize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    stage: Stage,
    /// The bytes of arguments that came, until the call has its answer: its handler has them.
    held: usize,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// The arguments come in pieces, or are thrown away because of this.
    Receiving(Result<Vec<u8>, FailCode>),
    Running(Running),
}

#[derive(Debug)]
struct Running {
    /// Why the handler has to stop.
    stop: Option<FailCode>,
    /// How much of a stream may still be sent; what is begun above zero may go below.
    credit: i64,
    streaming: bool,
    waker: Option<Waker>,
}

/// What a frame of the calling end leads to.
#[derive(Debug)]
pub(super) enum Step {
    None,
    /// A handler waits for this.
    Wake(Waker),
    /// A call is complete.
    Call(Ticket, Vec<u8>),
    /// The call is answered without a handler.
    Refuse(Ticket, FailCode),
}

impl Serving {
    pub(super) fn new(limit: u32, message: u32, window: u32, memory: usize) -> Self {
        Self {
            slots: Vec::new(),
            limit: limit as usize,
            message: message as usize,
            window: i64::from(window),
            // A lone call of the greatest size always has room.
            memory: memory.max(message as usize + ENVELOPE),
            held: 0,
            running: 0,
        }
    }

    /// Calls that have no answer yet.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn index(ticket: Ticket) -> u32 {
        ticket.index
    }

    /// A frame of the calling end.
    pub(super) fn on_frame(
        &mut self,
        index: u32,
        id: u32,
        kind: Kind,
        more: bool,
        payload: &[u8],
    ) -> Result<Step, Broken> {
        if index as usize >= self.limit {
            return Err(Broken::Unexpected(kind, id));
        }
        if self.slots.len() <= index as usize {
            if kind != Kind::Call {
                return Err(Broken::Unexpected(kind, id));
            }
            self.slots.resize_with(index as usize + 1, Slot::default);
        }
        match kind {
            Kind::Call => self.on_call(index, id, more, payload),
            Kind::Cancel => Ok(self.on_cancel(index)),
            Kind::Credit => self.on_credit(index, id, payload),
            _ => Err(Broken::Unexpected(kind, id)),
        }
    }

    fn on_call(&mut self, index: u32, id: u32, more: bool, payload: &[u8]) -> Result<Step, Broken> {
        let cap = self.message + ENVELOPE;
        let window = self.window;
        let slot = &mut self.slots[index as usize];
        let mut body = match std::mem::take(&mut slot.stage) {
            Stage::Idle => {
                slot.generation = slot.generation.wrapping_add(1);
                Ok(Vec::new())
            }
            Stage::Receiving(body) => body,
            Stage::Running(_) => return Err(Broken::Unexpected(Kind::Call, id)),
        };
        if let Ok(bytes) = &mut body {
            if bytes.len() + payload.len() > cap {
                body = Err(FailCode::TooLarge);
            } else if self.held + payload.len() > self.memory {
                body = Err(FailCode::Memory);
            } else {
                bytes.extend_from_slice(payload);
                self.held += payload.len();
                slot.held += payload.len();
            }
        }
        if body.is_err() {
            self.held -= std::mem::take(&mut slot.held);
        }
        if more {
            slot.stage = Stage::Receiving(body);
            return Ok(Step::None);
        }
        slot.stage =
            Stage::Running(Running { stop: None, credit: window, streaming: false, waker: None });
        self.running += 1;
        let ticket = Ticket { index, generation: slot.generation };
        Ok(match body {
            Ok(body) => Step::Call(ticket, body),
            Err(code) => Step::Refuse(ticket, code),
        })
    }

    /// A cancel that crossed with the answer finds the slot idle.
    fn on_cancel(&mut self, index: u32) -> Step {
        let slot = &mut self.slots[index as usize];
        match &mut slot.stage {
            Stage::Idle => Step::None,
            Stage::Receiving(_) => {
                slot.stage = Stage::Running(Running {
                    stop: Some(FailCode::Cancelled),
                    credit: 0,
                    streaming: false,
                    waker: None,
                });
                self.running += 1;
                Step::Refuse(Ticket { index, generation: slot.generation }, FailCode::Cancelled)
            }
            Stage::Running(running) => {
                running.stop.get_or_insert(FailCode::Cancelled);
                running.waker.take().map_or(Step::None, Step::Wake)
            }
        }
    }

    fn on_credit(&mut self, index: u32, id: u32, payload: &[u8]) -> Result<Step, Broken> {
        let bytes = payload.try_into().map_err(|_| Broken::Payload(Kind::Credit))?;
        let Stage::Running(running) = &mut self.slots[index as usize].stage else {
            return Ok(Step::None);
        };
        running.credit += i64::from(u32::from_le_bytes(bytes));
        if running.credit > self.window {
            return Err(Broken::Credit(id));
        }
        Ok(running.waker.take().map_or(Step::None, Step::Wake))
    }

    fn running_mut(&mut self, ticket: Ticket) -> Option<&mut Running> {
        let slot = self.slots.get_mut(ticket.index as usize)?;
        match &mut slot.stage {
            Stage::Running(running) if slot.generation == ticket.generation => Some(running),
            _ => None,
        }
    }

    /// Whether the handler has to stop, and why. If not, it is woken when it has to.
    pub(super) fn attend(&mut self, ticket: Ticket, waker: &Waker) -> Option<FailCode> {
        let Some(running) = self.running_mut(ticket) else { return Some(FailCode::Cancelled) };
        if running.stop.is_none() {
            set_waker(&mut running.waker, waker);
        }
        running.stop
    }

    /// Why the handler was stopped, once it is gone.
    pub(super) fn stopped(&mut self, ticket: Ticket) -> FailCode {
        self.running_mut(ticket).and_then(|running| running.stop).unwrap_or(FailCode::Cancelled)
    }

    /// Takes credit for a message of this length if there is any left.
    pub(super) fn spend(&mut self, ticket: Ticket, length: usize, waker: &Waker) -> bool {
        let Some(running) = self.running_mut(ticket) else { return false };
        running.streaming = true;
        if running.credit <= 0 {
            set_waker(&mut running.waker, waker);
            return false;
        }
        running.credit -= i64::try_from(length).unwrap_or(i64::MAX);
        true
    }

    /// Marks a call as a stream, which the end of a daemon ends early.
    pub(super) fn mark_stream(&mut self, ticket: Ticket) {
        if let Some(running) = self.running_mut(ticket) {
            running.streaming = true;
        }
    }

    /// Ends the call. `false` if it had ended before.
    pub(super) fn finish(&mut self, ticket: Ticket) -> bool {
        if self.running_mut(ticket).is_none() {
            return false;
        }
        let slot = &mut self.slots[ticket.index as usize];
        slot.stage = Stage::Idle;
        self.held -= std::mem::take(&mut slot.held);
        self.running -= 1;
        true
    }

    /// Tells handlers to stop: those of streams, or all.
    pub(super) fn stop(&mut self, why: FailCode, all: bool, wakers: &mut Vec<Waker>) {
        for slot in &mut self.slots {
            if let Stage::Running(running) = &mut slot.stage
                && (all || running.streaming)
            {
                running.stop.get_or_insert(why);
                wakers.extend(running.waker.take());
            }
        }
    }
}
