//! A caller: from the first knock to its answer, and how it wins the right to start a daemon.
//!
//! What it does with both locks is in `starter`.

use crate::omit::Omit;
use crate::rules::Rule;
use crate::state::{Conn, Desk, Door, End, Life, Lock, Mark, Pc, STARTER, Said, Stage, State};
use crate::world::{Actor, Steps, World};

impl Steps<'_> {
    /// `Connector::connect_or_start` and `Starter::turn`.
    pub(crate) fn caller(&mut self, index: usize) {
        let (world, state) = (self.world, self.state);
        let client = state.clients[index];
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Caller(index), what, |next| change(next));
        };
        match client.pc {
            Pc::Begin => add("Settings::connect: opens the place", &|next| {
                next.client(index).directory = next.directory;
                next.client(index).pc = Pc::Look;
            }),
            Pc::Look | Pc::LookUnderS => add("Place::knock: looks the door up", &|next| {
                next.look_at_door(index);
            }),
            Pc::Join | Pc::JoinUnderS => {
                add("Place::knock: joins the queue, says hello", &|next| {
                    next.knock(index);
                });
            }
            Pc::OpenS => add("SpawnLock::try_take: opens S", &|next| {
                let client = &mut next.clients[index];
                client.s = Lock::Open(if client.directory == next.directory { next.s } else { 0 });
                client.pc = Pc::FlockS;
                if !world.replaces() {
                    next.flock_s(index, world);
                }
            }),
            Pc::FlockS => {
                add("SpawnLock::try_take: flock of S", &|next| next.flock_s(index, world));
            }
            Pc::VerifyS => add("SpawnLock::try_take: is S at its path", &|next| {
                next.verify_s(index, world);
            }),
            Pc::Consult => add("breaker::consult", &|next| {
                if next.failed && client.warned {
                    next.finish(index, End::StartFailed);
                } else {
                    next.client(index).pc = Pc::OpenA;
                }
            }),
            Pc::OpenA => add("take_life: opens A", &|next| {
                let client = &mut next.clients[index];
                client.a = if client.directory == next.directory { next.a } else { 0 };
                client.pc = Pc::FlockA;
                if !world.replaces() {
                    next.flock_a(index, world);
                }
            }),
            Pc::FlockA => add("take_life: flock of A", &|next| next.flock_a(index, world)),
            Pc::VerifyA => add("take_life: is A at its path", &|next| next.verify_a(index, world)),
            Pc::Exchange => self.exchange(index),
            Pc::AwaitReply => self.await_reply(index),
            Pc::Ended(_) => {}
            _ => self.starter(index),
        }
    }

    /// `Connector::exchange`: waits for the Accept.
    fn exchange(&mut self, index: usize) {
        let state = self.state;
        let client = state.clients[index];
        let conn = client.conn;
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Caller(index), what, |next| change(next));
        };
        if conn.accepted {
            let older = !state.life_of(conn.life).newer && conn.stage == Stage::Served;
            if client.newer && older {
                add("meets an older build", &|next| {
                    next.client(index).newer = false;
                    next.client(index).met = Some(conn.life);
                    next.client(index).pc = Pc::ReplaceTakeS;
                });
                return;
            }
            add("Call::poll: sends the call", &|next| {
                next.client(index).conn.called = true;
                next.client(index).pc = Pc::AwaitReply;
            });
        } else if conn.said == Said::Reject {
            add("exchange: Reject", &|next| next.finish(index, End::StartFailed));
        } else if conn.said == Said::Closing {
            add("exchange: Closing, starts over", &|next| next.start_over(index));
        } else if matches!(conn.stage, Stage::Cut | Stage::CutByKill) {
            add("exchange: hung up, starts over", &|next| next.start_over(index));
        }
    }

    fn await_reply(&mut self, index: usize) {
        let conn = self.state.clients[index].conn;
        let end = match (conn.said, conn.stage) {
            (Said::Reply, _) => End::Answered,
            (Said::Goodbye, _) => End::TurnedAway,
            (_, Stage::Cut | Stage::CutByKill) => End::MaybeExecuted,
            _ => return,
        };
        self.add(Actor::Caller(index), "Call::poll: its end", |next| {
            if end == End::MaybeExecuted && conn.stage == Stage::Cut {
                next.blame(Rule::LostWithoutAKill);
            }
            next.finish(index, end);
        });
    }
}

impl State {
    pub(crate) fn finish(&mut self, index: usize, end: End) {
        let executed = self.clients[index].executed;
        if (executed == 0) != (end != End::Answered) && end != End::MaybeExecuted {
            self.blame(Rule::WrongWord);
        }
        self.end_client(index);
        self.client(index).pc = Pc::Ended(end);
    }

    pub(crate) fn start_over(&mut self, index: usize) {
        if self.clients[index].executed > 0 {
            self.blame(Rule::ExecutedWithoutAccept);
        }
        self.client(index).conn = Conn::default();
        self.client(index).pc = Pc::Look;
    }

    pub(crate) fn look_at_door(&mut self, index: usize) {
        let found = self.look();
        let client = self.client(index);
        let refused = !matches!(found, Door::Leads(_));
        client.found = if refused { Door::Absent } else { found };
        client.pc = match (client.pc, refused) {
            (Pc::Look, false) => Pc::Join,
            (Pc::Look, true) => Pc::OpenS,
            (Pc::LookUnderS, false) => Pc::JoinUnderS,
            (Pc::LookUnderS, true) => Pc::Consult,
            (_, false) => Pc::JoinOwn,
            (_, true) => Pc::Attend,
        };
    }

    /// The kernel looks the path up again if the listener has died in between.
    pub(crate) fn knock(&mut self, index: usize) {
        let found = std::mem::take(&mut self.client(index).found);
        let joined = matches!(found, Door::Leads(listener) if self.join(index, listener));
        let client = self.client(index);
        client.pc = match (client.pc, joined) {
            (Pc::Join, true) => Pc::Exchange,
            (Pc::Join, false) => Pc::Look,
            (Pc::JoinUnderS, true) => {
                client.s = Lock::Closed;
                Pc::Exchange
            }
            (Pc::JoinUnderS, false) => Pc::LookUnderS,
            (_, true) => Pc::Attend,
            (_, false) => Pc::LookOwn,
        };
    }

    fn flock_s(&mut self, index: usize, world: &World) {
        let Lock::Open(generation) = self.clients[index].s else { return };
        if self.s_is_held(generation) {
            self.client(index).s = Lock::Closed;
            self.client(index).pc = Pc::Look;
            return;
        }
        self.client(index).s = Lock::Held(generation);
        self.client(index).pc = Pc::VerifyS;
        if !world.replaces() {
            self.verify_s(index, world);
        }
    }

    fn verify_s(&mut self, index: usize, world: &World) {
        let client = self.clients[index];
        let same_place = client.directory == self.directory;
        if world.omits(Omit::VerifyLockIdentity) || (same_place && client.s == Lock::Held(self.s)) {
            let again = !world.omits(Omit::ConnectAgainUnderS);
            self.client(index).pc = if again { Pc::LookUnderS } else { Pc::Consult };
        } else if same_place {
            self.client(index).s = Lock::Closed;
            self.client(index).pc = Pc::OpenS;
        } else {
            self.finish(index, End::PlaceReplaced);
        }
    }

    /// `LifeLock::try_take` within `take_life`. The record is written and read under S, so neither
    /// is a step of its own.
    fn flock_a(&mut self, index: usize, world: &World) {
        let client = self.clients[index];
        let holder = self.holder_of_a(client.a);
        if let Some(holder) = holder.filter(|_| !world.omits(Omit::TakeAOfDaemon)) {
            let verified = self.a_is_at_its_path(index, world);
            let waits =
                self.life_of(holder).mark == Mark::Draining && !world.omits(Omit::WaitForDraining);
            if !verified || waits {
                self.client(index).pc = Pc::OpenA;
                return;
            }
            // `Starter::meet`: it naps, and does not look at the locks for a while.
            if self.is_untouched() && self.door_is_open() {
                self.blame(Rule::NapAtOpenDoor);
            }
            if self.is_untouched() && self.life_of(holder).has_turned() {
                self.blame(Rule::NapForLeaver);
            }
            self.client(index).s = Lock::Closed;
            self.client(index).pc = Pc::Look;
            return;
        }
        let Some(life) = self.free_life() else {
            self.blame(Rule::TooManyLives);
            return;
        };
        if client.warned && self.is_untouched() {
            self.blame(Rule::StartedAgain);
        }
        *self.life(life) = Life {
            desk: Desk::Unborn,
            copies: STARTER,
            a: client.a,
            locked: holder.is_none(),
            directory: client.directory,
            newer: client.newer,
            ..Life::default()
        };
        self.client(index).starts = Some(life);
        self.client(index).pc = Pc::VerifyA;
        if !world.replaces() {
            self.verify_a(index, world);
        }
    }

    /// Seen from the directory that the caller holds open.
    fn a_is_at_its_path(&self, index: usize, world: &World) -> bool {
        let client = &self.clients[index];
        client.a == self.a
            || client.directory != self.directory
            || world.omits(Omit::VerifyLockIdentity)
    }

    fn verify_a(&mut self, index: usize, world: &World) {
        if self.a_is_at_its_path(index, world) {
            self.client(index).pc = Pc::Check;
        } else {
            self.give_up_start(index);
            self.client(index).pc = Pc::OpenA;
        }
    }

    pub(crate) fn give_up_start(&mut self, index: usize) {
        if let Some(life) = self.client(index).starts.take() {
            self.drop_starter_copies(life);
        }
    }
}
