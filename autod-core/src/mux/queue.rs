//! Callers above the limit of calls in flight, first come first served.
//!
//! Plain data. A place in the queue is granted a slot when one is free; the slot is its alone until
//! it takes it or gives it up, so nobody can push in and no wake-up is lost. The queue is as long as
//! the program has calls that it polls: each has one place, and takes it along when it is dropped.

use std::collections::VecDeque;
use std::task::Waker;

use super::wakers::set_waker;

/// A place in the queue.
pub(super) type Place = u64;

#[derive(Debug, Default)]
pub(super) struct Queue {
    next: Place,
    waiting: VecDeque<(Place, Option<Waker>)>,
    /// Those who have been woken for a slot and have not taken it yet.
    granted: Vec<Place>,
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
            self.waiting.push_back((self.next, Some(waker.clone())));
            self.next += 1;
            return false;
        };
        if let Some(at) = self.granted.iter().position(|granted| *granted == own) {
            self.granted.swap_remove(at);
            *place = None;
            return true;
        }
        if let Some((_, slot)) = self.waiting.iter_mut().find(|(waiting, _)| *waiting == own) {
            set_waker(slot, waker);
        }
        false
    }

    /// Grants free slots to those who wait longest.
    pub(super) fn grant(&mut self, room: usize, wakers: &mut Vec<Waker>) {
        while room > self.granted.len() {
            let Some((place, waker)) = self.waiting.pop_front() else { return };
            self.granted.push(place);
            wakers.extend(waker);
        }
    }

    /// A caller does not want to wait any longer, or does not want what it was granted.
    pub(super) fn give_up(&mut self, place: Place) {
        self.waiting.retain(|(waiting, _)| *waiting != place);
        self.granted.retain(|granted| *granted != place);
    }

    /// Everybody has to look again: there will be no more slots.
    pub(super) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.waiting.iter_mut().filter_map(|(_, waker)| waker.take()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.granted.is_empty()
    }
}
