//! Callers above the limit of calls in flight, first come first served.
//!
//! Plain data. A place in the queue is granted a slot when one is free; the slot is its alone until
//! it takes it or gives it up, so nobody can push in and no wake-up is lost. The queue is as long as
//! the program has calls that it polls: each has one place, and takes it along when it is dropped, however
//! many are in front of it.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;

use super::wakers::set_waker;

/// A place in the queue: whoever came later has a higher one.
pub(super) type Place = u64;

#[derive(Debug, Default)]
pub(super) struct Queue {
    next: Place,
    waiting: BTreeMap<Place, Option<Waker>>,
    /// Those who have been woken for a slot and have not taken it yet.
    granted: BTreeSet<Place>,
}

impl Queue {
    /// Whether a caller may take one of `room` free slots now; if not, it has a place afterwards.
    pub(super) fn may_enter(
        &mut self,
        place: &mut Option<Place>,
        room: usize,
        waker: &Waker,
    ) -> bool {
        let Some(own) = *place else {
            if self.waiting.is_empty() && room > self.granted.len() {
                return true;
            }
            *place = Some(self.next);
            self.waiting.insert(self.next, Some(waker.clone()));
            self.next += 1;
            return false;
        };
        if self.granted.remove(&own) {
            *place = None;
            return true;
        }
        if let Some(slot) = self.waiting.get_mut(&own) {
            set_waker(slot, waker);
        }
        false
    }

    /// Grants free slots to those who wait longest.
    pub(super) fn grant(&mut self, room: usize, wakers: &mut Vec<Waker>) {
        while room > self.granted.len() {
            let Some((place, waker)) = self.waiting.pop_first() else { return };
            self.granted.insert(place);
            wakers.extend(waker);
        }
    }

    /// A caller does not want to wait any longer, or does not want what it was granted.
    pub(super) fn give_up(&mut self, place: Place) {
        if self.waiting.remove(&place).is_none() {
            self.granted.remove(&place);
        }
    }

    /// Everybody has to look again: there will be no more slots.
    pub(super) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.waiting.values_mut().filter_map(Option::take));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.granted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever gives up does it under the lock of the connection.
    #[test]
    fn to_give_up_costs_no_more_when_many_wait() {
        const CALLERS: u64 = 100_000;
        let mut queue = Queue::default();
        let mut places = Vec::new();
        for _ in 0..CALLERS {
            let mut place = None;
            assert!(!queue.may_enter(&mut place, 0, Waker::noop()));
            places.extend(place);
        }
        let begun = std::time::Instant::now();
        // In an order that is neither theirs nor the reverse of it.
        for at in 0..CALLERS {
            queue.give_up(places[usize::try_from(at * 48_271 % CALLERS).unwrap()]);
        }
        assert!(queue.is_empty());
        // With a look at all of them it is minutes.
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
    }
}
