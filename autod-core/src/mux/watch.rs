//! One connection's driver that looks for what comes next, before it sleeps.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::company::Company;
use super::lookout::Lookout;

/// Finds in a row before the runtime looks after its other sockets.
const FINDS: u32 = 64;

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
    /// as after an error, which the runtime's own read will tell.
    pub(super) fn look(
        self,
        mut read: impl FnMut() -> io::Result<usize>,
        mut goes_on: impl FnMut() -> bool,
    ) -> Option<usize> {
        let end = Instant::now() + self.limit;
        loop {
            match read() {
                Ok(0) => return Some(0),
                Ok(length) => {
                    self.company.heard();
                    self.lookout.found();
                    *self.finds += 1;
                    return Some(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
            if !goes_on() {
                return None;
            }
            if Instant::now() >= end {
                self.lookout.missed();
                self.lookout.sleeps(Instant::now);
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
