//! One connection that looks for what comes next, before it sleeps.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::company::Company;
use super::lookout::Lookout;

/// Finds in a row before the runtime looks after its other sockets.
const FINDS: u32 = 64;

/// Whoever did not run for so long between two reads was set aside: the one it waits for may have
/// run on its processor meanwhile. A read that finds nothing takes less than 1 us.
const PAUSE: Duration = Duration::from_micros(2);

/// When a connection looks, and with whom.
#[derive(Debug)]
pub(super) struct Watch {
    lookout: Lookout,
    /// For the rest of a long message.
    rest_lookout: Lookout,
    company: Company,
    finds: u32,
}

impl Watch {
    /// Never looks.
    pub(super) fn closed() -> Self {
        Self {
            lookout: Lookout::closed(),
            rest_lookout: Lookout::closed(),
            company: Company::join(),
            finds: 0,
        }
    }

    /// Looks for so long from now on, if that turns out to help. One that is eager does so from the
    /// beginning, if it is the only one in this process.
    pub(super) fn open(&mut self, limit: Duration, eager: bool) {
        self.lookout = Lookout::new(limit, eager && self.company.is_alone());
        self.rest_lookout = Lookout::new(limit, false);
    }

    /// Whether it looks for calls and answers at present.
    pub(super) fn is_open(&self) -> bool {
        self.lookout.limit().is_some()
    }

    /// Something was heard without looking.
    pub(super) fn woke(&mut self) {
        self.company.heard();
        self.lookout.woke(Instant::now);
        self.rest_lookout.woke(Instant::now);
    }

    /// Whether so much was found in a row that others should have their turns. Begins to count again
    /// then.
    pub(super) fn is_sated(&mut self) -> bool {
        let sated = self.finds >= FINDS;
        if sated {
            self.finds = 0;
        }
        sated
    }

    /// Begins to look for the rest of a long message or for anything else, unless that is not worth
    /// it now.
    pub(super) fn begin(&mut self, amid: bool) -> Option<Turn<'_>> {
        if self.company.is_disturbed() {
            return None;
        }
        let lookout = if amid { &mut self.rest_lookout } else { &mut self.lookout };
        let Some(limit) = lookout.limit() else {
            lookout.sleeps(Instant::now);
            return None;
        };
        let looking = Looking::begin()?;
        let (company, finds) = (&mut self.company, &mut self.finds);
        Some(Turn { lookout, company, finds, limit, _looking: looking })
    }
}

/// One time of looking.
pub(super) struct Turn<'a> {
    lookout: &'a mut Lookout,
    company: &'a mut Company,
    finds: &'a mut u32,
    limit: Duration,
    _looking: Looking,
}

impl Turn<'_> {
    /// Reads until there is something, or it is not to go on, or it has taken too long: then `None`,
    /// as after an error, which the next read without looking will tell.
    ///
    /// What is found counts only if looking has found it. What is there at once was there before, and
    /// what comes in a pause would have come while this thread slept: where both ends share a
    /// processor the other one has run in between, and to look longer would have kept it from that.
    pub(super) fn look(
        self,
        read: impl FnMut() -> io::Result<usize>,
        goes_on: impl FnMut() -> bool,
    ) -> Option<usize> {
        self.look_by(Instant::now, read, goes_on)
    }

    fn look_by(
        self,
        now: impl Fn() -> Instant,
        mut read: impl FnMut() -> io::Result<usize>,
        mut goes_on: impl FnMut() -> bool,
    ) -> Option<usize> {
        let mut last = now();
        let end = last + self.limit;
        let mut again = false;
        loop {
            match read() {
                Ok(0) => return Some(0),
                Ok(length) => {
                    self.company.heard();
                    if again && now().saturating_duration_since(last) < PAUSE {
                        self.lookout.found();
                    }
                    *self.finds += 1;
                    return Some(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
            if !goes_on() {
                return None;
            }
            last = now();
            again = true;
            if last >= end {
                self.lookout.missed();
                self.lookout.sleeps(now);
                return None;
            }
            std::hint::spin_loop();
        }
    }
}

/// How many connections of this process look for something at this moment. One processor is left
/// for whoever they wait for.
#[cfg(not(test))]
fn looking() -> &'static AtomicUsize {
    static LOOKING: AtomicUsize = AtomicUsize::new(0);
    &LOOKING
}

/// Tests run beside each other: each thread is a process.
#[cfg(test)]
fn looking() -> &'static AtomicUsize {
    thread_local! {
        static LOOKING: &'static AtomicUsize = Box::leak(Box::default());
    }
    LOOKING.with(|looking| *looking)
}

/// The right to look; given back when it is dropped.
pub(super) struct Looking(&'static AtomicUsize);

impl Looking {
    pub(super) fn begin() -> Option<Self> {
        let count = looking();
        let before = count.fetch_add(1, Ordering::Relaxed);
        let looking = Self(count);
        (before + 1 < processors()).then_some(looking)
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn processors() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(count_processors)
}

/// Those that this thread may run on: one system call, where std reads the files of the control
/// group too, which costs a command more than its call.
#[cfg(target_os = "linux")]
fn count_processors() -> usize {
    rustix::thread::sched_getaffinity(None)
        .map_or(1, |set| usize::try_from(set.count()).unwrap_or(1))
}

#[cfg(not(target_os = "linux"))]
fn count_processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LIMIT: Duration = Duration::from_micros(50);

    /// Looks once; something comes so many reads later, and a read takes so long. `false` if it
    /// does not look any more.
    fn look(watch: &mut Watch, reads: usize, each: Duration) -> bool {
        let Some(turn) = watch.begin(false) else { return false };
        let clock = Cell::new(Instant::now());
        let mut left = reads;
        let read = || {
            clock.set(clock.get() + each);
            match left.checked_sub(1) {
                Some(rest) => {
                    left = rest;
                    Err(io::ErrorKind::WouldBlock.into())
                }
                None => Ok(1),
            }
        };
        let found = turn.look_by(|| clock.get(), read, || true);
        assert_eq!(found.is_some(), each * u32::try_from(reads).unwrap() < LIMIT);
        true
    }

    /// How many failures it bears after so many finds.
    fn failures_after(finds: usize, reads: usize, each: Duration) -> usize {
        let mut watch = Watch::closed();
        watch.open(LIMIT, true);
        // From the second time on it is known to be the one that has heard something last.
        watch.woke();
        watch.woke();
        for _ in 0..finds {
            assert!(look(&mut watch, reads, each));
        }
        let failures = || look(&mut watch, 100, Duration::from_micros(1)).then_some(());
        std::iter::from_fn(failures).count()
    }

    #[test]
    fn what_looking_has_found_is_a_reason_to_look_again() {
        if processors() == 1 {
            return;
        }
        let each = Duration::from_nanos(500);
        assert_eq!(failures_after(0, 1, each), 1);
        assert_eq!(failures_after(10, 1, each), 3);
        assert_eq!(failures_after(10, 60, each), 3);
    }

    #[test]
    fn what_was_there_before_or_came_in_a_pause_is_none() {
        if processors() == 1 {
            return;
        }
        assert_eq!(failures_after(10, 0, Duration::from_nanos(500)), 1);
        assert_eq!(failures_after(10, 0, Duration::from_micros(10)), 1);
        assert_eq!(failures_after(10, 1, Duration::from_micros(10)), 1);
    }
}
