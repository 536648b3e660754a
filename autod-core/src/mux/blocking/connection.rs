//! The handle of a blocking connection that clients are made of.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::background;
use super::line::Line;
use crate::error::Result;
use crate::mux::connection::Origin;
use crate::mux::shared::Shared;

/// One end of a live connection that blocks the threads that use it.
///
/// Clones share it, from any number of threads; it ends when the last clone and stream of it is
/// gone. It has no thread of its own: what the daemon says while no call waits is heard by the next
/// call. One that is [made again](crate::Reconnect::connect_blocking), or goes to another machine, is
/// driven by a thread that all such connections of the process share.
#[derive(Clone, Debug)]
pub struct Connection {
    inner: crate::mux::Connection,
    drive: Drive,
    limit: Option<Duration>,
}

/// Who moves what goes over a connection.
#[derive(Clone, Debug)]
pub(super) enum Drive {
    /// The threads that use it.
    Users(Arc<Line>),
    /// A thread beside them.
    Background,
}

impl Drive {
    /// Polls until it is ready; `None` if that takes longer than `until`.
    pub(super) fn wait_for<T>(
        &self,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
        until: Option<Instant>,
    ) -> Option<T> {
        match self {
            Self::Users(line) => line.wait_for(poll, until),
            Self::Background => background::wait_for(poll, until),
        }
    }

    /// Whether this thread can wait for anything on this connection.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Users(_) => Ok(()),
            Self::Background => background::check(),
        }
    }

    /// Writes what there is to write, without waiting.
    pub(super) fn flush(&self) {
        if let Self::Users(line) = self {
            line.flush();
        }
    }

    /// Waits until what was said before has left this thread, but no longer than `until`.
    pub(super) fn push_out(&self, until: Option<Instant>) {
        if let Self::Users(line) = self {
            line.push_out(until);
        }
    }
}

impl Connection {
    /// `rest` is what was read behind the greetings.
    pub(crate) fn new(
        shared: Arc<Shared>,
        socket: UnixStream,
        rest: Vec<u8>,
        busy_poll: Duration,
        origin: Origin,
    ) -> Self {
        let line = Arc::new(Line::new(Arc::clone(&shared), socket, rest, busy_poll));
        let inner = crate::mux::Connection::new(shared, origin);
        Self { inner, drive: Drive::Users(line), limit: None }
    }

    /// One that [`background::run`] has made.
    pub(crate) fn driven(inner: crate::mux::Connection) -> Self {
        Self { inner, drive: Drive::Background, limit: None }
    }

    /// Which daemon this is, and whether it was started for this connection.
    pub fn origin(&self) -> &Origin {
        self.inner.origin()
    }

    /// Whether this connection started the daemon.
    pub fn started_daemon(&self) -> bool {
        self.inner.started_daemon()
    }

    /// The same connection, on which nothing is waited for longer than this.
    pub(crate) fn with_limit(&self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self.clone() }
    }

    pub(in crate::mux) fn inner(&self) -> &crate::mux::Connection {
        &self.inner
    }

    pub(super) fn drive(&self) -> &Drive {
        &self.drive
    }

    #[cfg(test)]
    fn line(&self) -> &Line {
        match &self.drive {
            Drive::Users(line) => line,
            Drive::Background => panic!("it has no line"),
        }
    }

    /// Whether somebody reads, and how many wait for that.
    #[cfg(test)]
    pub(in crate::mux) fn at_the_desk(&self) -> (bool, usize) {
        (self.line().desk.is_taken(), self.line().desk.waiting())
    }

    /// Whether the last word about a call has come, and nobody has taken it.
    #[cfg(test)]
    pub(in crate::mux) fn has_ended(&self, index: u32) -> bool {
        self.line().shared.has_ended(index)
    }

    /// When a wait that begins now has to end.
    pub(super) fn until(&self) -> Option<Instant> {
        Instant::now().checked_add(self.limit?)
    }
}
