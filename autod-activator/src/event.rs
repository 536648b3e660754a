//! What a supervisor tells about its services. Whether anybody listens changes nothing.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::broadcast;

use crate::address::Address;
use crate::error::{Cause, Exit};

/// How many events are kept for a listener that is slow; older ones are lost to it.
pub(crate) const KEPT: usize = 4096;

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When it happened.
    pub at: SystemTime,
    /// The service it happened to; `None` for the supervisor itself.
    pub service: Option<Arc<str>>,
    /// What happened.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A public socket is open.
    Listening {
        /// Its address.
        address: Address,
    },
    /// A client was accepted. In fd mode: somebody came while the app was not there.
    Connection {
        /// The name of the public socket.
        listener: Arc<str>,
    },
    /// The app is being started.
    Starting {
        /// The number of this start.
        generation: u64,
    },
    /// The app is ready.
    Ready {
        /// Its process.
        pid: u32,
        /// How long it took.
        took: Duration,
    },
    /// The app did not become ready; whoever waited for it was reset.
    StartFailed {
        /// Why.
        cause: Cause,
    },
    /// The app is let go, because nobody needs it.
    IdleStop,
    /// The app ended in order.
    Stopped {
        /// How; `None` if it had to be killed before its exit was seen.
        exit: Exit,
    },
    /// The app ended by itself, and not in order.
    Crashed {
        /// How.
        exit: Exit,
    },
    /// The next start waits.
    Backoff {
        /// How long.
        delay: Duration,
    },
    /// A connection could not be forwarded, or was broken by the app's end.
    RelayError {
        /// Why.
        cause: String,
    },
    /// No new connections are taken; those that are open come to their end.
    Draining,
    /// The service, or the supervisor, has ended.
    Closed,
}

impl What {
    /// Its name, as it stands in the output of the `autod` command.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Listening { .. } => "listening",
            Self::Connection { .. } => "connection",
            Self::Starting { .. } => "starting",
            Self::Ready { .. } => "ready",
            Self::StartFailed { .. } => "start-failed",
            Self::IdleStop => "idle-stop",
            Self::Stopped { .. } => "stopped",
            Self::Crashed { .. } => "crashed",
            Self::Backoff { .. } => "backoff",
            Self::RelayError { .. } => "relay-error",
            Self::Draining => "draining",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())?;
        match self {
            Self::Listening { address } => write!(formatter, " {address}"),
            Self::Connection { listener } => write!(formatter, " {listener}"),
            Self::Starting { generation } => write!(formatter, " generation {generation}"),
            Self::Ready { pid, took } => write!(formatter, " pid {pid} after {took:.1?}"),
            Self::StartFailed { cause } => write!(formatter, ": {cause}"),
            Self::Stopped { exit } | Self::Crashed { exit } => write!(formatter, " {exit}"),
            Self::Backoff { delay } => write!(formatter, " {delay:.1?}"),
            Self::RelayError { cause } => write!(formatter, ": {cause}"),
            Self::IdleStop | Self::Draining | Self::Closed => Ok(()),
        }
    }
}

/// The stream of a supervisor's events.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` when the supervisor has ended. A listener that falls more than 4096
    /// events behind misses the oldest. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// As [`next`](Self::next), for a thread that does nothing else.
    ///
    /// # Panics
    ///
    /// In a task of a tokio runtime.
    pub fn next_blocking(&mut self) -> Option<Event> {
        loop {
            match self.0.blocking_recv() {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// Tells the events of one service, or of the supervisor.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) service: Option<Arc<str>>,
}

impl Teller {
    pub(crate) fn tell(&self, what: What) {
        // Nobody listening is no fault.
        let _ =
            self.events.send(Event { at: SystemTime::now(), service: self.service.clone(), what });
    }
}
