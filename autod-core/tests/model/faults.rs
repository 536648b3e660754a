//! What comes from outside, at any moment: kills, requests to close, removed and replaced files.

use crate::state::{Desk, Door, End, Lock, Pc, Phase, Stage, State, Status};
use crate::world::{Actor, Steps};

impl Steps<'_> {
    pub(crate) fn faults(&mut self) {
        let state = self.state;
        let faults = state.faults;
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Fault, what, |next| change(next));
        };
        let lives = (0..).zip(state.lives);
        if faults.kills > 0 {
            for (index, life) in lives.clone() {
                if !matches!(life.desk, Desk::Free | Desk::Unborn | Desk::Dead) {
                    add("kill -9 of a daemon", &|next| {
                        next.faults.kills -= 1;
                        next.end_process(index, true);
                        let starting = !matches!(life.status, Status::Ready | Status::Failed);
                        if starting {
                            next.warn_if_attended(index);
                        }
                    });
                }
            }
            for (index, client) in state.clients.iter().enumerate() {
                let noticed = client.s != Lock::Closed
                    || client.starts.is_some()
                    || client.conn.stage != Stage::Absent;
                if noticed && !matches!(client.pc, Pc::Ended(_)) {
                    add("kill -9 of a caller", &|next| {
                        next.faults.kills -= 1;
                        next.kill_client(index);
                    });
                }
            }
        }
        if faults.closes > 0 {
            for (index, life) in lives {
                if life.is_moved_in() && matches!(life.phase, Phase::Starting | Phase::Ready) {
                    add("close() or SIGTERM", &|next| {
                        next.faults.closes -= 1;
                        next.life(index).phase = Phase::Leaving;
                    });
                }
            }
        }
        if faults.removals > 0 && state.door != Door::Absent {
            add("rm sock", &|next| {
                next.faults.removals -= 1;
                next.door = Door::Absent;
            });
        }
        if faults.replacements > 0 {
            add("S is replaced", &|next| {
                next.faults.replacements -= 1;
                next.s += 1;
            });
            add("A is replaced", &|next| {
                next.faults.replacements -= 1;
                next.a += 1;
            });
            add("R is replaced", &|next| {
                next.faults.replacements -= 1;
                next.s += 1;
                next.a += 1;
                next.directory += 1;
                next.door = Door::Absent;
                next.failed = false;
            });
        }
    }
}

impl State {
    fn kill_client(&mut self, index: usize) {
        // Nobody is left to write down a failure of the start that it attended.
        if self.clients[index].starts.is_some() && !self.failed {
            for client in &mut self.clients {
                client.warned = false;
            }
        }
        self.end_client(index);
        self.client(index).pc = Pc::Ended(End::Killed);
    }
}
