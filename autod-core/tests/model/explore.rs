//! The search through all states: breadth first, so that a counterexample is a shortest one.
//!
//! Safety is judged at each new state. Afterwards the graph without its fault steps is walked
//! backwards from the good ends: whoever is not reached waits for ever.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::rules::Rule;
use crate::state::State;
use crate::world::{Actor, Step, Steps, World};

/// What came of a world.
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) found: Option<Counterexample>,
}

/// The way to a state that breaks a rule.
pub(crate) struct Counterexample {
    pub(crate) rule: Rule,
    pub(crate) trace: Vec<(Actor, &'static str)>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} after {} steps", self.rule, self.trace.len())?;
        for (actor, what) in &self.trace {
            let actor = match actor {
                Actor::Caller(index) => format!("caller {index}"),
                Actor::Daemon(index) => format!("daemon {index}"),
                Actor::Fault => "fault".to_owned(),
            };
            writeln!(f, "  {actor:9} {what}")?;
        }
        Ok(())
    }
}

/// Fast and simple: states are small and nobody attacks this table.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }
}

#[derive(Default)]
struct Graph {
    states: Vec<State>,
    parents: Vec<u32>,
    /// The states that one state leads to without a fault: a range of `edges` for each.
    ranges: Vec<(usize, usize)>,
    edges: Vec<u32>,
    numbers: HashMap<State, u32, BuildHasherDefault<Mix>>,
}

impl World {
    pub(crate) fn explore(&self) -> Explored {
        let mut graph = Graph::default();
        graph.number(self.start(), 0);
        let mut steps = 0;
        let mut next = 0;
        let mut broken = None;
        while next < graph.states.len() && broken.is_none() {
            let state = graph.states[next];
            let parent = u32::try_from(next).unwrap_or(u32::MAX);
            let first = graph.edges.len();
            for step in Steps::of(self, &state) {
                steps += 1;
                let number = graph.number(step.next.canonical(), parent);
                if step.actor != Actor::Fault {
                    graph.edges.push(number);
                }
                if let Some(rule) = step.next.broken {
                    broken = Some((rule, number));
                    break;
                }
            }
            graph.ranges.push((first, graph.edges.len()));
            next += 1;
        }
        let broken = broken.or_else(|| graph.stuck().map(|number| (Rule::Stuck, number)));
        let found = broken.map(|(rule, number)| Counterexample {
            rule,
            trace: self.replay(&graph.way_to(number)),
        });
        Explored { states: graph.states.len(), steps, found }
    }

    /// The same way with each caller keeping its number.
    fn replay(&self, way: &[State]) -> Vec<(Actor, &'static str)> {
        let mut state = self.start();
        let mut trace = Vec::new();
        for wanted in &way[1..] {
            let leads_there = |step: &Step| step.next.canonical() == *wanted;
            if let Some(step) = Steps::of(self, &state).into_iter().find(leads_there) {
                trace.push((step.actor, step.what));
                state = step.next;
            }
        }
        trace
    }
}

impl Graph {
    fn number(&mut self, state: State, parent: u32) -> u32 {
        let next = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(state).or_insert(next);
        if number == next {
            self.states.push(state);
            self.parents.push(parent);
        }
        number
    }

    /// The first state from which no good end can be reached.
    fn stuck(&self) -> Option<u32> {
        let mut good: Vec<bool> = self.states.iter().map(State::is_over).collect();
        let mut changed = true;
        while changed {
            changed = false;
            for index in (0..self.ranges.len()).rev() {
                let (first, last) = self.ranges[index];
                let leads = |to: &u32| good[*to as usize];
                if !good[index] && self.edges[first..last].iter().any(leads) {
                    good[index] = true;
                    changed = true;
                }
            }
        }
        let first = good.iter().position(|good| !good)?;
        u32::try_from(first).ok()
    }

    fn way_to(&self, mut number: u32) -> Vec<State> {
        let mut way = vec![self.states[number as usize]];
        while number != 0 {
            number = self.parents[number as usize];
            way.push(self.states[number as usize]);
        }
        way.reverse();
        way
    }
}
