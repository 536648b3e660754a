//! What a service knows about the connection that an object serves.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::daemon::Peer;
use crate::error::Result;
use crate::handle::DaemonHandle;
use crate::mux::Shared;
use crate::wire::frame::GoodbyeCode;

/// One connection, seen from the service.
///
/// The factory given to [`Daemon::serve`](crate::Daemon::serve) gets it; clones share it.
#[derive(Clone, Debug)]
pub struct Session(Arc<SessionInner>);

#[derive(Debug)]
struct SessionInner {
    daemon: DaemonHandle,
    peer: Peer,
    caller: Caller,
    shared: Arc<Shared>,
}

impl Session {
    pub(crate) fn new(
        daemon: DaemonHandle,
        peer: Peer,
        caller: Caller,
        shared: Arc<Shared>,
    ) -> Self {
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
