//! What `init` is given.

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::handle::{DaemonHandle, Phase};

/// The start of a daemon, for its `init`.
pub struct Start {
    daemon: DaemonHandle,
    snapshot: Option<Vec<u8>>,
    report: Box<dyn Fn(&str) + Send + Sync>,
}

impl Start {
    pub(crate) fn new(
        daemon: DaemonHandle,
        snapshot: Option<Vec<u8>>,
        report: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        Self { daemon, snapshot, report: Box::new(report) }
    }

    /// Says how far the start is. Every caller that waits hears it, and waits on: a start that
    /// reports may take longer than the silence timeout.
    pub fn progress(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        (self.report)(text);
        self.daemon.set_phase(Phase::Starting(text.to_owned()));
    }

    /// The same for a start that knows how much there is to do: so much of `total`, in any unit. It is the
    /// text with `3/10` behind it; a caller with the feature `progress` shows it as a bar.
    pub fn progress_of(&self, done: u64, total: u64, text: impl AsRef<str>) {
        let text = text.as_ref();
        self.progress(format!("{text} {done}/{total}").trim_start());
    }

    /// The daemon, to keep for background work, holds and shutdown hooks.
    pub fn daemon(&self) -> &DaemonHandle {
        &self.daemon
    }

    /// What the daemon before this one made by [`Daemon::snapshot`](crate::Daemon::snapshot) when it
    /// was restarted or replaced. Another build may have made it.
    pub fn snapshot(&self) -> Option<&[u8]> {
        self.snapshot.as_deref()
    }

    /// The value that the starter gave by [`Daemon::args`](crate::Daemon::args).
    ///
    /// # Errors
    ///
    /// No value was given, or it is of another type.
    pub fn args<A: DeserializeOwned + 'static>(&self) -> Result<A> {
        self.daemon.args()
    }
}
