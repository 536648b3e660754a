//! A caller that holds S and A: publishes the door, starts the process, hands over when that has been
//! seen, and sees it through.

use crate::omit::Omit;
use crate::rules::Rule;
use crate::state::{
    DAEMON, Desk, Door, End, FLIGHT, INHERITED, Listener, Lock, Pc, STARTER, Stage, State, Status,
};
use crate::world::{Actor, Steps};

impl Steps<'_> {
    /// `Starter::start`, `Place::publish`, `spawn`, `Connector::attend`, `Starting::watch`.
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
                next.client(index).pc = if candidate { Pc::LookOwn } else { Pc::Spawn };
            }),
            Pc::Spawn => add("spawn: fork and exec", &|next| {
                next.life(life).desk = Desk::Spawned;
                if world.omits(Omit::HandOverAfterSeen) {
                    next.life(life).copies |= INHERITED;
                    next.drop_starter_copies(life);
                }
                let connects = !world.omits(Omit::StarterConnectsFirst);
                next.client(index).pc = if connects { Pc::LookOwn } else { Pc::Attend };
            }),
            Pc::LookOwn => add("attend: looks the door up", &|next| next.look_at_door(index)),
            Pc::JoinOwn => add("attend: joins the queue, says hello", &|next| next.knock(index)),
            Pc::Attend if state.is_to_hand_over(life) => {
                add("Starting::hand_over: A and the door into the socket", &|next| {
                    let inherited = world.omits(Omit::SocketOfItsOwn);
                    if inherited || next.life_of(life).desk != Desk::Dead {
                        next.life(life).copies |= if inherited { INHERITED } else { FLIGHT };
                        next.client(index).pc = Pc::CloseCopies;
                    } else {
                        next.fail_start(index);
                    }
                });
            }
            Pc::CloseCopies => add("Starting::hand_over: closes its copies", &|next| {
                if !world.omits(Omit::CloseParentCopies) {
                    next.drop_starter_copies(life);
                }
                if world.omits(Omit::StarterKeepsSUntilReady) {
                    next.client(index).s = Lock::Closed;
                }
                next.client(index).pc = Pc::Attend;
            }),
            Pc::Attend => match (state.life_of(life).status, state.life_of(life).desk) {
                (Status::Ready, _) => add("Starting::watch: ready, S is free", &|next| {
                    next.saw_ready(index, world.omits(Omit::CloseParentCopies));
                }),
                (Status::Failed, _) | (_, Desk::Dead) => {
                    add("Starting::outcome: writes failed.json", &|next| next.fail_start(index));
                }
                _ => {}
            },
            Pc::RemoveDoor => add("Starting::remove_door", &|next| {
                let ours = next.life_of(life).copies & STARTER != 0;
                let free = next.holder_of_a(next.a).is_none_or(|holder| ours && holder == life);
                if free && client.s == Lock::Held(next.s) && client.directory == next.directory {
                    let own = ours && next.door == Door::Leads(listener);
                    if next.door_is_open() && next.is_untouched() && !own {
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

    /// A seen process has not got what makes it the daemon; `Starting::keys` is there.
    fn is_to_hand_over(&self, life: u8) -> bool {
        let life = self.life_of(life);
        life.status == Status::Seen && life.copies == STARTER
    }

    /// `Starting::outcome`, the first half: the reason is written down.
    fn fail_start(&mut self, index: usize) {
        self.failed = self.clients[index].directory == self.directory;
        self.warn();
        self.client(index).pc = Pc::RemoveDoor;
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
