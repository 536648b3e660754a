//! What a program says about the log of its daemon.

use crate::builder::Daemon;

/// The log that a daemon writes when its program has no subscriber of its own: time, level, target,
/// message and fields of each event, and the end of each call, on standard error, which is the log
/// file of a daemon that a command has started.
///
/// The environment of the daemon goes before what is said here: `AUTOD_LOG` has the levels,
/// `AUTOD_LOG_FORMAT` is `json` or `text`. While the daemon runs `autod log-level` changes the
/// levels.
///
/// | setting | default |
/// |---|---|
/// | [`levels`](Self::levels) | `info` |
/// | [`json`](Self::json) | text |
///
/// ```no_run
/// use autod_core::{Daemon, Log};
///
/// let daemon = Daemon::new("counter").log(Log::new().levels("info,mytool=debug").json());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it is given to a daemon"]
pub struct Log {
    pub(super) levels: String,
    pub(super) json: bool,
    pub(super) is_on: bool,
}

impl Log {
    /// A log of text, of what is at least of the level `info`.
    pub fn new() -> Self {
        Self { levels: "info".to_owned(), json: false, is_on: true }
    }

    /// No log, whatever the environment says; `autod log-level` is refused.
    pub fn off() -> Self {
        Self { is_on: false, ..Self::new() }
    }

    /// How much is written: off, error, warn, info, debug or trace, or `TARGET=LEVEL`, or several of
    /// them with commas between. What cannot be read is passed over, which the log says.
    pub fn levels(self, levels: impl Into<String>) -> Self {
        Self { levels: levels.into(), ..self }
    }

    /// One JSON object on each line.
    pub fn json(self) -> Self {
        Self { json: true, ..self }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

/// The log.
impl<S, T> Daemon<S, T> {
    /// What the daemon writes to its log, with the feature `log`. Without effect when the program has
    /// set a subscriber of its own by the time at which `init` has returned, and in
    /// [`foreground`](Self::foreground), where events are the program's business.
    pub fn log(mut self, log: Log) -> Self {
        self.settings.log = log;
        self
    }
}
