//! Who comes: accepting, holding back, and telling those who wait.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::Instant;

use super::Keeper;
use crate::client::{Client, Ended, Word};
use crate::door::Visit;
use crate::event::What;
use crate::machine::State;
use crate::public::Public;
use crate::service::Mode;

/// Whoever comes during a pause waits for its end, if it is as near as this; else the client is reset
/// at once.
const NEAR: Duration = Duration::from_secs(1);

/// How many clients are accepted before anything else of the service gets its turn.
const BATCH: usize = 16;

/// How long nothing is accepted when the system has run out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Keeper {
    /// In fd mode the app is not disturbed: the door is looked at only when it is not there.
    pub(super) fn arm_door(&mut self) {
        if self.mode() == Mode::Fd && self.closing.is_none() {
            let absent = matches!(self.machine.state(), State::Stopped | State::Backoff { .. });
            if let Err(error) = self.door.set_watched(absent, &self.publics) {
                let cause = format!("cannot watch the public sockets: {error}");
                self.tell(What::RelayError { cause });
                self.accept_after = Some(Instant::now() + ACCEPT_PAUSE);
            }
        }
    }

    pub(super) fn may_accept(&self) -> bool {
        if self.closing.is_some() || self.accept_after.is_some() {
            return false;
        }
        match self.mode() {
            Mode::Fd => {
                // Whoever comes shortly before the end of a pause waits for it in the kernel's queue.
                let state = self.machine.state();
                !self.wanted && (state == State::Stopped || self.pause_is_long())
            }
            Mode::Proxy => {
                self.clients.len() < self.service.max_connections
                    && self.waiting < self.service.max_pending
            }
        }
    }

    pub(super) fn pause_is_long(&self) -> bool {
        matches!(self.machine.state(), State::Backoff { until } if until > Instant::now() + NEAR)
    }

    pub(super) fn visited(&mut self, visit: std::io::Result<Visit>) {
        match visit {
            Err(error) => {
                self.tell(What::RelayError { cause: format!("cannot accept: {error}") });
                self.accept_after = Some(Instant::now() + ACCEPT_PAUSE);
            }
            Ok(Visit::Knock(listener)) if self.pause_is_long() => {
                reset_queue(&self.publics[listener]);
            }
            Ok(Visit::Knock(listener)) => {
                self.wanted = true;
                self.tell_connection(listener);
            }
            Ok(Visit::Client(listener, stream, permit)) => {
                self.tell_connection(listener);
                if self.pause_is_long() {
                    return stream.reset();
                }
                let running = matches!(self.machine.state(), State::Running { .. });
                let word = if let (Some(app), true) = (&self.app, running) {
                    watch::Sender::new(Word::Serve(Arc::clone(app))).subscribe()
                } else {
                    self.waiting += 1;
                    self.word.subscribe()
                };
                let client = Client {
                    stream,
                    listener,
                    word,
                    cohort: if running { u64::MAX } else { self.cohort },
                    patience: self.service.start_timeout,
                    permit,
                };
                self.clients.spawn(client.run());
            }
        }
    }

    /// Takes others who are at the door too: what follows from a visit is looked at once for all.
    pub(super) fn accept_more(&mut self) {
        for _ in 1..BATCH {
            if !self.may_accept() {
                return;
            }
            let visit = {
                let visit = self.door.visit(&self.surroundings.budget, &mut self.permit);
                let mut nobody_waits = Context::from_waker(Waker::noop());
                std::pin::pin!(visit).poll(&mut nobody_waits)
            };
            let Poll::Ready(visit) = visit else { return };
            self.visited(visit);
        }
    }

    pub(super) fn client_ended(&mut self, ended: Result<Ended, JoinError>) {
        let Ok(ended) = ended else { return };
        if ended.cohort == self.cohort {
            self.waiting -= 1;
        }
        if let Some(cause) = ended.error {
            self.tell(What::RelayError { cause });
        }
    }

    /// Tells all who wait the same, and begins a new queue.
    pub(super) fn tell_waiting(&mut self, word: Word) {
        self.word.send_replace(word);
        self.word = watch::Sender::new(Word::Wait);
        self.cohort += 1;
        self.waiting = 0;
    }

    pub(super) fn tell_connection(&self, listener: usize) {
        if let Some(public) = self.publics.get(listener) {
            self.tell(What::Connection { listener: Arc::clone(&public.name) });
        }
    }
}

/// Resets everybody in the kernel's queue. No app accepts now.
pub(super) fn reset_queue(public: &Public) {
    // Those who come meanwhile are not for ever.
    for _ in 0..2 * 4096 {
        let Some(client) = public.accept_now() else { return };
        let _ = rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO));
    }
}
