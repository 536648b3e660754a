//! The calls that have arrived and were not handed to the service.

use std::collections::VecDeque;
use std::sync::Arc;

use super::dispatch::Dispatch;
use super::request::Incall;
use super::shared::Shared;
use super::state::{Arrived, Side};

/// Calls handed to the service before their answers are written and other tasks of the runtime get
/// their turns: one read can bring thousands. Many more than that, and the other end has nothing to
/// do meanwhile.
const CALLS: usize = 128;

/// Calls whose answers are written before the others of their batch are handed over.
const PART: usize = 32;

/// With so much waiting for the other end to read, beside its longest message, none of its calls is
/// begun.
const HIGH_WATER: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Backlog {
    /// Calls that wait until the answers before them are read.
    pub(super) arrived: VecDeque<Arrived>,
    /// How many of them may be handed over in this poll.
    allowed: usize,
    /// The other end looks for answers: those of a part of a batch are written before the rest.
    parted: bool,
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self { arrived: VecDeque::new(), allowed: CALLS, parted: false }
    }

    /// A poll begins. The calls of one read are handed over in parts if that is wanted: the other end
    /// works on the first answers while the rest are made, which pays if nobody has to be woken.
    pub(super) fn begin(&mut self, parted: bool) {
        self.allowed = CALLS;
        self.parted = parted;
    }

    /// How many are handed over before their answers are written.
    fn part(&self) -> usize {
        if self.parted && self.arrived.len() > PART + PART / 2 { PART } else { CALLS }
    }

    /// Gives back memory that an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        if self.arrived.is_empty() {
            self.arrived = VecDeque::new();
        }
    }

    /// Whether no more may be handed over in this poll.
    pub(super) fn is_spent(&self) -> bool {
        self.allowed == 0
    }

    /// Hands the calls that have arrived to the service, as long as their answers are taken.
    /// `true` if there was one.
    pub(super) fn hand_over<D: Dispatch>(
        &mut self,
        shared: &Arc<Shared>,
        dispatch: &mut D,
    ) -> bool {
        if self.arrived.is_empty() {
            return false;
        }
        let before = self.allowed;
        let mut part = self.part();
        let (arrived, allowed) = (&mut self.arrived, &mut self.allowed);
        let mut calls = std::iter::from_fn(|| {
            while *allowed > 0 && part > 0 && !shared.has_unread(HIGH_WATER) {
                let call = arrived.pop_front()?;
                *allowed -= 1;
                part -= 1;
                if let Some(call) = Incall::new(shared, call) {
                    return Some(call);
                }
            }
            None
        });
        dispatch.dispatch(shared, &mut calls);
        self.allowed < before
    }

    /// Whether nothing is taken from the other end, because it does not read what it is told.
    ///
    /// The connecting end always reads, so that the two never wait for each other: the calls that it
    /// does not begin wait here, at most one for each slot.
    pub(super) fn is_held_up(&self, shared: &Shared) -> bool {
        shared.side == Side::Acceptor && (!self.arrived.is_empty() || shared.has_unread(HIGH_WATER))
    }
}
