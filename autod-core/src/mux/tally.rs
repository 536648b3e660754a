//! What a daemon counts of its calls: how many of each method, how they ended, and how long they
//! took.
//!
//! There is one [`Tally`] for all connections. Each has a [`Ledger`] under its own lock, in which an
//! answer costs a few additions; the clock is read once for all calls that one read brings, and once
//! for all answers that are written together. So a call takes from when it was read to when its
//! answer is handed over to be written, and a stream as long as it is open. What is done with the
//! figures is not known here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::counters::{Counters, Figures, Outcome};
use crate::service::{Kind as MethodKind, Table};
use crate::wire::frame::{FailCode, Kind};

/// The counts of all connections of a daemon.
#[derive(Debug)]
pub(crate) struct Tally {
    table: &'static Table,
    /// In the order of the table; made when a method is first answered.
    methods: Box<[OnceLock<Box<Counters>>]>,
    unknown: AtomicU64,
}

/// A call that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenCall {
    /// `None`: the service has no such method.
    pub(crate) method: Option<&'static str>,
    /// It stays open as long as items flow.
    pub(crate) is_stream: bool,
    pub(crate) age: Duration,
}

impl Tally {
    pub(crate) fn new(table: &'static Table) -> Self {
        Self {
            table,
            methods: table.methods.iter().map(|_| OnceLock::new()).collect(),
            unknown: AtomicU64::default(),
        }
    }

    /// The methods that were called, in the order of the table.
    pub(crate) fn figures(&self) -> impl Iterator<Item = Figures> {
        let methods = self.table.methods.iter().zip(&self.methods);
        methods.filter_map(|(method, counters)| Some(counters.get()?.figures(method)))
    }

    /// Calls of methods that the service does not have.
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown.load(Relaxed)
    }

    fn add(&self, ended: Ended, now: u64) {
        let Some(counters) = self.methods.get(usize::from(ended.mark.method)) else {
            self.unknown.fetch_add(ended.count, Relaxed);
            return;
        };
        let counters = counters.get_or_init(Box::default);
        let took = now.saturating_sub(ended.mark.began);
        counters.add(ended.outcome, ended.count, took);
    }
}

/// Nanoseconds of a clock that only goes forward. As a number, because an `Instant` is made into one at
/// a third of what the reading costs.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Which method a call is of, and when it came. The default is that of a call that is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    method: u16,
    began: u64,
}

impl Mark {
    const UNKNOWN: u16 = u16::MAX;
    const UNCOUNTED: u16 = u16::MAX - 1;
}

impl Default for Mark {
    fn default() -> Self {
        Self { method: Self::UNCOUNTED, began: 0 }
    }
}

/// Calls that have ended alike.
#[derive(Clone, Copy, Debug)]
struct Ended {
    mark: Mark,
    outcome: Outcome,
    count: u64,
}

/// The part of the tally that is under the lock of a connection.
#[derive(Debug)]
pub(super) struct Ledger {
    tally: Arc<Tally>,
    /// When the bytes came that are looked at now.
    now: u64,
    /// The method that was called last, by id and place in the table: most often it is the next one too.
    last: (u64, u16),
    /// What has ended since answers were last handed over; no more than calls were open. The last of it
    /// is here: most connections make one call at a time.
    ended: Option<Ended>,
    before: Vec<Ended>,
}

impl Ledger {
    pub(super) fn new(tally: Arc<Tally>) -> Self {
        Self { tally, now: 0, last: (0, Mark::UNKNOWN), ended: None, before: Vec::new() }
    }

    /// Bytes have come.
    pub(super) fn read(&mut self) {
        self.now = now();
    }

    /// A call with this body has come.
    pub(super) fn begin(&mut self, body: &[u8]) -> Mark {
        let id = body.first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
        if id != self.last.0 {
            let methods = self.tally.table.methods;
            let place = methods.iter().position(|method| method.id == id);
            let place = place.and_then(|place| u16::try_from(place).ok());
            self.last = (id, place.unwrap_or(Mark::UNKNOWN));
        }
        Mark { method: self.last.1, began: self.now }
    }

    /// The call has its last word.
    pub(super) fn end(&mut self, mark: Mark, kind: Kind, payload: &[u8]) {
        if mark.method == Mark::UNCOUNTED {
            return;
        }
        let outcome = match (kind, payload.first()) {
            (Kind::Fail, Some(&code)) if code == FailCode::Cancelled as u8 => Outcome::Cancelled,
            (Kind::Fail, _) => Outcome::Failed,
            _ => Outcome::Answered,
        };
        match &mut self.ended {
            Some(last) if (last.mark, last.outcome) == (mark, outcome) => last.count += 1,
            last => self.before.extend(last.replace(Ended { mark, outcome, count: 1 })),
        }
    }

    /// What has ended is handed over to be written, or nobody reads it any more.
    pub(super) fn settle(&mut self) {
        let Some(last) = self.ended.take() else { return };
        let now = now();
        self.tally.add(last, now);
        for ended in self.before.drain(..) {
            self.tally.add(ended, now);
        }
    }

    /// What is known of a call that is open.
    pub(super) fn open_call(&self, mark: Mark) -> OpenCall {
        let method = self.tally.table.methods.get(usize::from(mark.method));
        let age = now().saturating_sub(mark.began);
        OpenCall {
            method: method.map(|method| method.name),
            is_stream: method.is_some_and(|method| method.kind != MethodKind::Unary),
            age: Duration::from_nanos(age),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{self, Method, Policy, method_id};

    const fn method(name: &'static str) -> Method {
        Method {
            name,
            id: method_id(name),
            kind: service::Kind::Unary,
            arguments: &[],
            input: None,
            output: "()",
            error: None,
            policy: Policy::BackPressure,
            no_cancel: false,
            idempotent: false,
            docs: "",
        }
    }

    const TABLE: Table = Table::new("Service", "", &[method("first"), method("second")]);

    #[test]
    fn calls_are_counted_by_their_method_and_their_end() {
        let tally = Arc::new(Tally::new(&TABLE));
        let mut ledger = Ledger::new(Arc::clone(&tally));
        ledger.read();
        let [first, second, other] =
            ["first", "second", "other"].map(|name| ledger.begin(&method_id(name).to_le_bytes()));
        for _ in 0..98 {
            ledger.end(first, Kind::Reply, &[]);
        }
        ledger.end(first, Kind::Fail, &[FailCode::Service as u8]);
        ledger.end(first, Kind::Fail, &[FailCode::Cancelled as u8]);
        ledger.end(second, Kind::End, &[]);
        ledger.end(other, Kind::Fail, &[FailCode::UnknownMethod as u8]);
        assert_eq!(ledger.before.len(), 4, "those that are alike are one");
        assert_eq!(tally.figures().count(), 0);
        ledger.settle();
        let figures: Vec<Figures> = tally.figures().collect();
        let counts: Vec<_> = figures
            .iter()
            .map(|figures| (figures.method, figures.calls, figures.failed, figures.cancelled))
            .collect();
        assert_eq!(counts, [("first", 100, 1, 1), ("second", 1, 0, 0)]);
        assert_eq!(tally.unknown(), 1);
        assert!(figures[0].longest >= figures[0].mean && figures[0].mean > Duration::ZERO);
    }

    #[test]
    fn quantiles_are_right_to_within_a_quarter() {
        let tally = Tally::new(&TABLE);
        let mark = Mark { method: 1, began: 0 };
        for took in 1..=1000 {
            tally.add(Ended { mark, outcome: Outcome::Answered, count: 1 }, took * 1000);
        }
        let figures = tally.figures().next().unwrap();
        assert_eq!(figures.method, "second");
        let near = |found: Duration, micros: u64| {
            let found = found.as_nanos();
            let wanted = u128::from(micros) * 1000;
            assert!(found >= wanted && found * 4 <= wanted * 5, "{found} for {wanted}");
        };
        near(figures.median, 500);
        near(figures.p99, 990);
        assert_eq!(figures.longest, Duration::from_millis(1));
        assert_eq!(figures.mean, Duration::from_nanos(500_500));
    }
}
