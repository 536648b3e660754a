//! The calls that the other end has made, with the streams of both directions.
//!
//! Plain data, the mirror of `outgoing`: the caller chose the slots, so an id beyond the limit or
//! in use is a broken protocol. Whoever answers shows a [`Ticket`]; one of an older call in the
//! same slot is worth nothing.

use std::sync::Arc;
use std::task::Waker;

use super::account::Account;
use super::chunks::Chunk;
use super::inflow::Bounds;
use super::input::InputEnd;
use super::outflow::Outflow;
use super::pieces::Part;
use super::served::{Body, Pace, Running, Slot, Stage};
use super::tally::Mark;
use super::wakers::set_waker;
use crate::codec::Message;
use crate::wire::frame::{BEFORE_ARGUMENTS, Broken, ENVELOPE, FailCode, Header, Kind, Options};

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
    bounds: Bounds,
    account: Arc<Account>,
    running: usize,
    /// Those of them that nobody stops.
    kept: usize,
    /// Those of them whose stream waits for the other end or for its source.
    resting: usize,
}

/// What a frame of the calling end leads to.
#[derive(Debug)]
pub(super) enum Step {
    None,
    /// A call is complete.
    Call(Ticket, Message),
    /// The call is answered without a handler.
    Refuse(Ticket, FailCode),
}

impl Serving {
    pub(super) fn new(limit: u32, bounds: Bounds, account: Arc<Account>) -> Self {
        let limit = limit as usize;
        Self { slots: Vec::new(), limit, bounds, account, running: 0, kept: 0, resting: 0 }
    }

    /// Calls that have no answer yet.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Whether one of them has something to do, or may have: to look for more would keep it from that.
    pub(super) fn is_busy(&self) -> bool {
        self.running > self.resting
    }

    /// Handlers that run to their end whatever becomes of the connection.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    pub(super) fn index(ticket: Ticket) -> u32 {
        ticket.index
    }

    /// A frame of the calling end.
    pub(super) fn on_frame(
        &mut self,
        header: Header,
        payload: Part<'_>,
        wakers: &mut Vec<Waker>,
    ) -> Result<Step, Broken> {
        let before = wakers.len();
        let step = self.take_frame(header, payload, wakers)?;
        if wakers.len() > before {
            self.rouse(header.id >> 1);
        }
        Ok(step)
    }

    fn take_frame(
        &mut self,
        header: Header,
        payload: Part<'_>,
        wakers: &mut Vec<Waker>,
    ) -> Result<Step, Broken> {
        let Header { kind, id, .. } = header;
        let index = (id >> 1) as usize;
        if index >= self.limit || self.slots.len() <= index && kind != Kind::Call {
            return Err(Broken::Unexpected(kind, id));
        }
        if self.slots.len() <= index {
            if self.slots.is_empty() {
                // Most connections make one call at a time.
                self.slots.reserve_exact(1);
            }
            self.slots.resize_with(index + 1, Slot::default);
        }
        match kind {
            Kind::Call => self.on_call(header, payload),
            Kind::Cancel => Ok(self.on_cancel(id >> 1, wakers)),
            Kind::Credit => {
                self.slots[index].on_credit(header, payload.bytes(), wakers)?;
                Ok(Step::None)
            }
            Kind::Items | Kind::End => {
                self.slots[index].on_stream(header, payload, self.bounds, wakers)?;
                Ok(Step::None)
            }
            _ => Err(Broken::Unexpected(kind, id)),
        }
    }

    /// Begins a call that has come whole, with such a payload. `None` if that is not all there is to
    /// it: the frame is then for [`on_frame`](Self::on_frame).
    pub(super) fn begin(&mut self, header: Header, payload: &[u8]) -> Option<Ticket> {
        let index = header.id >> 1;
        let slot = self.slots.get_mut(index as usize)?;
        let is_whole = matches!(slot.stage, Stage::Idle) && !header.more;
        if !is_whole || payload.len() > self.bounds.message || !self.account.take(payload.len()) {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        slot.held = payload.len();
        Some(self.run(index, options(payload)))
    }

    fn on_call(&mut self, header: Header, payload: Part<'_>) -> Result<Step, Broken> {
        let index = header.id >> 1;
        let slot = &mut self.slots[index as usize];
        let mut body = match std::mem::take(&mut slot.stage) {
            Stage::Idle => {
                slot.generation = slot.generation.wrapping_add(1);
                Body::default()
            }
            Stage::Receiving(body) => body,
            Stage::Running(_) | Stage::Draining => {
                return Err(Broken::Unexpected(Kind::Call, header.id));
            }
        };
        if body.refused.is_none() {
            let length = payload.len();
            body.partial.add(header, payload);
            if body.partial.len() > self.bounds.message + ENVELOPE {
                body.refused = Some(FailCode::TooLarge);
            } else if self.account.take(length) {
                slot.held += length;
            } else {
                body.refused = Some(FailCode::Memory);
            }
            if body.refused.is_some() {
                self.account.give(std::mem::take(&mut slot.held));
                body.partial.keep(BEFORE_ARGUMENTS);
            }
        }
        if header.more {
            slot.stage = Stage::Receiving(body);
            return Ok(Step::None);
        }
        let mut message = body.partial.into_message();
        message.reach(BEFORE_ARGUMENTS);
        let ticket = self.run(index, options(&message.head));
        Ok(match body.refused {
            Some(code) => Step::Refuse(ticket, code),
            None => Step::Call(ticket, message),
        })
    }

    /// Lends what has come of the message that a frame belongs to, so that more can be read behind
    /// it. `None` if it is thrown away.
    pub(super) fn lend(&mut self, header: Header) -> Option<Vec<u8>> {
        self.slots.get_mut((header.id >> 1) as usize)?.lend(header.kind)
    }

    #[inline]
    fn run(&mut self, index: u32, options: Options) -> Ticket {
        let slot = &mut self.slots[index as usize];
        slot.stage = Stage::Running(Running::new(options, self.bounds, &self.account));
        self.running += 1;
        Ticket { index, generation: slot.generation }
    }

    /// A cancel that crossed with the answer finds the slot idle.
    fn on_cancel(&mut self, index: u32, wakers: &mut Vec<Waker>) -> Step {
        let slot = &mut self.slots[index as usize];
        match &mut slot.stage {
            Stage::Idle => {}
            Stage::Draining => slot.stage = Stage::Idle,
            Stage::Receiving(_) => {
                return Step::Refuse(self.run(index, Options::Plain), FailCode::Cancelled);
            }
            Stage::Running(running) => {
                if let Some(input) = &mut running.input {
                    input.on_cancel(wakers);
                }
                running.stop(FailCode::Cancelled, wakers);
            }
        }
        Step::None
    }

    fn running_mut(&mut self, ticket: Ticket) -> Option<&mut Running> {
        let slot = self.slots.get_mut(ticket.index as usize)?;
        match &mut slot.stage {
            Stage::Running(running) if slot.generation == ticket.generation => Some(running),
            _ => None,
        }
    }

    /// From now on nobody stops the handler; whoever has is too late.
    pub(super) fn keep(&mut self, ticket: Ticket) {
        let Some(running) = self.running_mut(ticket) else { return };
        running.stop = None;
        if !std::mem::replace(&mut running.kept, true) {
            self.kept += 1;
        }
    }

    /// Whether the handler has to stop, and why. If not, it is woken when it has to.
    pub(super) fn attend(&mut self, ticket: Ticket, waker: &Waker) -> Option<FailCode> {
        let Some(running) = self.running_mut(ticket) else { return Some(FailCode::Cancelled) };
        if running.stop.is_none() {
            set_waker(&mut running.waker, waker);
        }
        let stop = running.stop;
        self.rouse(ticket.index);
        stop
    }

    /// The handler has been woken: it has its turn, or waits for it.
    fn rouse(&mut self, index: u32) {
        if let Some(running) = self.slots.get_mut(index as usize).and_then(Slot::running) {
            let before = std::mem::replace(&mut running.pace, Pace::Awake);
            self.resting -= usize::from(before == Pace::Resting);
        }
    }

    /// The handler's stream waits: for credit, for the caller's stream, or for what it is made of.
    pub(super) fn rest(&mut self, ticket: Ticket) {
        let Some(running) = self.running_mut(ticket) else { return };
        if running.pace == Pace::Awake {
            running.pace = Pace::Resting;
            self.resting += 1;
        }
    }

    /// Why the handler was stopped, once it is gone.
    pub(super) fn stopped(&mut self, ticket: Ticket) -> FailCode {
        self.running_mut(ticket).and_then(|running| running.stop).unwrap_or(FailCode::Cancelled)
    }

    /// Our stream, as long as it may be sent.
    pub(super) fn outflow(&mut self, ticket: Ticket) -> Option<&mut Outflow> {
        self.running_mut(ticket)?.outflow.as_mut()
    }

    /// Ends our stream before the call. `false` if it had ended before.
    pub(super) fn half_close(&mut self, ticket: Ticket) -> bool {
        self.running_mut(ticket).is_some_and(|running| running.outflow.take().is_some())
    }

    /// The next part of the caller's stream and the credit to give for those before it.
    pub(super) fn take(&mut self, ticket: Ticket) -> (Option<Chunk>, u32) {
        let bounds = self.bounds;
        let input = self.running_mut(ticket).and_then(|running| running.input.as_mut());
        input.map_or((None, 0), |input| input.take(bounds))
    }

    /// Why no more of the caller's stream is to come.
    pub(super) fn poll_input_end(&mut self, ticket: Ticket, waker: &Waker) -> Option<InputEnd> {
        match self.running_mut(ticket).and_then(|running| running.input.as_mut()) {
            Some(input) => input.poll_end(waker),
            None => Some(InputEnd::Cancelled),
        }
    }

    /// The handler wants no more of the caller's stream. `true` if the caller has to be told.
    pub(super) fn refuse_input(&mut self, ticket: Ticket) -> bool {
        self.running_mut(ticket)
            .and_then(|running| running.input.as_mut())
            .is_some_and(|input| input.refuse())
    }

    /// Marks a call as a stream, which the end of a daemon ends early: at once, if that has begun.
    pub(super) fn mark_stream(
        &mut self,
        ticket: Ticket,
        stop: Option<FailCode>,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(running) = self.running_mut(ticket) else { return };
        running.streaming = true;
        if stop.is_some() {
            running.stop = running.stop.or(stop);
            running.wake(wakers);
        }
    }

    /// Says what a call is counted as that has just become whole.
    pub(super) fn mark(&mut self, ticket: Ticket, mark: Mark) {
        if let Some(slot) = self.slots.get_mut(ticket.index as usize) {
            slot.mark = mark;
        }
    }

    /// What the calls are counted as that have no answer yet.
    pub(super) fn marks(&self) -> impl Iterator<Item = Mark> {
        let running = |slot: &&Slot| matches!(slot.stage, Stage::Running(_));
        self.slots.iter().filter(running).map(|slot| slot.mark)
    }

    /// Ends the call, and tells what it is counted as. `None` if it had ended before.
    pub(super) fn finish(&mut self, ticket: Ticket, wakers: &mut Vec<Waker>) -> Option<Mark> {
        let running = self.running_mut(ticket)?;
        // A stream may have been given away to another task than the handler's.
        running.wake_streams(wakers);
        let kept = usize::from(running.kept);
        let resting = usize::from(running.pace == Pace::Resting);
        let drains = running.input.as_ref().is_some_and(|input| !input.is_ended());
        let stage = if drains { Stage::Draining } else { Stage::Idle };
        let slot = &mut self.slots[ticket.index as usize];
        slot.stage = stage;
        self.account.give(std::mem::take(&mut slot.held));
        self.running -= 1;
        let mark = std::mem::take(&mut slot.mark);
        self.kept -= kept;
        self.resting -= resting;
        Some(mark)
    }

    /// Notes when a call was answered, by the count of the outbox.
    pub(super) fn answered(&mut self, ticket: Ticket, taken: u64) {
        self.slots[ticket.index as usize].answered = Some(taken);
    }

    /// Whether the answer to the last call in this slot is certainly not on its way.
    pub(super) fn is_unsent(&self, index: u32, taken: u64) -> bool {
        self.slots.get(index as usize).is_some_and(|slot| slot.answered == Some(taken))
    }

    /// The daemon is closing: streams end.
    pub(super) fn close_streams(&mut self, why: FailCode, wakers: &mut Vec<Waker>) {
        for running in self.slots.iter_mut().filter_map(Slot::running) {
            if let Some(input) = &mut running.input {
                input.close(wakers);
            }
            if running.streaming {
                running.stop(why, wakers);
            }
        }
    }

    /// Tells a handler to stop.
    pub(super) fn stop_one(&mut self, ticket: Ticket, why: FailCode, wakers: &mut Vec<Waker>) {
        if let Some(running) = self.running_mut(ticket) {
            running.stop(why, wakers);
        }
    }

    /// Tells all handlers to stop.
    pub(super) fn stop(&mut self, why: FailCode, wakers: &mut Vec<Waker>) {
        for running in self.slots.iter_mut().filter_map(Slot::running) {
            running.stop(why, wakers);
        }
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.running == 0
            && self.kept == 0
            && self.resting == 0
            && self.slots.iter().all(|slot| matches!(slot.stage, Stage::Idle))
    }

    /// The credit that the caller's stream has left, as long as it flows.
    #[cfg(test)]
    pub(super) fn room(&mut self, ticket: Ticket) -> Option<i64> {
        self.running_mut(ticket)?.input.as_ref()?.room()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.slots.iter().map(Slot::waiting).sum()
    }
}

/// What the beginning of a call says about the caller's stream.
fn options(payload: &[u8]) -> Options {
    let options = payload.get(BEFORE_ARGUMENTS - 1).copied().and_then(Options::from_wire);
    options.unwrap_or(Options::Plain)
}
