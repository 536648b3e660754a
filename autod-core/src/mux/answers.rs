//! Short answers of the calls that are handed over together.
//!
//! A handler that is ready at once is polled in the driver's turn, and its answer cannot be written
//! before the turn's other calls are handed over. So the short answers of a turn are encoded one
//! behind the other, and the lock of their connection is taken once for all of them.

use std::cell::Cell;
use std::sync::Arc;

use super::request::forget_spare;
use super::serving::Ticket;
use super::shared::Shared;
use crate::wire::frame::Kind;

/// A longer answer is handed over by itself.
const SHORT: usize = 4 << 10;

/// So much is not kept back any longer.
const MOST: usize = 64 << 10;

thread_local! {
    /// Those of the turn that this thread is in.
    static TURN: Cell<Option<Box<Answers>>> = const { Cell::new(None) };
    /// The memory of the last turn.
    static SPARE: Cell<Option<Box<Answers>>> = const { Cell::new(None) };
}

/// An answer that has been given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) ticket: Ticket,
    pub(super) kind: Kind,
    /// Where it ends; it begins where the one before it does.
    end: usize,
}

#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The address of the connection's state.
    of: usize,
    bytes: Vec<u8>,
    given: Vec<Given>,
}

fn address(shared: &Arc<Shared>) -> usize {
    Arc::as_ptr(shared).addr()
}

impl Answers {
    pub(super) fn iter(&self) -> impl Iterator<Item = (Given, &[u8])> {
        let mut start = 0;
        self.given.iter().map(move |given| {
            let bytes = &self.bytes[start..given.end];
            start = given.end;
            (*given, bytes)
        })
    }

    fn hand_over(&mut self, shared: &Shared) {
        if !self.given.is_empty() {
            shared.finish_all(self);
        }
        self.bytes.clear();
        self.given.clear();
    }
}

/// Keeps back the short answers that this thread gives on a connection, until it is dropped.
pub(super) struct Turn<'a> {
    shared: &'a Shared,
    /// A handler may run a runtime of its own, with other connections.
    outer: Option<Box<Answers>>,
}

impl<'a> Turn<'a> {
    pub(super) fn begin(shared: &'a Arc<Shared>) -> Self {
        let mut answers = SPARE.take().unwrap_or_default();
        answers.of = address(shared);
        Self { shared, outer: TURN.replace(Some(answers)) }
    }

    /// Gives the answers that were kept back so far.
    #[cold]
    pub(super) fn give(&self) {
        if let Some(mut answers) = TURN.take() {
            answers.hand_over(self.shared);
            TURN.set(Some(answers));
        }
    }

    /// Whether this thread is in a turn.
    pub(super) fn is_on() -> bool {
        let answers = TURN.take();
        let is_on = answers.is_some();
        TURN.set(answers);
        is_on
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        forget_spare();
        if let Some(mut answers) = TURN.replace(self.outer.take()) {
            answers.hand_over(self.shared);
            if answers.bytes.capacity() <= MOST {
                SPARE.set(Some(answers));
            }
        }
    }
}

/// An answer that is being encoded, behind those that are kept back. Dropped, it is forgotten.
pub(super) struct Draft {
    /// Present until it is dropped.
    answers: Option<Box<Answers>>,
    /// The bytes of those answers, and behind them its own.
    bytes: Vec<u8>,
    start: usize,
}

impl Draft {
    /// `None` if this thread keeps back no answers on this connection.
    pub(super) fn begin(shared: &Arc<Shared>) -> Option<Self> {
        let mut answers = TURN.take()?;
        if answers.of != address(shared) {
            TURN.set(Some(answers));
            return None;
        }
        let bytes = std::mem::take(&mut answers.bytes);
        Some(Self { answers: Some(answers), start: bytes.len(), bytes })
    }

    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn is_short(&self) -> bool {
        self.len() <= SHORT
    }

    /// It is the answer.
    pub(super) fn give(mut self, shared: &Shared, ticket: Ticket, kind: Kind) {
        let Some(answers) = &mut self.answers else { return };
        self.start = self.bytes.len();
        answers.given.push(Given { ticket, kind, end: self.start });
        if self.start > MOST {
            answers.bytes = std::mem::take(&mut self.bytes);
            answers.hand_over(shared);
            self.bytes = std::mem::take(&mut answers.bytes);
            self.start = 0;
        }
    }

    /// What has been encoded, to be handed over by itself.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        // A buffer that has grown for it would not be kept anyway.
        if self.start == 0 && self.bytes.capacity() > MOST {
            return std::mem::take(&mut self.bytes);
        }
        self.bytes.split_off(self.start)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let Some(mut answers) = self.answers.take() else { return };
        self.bytes.truncate(self.start);
        answers.bytes = std::mem::take(&mut self.bytes);
        TURN.set(Some(answers));
    }
}
