//! The limit of a drain: when it has passed, the process ends, whatever still runs in it.

use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use super::sys;

/// What the parts of a drain that have limits of their own may take beyond theirs.
const GRACE: Duration = Duration::from_secs(1);

/// The exit code of a daemon that its watchdog had to end.
const EXIT_OVERDUE: i32 = 70;

/// Ends the process after a limit, from a thread that no handler can hold up.
#[derive(Clone, Debug)]
pub(crate) struct Watchdog {
    limit: Duration,
    /// Ends the thread. Empty if there was no thread to spare: then the drain's own
    /// limits are all there is.
    thread: Arc<OnceLock<Option<mpsc::Sender<()>>>>,
}

impl Watchdog {
    /// Nothing is watched until it is started.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit: limit.saturating_add(GRACE), thread: Arc::default() }
    }

    /// Begins the limit, if it has not begun.
    pub(crate) fn start(&self) {
        self.thread.get_or_init(|| {
            let (disarm, disarmed) = mpsc::channel();
            let limit = self.limit;
            let watch = move || {
                if disarmed.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                    eprintln!("autod: not everything ended within {limit:?} of the close; exiting");
                    sys::exit_now(EXIT_OVERDUE);
                }
            };
            let thread = std::thread::Builder::new().name("autod-watchdog".to_owned());
            thread.spawn(watch).ok().map(|_| disarm)
        });
    }

    /// Nothing is watched any more.
    pub(crate) fn disarm(&self) {
        if let Some(Some(disarm)) = self.thread.get() {
            let _ = disarm.send(());
        }
    }

    /// Waits until the program's own threads have ended; the watchdog is the limit. Where threads
    /// cannot be counted, or no event tells of their end, it looks from time to time.
    pub(crate) fn wait_for_other_threads(&self) {
        const SELF_AND_WATCHDOG: usize = 2;
        // Without a limit, this thread could wait for ever.
        if !matches!(self.thread.get(), Some(Some(_))) {
            return;
        }
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
