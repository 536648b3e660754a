//! What is tried out: how many callers, what may go wrong, what is left out; and the list of the
//! steps that a state allows.

use crate::omit::Omit;
use crate::rules::Rule;
use crate::state::{CLIENTS, Client, End, Faults, Pc, State};

/// One setting.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct World {
    pub(crate) clients: usize,
    /// How many of them are of a newer build and replace what is older.
    pub(crate) newer: usize,
    pub(crate) faults: Faults,
    /// Each `init` fails.
    pub(crate) failing: bool,
    /// Daemons go when nobody needs them; the linger may be over at any moment.
    pub(crate) autoclose: bool,
    pub(crate) omit: Option<Omit>,
    /// Rules that are not judged, to see what else an omission leads to.
    pub(crate) ignore: &'static [Rule],
}

impl World {
    pub(crate) fn omits(&self, omit: Omit) -> bool {
        self.omit == Some(omit)
    }

    /// Whether files can be replaced. If not, opening, locking and verifying is one step, because
    /// nothing can come between that would show.
    pub(crate) fn replaces(&self) -> bool {
        self.faults.replacements > 0
    }

    pub(crate) fn start(&self) -> State {
        let mut state = State { faults: self.faults, ..State::default() };
        for index in 0..CLIENTS {
            let pc = if index < self.clients { Pc::Begin } else { Pc::Ended(End::Answered) };
            state.clients[index] = Client { pc, newer: index < self.newer, ..Client::default() };
        }
        state.canonical()
    }
}

/// Whose step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Caller(usize),
    Daemon(u8),
    Fault,
}

/// One step and where it leads.
pub(crate) struct Step {
    pub(crate) actor: Actor,
    pub(crate) what: &'static str,
    pub(crate) next: State,
}

/// The steps that one state allows.
pub(crate) struct Steps<'a> {
    pub(crate) world: &'a World,
    pub(crate) state: &'a State,
    pub(crate) list: Vec<Step>,
}

impl<'a> Steps<'a> {
    pub(crate) fn of(world: &'a World, state: &'a State) -> Vec<Step> {
        let mut steps = Self { world, state, list: Vec::with_capacity(8) };
        for index in 0..world.clients {
            steps.caller(index);
        }
        for index in 0..u8::try_from(state.lives.len()).unwrap_or(0) {
            steps.desk(index);
            steps.sessions(index);
        }
        steps.faults();
        steps.list
    }

    pub(crate) fn add(
        &mut self,
        actor: Actor,
        what: &'static str,
        change: impl FnOnce(&mut State),
    ) {
        let mut next = *self.state;
        change(&mut next);
        next.broken = next.broken.filter(|rule| !self.world.ignore.contains(rule));
        next.settle();
        if next.broken.is_none() {
            next.broken =
                next.broken_by_itself(self.world).filter(|rule| !self.world.ignore.contains(rule));
        }
        self.list.push(Step { actor, what, next });
    }
}

impl State {
    pub(crate) fn blame(&mut self, rule: Rule) {
        self.broken.get_or_insert(rule);
    }
}
