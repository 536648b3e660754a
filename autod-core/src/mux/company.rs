//! The other connections of this process, as far as they matter to one that could look for what
//! comes: while it looks, it has a thread that they may need.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The connections of one process.
#[derive(Debug, Default)]
struct Process {
    count: AtomicUsize,
    /// Numbers given so far; the first is 1.
    numbers: AtomicUsize,
    /// The connection that has heard something last. One that hears alone only reads it.
    last: AtomicUsize,
}

#[cfg(not(test))]
fn process() -> &'static Process {
    static PROCESS: Process = Process {
        count: AtomicUsize::new(0),
        numbers: AtomicUsize::new(0),
        last: AtomicUsize::new(0),
    };
    &PROCESS
}

/// Tests run beside each other: each thread is a process.
#[cfg(test)]
fn process() -> &'static Process {
    thread_local! {
        static PROCESS: &'static Process = Box::leak(Box::default());
    }
    PROCESS.with(|process| *process)
}

/// A connection among those of its process.
#[derive(Debug)]
pub(super) struct Company {
    process: &'static Process,
    number: usize,
    disturbed: bool,
}

impl Company {
    pub(super) fn join() -> Self {
        let process = process();
        process.count.fetch_add(1, Relaxed);
        let number = process.numbers.fetch_add(1, Relaxed) + 1;
        Self { process, number, disturbed: false }
    }

    /// Whether there is no other connection.
    pub(super) fn is_alone(&self) -> bool {
        self.process.count.load(Relaxed) == 1
    }

    /// This connection has heard something.
    pub(super) fn heard(&mut self) {
        self.disturbed = self.process.last.load(Relaxed) != self.number;
        if self.disturbed {
            self.process.last.store(self.number, Relaxed);
        }
    }

    /// Whether others had heard something in between when this one last did.
    pub(super) fn is_disturbed(&self) -> bool {
        self.disturbed
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        self.process.count.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_comes_later_is_not_alone_and_leaves_the_other_alone_again() {
        let first = Company::join();
        assert!(first.is_alone());
        let second = Company::join();
        assert!(!first.is_alone() && !second.is_alone());
        drop(second);
        assert!(first.is_alone());
    }

    #[test]
    fn who_hears_in_turn_with_others_is_disturbed() {
        let (mut busy, mut other) = (Company::join(), Company::join());
        busy.heard();
        busy.heard();
        assert!(!busy.is_disturbed(), "the other one is silent");
        other.heard();
        assert!(other.is_disturbed());
        busy.heard();
        assert!(busy.is_disturbed());
        busy.heard();
        assert!(!busy.is_disturbed());
    }
}
