//! Places where one waker waits.

use std::task::Waker;

/// Leaves the waker, without a clone if it is there already.
pub(super) fn set_waker(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(old) if old.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}
