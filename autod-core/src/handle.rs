//! The running daemon, as the code that runs in it has it: its phases and its end.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::builder::BoxError;
use crate::codec;
use crate::daemon::{Hold, Lease, Tenancy, Watchdog};
use crate::error::{Result, in_full};
use crate::fault::{self, Point};
use crate::mux::{Dispatch, Pulse};
use crate::session::Session;

/// The running daemon, for the code that runs in it.
#[derive(Clone, Debug)]
pub struct DaemonHandle(Arc<Core>);

struct Core {
    phase: watch::Sender<Phase>,
    lease: Lease,
    closing: CancellationToken,
    ending: OnceLock<Ending>,
    hooks: Mutex<Vec<Hook>>,
    args: Vec<u8>,
    since: Instant,
    tenancy: Option<Arc<Tenancy>>,
    drain: Duration,
    watchdog: OnceLock<Watchdog>,
    log_level: Mutex<Option<LogLevel>>,
}

type Hook = Box<dyn FnOnce() + Send>;

/// Sets the level of the program's log.
pub(crate) type LogLevel = Arc<dyn Fn(&str) -> Result<(), BoxError> + Send + Sync>;

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DaemonHandle").field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// Where a daemon is in its life. It only moves forward.
#[derive(Clone)]
pub(crate) enum Phase {
    /// `init` runs; its last word about how far it is.
    Starting(String),
    Ready(Arc<dyn Host>),
    /// `init` failed with these words.
    Failed(String),
    Leaving,
}

/// Why a daemon ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Closing,
    /// A successor takes over, and with it the snapshot if there is one.
    Restarting,
}

impl Ending {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Closing => "the daemon is closing",
            Self::Restarting => "the daemon is restarting",
        }
    }
}

/// How much of a drain the answers of callers may take. The rest is for the handlers that wait for
/// them.
pub(crate) fn patience(drain: Duration) -> Duration {
    drain / 8 * 7
}

/// Makes the object of each connection.
pub(crate) trait Host: Send + Sync {
    fn open(&self, session: Session, pulse: Arc<Pulse>) -> Box<dyn Dispatch>;
}

impl DaemonHandle {
    pub(crate) fn new(
        lease: Lease,
        args: Vec<u8>,
        tenancy: Option<Arc<Tenancy>>,
        drain: Duration,
    ) -> Self {
        Self(Arc::new(Core {
            phase: watch::Sender::new(Phase::Starting(String::new())),
            lease,
            closing: CancellationToken::new(),
            ending: OnceLock::new(),
            hooks: Mutex::new(Vec::new()),
            args,
            since: Instant::now(),
            tenancy,
            drain,
            watchdog: OnceLock::new(),
            log_level: Mutex::new(None),
        }))
    }

    /// Ends the daemon: new connections and calls are refused and go to its successor, calls that
    /// run are answered within the drain limit, then the process exits.
    ///
    /// Returns at once, so that a handler can call it and still be answered.
    pub fn close(&self) {
        self.end(Ending::Closing);
    }

    /// Ends the daemon; the first reason counts.
    ///
    /// Other processes can see it when this returns: whoever is told that the daemon ends, and looks
    /// at its lock, finds it draining.
    pub(crate) fn end(&self, ending: Ending) {
        if self.0.ending.set(ending).is_err() {
            return;
        }
        if let Some(tenancy) = &self.0.tenancy
            && let Err(error) = tenancy.begin_drain(self.0.drain)
        {
            tracing::warn!(error = %in_full(&error), "the end cannot be announced");
        }
        fault::pass(Point::DaemonDraining);
        self.set_phase(Phase::Leaving);
        self.cancel();
    }

    fn cancel(&self) {
        if let Some(watchdog) = self.0.watchdog.get() {
            watchdog.start();
        }
        self.0.closing.cancel();
    }

    /// Limits the time that the end may take, whenever it begins.
    pub(crate) fn limit_end(&self, watchdog: &Watchdog) {
        let watchdog = self.0.watchdog.get_or_init(|| watchdog.clone());
        if self.is_leaving() {
            watchdog.start();
        }
    }

    /// Why the daemon ends.
    pub(crate) fn ending(&self) -> Ending {
        self.0.ending.get().copied().unwrap_or(Ending::Closing)
    }

    /// Takes no more connections; those that wait are still to be told how the start went.
    pub(crate) fn turn_away(&self) {
        self.cancel();
    }

    /// Keeps the daemon alive, with or without connections, until the guard is dropped. The reason
    /// is shown by [`status`](Self::status).
    pub fn hold(&self, reason: impl Into<String>) -> Hold {
        self.0.lease.hold(reason.into())
    }

    /// Runs `hook` when the daemon ends, after the last call was answered. Later hooks run first.
    /// The drain limit counts for hooks too.
    pub fn on_shutdown(&self, hook: impl FnOnce() + Send + 'static) {
        self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    /// Lets the level of the program's log be set from outside, by `autod log-level`; a later hook
    /// takes the place of an earlier one.
    ///
    /// The hook is given what the user wrote, such as `debug`, and runs on a thread that may block.
    /// Its error is what the user reads. Without a hook the user is told that the level cannot be
    /// set.
    ///
    /// ```no_run
    /// # use autod_core as autod;
    /// # fn set_level(_: u8) {}
    /// # fn example(session: &autod::Session) {
    /// session.daemon().on_log_level(|level| {
    ///     set_level(level.parse::<u8>()?);
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn on_log_level<F>(&self, hook: F)
    where
        F: Fn(&str) -> Result<(), BoxError> + Send + Sync + 'static,
    {
        let mut current = self.0.log_level.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::new(hook));
    }

    pub(crate) fn log_level_hook(&self) -> Option<LogLevel> {
        self.0.log_level.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What keeps the daemon alive now.
    pub fn status(&self) -> Status {
        Status {
            pid: std::process::id(),
            uptime: self.0.since.elapsed(),
            connections: self.0.lease.connections(),
            holds: self.0.lease.holds(),
            closing: self.0.closing.is_cancelled(),
        }
    }

    /// The value that the starter gave by [`Daemon::args`](crate::Daemon::args).
    ///
    /// # Errors
    ///
    /// No value was given, or it is of another type.
    pub fn args<A: DeserializeOwned + 'static>(&self) -> Result<A> {
        codec::decode(&self.0.args)
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.0.lease
    }

    pub(crate) fn life(&self) -> u64 {
        self.0.tenancy.as_ref().map_or(0, |tenancy| tenancy.life_id())
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.0.phase.send_if_modified(|current| {
            let forward = match (&*current, &phase) {
                (Phase::Starting(_), _) => true,
                (Phase::Ready(_), next) => matches!(next, Phase::Leaving),
                // Whoever waits has to hear of it, however soon the daemon closes.
                (Phase::Failed(_) | Phase::Leaving, _) => false,
            };
            if forward {
                *current = phase;
            }
            forward
        });
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.0.closing.is_cancelled()
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    /// Completes when the daemon was asked to close.
    pub(crate) async fn close_requested(&self) {
        self.0.closing.cancelled().await;
    }

    pub(crate) fn run_hooks(&self) {
        loop {
            let hook = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(hook) = hook else { return };
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(hook)).is_err() {
                tracing::error!("a shutdown hook panicked");
            }
        }
    }
}

/// What [`DaemonHandle::status`] tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The process of the daemon.
    pub pid: u32,
    /// Since the start of the process's daemon part.
    pub uptime: Duration,
    /// Connections that are counted as users.
    pub connections: usize,
    /// The reasons of the holds and for how long they have been held.
    pub holds: Vec<(String, Duration)>,
    /// The daemon was asked to close.
    pub closing: bool,
}
