//! The limit of a drain: when it has passed, the process ends, whatever still runs in it.

use std::time::Duration;

use super::sys;

/// What the parts of a drain that have limits of their own may take beyond theirs.
const GRACE: Duration = Duration::from_secs(1);

/// The exit code of a daemon that its watchdog had to end.
const EXIT_OVERDUE: i32 = 70;

pub(crate) struct Watchdog;

impl Watchdog {
    /// Ends the process after the limit, from a thread that no handler can hold up.
    pub(crate) fn start(limit: Duration) {
        let limit = limit + GRACE;
        let watch = move || {
            std::thread::sleep(limit);
            eprintln!("autod: not everything ended within {limit:?} of the close; exiting");
            sys::exit_now(EXIT_OVERDUE);
        };
        // Without a thread to spare there is nothing to wait with: the drain has its own limit.
        let _ = std::thread::Builder::new().name("autod-watchdog".to_owned()).spawn(watch);
    }

    /// Waits until the program's own threads have ended; the watchdog is the limit. Where threads
    /// cannot be counted, or no event tells of their end, it looks from time to time.
    pub(crate) fn wait_for_other_threads() {
        const SELF_AND_WATCHDOG: usize = 2;
        while threads().is_some_and(|count| count > SELF_AND_WATCHDOG) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn threads() -> Option<usize> {
    if cfg!(target_os = "linux") {
        std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
    } else {
        None
    }
}
