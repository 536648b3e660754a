//! The pauses between starts that fail: plain data, with the time as a parameter.

use std::time::Duration;

use tokio::time::Instant;

/// The pauses after failures: the first, then doubling up to the longest. There is no last try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The first pause. Default 100 ms.
    pub first: Duration,
    /// The longest pause. Default 30 s.
    pub most: Duration,
    /// Having run for so long, an app counts as healthy: the next pause is the first one again.
    /// Default 10 s.
    pub stable: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            most: Duration::from_secs(30),
            stable: Duration::from_secs(10),
        }
    }
}

/// How often it has failed in a row.
#[derive(Debug)]
pub(crate) struct Backoff {
    restart: Restart,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(restart: Restart) -> Self {
        Self { restart, failures: 0 }
    }

    /// The pause after one more failure. Up to a quarter is added, by `jitter` (0 to 1): services
    /// that failed together do not start together.
    pub(crate) fn fail(&mut self, jitter: f64) -> Duration {
        let doubled = self.restart.first.saturating_mul(1_u32 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.restart.most).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0)
    }

    /// The pause after a run that was not a failure but ended at once. It does not grow.
    pub(crate) fn breathe(&self) -> Duration {
        self.restart.first
    }

    /// It has run from `since` to `now`.
    pub(crate) fn ran(&mut self, since: Instant, now: Instant) {
        if now.duration_since(since) >= self.restart.stable {
            self.failures = 0;
        }
    }

    pub(crate) fn forget(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_stable_run() {
        let mut backoff = Backoff::new(Restart::default());
        let pauses: Vec<u128> = (0..10).map(|_| backoff.fail(0.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
        assert_eq!(backoff.fail(1.0).as_millis(), 37_500);
        let now = Instant::now();
        backoff.ran(now, now + Duration::from_secs(9));
        assert_eq!(backoff.fail(0.0).as_millis(), 30_000);
        backoff.ran(now, now + Duration::from_secs(10));
        assert_eq!(backoff.fail(0.0).as_millis(), 100);
    }

    #[test]
    fn failures_for_ever_overflow_nothing() {
        let mut backoff = Backoff { restart: Restart::default(), failures: u32::MAX - 1 };
        for _ in 0..3 {
            assert_eq!(backoff.fail(0.0), Duration::from_secs(30));
        }
    }
}
