//! What one connection makes this end hold, counted for all of its calls and streams together.
//!
//! Each stream may always hold its first window, so none waits for what others do not take. What is
//! beyond it is counted here: arguments, the part of a message that passes the window of its stream,
//! and what windows have grown by. Growing is a favour and has a quarter of its own, so that it takes
//! no room from what would fail without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Changed under the lock of its connection only.
#[derive(Debug)]
pub(super) struct Account {
    limit: usize,
    held: AtomicUsize,
    grown: AtomicUsize,
}

impl Account {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0), grown: AtomicUsize::new(0) })
    }

    /// Counts so many more bytes, if there is room for them.
    pub(super) fn take(&self, bytes: usize) -> bool {
        add(&self.held, bytes, self.limit)
    }

    pub(super) fn give(&self, bytes: usize) {
        subtract(&self.held, bytes);
    }

    #[cfg(test)]
    pub(super) fn counted(&self) -> (usize, usize) {
        (self.held.load(Relaxed), self.grown.load(Relaxed))
    }
}

fn add(count: &AtomicUsize, bytes: usize, limit: usize) -> bool {
    let sum = count.load(Relaxed).saturating_add(bytes);
    if sum <= limit {
        count.store(sum, Relaxed);
    }
    sum <= limit
}

fn subtract(count: &AtomicUsize, bytes: usize) {
    count.store(count.load(Relaxed).saturating_sub(bytes), Relaxed);
}

/// The share of one stream, given back when the stream is gone.
#[derive(Debug)]
pub(super) struct Share {
    account: Arc<Account>,
    excess: usize,
    grown: usize,
}

impl Share {
    pub(super) fn new(account: &Arc<Account>) -> Self {
        Self { account: Arc::clone(account), excess: 0, grown: 0 }
    }

    /// So much is held beyond the window. `false` if there is no room for it.
    pub(super) fn set_excess(&mut self, excess: usize) -> bool {
        if excess > self.excess && !self.account.take(excess - self.excess) {
            return false;
        }
        self.account.give(self.excess.saturating_sub(excess));
        self.excess = excess;
        true
    }

    /// Lets a window grow by so much, if there is room for it.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let grows = add(&self.account.grown, bytes, self.account.limit / 4);
        if grows {
            self.grown += bytes;
        }
        grows
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.account.give(self.excess);
        subtract(&self.account.grown, self.grown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_counted_up_to_the_limit_and_given_back() {
        let account = Account::new(100);
        let mut share = Share::new(&account);
        assert!(share.set_excess(99) && share.set_excess(100), "just under, and at the limit");
        assert!(!share.set_excess(101), "above it");
        assert_eq!(account.counted(), (100, 0));
        assert!(!Share::new(&account).set_excess(1), "there is no room for another");
        assert!(share.set_excess(60));
        assert!(account.take(40) && !account.take(1));
        drop(share);
        assert_eq!(account.counted(), (40, 0));
    }

    #[test]
    fn growing_has_a_quarter_and_takes_no_room_from_the_rest() {
        let account = Account::new(100);
        let mut share = Share::new(&account);
        assert!(share.grow(24) && share.grow(1) && !share.grow(1));
        assert!(share.set_excess(100));
        assert_eq!(account.counted(), (100, 25));
        drop(share);
        assert_eq!(account.counted(), (0, 0));
    }
}
