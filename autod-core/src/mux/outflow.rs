//! The end of a stream that sends it, at either end of a call.
//!
//! Plain data: what may still be sent. A message may begin while there is credit, so that one that
//! is longer than the window can be sent at all; the credit then goes below zero. One that may begin
//! has to have its turn besides, see `turns`.

use std::task::Waker;

use super::turns::Turn;
use super::wakers::set_waker;
use crate::wire::frame::{Broken, Kind};
use crate::wire::limits::MOST_CREDIT;

#[derive(Debug)]
pub(super) struct Outflow {
    credit: i64,
    pub(super) turn: Turn,
    /// Waits for credit, or for its turn.
    pub(super) waker: Option<Waker>,
}

impl Outflow {
    pub(super) fn new(window: usize) -> Self {
        Self { credit: wide(window), turn: Turn::Free, waker: None }
    }

    /// A Credit frame has come.
    pub(super) fn grant(
        &mut self,
        id: u32,
        credit: u32,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        self.credit += i64::from(credit);
        if self.credit > wide(MOST_CREDIT) {
            return Err(Broken::Credit(id));
        }
        wakers.extend(self.waker.take());
        Ok(())
    }

    /// Whether a message may begin. If not, the waker is woken when one may.
    pub(super) fn may_begin(&mut self, waker: &Waker) -> bool {
        if self.credit <= 0 {
            set_waker(&mut self.waker, waker);
        }
        self.credit > 0
    }

    pub(super) fn spend(&mut self, length: usize) {
        self.credit -= wide(length);
    }

    #[cfg(test)]
    pub(super) fn credit(&self) -> i64 {
        self.credit
    }
}

/// What a Credit frame gives.
pub(super) fn credit(payload: &[u8]) -> Result<u32, Broken> {
    payload.try_into().map(u32::from_le_bytes).map_err(|_| Broken::Payload(Kind::Credit))
}

fn wide(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
