//! The handle of a blocking connection that clients are made of.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::line::Line;
use crate::mux::connection::Origin;
use crate::mux::shared::Shared;

/// One end of a live connection that blocks the threads that use it.
///
/// Clones share it, from any number of threads; it ends when the last clone and stream of it is
/// gone. It has no thread of its own: what the daemon says while no call waits is heard by the next
/// call.
#[derive(Clone, Debug)]
pub struct Connection {
    inner: crate::mux::Connection,
    line: Arc<Line>,
    limit: Option<Duration>,
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
        Self { inner: crate::mux::Connection::new(shared, origin), line, limit: None }
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

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Whether somebody reads, and how many wait for that.
    #[cfg(test)]
    pub(in crate::mux) fn at_the_desk(&self) -> (bool, usize) {
        (self.line.desk.is_taken(), self.line.desk.waiting())
    }

    /// Whether the last word about a call has come, and nobody has taken it.
    #[cfg(test)]
    pub(in crate::mux) fn has_ended(&self, index: u32) -> bool {
        self.line.shared.has_ended(index)
    }

    /// When a wait that begins now has to end.
    pub(super) fn until(&self) -> Option<Instant> {
        Instant::now().checked_add(self.limit?)
    }
}
