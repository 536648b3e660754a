//! A daemon that serves: what wakes its desk, and what it does when its files were touched.
//!
//! Nothing is known here about what its connections say.

use crate::omit::Omit;
use crate::rules::Rule;
use crate::state::{Desk, Door, Life, Listener, Lock, Phase, State};
use crate::world::{Actor, Steps, World};

impl Steps<'_> {
    /// `Desk::event`.
    pub(crate) fn stay(&mut self, index: u8) {
        let (world, state) = (self.world, self.state);
        let life = *state.life_of(index);
        let listener = Listener { life: index, anew: life.anew };
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Daemon(index), what, |next| change(next));
        };
        for client in state.queue(listener) {
            add("Desk::stay: accepts", &|next| next.welcome(client, index));
        }
        match life.phase {
            Phase::Leaving => {
                add("Desk::stay: Close", &|next| next.life(index).desk = Desk::LeaveMark);
                return;
            }
            Phase::Failed => add("Listening::ready: the farewell is over", &|next| {
                next.life(index).phase = Phase::Leaving;
            }),
            Phase::Starting | Phase::Ready => {}
        }
        let idle = world.autoclose && life.phase == Phase::Ready && state.visitors(index) == 0;
        let without_s = world.omits(Omit::UnlinkWithoutS);
        if idle && (without_s || !state.s_is_held(state.s)) {
            add("leave_if_idle: tries S", &|next| {
                if without_s || next.try_s(index) {
                    next.life(index).desk = Desk::IdleLook;
                } else {
                    next.life(index).phase = Phase::Leaving;
                }
            });
        }
        self.look_after_itself(index);
    }

    /// `Vigil::finding`.
    fn look_after_itself(&mut self, index: u8) {
        let (world, state) = (self.world, self.state);
        let life = *state.life_of(index);
        let listener = Listener { life: index, anew: life.anew };
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Daemon(index), what, |next| change(next));
        };
        let looks = !world.omits(Omit::VerifyLockIdentity) && !world.omits(Omit::LeaveWhenReplaced);
        let ours = life.a == state.a && life.s_seen == state.s && life.directory == state.directory;
        let stolen = matches!(state.door, Door::Leads(other) if other.life != index);
        if looks && (!ours || stolen) {
            add("Vigil: evicted", &|next| {
                next.life(index).evicted = true;
                next.life(index).phase = Phase::Leaving;
            });
        } else if state.door != Door::Leads(listener)
            && !stolen
            && !state.s_is_held(state.s)
            && !world.omits(Omit::OpenAnew)
        {
            add("Vigil: the door is gone", &|next| next.life(index).desk = Desk::AnewTryS);
        }
    }

    /// `Desk::open_anew`.
    pub(crate) fn open_anew(&mut self, index: u8) {
        let (world, state) = (self.world, self.state);
        let life = *state.life_of(index);
        let old = Listener { life: index, anew: !life.anew };
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Daemon(index), what, |next| change(next));
        };
        match life.desk {
            Desk::AnewTryS => add("open_anew: tries S", &|next| {
                let taken = next.try_s(index);
                next.life(index).desk = if taken { Desk::AnewCheck } else { Desk::Serve };
            }),
            Desk::AnewCheck => add("open_anew: check_locks, check_door", &|next| {
                if next.may_touch(index, world) && !next.door_is_open() {
                    next.life(index).desk = Desk::AnewPublish;
                } else {
                    next.life(index).s = Lock::Closed;
                    next.life(index).phase = Phase::Leaving;
                    next.life(index).desk = Desk::Serve;
                }
            }),
            Desk::AnewPublish => add("open_anew: binds, renames, frees S", &|next| {
                next.life(index).open[usize::from(old.anew)] = true;
                next.life(index).anew = old.anew;
                next.touch_door(life.s, index, Door::Leads(old));
                next.life(index).s = Lock::Closed;
                next.life(index).desk = Desk::AnewServe;
            }),
            _ => match state.queue(old).next() {
                Some(client) => add("open_anew: serves the old queue", &|next| {
                    next.welcome(client, index);
                }),
                None => add("open_anew: closes the old door", &|next| {
                    next.close_listener(old);
                    next.life(index).desk = Desk::Serve;
                }),
            },
        }
    }
}

impl State {
    /// `Place::check_locks` of a daemon that has taken S.
    pub(crate) fn may_touch(&mut self, index: u8, world: &World) -> bool {
        let s = match self.life_of(index).s {
            Lock::Closed if world.omits(Omit::UnlinkWithoutS) => Lock::Held(self.s),
            s => s,
        };
        let current = self.has_current_locks(s, index);
        if !current && world.omits(Omit::VerifyLockIdentity) {
            self.blame(Rule::TouchedWithReplacedLocks);
        }
        current || world.omits(Omit::VerifyLockIdentity)
    }
}

impl Life {
    /// Its process has what the starter handed over.
    pub(crate) fn is_moved_in(&self) -> bool {
        !matches!(
            self.desk,
            Desk::Free | Desk::Unborn | Desk::Spawned | Desk::Heir | Desk::Verify | Desk::Dead
        )
    }

    /// It has said that it leaves, and does not come back from that.
    pub(crate) fn has_turned(&self) -> bool {
        self.is_moved_in()
            && matches!(
                self.desk,
                Desk::IdleCheck
                    | Desk::IdleUnlink
                    | Desk::LeaveTryS
                    | Desk::LeaveCheck
                    | Desk::LeaveUnlink
                    | Desk::Drain
                    | Desk::FreeS
                    | Desk::CloseListener
                    | Desk::Finish
            )
    }
}
