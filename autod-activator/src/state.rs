//! Where a service is, with what belongs to that: plain data. What leads from one state to the next is in
//! `machine`.

use tokio::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    Stopped,
    Starting {
        generation: u64,
        until: Instant,
    },
    Running {
        generation: u64,
        since: Instant,
    },
    Stopping {
        generation: u64,
        phase: Phase,
        until: Instant,
        /// The start had failed.
        failed: bool,
    },
    Backoff {
        until: Instant,
    },
}

/// How far a stop is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    /// Open connections come to their end.
    Draining,
    /// It was asked to end, or said that it does.
    Terminating,
    /// It was killed, and its end is about to be seen.
    Killing,
}

impl State {
    /// When [`Event::Overdue`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match *self {
            Self::Starting { until, .. } | Self::Backoff { until } => Some(until),
            Self::Stopping { phase: Phase::Draining | Phase::Terminating, until, .. } => {
                Some(until)
            }
            Self::Stopped | Self::Running { .. } | Self::Stopping { .. } => None,
        }
    }

    /// The generation whose process there is.
    pub(crate) fn generation(&self) -> Option<u64> {
        match *self {
            Self::Starting { generation, .. }
            | Self::Running { generation, .. }
            | Self::Stopping { generation, .. } => Some(generation),
            Self::Stopped | Self::Backoff { .. } => None,
        }
    }
}
