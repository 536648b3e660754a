//! What is counted of the calls of one method, by whatever connection they came.
//!
//! How long they took is kept as how many took about so long, in steps that grow with the time.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::service::{Kind as MethodKind, Method};

/// Steps within a doubling, as a power of two: a quantile is right to within a quarter.
const STEPS: u32 = 2;

/// Shorter calls are all alike: 256 ns.
const SHORTEST: u32 = 8;

/// Up to 2^41 ns, which is half an hour.
const BUCKETS: usize = ((41 - SHORTEST) << STEPS) as usize;

#[derive(Debug)]
pub(super) struct Counters {
    failed: AtomicU64,
    cancelled: AtomicU64,
    nanoseconds: AtomicU64,
    longest: AtomicU64,
    /// How many took so long, and so all of them.
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            failed: AtomicU64::default(),
            cancelled: AtomicU64::default(),
            nanoseconds: AtomicU64::default(),
            longest: AtomicU64::default(),
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

/// How a call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Failed,
    Cancelled,
}

/// The figures of one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) method: &'static str,
    pub(crate) kind: MethodKind,
    /// Calls that have ended, however they did.
    pub(crate) calls: u64,
    /// Those of them that ended in an error, but for the cancelled ones.
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    /// What all of them took together.
    pub(crate) total: Duration,
    pub(crate) mean: Duration,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Counters {
    /// So many calls have ended alike, each after so many nanoseconds.
    #[inline]
    pub(super) fn add(&self, outcome: Outcome, count: u64, took: u64) {
        match outcome {
            Outcome::Answered => {}
            Outcome::Failed => drop(self.failed.fetch_add(count, Relaxed)),
            Outcome::Cancelled => drop(self.cancelled.fetch_add(count, Relaxed)),
        }
        self.nanoseconds.fetch_add(took.saturating_mul(count), Relaxed);
        self.buckets[bucket(took)].fetch_add(count, Relaxed);
        if took > self.longest.load(Relaxed) {
            self.longest.fetch_max(took, Relaxed);
        }
    }

    /// What others count meanwhile may be in some of the figures only.
    pub(super) fn figures(&self, method: &Method) -> Figures {
        let counts: Vec<u64> = self.buckets.iter().map(|count| count.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let longest = self.longest.load(Relaxed);
        let quantile = |share: u64| {
            let wanted = (total * share).div_ceil(100);
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= wanted
            });
            Duration::from_nanos(found.map_or(0, upper_end).min(longest))
        };
        let nanoseconds = self.nanoseconds.load(Relaxed);
        Figures {
            method: method.name,
            kind: method.kind,
            calls: total,
            failed: self.failed.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            total: Duration::from_nanos(nanoseconds),
            mean: Duration::from_nanos(nanoseconds / total.max(1)),
            median: quantile(50),
            p99: quantile(99),
            longest: Duration::from_nanos(longest),
        }
    }
}

/// The bucket of so many nanoseconds.
fn bucket(nanoseconds: u64) -> usize {
    let value = nanoseconds.max(1 << SHORTEST);
    let doubling = value.ilog2();
    let step = (value >> (doubling - STEPS)) & ((1 << STEPS) - 1);
    let index = u64::from((doubling - SHORTEST) << STEPS) + step;
    usize::try_from(index).map_or(BUCKETS - 1, |index| index.min(BUCKETS - 1))
}

/// Where a bucket ends, in nanoseconds.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64 + 1;
    let (doubling, step) = (bucket >> STEPS, bucket & ((1 << STEPS) - 1));
    ((1 << STEPS) + step) << (doubling + u64::from(SHORTEST) - u64::from(STEPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_lies_between_its_ends() {
        for value in (0..63).flat_map(|power| [1_u64 << power, (1 << power) + 1, 3 << power >> 1]) {
            let at = bucket(value);
            if at + 1 < BUCKETS {
                assert!(value < upper_end(at), "{value}");
                assert!(at == 0 || value >= upper_end(at - 1), "{value}");
            }
        }
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert!(upper_end(BUCKETS - 1) > 30 * 60 * 1_000_000_000);
    }
}
