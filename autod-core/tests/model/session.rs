//! One connection on the daemon's side: greeted, served, told goodbye. A task of its own each.

use crate::omit::Omit;
use crate::rules::Rule;
use crate::state::{Desk, Phase, Said, Stage, State};
use crate::world::{Actor, Steps};

impl Steps<'_> {
    /// `Shop::greet`, `Shop::serve`, `Shop::drive`, for all connections of a life.
    pub(crate) fn sessions(&mut self, life: u8) {
        if !self.state.life_of(life).is_moved_in() {
            return;
        }
        for (index, client) in self.state.clients.iter().enumerate() {
            if client.conn.life == life {
                self.session(life, index);
            }
        }
    }

    fn session(&mut self, life: u8, index: usize) {
        let state = self.state;
        let conn = state.clients[index].conn;
        let leaving = state.life_of(life).desk == Desk::Finish;
        let early = self.world.omits(Omit::AcceptBeforeDispatch);
        let mut add = |what, change: &dyn Fn(&mut State)| {
            self.add(Actor::Daemon(life), what, |next| change(next));
        };
        let cut = |said| {
            move |next: &mut State| {
                next.client(index).conn.said = said;
                next.client(index).conn.stage = Stage::Cut;
            }
        };
        match conn.stage {
            Stage::Taken => match state.life_of(life).phase {
                Phase::Starting => {}
                Phase::Ready => add("wait_until_ready: ready", &|next| {
                    next.client(index).conn.stage = Stage::Admitted;
                }),
                Phase::Failed => add("wait_until_ready: Reject", &cut(Said::Reject)),
                Phase::Leaving => add("wait_until_ready: Closing", &cut(Said::Closing)),
            },
            Stage::Admitted if early => {
                add("takes the call that came with the hello", &|next| next.execute(index));
            }
            Stage::Admitted => add("Shop::serve: Accept", &|next| {
                next.client(index).conn.accepted = true;
                next.client(index).conn.stage = Stage::Served;
            }),
            Stage::Served if leaving => add("Shop::drive: Goodbye", &cut(Said::Goodbye)),
            Stage::Served if conn.called => {
                add("Dispatch::dispatch: executes the call", &|next| next.execute(index));
            }
            Stage::Executed if !conn.accepted => add("Shop::serve: Accept, too late", &|next| {
                next.client(index).conn.accepted = true;
            }),
            Stage::Executed => add("Shared::finish: the reply", &|next| {
                next.client(index).conn.said = Said::Reply;
                next.client(index).conn.stage = Stage::Replied;
            }),
            Stage::Replied if leaving => add("Shop::drive: Goodbye", &cut(Said::Reply)),
            _ => {}
        }
    }
}

impl State {
    fn execute(&mut self, index: usize) {
        self.client(index).executed += 1;
        self.client(index).conn.stage = Stage::Executed;
        if self.clients[index].executed > 1 {
            self.blame(Rule::ExecutedTwice);
        }
    }
}
