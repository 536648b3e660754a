//! Keeps the sessions of a daemon going while a handler blocks its thread.
//!
//! tokio's pool lets one of its threads wait for IO. If that thread takes up a task that blocks,
//! the others may sleep on without anybody waiting for IO, and every other connection stands still.
//! So handlers are counted in and out, and while somebody is inside for long, a thread of the
//! daemon's own gives the pool an empty task: whoever is woken by it goes on to wait for IO.
//!
//! It costs a batch of calls two atomic additions. After a tick without calls the watch sleeps; the next
//! connection wakes it, or the first call of one that is there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::spares::SPARES;

/// How long a blocked thread can delay others.
const TICK: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(crate) struct Pulse {
    entered: AtomicU64,
    left: AtomicU64,
    asleep: AtomicBool,
    wake: Notify,
}

/// Code of the service runs while this lives.
pub(super) struct Inside<'a>(&'a Pulse);

impl Pulse {
    pub(super) fn enter(&self) -> Inside<'_> {
        // Counted before the look, while the watch falls asleep before its look: one sees the other.
        self.entered.fetch_add(1, SeqCst);
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            self.wake.notify_one();
        }
        Inside(self)
    }

    /// Calls are about to come: wakes the watch from its own thread, where that costs nothing, so
    /// that the first of them does not have to.
    pub(crate) fn expect(&self) {
        if self.asleep.swap(false, SeqCst) {
            self.wake.notify_one();
        }
    }

    fn counts(&self) -> (u64, u64) {
        let left = self.left.load(SeqCst);
        (self.entered.load(SeqCst), left)
    }

    /// Watches over the threads of `sessions`, from a thread that is none of them.
    pub(crate) async fn watch(&self, sessions: Handle) {
        loop {
            self.asleep.store(true, SeqCst);
            let (entered, left) = self.counts();
            if entered == left {
                self.wake.notified().await;
            }
            self.asleep.store(false, SeqCst);
            let mut before = entered;
            loop {
                tokio::time::sleep(TICK).await;
                let (entered, left) = self.counts();
                if entered == before {
                    if entered == left {
                        SPARES.release();
                        break;
                    }
                    drop(sessions.spawn(async {}));
                }
                before = entered;
            }
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.left.fetch_add(1, SeqCst);
    }
}
