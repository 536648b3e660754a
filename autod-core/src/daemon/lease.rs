//! Who still needs the daemon.
//!
//! Connections and holds are counted; when the count has been zero for the linger, the lease is
//! over. The counting is plain data with the time as a parameter; [`Lease`] adds the lock, the
//! guards and the wake-up. What happens when the lease is over is not known here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The shared count of a daemon.
#[derive(Clone, Debug)]
pub(crate) struct Lease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    count: Mutex<Count>,
    changed: Notify,
}

#[derive(Debug)]
struct Count {
    linger: Option<Duration>,
    connections: usize,
    holds: Vec<HoldEntry>,
    next_hold: u64,
    /// When something that counts was last given back. Connections that turn out to be probes leave
    /// it as it is, however they overlap with others.
    used_until: Instant,
    /// The daemon leaves: nothing counts any more.
    over: bool,
}

#[derive(Debug)]
struct HoldEntry {
    id: u64,
    reason: String,
    since: Instant,
}

impl Count {
    fn is_idle(&self) -> bool {
        self.connections == 0 && self.holds.is_empty()
    }

    fn expiry(&self) -> Option<Instant> {
        // A linger too long for the clock is one that never ends.
        self.linger
            .filter(|_| self.is_idle())
            .and_then(|linger| self.used_until.checked_add(linger))
    }
}

impl Lease {
    /// Nobody needs the daemon yet, since `now`. Without a linger it never goes by itself.
    pub(crate) fn new(linger: Option<Duration>, now: Instant) -> Self {
        Self(Arc::new(Inner {
            count: Mutex::new(Count {
                linger,
                connections: 0,
                holds: Vec::new(),
                next_hold: 0,
                used_until: now,
                over: false,
            }),
            changed: Notify::new(),
        }))
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection until the guard is dropped.
    pub(crate) fn connect(&self) -> Connected {
        self.count().connections += 1;
        Connected { lease: self.clone(), probe: false }
    }

    /// Counts a hold until the guard is dropped.
    pub(crate) fn hold(&self, reason: String) -> Hold {
        let mut count = self.count();
        let id = count.next_hold;
        count.next_hold += 1;
        count.holds.push(HoldEntry { id, reason, since: Instant::now() });
        Hold { lease: self.clone(), id }
    }

    /// Begins the linger anew if nobody needs the daemon: it has just become ready, or could not
    /// leave.
    pub(crate) fn rearm(&self, now: Instant) {
        self.count().used_until = now;
        self.0.changed.notify_waiters();
    }

    /// The daemon is ready: from now on it goes when nobody has needed it for the linger.
    pub(crate) fn begin(&self, linger: Option<Duration>, now: Instant) {
        self.count().linger = linger;
        self.rearm(now);
    }

    /// Completes when nobody has needed the daemon for the linger.
    pub(crate) async fn expired(&self) {
        loop {
            // Made before the look at the count, so that no change falls between the two.
            let changed = self.0.changed.notified();
            let expiry = self.count().expiry();
            match expiry {
                None => changed.await,
                Some(at) if at <= Instant::now() => return,
                Some(at) => {
                    // Taking and giving back moves the expiry; asking again is cheaper than being
                    // told each time.
                    tokio::time::sleep_until(at).await;
                }
            }
        }
    }

    /// Ends the lease if nobody needs the daemon now. Afterwards nothing counts.
    pub(crate) fn end_if_idle(&self) -> bool {
        let mut count = self.count();
        count.over |= count.is_idle();
        count.over
    }

    /// Connections that are counted.
    pub(crate) fn connections(&self) -> usize {
        self.count().connections
    }

    /// In how much time the lease is over if nobody comes; `None` while somebody is there, and
    /// without a linger.
    pub(crate) fn expires_in(&self) -> Option<Duration> {
        self.count().expiry().map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// The reasons of the holds and for how long they have been held.
    pub(crate) fn holds(&self) -> Vec<(String, Duration)> {
        let now = Instant::now();
        let count = self.count();
        count.holds.iter().map(|hold| (hold.reason.clone(), now - hold.since)).collect()
    }
}

/// A counted connection.
#[derive(Debug)]
pub(crate) struct Connected {
    lease: Lease,
    probe: bool,
}

impl Connected {
    /// It was only a probe: the linger goes on as if it had not been.
    pub(crate) fn discount(mut self) {
        self.probe = true;
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut count = self.lease.count();
        count.connections -= 1;
        if !self.probe {
            count.used_until = Instant::now();
        }
        drop(count);
        self.lease.0.changed.notify_one();
    }
}

/// Keeps the daemon alive until it is dropped, with or without connections.
#[derive(Debug)]
#[must_use = "the daemon is held only as long as this lives"]
pub struct Hold {
    lease: Lease,
    id: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut count = self.lease.count();
        count.holds.retain(|hold| hold.id != self.id);
        count.used_until = Instant::now();
        drop(count);
        self.lease.0.changed.notify_one();
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
