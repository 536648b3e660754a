//! One slot of the calls that this end makes: how far its call is, and its streams.
//!
//! ```text
//!            open                  terminal frame              take
//!   Free ------------> Open ----------------------> Ended -------> Free
//!                       |   (our stream is ended                    ^
//!                       |    if it was not)                         |
//!                       | abandon (Cancel is sent)                  |
//!                       +------> Abandoned ------ terminal frame ---+
//! ```
//!
//! A stream for which there is no room is `Overfull` until its user has heard of it: it is abandoned,
//! and ends with an error of this end.
//!
//! The terminal frame is a Reply or a Fail; an End or a Fail if the answer is a stream of items.

use std::task::Waker;

use super::inflow::Inflow;
use super::loss::Loss;
use super::outflow::Outflow;
use crate::codec::Message;
use crate::wire::frame::{FailCode, Kind};

/// What a call is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Value,
    Items,
    /// Bytes, then a value.
    Bytes,
}

/// What a call begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) expect: Expect,
    /// This end sends a stream too.
    pub(super) sends: bool,
}

/// The last word about a call or stream.
#[derive(Clone, Debug)]
pub(super) enum End {
    Value(Message),
    Finished,
    Fail(FailCode, Vec<u8>),
    Lost(Loss),
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) stage: Stage,
    /// Its waker waits for the answer too.
    pub(super) inflow: Inflow,
    /// The callee has ended its byte stream; its answer is to come.
    pub(super) half_closed: bool,
    /// Whether the call has a stream of ours.
    pub(super) sends: bool,
    /// Present until that is ended.
    pub(super) outflow: Option<Outflow>,
}

#[derive(Debug, Default)]
pub(super) enum Stage {
    #[default]
    Free,
    Open(Expect),
    Ended(End),
    Abandoned(Expect),
    /// Told to stop, because there is no room for it; its user is still to be told.
    Overfull(Expect),
}

/// What a frame of the answering end asks of us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Nothing,
    /// The other end takes no more of our stream: it has to be ended.
    EndStream,
    /// There is no room for its stream: the call has to be cancelled.
    Cancel,
}

impl Slot {
    /// Whether it has an open call that is answered with a value, of which nothing has come, and
    /// nothing but that flows.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.stage, Stage::Open(Expect::Value)) && !self.sends && self.inflow.is_whole()
    }

    /// Makes it as if it had never been used.
    pub(super) fn clear(&mut self) {
        if self.sends || !self.inflow.is_unused() {
            *self = Self::default();
            return;
        }
        self.stage = Stage::Free;
        self.inflow.waker = None;
        debug_assert!(self.outflow.is_none() && !self.half_closed);
    }

    pub(super) fn end_stream(&mut self, wakers: &mut Vec<Waker>) -> Answer {
        let Some(outflow) = self.outflow.take() else { return Answer::Nothing };
        wakers.extend(outflow.waker);
        Answer::EndStream
    }
}

/// Whether the answering end may say this about such a call at all.
pub(super) fn fits(kind: Kind, expect: Expect, sends: bool) -> bool {
    match kind {
        Kind::Reply => expect != Expect::Items,
        Kind::Items | Kind::End => expect != Expect::Value,
        Kind::Skip => expect == Expect::Items,
        Kind::Fail => true,
        Kind::Credit | Kind::Cancel => sends,
        Kind::Call | Kind::Goodbye | Kind::Ping | Kind::Pong => false,
    }
}

/// The last word about a stream for which there is no room.
pub(super) fn overfull() -> End {
    End::Fail(FailCode::Overfull, b"this end holds too much of what is not taken".to_vec())
}
