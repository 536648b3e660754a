//! What the two ends of a call do with its streams.
//!
//! A stream of either direction, of items or of bytes, is sent and received in the same way; only
//! where its ends are kept differs.

use std::task::Waker;

use super::asked::End;
use super::chunks::Chunk;
use super::input::InputEnd;
use super::outflow::Outflow;
use super::serving::{Serving, Ticket};
use super::state::State;
use crate::codec::Message;
use crate::error::{Error, ErrorKind};
use crate::wire::frame::Kind;

/// Which end of a call, and by what it knows the call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Caller(u32),
    Callee(Ticket),
}

/// What became of an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Yes,
    /// There is no credit, or it is not its turn; the waker is kept.
    Wait,
    /// Nobody takes it any more.
    Over,
}

/// What has come of a stream.
#[derive(Debug)]
pub(super) enum Received {
    Chunk(Chunk),
    /// The stream has ended as it should; the call goes on.
    Finished,
    /// To a caller: the call is over.
    End(End),
    /// To a callee: the stream was cut off.
    Cut(Error),
}

impl State {
    fn id(&self, role: Role) -> u32 {
        match role {
            Role::Caller(index) => self.own_id(index),
            Role::Callee(ticket) => self.their_id(Serving::index(ticket)),
        }
    }

    pub(super) fn outflow(&mut self, role: Role) -> Option<&mut Outflow> {
        if self.lost.is_some() {
            return None;
        }
        match role {
            Role::Caller(_) if self.is_cut() => None,
            Role::Caller(index) => self.outgoing.outflow(index),
            Role::Callee(ticket) => self.serving.outflow(ticket),
        }
    }

    /// Whether a message may begin now. Whoever is told so sends it at once by
    /// [`send_now`](Self::send_now), or lets others have the turn.
    pub(super) fn may_send(&mut self, role: Role, waker: &Waker) -> Sent {
        let level = self.outbox.crowd();
        let mut turns = std::mem::take(&mut self.turns);
        let mut has_credit = true;
        let sent = self.outflow(role).map_or(Sent::Over, |outflow| {
            has_credit = outflow.may_begin(waker);
            if has_credit && turns.may_begin(role, outflow, level, waker) {
                Sent::Yes
            } else {
                Sent::Wait
            }
        });
        self.turns = turns;
        if let (Role::Callee(ticket), false) = (role, has_credit) {
            self.serving.rest(ticket);
        }
        sent
    }

    /// Sends a message of a stream if it may begin, and how many items were dropped before it.
    pub(super) fn send(&mut self, role: Role, skipped: u64, payload: &[u8], waker: &Waker) -> Sent {
        match self.may_send(role, waker) {
            Sent::Yes => self.send_now(role, skipped, payload),
            other => other,
        }
    }

    /// Sends a message that [`may_send`](Self::may_send) has just allowed. Nobody else spends the
    /// credit of a stream.
    pub(super) fn send_now(&mut self, role: Role, skipped: u64, payload: &[u8]) -> Sent {
        let Some(outflow) = self.outflow(role) else { return Sent::Over };
        outflow.spend(payload.len());
        let id = self.id(role);
        if skipped > 0 {
            self.outbox.push(Kind::Skip, id, &skipped.to_le_bytes());
        }
        self.outbox.push(Kind::Items, id, payload);
        Sent::Yes
    }

    /// As [`send`](Self::send), without a copy: takes the message if it is sent.
    pub(super) fn send_long(&mut self, role: Role, payload: &mut Message, waker: &Waker) -> Sent {
        match self.may_send(role, waker) {
            Sent::Yes => self.send_long_now(role, payload),
            other => other,
        }
    }

    /// As [`send_now`](Self::send_now), without a copy.
    pub(super) fn send_long_now(&mut self, role: Role, payload: &mut Message) -> Sent {
        let Some(outflow) = self.outflow(role) else { return Sent::Over };
        outflow.spend(payload.len());
        self.outbox.push_owned(Kind::Items, self.id(role), std::mem::take(payload));
        Sent::Yes
    }

    /// Says that our stream has ended, and no more than that.
    pub(super) fn half_close(&mut self, role: Role) {
        let was_open = match role {
            Role::Caller(index) => self.outgoing.half_close(index),
            Role::Callee(ticket) => self.serving.half_close(ticket),
        };
        if was_open && self.lost.is_none() {
            self.outbox.push(Kind::End, self.id(role), &[]);
        }
    }

    /// The next part of the other end's stream; gives back the credit for it. `None`: nothing has
    /// come, and the waker is kept.
    pub(super) fn receive(
        &mut self,
        role: Role,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Option<Received> {
        let taken = match role {
            Role::Caller(index) => self.outgoing.take(index),
            Role::Callee(ticket) => self.serving.take(ticket),
        };
        let (chunk, credit) = taken;
        if credit > 0 && self.lost.is_none() {
            self.outbox.push(Kind::Credit, self.id(role), &credit.to_le_bytes());
        }
        if let Some(chunk) = chunk {
            return Some(Received::Chunk(chunk));
        }
        match role {
            Role::Caller(index) if self.outgoing.is_half_closed(index) => Some(Received::Finished),
            Role::Caller(index) => self.poll_end(index, waker, wakers).map(Received::End),
            Role::Callee(ticket) => self.input_end(ticket, waker),
        }
    }

    fn input_end(&mut self, ticket: Ticket, waker: &Waker) -> Option<Received> {
        let end = self.serving.poll_input_end(ticket, waker);
        if end == Some(InputEnd::Finished) {
            return Some(Received::Finished);
        }
        if end.is_none() {
            self.serving.rest(ticket);
        }
        if let Some(loss) = &self.lost {
            return Some(Received::Cut(loss.of_new_call()));
        }
        Some(Received::Cut(match end? {
            InputEnd::Closing => Error::new(
                ErrorKind::Closing,
                format!("the caller's stream ended because {}", self.leaving_text()),
            ),
            InputEnd::Overfull => Error::new(
                ErrorKind::Limit,
                "the caller's stream was cut off: this end holds too much of what is not taken",
            ),
            _ => Error::new(ErrorKind::Cancelled, "the call that sent this stream is over"),
        }))
    }

    /// The handler wants no more of the caller's stream.
    pub(super) fn refuse(&mut self, ticket: Ticket) {
        if self.serving.refuse_input(ticket) && self.lost.is_none() {
            self.outbox.push(Kind::Cancel, self.id(Role::Callee(ticket)), &[]);
        }
    }
}
