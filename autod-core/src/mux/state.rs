//! Everything that is open on a connection, driven by frames and by handles.
//!
//! No IO, no clock, no tasks: who has to be woken is returned, what has to be sent is in the
//! outbox.
//!
//! ```text
//!   Open --leave--> Leaving --nothing runs, all written--> Left
//!     |                |
//!     +----- lose -----+--> Lost
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::account::Account;
use super::asked::{Answer, End, Opening};
use super::inflow::Bounds;
use super::loss::Loss;
use super::outbox::Outbox;
use super::outgoing::Outgoing;
use super::pieces::Part;
use super::queue::Place;
use super::serving::{Serving, Step, Ticket};
use super::tally::Ledger;
use super::turns::Turns;
use crate::codec::Message;
use crate::error::{Error, ErrorKind};
use crate::wire::frame::{
    BEFORE_ARGUMENTS, Broken, ENVELOPE, FailCode, GoodbyeCode, Header, Kind, MAX_PIECE,
};
use crate::wire::limits::{Holds, Receives};

/// Which end of the connection this is. It decides the lowest bit of the ids of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Connector = 0,
    Acceptor = 1,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a step of its own")]
#[derive(Debug)]
pub(super) struct State {
    side: Side,
    pub(super) outbox: Outbox,
    /// A frame that has come in part, and how much of its payload is to come.
    pub(super) open: Option<(Header, usize)>,
    pub(super) outgoing: Outgoing,
    pub(super) serving: Serving,
    pub(super) turns: Turns,
    /// A long answer is not begun while more than this waits for the other end to read.
    memory: usize,
    /// Present while the driver sleeps. While it is awake it looks at the outbox itself before it
    /// sleeps.
    pub(super) driver: Option<Waker>,
    /// The other end has made a call.
    pub(super) was_called: bool,
    leaving: Option<(GoodbyeCode, String)>,
    goodbye_sent: bool,
    pub(super) lost: Option<Loss>,
    /// Waits until no handler runs that outlives the connection.
    pub(super) survivors: Option<Waker>,
    /// No handle is left that keeps the connection open.
    pub(super) unused: bool,
    /// Calls of this end are over, because it leaves.
    cut: bool,
    /// Counts the calls of the other end, if somebody wants to know.
    pub(super) ledger: Option<Box<Ledger>>,
}

/// A call to hand to the service.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) ticket: Ticket,
    pub(super) body: Message,
}

/// What the other end is likely to say soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Nothing,
    /// Something about a call of ours.
    Answer,
    /// A call, because it has nothing more to wait for but streams that rest.
    Call,
}

impl State {
    pub(super) fn new(side: Side, ours: Receives, theirs: Receives, holds: Holds) -> Self {
        // The smaller one counts for both, so neither end's memory is the other's choice.
        let window = ours.window.min(theirs.window) as usize;
        let bounds = Bounds { window, most: holds.window, message: ours.message as usize };
        // A lone message of the greatest size always has room.
        let account = Account::new(holds.memory.max(bounds.message + ENVELOPE));
        Self {
            side,
            outbox: Outbox::default(),
            open: None,
            outgoing: Outgoing::new(theirs.calls, bounds, Arc::clone(&account)),
            serving: Serving::new(ours.calls, bounds, account),
            turns: Turns::default(),
            memory: holds.memory.max(theirs.message as usize),
            driver: None,
            was_called: false,
            leaving: None,
            goodbye_sent: false,
            lost: None,
            survivors: None,
            unused: false,
            cut: false,
            ledger: None,
        }
    }

    pub(super) fn side(&self) -> Side {
        self.side
    }

    pub(super) fn own_id(&self, index: u32) -> u32 {
        index << 1 | self.side as u32
    }

    pub(super) fn their_id(&self, index: u32) -> u32 {
        index << 1 | (self.side as u32 ^ 1)
    }

    pub(super) fn expected(&self) -> Expected {
        if self.lost.is_some() || self.leaving.is_some() || !self.outbox.is_empty() {
            Expected::Nothing
        } else if self.outgoing.in_use() > 0 {
            Expected::Answer
        } else if self.may_be_called() && !self.serving.is_busy() {
            Expected::Call
        } else {
            Expected::Nothing
        }
    }

    /// Who connects is about to call; who accepts may never.
    fn may_be_called(&self) -> bool {
        self.was_called || self.side == Side::Acceptor
    }

    // ---- our own calls

    /// Sends a call, or leaves the waker for when there is room.
    pub(super) fn begin(
        &mut self,
        opening: Opening,
        message: &mut Message,
        place: &mut Option<Place>,
        waker: &Waker,
    ) -> Option<u32> {
        let index = self.outgoing.open(opening, place, waker)?;
        let id = self.own_id(index);
        if message.tail.is_empty() && message.head.len() <= MAX_PIECE {
            self.outbox.push(Kind::Call, id, &message.head);
            *message = Message::default();
        } else {
            self.outbox.push_owned(Kind::Call, id, std::mem::take(message));
        }
        Some(index)
    }

    /// Why a call cannot begin any more.
    pub(super) fn refusal(&self) -> Option<Error> {
        if let Some(loss) = &self.lost {
            return Some(loss.of_new_call());
        }
        (self.unused || self.cut || self.goodbye_sent).then(|| self.farewell().of_new_call())
    }

    /// The last word about a call, if it has come or will not be waited for.
    #[inline]
    pub(super) fn poll_end(
        &mut self,
        index: u32,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Option<End> {
        let end = self.outgoing.poll_end(index, waker, wakers);
        if end.is_none() && self.cut {
            self.abandon(index, wakers);
            return Some(End::Lost(self.farewell()));
        }
        end
    }

    /// This end leaves and waits no longer for answers to its own calls.
    pub(super) fn cut(&mut self, wakers: &mut Vec<Waker>) {
        self.cut = true;
        self.outgoing.wake_all(wakers);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// No handle is left that keeps the connection open: what is answered now is for nobody.
    pub(super) fn unuse(&mut self, wakers: &mut Vec<Waker>) {
        self.unused = true;
        self.serving.stop(FailCode::Cancelled, wakers);
        wakers.extend(self.driver.take());
    }

    /// The user is not interested in a call any more. `true` if nothing of it was sent.
    pub(super) fn abandon(&mut self, index: u32, wakers: &mut Vec<Waker>) -> bool {
        let id = self.own_id(index);
        if self.outbox.withdraw(id) {
            self.outgoing.release(index, wakers);
            return true;
        }
        if self.outgoing.abandon(index, wakers) && self.lost.is_none() {
            self.outbox.interrupt(id);
            self.outbox.push(Kind::Cancel, id, &[]);
        }
        false
    }

    /// The user does not wait for the answer any more, and the call goes on.
    pub(super) fn forget(&mut self, index: u32, wakers: &mut Vec<Waker>) {
        self.outgoing.abandon(index, wakers);
    }

    // ---- calls of the other end

    /// Ends a call with its last word. `true` if that is to be sent.
    fn end_call(
        &mut self,
        ticket: Ticket,
        kind: Kind,
        payload: &[u8],
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let finished = self.serving.finish(ticket, wakers);
        if let (Some(ledger), Some(mark)) = (&mut self.ledger, finished) {
            ledger.end(mark, kind, payload);
            if self.lost.is_some() {
                // Nothing is handed over any more.
                ledger.settle();
            }
        }
        if self.serving.kept() == 0 {
            wakers.extend(self.survivors.take());
        }
        let is_sent = finished.is_some() && self.lost.is_none() && !self.unused;
        if is_sent {
            self.serving.answered(ticket, self.outbox.taken());
        }
        is_sent
    }

    /// Gives the last word about a call. Nothing happens if it was given before.
    pub(super) fn finish(
        &mut self,
        ticket: Ticket,
        kind: Kind,
        payload: Message,
        wakers: &mut Vec<Waker>,
    ) {
        if !self.end_call(ticket, kind, &payload.head, wakers) {
            return;
        }
        let id = self.their_id(Serving::index(ticket));
        // There are no more short ones than calls.
        if payload.len() > MAX_PIECE && self.outbox.waiting() >= self.memory {
            let mut refusal = vec![FailCode::AnswerTooLarge as u8];
            refusal.extend_from_slice(b"the caller does not read the answers before it");
            self.outbox.push_owned(Kind::Fail, id, refusal.into());
            return;
        }
        self.outbox.push_owned(kind, id, payload);
    }

    /// As [`finish`](Self::finish), with a short payload.
    pub(super) fn finish_short(
        &mut self,
        ticket: Ticket,
        kind: Kind,
        payload: &[u8],
        wakers: &mut Vec<Waker>,
    ) {
        if self.end_call(ticket, kind, payload, wakers) {
            self.outbox.push(kind, self.their_id(Serving::index(ticket)), payload);
        }
    }

    pub(super) fn fail(
        &mut self,
        ticket: Ticket,
        code: FailCode,
        text: &str,
        wakers: &mut Vec<Waker>,
    ) {
        let mut payload = Vec::with_capacity(1 + text.len());
        payload.push(code as u8);
        payload.extend_from_slice(text.as_bytes());
        self.finish(ticket, Kind::Fail, payload.into(), wakers);
    }

    /// The handler answers with a stream: if the connection is closing, it ends at once.
    pub(super) fn mark_stream(&mut self, ticket: Ticket, wakers: &mut Vec<Waker>) {
        let stop = self.leaving.as_ref().map(|_| FailCode::Ended);
        self.serving.mark_stream(ticket, stop, wakers);
    }

    // ---- frames

    /// Takes one frame, or a part of one as if it were a piece. Calls that are complete go to `arrived`, who has to be woken to `wakers`.
    pub(super) fn on_frame(
        &mut self,
        header: Header,
        payload: Part<'_>,
        arrived: &mut VecDeque<Arrived>,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        let Header { kind, id, .. } = header;
        let of_our_call = id & 1 == self.side as u32;
        if let (Kind::Call, false, Part::Bytes(bytes)) = (kind, of_our_call, &payload)
            && self.leaving.is_none()
            && !self.is_hasty(id)
            && let Some(ticket) = self.serving.begin(header, bytes)
        {
            // Most frames are such, and their bytes are copied once.
            self.on_call(ticket, bytes);
            arrived.push_back(Arrived { ticket, body: Message::copied(bytes) });
            return Ok(());
        }
        match kind {
            Kind::Goodbye => self.on_goodbye(payload.bytes())?,
            Kind::Ping | Kind::Pong => self.on_beat(header)?,
            Kind::Reply | Kind::Fail | Kind::Skip if !of_our_call => {
                return Err(Broken::Unexpected(kind, id));
            }
            Kind::Call if of_our_call || self.is_hasty(id) => {
                return Err(Broken::Unexpected(kind, id));
            }
            _ if of_our_call => match self.outgoing.on_frame(header, payload, wakers)? {
                Answer::Nothing => {}
                Answer::EndStream => self.outbox.push(Kind::End, id, &[]),
                Answer::Cancel => self.outbox.push(Kind::Cancel, id, &[]),
            },
            _ => match self.serving.on_frame(header, payload, wakers)? {
                Step::None => {}
                Step::Call(ticket, mut body) if self.leaving.is_none() => {
                    body.reach(BEFORE_ARGUMENTS);
                    self.on_call(ticket, &body.head);
                    arrived.push_back(Arrived { ticket, body });
                }
                Step::Call(ticket, _) => {
                    let text = self.leaving_text();
                    self.fail(ticket, FailCode::Closing, &text, wakers);
                }
                Step::Refuse(ticket, code) => self.fail(ticket, code, "", wakers),
            },
        }
        Ok(())
    }

    /// A call that begins so is to be handed to the service.
    fn on_call(&mut self, ticket: Ticket, beginning: &[u8]) {
        self.was_called = true;
        if let Some(ledger) = &mut self.ledger {
            self.serving.mark(ticket, ledger.begin(beginning));
        }
    }

    /// Whether a call comes in a slot whose last answer is still here: nobody can have read it. Else
    /// a peer that never reads could make this end pile up answers.
    fn is_hasty(&self, id: u32) -> bool {
        self.serving.is_unsent(id >> 1, self.outbox.taken()) || self.outbox.is_queued(id)
    }

    /// Asks for a sign of life, unless nothing is to be said any more.
    #[cfg(feature = "remote")]
    pub(super) fn ping(&mut self) {
        if self.lost.is_none() && !self.unused && !self.goodbye_sent {
            self.outbox.push_beat(Kind::Ping);
        }
    }

    /// A sign of life. How many wait to be written is bounded: who does not read is not read.
    fn on_beat(&mut self, Header { kind, id, .. }: Header) -> Result<(), Broken> {
        match (kind, self.side) {
            (Kind::Ping, Side::Acceptor) => {
                if self.lost.is_none() && !self.unused && !self.goodbye_sent {
                    self.outbox.push_beat(Kind::Pong);
                }
                Ok(())
            }
            (Kind::Pong, Side::Connector) => Ok(()),
            _ => Err(Broken::Unexpected(kind, id)),
        }
    }

    fn on_goodbye(&mut self, payload: &[u8]) -> Result<(), Broken> {
        let (&code, text) = payload.split_first().ok_or(Broken::Payload(Kind::Goodbye))?;
        let text = String::from_utf8_lossy(text).into_owned();
        self.lost.get_or_insert(match GoodbyeCode::from_wire(code) {
            GoodbyeCode::Closing => Loss { kind: ErrorKind::Closing, text, executed: false },
            GoodbyeCode::Protocol => Loss::new(
                ErrorKind::Protocol,
                format!("the other end refused what this one sent: {text}"),
            ),
            GoodbyeCode::Disconnected => Loss::new(ErrorKind::Lost, text),
        });
        Ok(())
    }

    // ---- the end

    /// Begins to end the connection: calls that run are finished, streams are ended, new calls are
    /// refused. With [`GoodbyeCode::Disconnected`] nothing is waited for.
    pub(super) fn leave(&mut self, code: GoodbyeCode, text: &str, wakers: &mut Vec<Waker>) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some((code, text.to_owned()));
        match code {
            GoodbyeCode::Closing => self.serving.close_streams(FailCode::Ended, wakers),
            _ => self.serving.stop(FailCode::Cancelled, wakers),
        }
        wakers.extend(self.driver.take());
    }

    /// Says goodbye when the time has come. `true` when all that is left is to write the outbox.
    pub(super) fn try_leave(&mut self) -> bool {
        let Some((code, text)) = &self.leaving else { return false };
        if self.goodbye_sent {
            return true;
        }
        // A goodbye of this code says that what has no answer was not executed, so it comes after
        // the last piece of every answer.
        if *code == GoodbyeCode::Closing && (self.serving.running() > 0 || !self.outbox.is_empty())
        {
            return false;
        }
        let mut payload = vec![*code as u8];
        payload.extend_from_slice(text.as_bytes());
        self.outbox.push_goodbye(&payload);
        self.goodbye_sent = true;
        true
    }

    /// What ends the calls of this end when it ends the connection itself.
    pub(super) fn farewell(&self) -> Loss {
        let kind = match &self.leaving {
            Some((GoodbyeCode::Closing, _)) => ErrorKind::Closing,
            Some((GoodbyeCode::Protocol, _)) => ErrorKind::Protocol,
            Some((GoodbyeCode::Disconnected, _)) | None => ErrorKind::Lost,
        };
        match &self.leaving {
            Some((_, text)) => Loss::new(kind, text.clone()),
            None => Loss::new(kind, "the connection was closed"),
        }
    }

    /// Why the connection is being ended, in words.
    pub(super) fn leaving_text(&self) -> String {
        self.leaving.as_ref().map(|(_, text)| text.clone()).unwrap_or_default()
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// The transport is gone: nobody waits any longer.
    pub(super) fn lose(&mut self, loss: Loss, wakers: &mut Vec<Waker>) {
        let loss = self.lost.get_or_insert(loss).clone();
        self.outgoing.lose(&loss, wakers);
        self.serving.stop(FailCode::Cancelled, wakers);
        if let Some(ledger) = &mut self.ledger {
            ledger.settle();
        }
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.outgoing.is_idle() && self.serving.is_idle()
    }
}
