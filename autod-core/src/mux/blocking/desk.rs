//! Who reads, and who waits for that.
//!
//! There is one reader's place. Whoever needs something from the socket takes it if it is free, and
//! lines up behind it if it is not. It is given on under the lock under which the others line up, so
//! of those who wait and have not been woken for their own sake there is always one who reads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::seat::Seat;

#[derive(Debug, Default)]
pub(super) struct Desk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    taken: bool,
    line: VecDeque<Arc<Seat>>,
}

/// The reader's place. Given on when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Desk);

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place if it is free.
    pub(super) fn glance(&self) -> Option<Place<'_>> {
        let mut state = self.lock();
        if state.taken {
            return None;
        }
        state.taken = true;
        Some(Place(self))
    }

    /// The place, or one in the line for it.
    pub(super) fn enter(&self, seat: &Arc<Seat>) -> Option<Place<'_>> {
        let mut state = self.lock();
        if state.taken {
            state.line.push_back(Arc::clone(seat));
            return None;
        }
        state.taken = true;
        Some(Place(self))
    }

    /// Leaves the line. The place if it was handed over meanwhile: then somebody has to read, or to
    /// hand it on.
    pub(super) fn leave(&self, seat: &Arc<Seat>) -> Option<Place<'_>> {
        let mut state = self.lock();
        if let Some(at) = state.line.iter().position(|waiting| Arc::ptr_eq(waiting, seat)) {
            state.line.remove(at);
        }
        // Handed over under this lock, so it cannot come later.
        seat.take_handed().then(|| Place(self))
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().line.len()
    }

    #[cfg(test)]
    pub(super) fn is_taken(&self) -> bool {
        self.lock().taken
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        // Who has been woken leaves the line by itself, and looks before it waits again.
        let next = state.line.iter().position(|seat| !seat.is_woken());
        match next.and_then(|at| state.line.remove(at)) {
            Some(seat) => seat.hand(),
            None => state.taken = false,
        }
    }
}
