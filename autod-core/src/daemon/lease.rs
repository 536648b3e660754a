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
    /// Set while the count is zero.
    idle_since: Option<Instant>,
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

    /// After something was taken or given back.
    fn settle(&mut self, now: Instant) {
        self.idle_since = self.is_idle().then(|| self.idle_since.unwrap_or(now));
    }

    fn expiry(&self) -> Option<Instant> {
        // A linger too long for the clock is one that never ends.
        self.idle_since?.checked_add(self.linger?)
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
                idle_since: Some(now),
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
        let mut count = self.count();
        let before = count.idle_since;
        count.connections += 1;
        count.settle(Instant::now());
        Connected { lease: self.clone(), before, probe: false }
    }

    /// Counts a hold until the guard is dropped.
    pub(crate) fn hold(&self, reason: String) -> Hold {
        let mut count = self.count();
        let now = Instant::now();
        let id = count.next_hold;
        count.next_hold += 1;
        count.holds.push(HoldEntry { id, reason, since: now });
        count.settle(now);
        Hold { lease: self.clone(), id }
    }

    /// Begins the linger anew if nobody needs the daemon: it has just become ready, or could not
    /// leave.
    pub(crate) fn rearm(&self, now: Instant) {
        let mut count = self.count();
        if count.is_idle() {
            count.idle_since = Some(now);
        }
        drop(count);
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
    before: Option<Instant>,
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
        if self.probe && count.is_idle() {
            count.idle_since = self.before;
        }
        count.settle(Instant::now());
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
        count.settle(Instant::now());
        drop(count);
        self.lease.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_secs(10);

    async fn has_expired(lease: &Lease) -> bool {
        tokio::time::timeout(Duration::ZERO, lease.expired()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_daemon_goes_after_the_linger() {
        let lease = Lease::new(Some(LINGER), Instant::now());
        tokio::time::advance(LINGER / 2).await;
        assert!(!has_expired(&lease).await);
        tokio::time::advance(LINGER).await;
        assert!(has_expired(&lease).await);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_linger_it_stays() {
        let lease = Lease::new(None, Instant::now());
        drop(lease.connect());
        tokio::time::advance(LINGER * 1000).await;
        assert!(!has_expired(&lease).await);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_and_holds_both_count() {
        let lease = Lease::new(Some(LINGER), Instant::now());
        let connection = lease.connect();
        let hold = lease.hold("indexing".to_owned());
        tokio::time::advance(LINGER * 2).await;
        assert!(!has_expired(&lease).await);
        assert_eq!(lease.holds(), [("indexing".to_owned(), LINGER * 2)]);
        drop(connection);
        tokio::time::advance(LINGER * 2).await;
        assert!(!has_expired(&lease).await);
        drop(hold);
        tokio::time::advance(LINGER / 2).await;
        assert!(!has_expired(&lease).await);
        tokio::time::advance(LINGER / 2).await;
        assert!(has_expired(&lease).await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_drop_wakes_who_waits() {
        let lease = Lease::new(Some(LINGER), Instant::now());
        let connection = lease.connect();
        let begin = Instant::now();
        let waiting = tokio::spawn({
            let lease = lease.clone();
            async move { lease.expired().await }
        });
        tokio::time::sleep(LINGER * 3).await;
        assert!(!waiting.is_finished());
        drop(connection);
        waiting.await.unwrap();
        assert_eq!(begin.elapsed(), LINGER * 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_does_not_touch_the_linger() {
        let lease = Lease::new(Some(LINGER), Instant::now());
        tokio::time::advance(LINGER / 2).await;
        let probe = lease.connect();
        tokio::time::advance(LINGER / 4).await;
        probe.discount();
        tokio::time::advance(LINGER / 4).await;
        assert!(has_expired(&lease).await);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_can_slip_in_once_it_is_over() {
        let lease = Lease::new(Some(LINGER), Instant::now());
        let hold = lease.hold("busy".to_owned());
        assert!(!lease.end_if_idle());
        drop(hold);
        assert!(lease.end_if_idle());
    }

    /// Random sequences against the plainest model there is.
    #[tokio::test(start_paused = true)]
    async fn counts_like_a_multiset() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let lease = Lease::new(Some(LINGER), Instant::now());
        let (mut connections, mut holds) = (Vec::new(), Vec::new());
        for _ in 0..5000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match (seed >> 33) % 5 {
                0 => connections.push(lease.connect()),
                1 => holds.push(lease.hold(String::new())),
                2 => drop(connections.pop()),
                3 => drop(holds.pop()),
                _ => {
                    if let Some(connection) = connections.pop() {
                        connection.discount();
                    }
                }
            }
            assert_eq!(lease.connections(), connections.len());
            assert_eq!(lease.holds().len(), holds.len());
            let idle = connections.is_empty() && holds.is_empty();
            assert_eq!(lease.count().idle_since.is_some(), idle);
        }
    }
}
