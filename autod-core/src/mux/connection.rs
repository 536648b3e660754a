//! The handle of a connection that clients are made of.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::again::Again;
use super::renewal::Renewal;
use super::shared::Shared;

/// One end of a live connection. Clones share it.
///
/// The one that connecting gave ends when the last clone, call and stream of it is gone. Others do not
/// keep the connection open: that of a client which a daemon has [of its
/// caller](crate::Session::caller_as), and the one that an object of the caller's [is
/// given](crate::Daemon::caller_serves).
#[derive(Clone, Debug)]
pub struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    origin: Origin,
    /// The connection ends with this handle and its clones.
    keeps: bool,
    /// What follows this connection when it is lost.
    renewal: Option<Arc<Renewal>>,
}

/// A handle that keeps nothing open.
#[derive(Debug)]
pub(super) struct WeakConnection(Weak<Inner>);

impl WeakConnection {
    pub(super) fn upgrade(&self) -> Option<Connection> {
        self.0.upgrade().map(Connection)
    }
}

/// How a connection came to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Origin {
    /// The pid of the daemon, as it says itself.
    pub pid: u32,
    /// The build of the daemon.
    pub build: String,
    /// The random identity of this life of the daemon.
    pub life: u64,
    /// Set if this connection started the daemon: how long that took, from the spawn of its
    /// process until this connection was accepted.
    pub started: Option<Duration>,
    /// How often the caller had to start over: a daemon was about to end, or hung up, before it
    /// accepted. Nothing was executed by then.
    pub retries: u32,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, origin: Origin) -> Self {
        Self(Arc::new(Inner { shared, origin, keeps: true, renewal: None }))
    }

    /// A handle for calls over a connection that ends when others want it to. For the end that
    /// accepted, and for what the connection itself owns.
    pub(crate) fn lent(shared: Arc<Shared>, origin: Origin) -> Self {
        Self(Arc::new(Inner { shared, origin, keeps: false, renewal: None }))
    }

    /// A handle for calls over the first line and those that follow it.
    pub(super) fn renewed(first: &Self, renewal: Arc<Renewal>) -> Self {
        let Inner { shared, origin, .. } = &*first.0;
        let (shared, origin) = (Arc::clone(shared), origin.clone());
        Self(Arc::new(Inner { shared, origin, keeps: false, renewal: Some(renewal) }))
    }

    /// What a new call goes over, and what it needs to outlive it, if it can.
    #[inline]
    pub(super) fn line(&self) -> (Self, Option<Box<Again>>) {
        match &self.0.renewal {
            None => (self.clone(), None),
            Some(renewal) => self.renewed_line(renewal),
        }
    }

    fn renewed_line(&self, renewal: &Arc<Renewal>) -> (Self, Option<Box<Again>>) {
        let line = renewal.line().unwrap_or_else(|| self.clone());
        (line, Some(Box::new(Again::new(renewal))))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.shared, &other.0.shared)
    }

    pub(super) fn downgrade(&self) -> WeakConnection {
        WeakConnection(Arc::downgrade(&self.0))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    pub(super) fn shared_arc(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Which daemon this is, and whether it was started for this connection. Of a client that
    /// [connects again](crate::Reconnect) this is the first one; it is told of others.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Whether this connection started the daemon.
    pub fn started_daemon(&self) -> bool {
        self.0.origin.started.is_some()
    }

    /// Completes when the connection is gone, whoever ended it. Of a client that [connects
    /// again](crate::Reconnect) this is the present one.
    pub async fn ended(&self) {
        let (line, _) = self.line();
        let shared = Arc::clone(line.shared_arc());
        // Whoever waits for the end does not keep it from coming.
        drop(line);
        shared.ended().await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.keeps {
            self.shared.unused();
        }
    }
}
