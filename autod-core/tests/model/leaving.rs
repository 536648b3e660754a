//! How a daemon leaves: for want of work, or because it was asked to.

use crate::omit::Omit;
use crate::rules::Rule;
use crate::state::{Desk, Door, Listener, Lock, Mark, Phase, Said, Stage, State, Status};
use crate::world::{Actor, Steps};

impl Steps<'_> {
    /// `Shop::leave_if_idle`, `Shop::leave_now`, and the end of `Server::run`.
    pub(crate) fn leave(&mut self, index: u8) {
        let (world, state) = (self.world, self.state);
        let life = *state.life_of(index);
        let listener = Listener { life: index, anew: life.anew };
        let waiting = state.queue(listener).next();
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Daemon(index), what, |next| change(next));
        };
        match life.desk {
            Desk::IdleLook => add("leave_if_idle: accepts once more", &|next| match waiting
                .filter(|_| !world.omits(Omit::AcceptOnceMore))
            {
                Some(client) => {
                    next.welcome(client, index);
                    next.life(index).s = Lock::Closed;
                    next.life(index).desk = Desk::Serve;
                }
                None => next.life(index).desk = Desk::IdleMark,
            }),
            Desk::IdleMark => add("leave_if_idle: begin_drain", &|next| {
                let undisturbed = next.faults == world.faults;
                if undisturbed && !life.visited && life.status == Status::Ready {
                    next.blame(Rule::StartedInVain);
                }
                next.begin_drain(index, world.omits(Omit::MarkDraining));
                next.life(index).desk = Desk::IdleCheck;
            }),
            Desk::IdleCheck => add("leave_if_idle: check_locks", &|next| {
                if next.may_touch(index, world) {
                    next.life(index).desk = Desk::IdleUnlink;
                } else {
                    next.life(index).s = Lock::Closed;
                    next.life(index).desk = Desk::LeaveMark;
                }
            }),
            Desk::IdleUnlink => add("leave_if_idle: unlinks the door", &|next| {
                next.unlink(index);
                next.life(index).desk = Desk::Drain;
            }),
            Desk::LeaveMark => add("leave_now: begin_drain", &|next| {
                next.begin_drain(index, world.omits(Omit::MarkDraining));
                next.life(index).desk = if life.evicted { Desk::Drain } else { Desk::LeaveTryS };
            }),
            Desk::LeaveTryS => add("leave_now: tries S", &|next| {
                let taken = next.try_s(index);
                next.life(index).desk = if taken { Desk::LeaveCheck } else { Desk::Drain };
            }),
            Desk::LeaveCheck => add("leave_now: check_locks", &|next| {
                if next.may_touch(index, world) {
                    next.life(index).desk = Desk::LeaveUnlink;
                } else {
                    next.life(index).s = Lock::Closed;
                    next.life(index).desk = Desk::Drain;
                }
            }),
            Desk::LeaveUnlink => add("leave_now: unlinks the door, frees S", &|next| {
                next.unlink(index);
                next.life(index).s = Lock::Closed;
                next.life(index).desk = Desk::Drain;
            }),
            Desk::Drain => match waiting.filter(|_| !world.omits(Omit::TellTheQueue)) {
                Some(client) => add("send_on: Closing", &|next| {
                    next.client(client).conn.said = Said::Closing;
                    next.client(client).conn.stage = Stage::Cut;
                }),
                None => add("send_on: nobody is left", &|next| {
                    let holds = life.s != Lock::Closed;
                    next.life(index).desk = if holds { Desk::FreeS } else { Desk::CloseListener };
                }),
            },
            Desk::FreeS => add("leave_if_idle: frees S", &|next| {
                next.life(index).s = Lock::Closed;
                next.life(index).desk = Desk::CloseListener;
            }),
            Desk::CloseListener => add("Desk::stay: closes the listener", &|next| {
                next.close_listener(listener);
                next.life(index).desk = Desk::Finish;
            }),
            Desk::Finish => {
                let through = !matches!(life.status, Status::Nothing | Status::Seen);
                if through && state.visitors(index) == 0 {
                    add("Server::run: all is answered, exit", &|next| {
                        next.end_process(index, false);
                    });
                }
            }
            _ => {}
        }
    }
}

impl State {
    /// `DaemonHandle::close` and `Tenancy::begin_drain`.
    fn begin_drain(&mut self, index: u8, silently: bool) {
        self.life(index).phase = Phase::Leaving;
        if !silently {
            self.life(index).mark = Mark::Draining;
        }
    }

    fn unlink(&mut self, index: u8) {
        if self.door != Door::Absent {
            self.touch_door(self.life_of(index).s, index, Door::Absent);
        }
    }
}
