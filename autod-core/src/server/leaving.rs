//! How a daemon leaves: when nobody needs it, or because it was asked to.
//!
//! LIFECYCLE.md, "Refcount and autoclose", is the order of the steps; the files belong to the
//! tenancy.

use std::io;

use tokio::net::{UnixListener, UnixStream};

use super::Shop;
use crate::daemon::{Tenancy, accept_now};
use crate::error::{Error, Result, chain};
use crate::wire::greeting::Answer;

/// How an attempt to leave ended.
pub(super) enum Idle {
    Left,
    /// Somebody came at the last moment.
    Visitor(UnixStream),
    /// Somebody holds the spawn lock, or took a hold.
    Busy,
}

impl Shop {
    /// LIFECYCLE.md, "Refcount and autoclose": the spawn lock first, then one more look at the
    /// door, then the door is taken away, then whoever is still in the queue is sent on.
    pub(super) fn leave_if_idle(
        &self,
        listener: &UnixListener,
        tenancy: Option<&Tenancy>,
    ) -> Result<Idle> {
        let spawn = match tenancy {
            None => None,
            Some(tenancy) => match tenancy.try_spawn_lock()? {
                Some(spawn) => Some(spawn),
                None => return Ok(Idle::Busy),
            },
        };
        if let Some(stream) = accept_now(listener)
            .map_err(|error| Error::system("cannot look for a last connection", error))?
        {
            let stream = UnixStream::from_std(stream)
                .map_err(|error| Error::system("cannot serve a connection", error))?;
            return Ok(Idle::Visitor(stream));
        }
        if !self.server.daemon.lease().end_if_idle() {
            return Ok(Idle::Busy);
        }
        self.server.daemon.close();
        if let (Some(tenancy), Some(spawn)) = (tenancy, &spawn) {
            tenancy.begin_drain(self.server.drain)?;
            tenancy.unpublish(spawn)?;
        }
        send_on(listener);
        Ok(Idle::Left)
    }

    /// Leaves whatever anybody holds. With the spawn lock busy the door stays where it is: its
    /// next holder replaces it.
    ///
    /// Evicted, the daemon touches nothing but its own lock.
    pub(super) fn leave_now(
        &self,
        listener: &UnixListener,
        tenancy: Option<&Tenancy>,
        evicted: bool,
    ) {
        if let Some(tenancy) = tenancy {
            let left = tenancy.begin_drain(self.server.drain).and_then(|()| {
                let spawn = if evicted { None } else { tenancy.try_spawn_lock()? };
                spawn.map_or(Ok(()), |spawn| tenancy.unpublish(&spawn))
            });
            if let Err(error) = left {
                tracing::warn!(error = %chain(&error), "the door could not be taken away");
            }
        }
        send_on(listener);
    }
}

/// Tells a connection that was accepted too late that the daemon is closing.
pub(super) fn turn_away(stream: &UnixStream) {
    // The socket is empty, so these few bytes fit.
    let _ = stream.try_write(&Answer::Closing.to_bytes());
}

/// Tells everybody in the queue that the daemon is closing. Whoever comes later is cut off by the
/// close of the listener, before an Accept, and starts over as well.
fn send_on(listener: &UnixListener) {
    let closing = Answer::Closing.to_bytes();
    while let Ok(Some(stream)) = accept_now(listener) {
        // The socket is empty, so these few bytes fit.
        let _ = io::Write::write(&mut &stream, &closing);
    }
}
