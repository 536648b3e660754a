//! What a keeper is asked for, and its answers.

use std::time::Duration;

use tokio::sync::oneshot;

use super::Keeper;
use crate::client::Word;
use crate::door::Door;
use crate::error::{Error, Kind, Result};
use crate::event::What;
use crate::machine::{Event, State};
use crate::public::Public;

/// What a keeper is asked for. Each comes from somebody who waits for the answer, or from a guard.
#[derive(Debug)]
pub(crate) enum Order {
    Start(oneshot::Sender<Result<()>>),
    Stop { force: bool, done: oneshot::Sender<()> },
    Hold { id: u64, reason: String },
    Release { id: u64 },
    Close(Close),
}

#[derive(Debug)]
pub(crate) struct Close {
    /// How long open connections may take; `None` breaks them off.
    pub(crate) drain: Option<Duration>,
    /// Whether the public sockets stay open, for somebody who goes on with them.
    pub(crate) keep: bool,
    pub(crate) done: oneshot::Sender<Vec<Public>>,
}

#[derive(Debug)]
pub(super) enum Answer {
    Started(oneshot::Sender<Result<()>>, Result<()>),
    Stopped(oneshot::Sender<()>),
}

impl Answer {
    pub(super) fn give(self) {
        // Whoever asked may have given up.
        match self {
            Self::Started(reply, result) => drop(reply.send(result)),
            Self::Stopped(reply) => drop(reply.send(())),
        }
    }
}

impl Keeper {
    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Start(reply) => {
                if self.closing.is_some() {
                    self.answers.push(Answer::Started(reply, Err(Error::closed())));
                } else if matches!(self.machine.state(), State::Running { .. }) {
                    self.answers.push(Answer::Started(reply, Ok(())));
                } else {
                    self.starters.push(reply);
                    self.wanted = true;
                }
            }
            Order::Stop { force, done } => {
                self.stoppers.push(done);
                self.on(if force { Event::Force } else { Event::Stop { drain: true } });
            }
            Order::Hold { id, reason } => {
                self.holds.insert(id, reason);
            }
            Order::Release { id } => {
                self.holds.remove(&id);
            }
            Order::Close(close) => self.close(Some(close)),
        }
    }

    /// Without an order: nobody has the supervisor any more.
    pub(super) fn close(&mut self, close: Option<Close>) {
        let drain = close.as_ref().and_then(|close| close.drain);
        let keep = close.as_ref().is_some_and(|close| close.keep);
        let again = self.closing.is_some();
        self.closing.get_or_insert_default().extend(close);
        self.door = Door::closed();
        self.permit = None;
        if !keep && !again {
            self.publics.clear();
        }
        if let Some(limit) = drain {
            if again {
                return;
            }
            self.tell(What::Draining);
            self.machine.set_drain_limit(limit);
            self.on(Event::Stop { drain: true });
        } else {
            self.on(Event::Force);
        }
        // Those whom the machine does not know of: nobody is served any more.
        if self.waiting > 0 {
            self.tell_waiting(Word::Reset);
        }
        self.refuse_starters();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.closing.is_some()
            && matches!(self.machine.state(), State::Stopped | State::Backoff { .. })
            && self.clients.is_empty()
    }

    pub(super) fn end(mut self) {
        self.tell(What::Closed);
        let mut publics = std::mem::take(&mut self.publics);
        for close in self.closing.take().unwrap_or_default() {
            let _ = close.done.send(std::mem::take(&mut publics));
        }
    }

    pub(super) fn refuse_starters(&mut self) {
        for starter in self.starters.drain(..) {
            let name = &self.service.name;
            let error = if let Some(cause) = &self.failure {
                Error::new(Kind::StartFailed, format!("{name} did not start: {cause}"))
            } else {
                Error::new(Kind::Stopped, format!("{name} was stopped before it was ready"))
            };
            self.answers.push(Answer::Started(starter, Err(error)));
        }
    }
}
