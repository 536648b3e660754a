//! What a service knows about the connection that an object serves, and about its own daemon.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::builder::BoxError;
use crate::codec;
use crate::daemon::{Hold, Lease, Peer, Tenancy, Watchdog};
use crate::error::{Result, chain};
use crate::fault::{self, Point};
use crate::mux::{Dispatch, Pulse, Shared};
use crate::wire::frame::GoodbyeCode;
use crate::wire::greeting::CallerFields;

/// One connection, seen from the service.
///
/// The factory given to [`Daemon::serve`](crate::Daemon::serve) gets it; clones share it.
#[derive(Clone, Debug)]
pub struct Session(Arc<SessionInner>);

#[derive(Debug)]
struct SessionInner {
    daemon: DaemonHandle,
    peer: Peer,
    caller: Arc<Caller>,
    shared: Arc<Shared>,
}

impl Session {
    pub(crate) fn new(
        daemon: DaemonHandle,
        peer: Peer,
        caller: impl Into<Arc<Caller>>,
        shared: Arc<Shared>,
    ) -> Self {
        let caller = caller.into();
        Self(Arc::new(SessionInner { daemon, peer, caller, shared }))
    }

    /// The daemon that serves this connection.
    pub fn daemon(&self) -> &DaemonHandle {
        &self.0.daemon
    }

    /// The process at the other end, as the kernel vouches for it.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// What the other end says about itself.
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// The value that the starter of the daemon gave by [`Daemon::args`](crate::Daemon::args).
    ///
    /// # Errors
    ///
    /// No value was given, or it is of another type.
    pub fn args<A: DeserializeOwned + 'static>(&self) -> Result<A> {
        self.0.daemon.args()
    }

    /// Ends this connection at once: its calls are cancelled, the caller is told.
    pub fn disconnect(&self) {
        self.0.shared.leave(GoodbyeCode::Disconnected, "the service ended the connection");
    }

    /// Completes when the connection is gone.
    pub async fn ended(&self) {
        self.0.shared.ended().await;
    }
}

/// What a caller says about itself in its hello.
#[derive(Clone, Debug)]
pub struct Caller {
    cwd: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    terminal: Option<(u16, u16)>,
    root: Option<(u64, u64)>,
}

impl Caller {
    pub(crate) fn from_fields(fields: &CallerFields) -> Self {
        let text = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        Self {
            cwd: PathBuf::from(text(&fields.cwd)),
            args: fields.args.iter().map(|bytes| text(bytes)).collect(),
            env: fields
                .env
                .iter()
                .filter_map(|pair| {
                    let at = pair.iter().position(|&byte| byte == b'=')?;
                    Some((text(&pair[..at]), text(&pair[at + 1..])))
                })
                .collect(),
            terminal: fields.terminal,
            root: fields.root,
        }
    }

    /// The working directory of the caller. Relative paths in its arguments start here.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The command line of the caller, its name included.
    pub fn args(&self) -> &[OsString] {
        &self.args
    }

    /// A variable of the caller's environment, if it is one of those that
    /// [`Daemon::caller_env`](crate::Daemon::caller_env) names.
    pub fn env(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        let name = name.as_ref();
        self.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str())
    }

    /// Columns and rows of the terminal that the caller's standard output is, if it is one.
    pub fn terminal(&self) -> Option<(u16, u16)> {
        self.terminal
    }

    /// Whether the caller sees the same file system root as the daemon. A caller in a container
    /// does not, and its paths mean something else there.
    pub fn shares_root(&self) -> bool {
        self.root.is_some() && self.root == root_identity()
    }
}

/// Device and inode of `/` as this process sees it.
pub(crate) fn root_identity() -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/").ok()?;
    Some((root.dev(), root.ino()))
}

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
            tracing::warn!(error = %chain(&error), "the end cannot be announced");
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
