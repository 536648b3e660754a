//! A daemon from its first act until it serves.
//!
//! What it does at its desk is in `vigil`, how it leaves in `leaving`, its connections in `session`.

use crate::omit::Omit;
use crate::state::{DAEMON, Desk, FLIGHT, INHERITED, Lock, Mark, Pc, Phase, Stage, State, Status};
use crate::world::{Actor, Steps};

impl Steps<'_> {
    /// `Heir::announce`, `Heir::receive`, and where the desk is.
    pub(crate) fn desk(&mut self, index: u8) {
        let (world, state) = (self.world, self.state);
        let life = *state.life_of(index);
        self.init(index);
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Daemon(index), what, |next| change(next));
        };
        match life.desk {
            Desk::Free | Desk::Unborn | Desk::Dead => {}
            Desk::Spawned => add("Heir::announce: seen", &|next| {
                next.life(index).status = Status::Seen;
                next.life(index).desk = Desk::Heir;
            }),
            Desk::Heir if life.copies & (FLIGHT | INHERITED) != 0 => {
                add("Heir::receive: A and the door", &|next| {
                    next.life(index).copies = life.copies & !(FLIGHT | INHERITED) | DAEMON;
                    next.life(index).desk = Desk::Verify;
                });
            }
            Desk::Heir => {
                let orphan = state.clients.iter().all(|client| client.starts != Some(index));
                if orphan && !world.omits(Omit::EndWithStarter) {
                    add("Heir::receive: the starter is gone", &|next| {
                        next.end_process(index, false);
                    });
                }
            }
            Desk::Verify => add("LifeLock::inherited: is A at its path", &|next| {
                let ours = life.a == next.a && life.directory == next.directory;
                next.life(index).s_seen = next.s;
                next.life(index).desk = Desk::Serve;
                if !ours && !world.omits(Omit::VerifyLockIdentity) {
                    next.life(index).status = Status::Failed;
                    next.end_process(index, false);
                    next.warn_if_attended(index);
                }
            }),
            Desk::Serve => self.stay(index),
            Desk::AnewTryS | Desk::AnewCheck | Desk::AnewPublish | Desk::AnewServe => {
                self.open_anew(index);
            }
            _ => self.leave(index),
        }
    }

    /// `Listening::ready`: the thread of `init`, beside the desk.
    fn init(&mut self, index: u8) {
        let life = *self.state.life_of(index);
        if !life.is_moved_in() || !matches!(life.status, Status::Nothing | Status::Seen) {
            return;
        }
        let failing = self.world.failing;
        if life.phase == Phase::Starting {
            self.add(Actor::Daemon(index), "Listening::ready: init is through", |next| {
                let phase = if failing { Phase::Failed } else { Phase::Ready };
                next.life(index).phase = phase;
                if failing {
                    next.life(index).status = Status::Failed;
                    next.warn_if_attended(index);
                } else if life.mark == Mark::Starting {
                    next.life(index).mark = Mark::Running;
                }
            });
        } else {
            self.add(Actor::Daemon(index), "Status::ready", |next| {
                next.life(index).status = Status::Ready;
            });
        }
    }
}

impl State {
    pub(crate) fn welcome(&mut self, client: usize, life: u8) {
        self.client(client).conn.stage = Stage::Taken;
        self.life(life).visited = true;
    }

    /// `SpawnLock::try_take` of a daemon: in one step, because what matters is verified again.
    pub(crate) fn try_s(&mut self, index: u8) -> bool {
        let free = self.life_of(index).directory == self.directory && !self.s_is_held(self.s);
        if free {
            self.life(index).s = Lock::Held(self.s);
        }
        free
    }

    /// A start fails while its starter watches. A process that dies while the daemon that it is to
    /// replace still runs is no failed start yet.
    pub(crate) fn warn_if_attended(&mut self, index: u8) {
        let replacing = [Pc::ReplaceSeen, Pc::ReplaceAsk, Pc::ReplaceLockA];
        if self
            .clients
            .iter()
            .any(|client| client.starts == Some(index) && !replacing.contains(&client.pc))
        {
            self.warn();
        }
    }
}
