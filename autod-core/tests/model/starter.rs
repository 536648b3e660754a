//! A caller that holds S and A: publishes the door, starts the process, sees it through.

use crate::omit::Omit;
use crate::rules::Rule;
use crate::state::{
    DAEMON, Desk, Door, End, FLIGHT, Listener, Lock, Pc, STARTER, Stage, State, Status,
};
use crate::world::{Actor, Steps};

impl Steps<'_> {
    /// `Starter::start`, `Place::publish`, `spawn`, `Connector::attend_start`.
    pub(crate) fn starter(&mut self, index: usize) {
        let (world, state) = (self.world, self.state);
        let client = state.clients[index];
        let Some(life) = client.starts else {
            self.replacer(index);
            return;
        };
        let listener = Listener { life, anew: false };
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Caller(index), what, |next| change(next));
        };
        match client.pc {
            Pc::Check => add("publish: check_locks, check_door", &|next| {
                let current = next.has_current_locks(client.s, life);
                if !current && !world.omits(Omit::VerifyLockIdentity) {
                    next.finish(index, End::PlaceReplaced);
                    return;
                }
                if !current {
                    next.blame(Rule::TouchedWithReplacedLocks);
                }
                if !next.door_is_open() {
                    next.client(index).pc = Pc::Bind;
                } else if next.is_untouched() {
                    next.blame(Rule::DoorWithoutLocks);
                } else {
                    next.finish(index, End::PlaceReplaced);
                }
            }),
            Pc::Bind => add("publish: bind and listen at a private name", &|next| {
                next.life(life).open[0] = true;
                next.client(index).pc = Pc::Rename;
            }),
            Pc::Rename => add("publish: rename", &|next| {
                next.touch_door(client.s, life, Door::Leads(listener));
                let candidate = next.life_of(life).desk != Desk::Unborn;
                next.client(index).pc = if candidate { Pc::ReplaceHandOver } else { Pc::Send };
            }),
            Pc::Send => add("settings::send: A and the door into the socket", &|next| {
                next.life(life).copies |= FLIGHT;
                next.client(index).pc = Pc::Spawn;
            }),
            Pc::Spawn => add("spawn: fork and exec", &|next| {
                next.life(life).desk = Desk::Spawned;
                next.client(index).pc = Pc::CloseCopies;
            }),
            Pc::ReplaceHandOver => add("hands the door to the candidate", &|next| {
                if next.life_of(life).desk == Desk::Candidate {
                    next.life(life).copies |= DAEMON;
                    next.life(life).desk = Desk::Verify;
                }
                next.client(index).pc = Pc::CloseCopies;
            }),
            Pc::CloseCopies => add("Starter::start: closes its copies", &|next| {
                if !world.omits(Omit::CloseParentCopies) {
                    next.drop_starter_copies(life);
                }
                if world.omits(Omit::StarterKeepsSUntilReady) {
                    next.client(index).s = Lock::Closed;
                }
                next.client(index).pc = Pc::LookOwn;
            }),
            Pc::LookOwn => add("attend_start: looks the door up", &|next| {
                let ready = next.life_of(life).status == Status::Ready;
                if world.omits(Omit::StarterConnectsFirst) && ready {
                    next.saw_ready(index, world.omits(Omit::CloseParentCopies));
                } else {
                    next.look_at_door(index);
                }
            }),
            Pc::JoinOwn => add("attend_start: joins the queue, says hello", &|next| {
                next.knock(index);
            }),
            Pc::Attend => match (state.life_of(life).status, state.life_of(life).desk) {
                (Status::Ready, _) => add("Starting::watch: ready, S is free", &|next| {
                    next.saw_ready(index, world.omits(Omit::CloseParentCopies));
                }),
                (Status::Failed, _) | (_, Desk::Dead) => {
                    add("Starting::outcome: writes failed.json", &|next| {
                        next.failed = client.directory == next.directory;
                        next.warn();
                        next.client(index).pc = Pc::RemoveDoor;
                    });
                }
                _ => {}
            },
            Pc::RemoveDoor => add("Starting::remove_door", &|next| {
                let free = next.holder_of_a(next.a).is_none();
                if free && client.s == Lock::Held(next.s) && client.directory == next.directory {
                    if next.door_is_open() && next.is_untouched() {
                        next.blame(Rule::DoorWithoutLocks);
                    }
                    next.door = Door::Absent;
                }
                next.finish(index, End::StartFailed);
            }),
            _ => self.replacer(index),
        }
    }
}

impl State {
    /// No file was replaced so far.
    pub(crate) fn is_untouched(&self) -> bool {
        self.s == 0 && self.a == 0
    }

    /// `Place::check_locks`.
    pub(crate) fn has_current_locks(&self, s: Lock, life: u8) -> bool {
        let life = self.life_of(life);
        s == Lock::Held(self.s) && life.a == self.a && life.directory == self.directory
    }

    /// The rename or unlink itself, by someone who has this S and this life's A.
    pub(crate) fn touch_door(&mut self, s: Lock, life: u8, door: Door) {
        let holds_a =
            self.life_of(life).locked && self.life_of(life).copies & (STARTER | DAEMON) != 0;
        if !matches!(s, Lock::Held(_)) || !holds_a {
            self.blame(Rule::DoorTouchedWithoutLocks);
        }
        // Both go through the directory that is held open, wherever its path leads by now.
        if self.life_of(life).directory == self.directory {
            self.door = door;
        }
    }

    fn saw_ready(&mut self, index: usize, keeps_copies: bool) {
        self.failed = false;
        for client in &mut self.clients {
            client.warned = false;
        }
        let client = self.client(index);
        client.s = Lock::Closed;
        client.pc = if client.conn.stage == Stage::Absent { Pc::Look } else { Pc::Exchange };
        if !keeps_copies {
            client.starts = None;
        }
    }

    /// Everybody who has begun is due the error of the start that fails now.
    pub(crate) fn warn(&mut self) {
        for client in &mut self.clients {
            client.warned |= !matches!(client.pc, Pc::Begin | Pc::Ended(_));
        }
    }
}
