//! What a row works with.

use std::cell::RefCell;
use std::time::Duration;

use crate::home::Home;
use crate::options::Options;
use crate::random::Random;

pub(crate) struct Setting {
    pub(crate) home: Home,
    random: RefCell<Random>,
    quick: bool,
    rounds: Option<usize>,
}

impl Setting {
    pub(crate) fn new(home: Home, random: Random, options: &Options) -> Self {
        Self { home, random: RefCell::new(random), quick: options.quick, rounds: options.rounds }
    }

    /// The full size or that of a quick run.
    pub(crate) fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    pub(crate) fn rounds(&self, full: usize, quick: usize) -> usize {
        self.rounds.unwrap_or_else(|| self.size(full, quick))
    }

    pub(crate) fn random<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.random.borrow_mut())
    }

    /// Sleeps for a random time, in milliseconds.
    pub(crate) fn pause(&self, from: u64, to: u64) {
        let (from, to) = (Duration::from_millis(from), Duration::from_millis(to));
        std::thread::sleep(self.random(|random| random.pause(from, to)));
    }
}
