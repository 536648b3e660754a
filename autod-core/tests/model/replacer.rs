//! A caller of a newer build that replaces the daemon it met: LIFECYCLE.md, "Stopping, restarting,
//! upgrading". From the moment that it has A on it does what every starter does.

use crate::omit::Omit;
use crate::rules::Rule;
use crate::state::{Conn, Desk, Life, Lock, Mark, Pc, Phase, STARTER, State, Status};
use crate::world::{Actor, Steps};

impl Steps<'_> {
    pub(crate) fn replacer(&mut self, index: usize) {
        let (world, state) = (self.world, self.state);
        let client = state.clients[index];
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Caller(index), what, |next| change(next));
        };
        match client.pc {
            Pc::ReplaceTakeS if !state.s_is_held(state.s) => add("replace: takes S", &|next| {
                next.client(index).s = Lock::Held(next.s);
                next.client(index).pc = Pc::ReplaceCheck;
            }),
            Pc::ReplaceCheck => add("replace: is it the life it met", &|next| {
                let met = client.met;
                let same = met.is_some()
                    && next.holder_of_a(next.a) == met
                    && met.is_some_and(|met| next.life_of(met).mark == Mark::Running);
                if same || world.omits(Omit::CheckLifeId) {
                    next.client(index).pc = Pc::ReplaceSpawn;
                } else {
                    next.client(index).met = None;
                    next.client(index).s = Lock::Closed;
                    next.start_over(index);
                }
            }),
            Pc::ReplaceSpawn => add("replace: spawns the candidate", &|next| {
                let Some(life) = next.free_life() else {
                    next.blame(Rule::TooManyLives);
                    return;
                };
                *next.life(life) =
                    Life { desk: Desk::Spawned, a: next.a, newer: true, ..Life::default() };
                next.client(index).starts = Some(life);
                let waits = !world.omits(Omit::SeenBeforeReplace);
                next.client(index).pc = if waits { Pc::ReplaceSeen } else { Pc::ReplaceAsk };
            }),
            _ => self.replacer_with_candidate(index),
        }
    }

    fn replacer_with_candidate(&mut self, index: usize) {
        let (world, state) = (self.world, self.state);
        let client = state.clients[index];
        let Some(life) = client.starts else { return };
        let candidate = *state.life_of(life);
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Caller(index), what, |next| change(next));
        };
        match client.pc {
            Pc::ReplaceSeen if candidate.status == Status::Seen => {
                add("replace: the candidate is there", &|next| {
                    next.client(index).pc = Pc::ReplaceAsk;
                });
            }
            Pc::ReplaceSeen if candidate.desk == Desk::Dead => {
                add("replace: the candidate died, the old one stays", &|next| {
                    next.give_up_start(index);
                    next.client(index).met = None;
                    next.client(index).s = Lock::Closed;
                    next.client(index).pc = Pc::Exchange;
                });
            }
            Pc::ReplaceAsk => add("replace: asks the old one to go", &|next| {
                // Without the check of its life, whoever holds A is asked.
                let asked = if world.omits(Omit::CheckLifeId) {
                    next.holder_of_a(next.a)
                } else {
                    client.met
                };
                if let Some(old) = asked
                    && next.life_of(old).is_moved_in()
                {
                    if next.life_of(old).newer {
                        next.blame(Rule::ReplacedOwnBuild);
                    }
                    next.life(old).phase = Phase::Leaving;
                }
                next.client(index).conn = Conn::default();
                next.client(index).met = None;
                if world.omits(Omit::KeepSUntilPublished) {
                    next.client(index).s = Lock::Closed;
                }
                next.client(index).pc = Pc::ReplaceLockA;
            }),
            Pc::ReplaceLockA if state.holder_of_a(candidate.a).is_none() => {
                add("Candidate::move_in: takes A", &|next| {
                    if candidate.desk == Desk::Dead && candidate.status == Status::Nothing {
                        next.blame(Rule::ReplacedForNothing);
                    }
                    next.life(life).copies = STARTER;
                    next.life(life).locked = true;
                    next.client(index).pc = Pc::Check;
                });
            }
            _ => {}
        }
    }
}
