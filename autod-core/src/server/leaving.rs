//! How a daemon leaves: when nobody needs it, or because it was asked to.
//!
//! LIFECYCLE.md, "Refcount and autoclose", is the order of the steps; the files belong to the
//! tenancy.

use std::io;

use tokio::net::{UnixListener, UnixStream};

use super::Shop;
use crate::daemon::{SpawnLock, Tenancy, accept_now};
use crate::error::{Error, Result, in_full};
use crate::fault::{self, Point};
use crate::wire::greeting::Answer;

/// How an attempt to leave ended.
pub(super) enum Idle {
    /// The door is gone and the queue was sent on. The lock is to be freed after the listener.
    Left(Option<SpawnLock>),
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
        fault::pass(Point::DaemonIdle);
        let spawn = match tenancy {
            None => None,
            Some(tenancy) => match tenancy.try_spawn_lock()? {
                Some(spawn) => Some(spawn),
                None => return Ok(Idle::Busy),
            },
        };
        fault::pass(Point::LeaverLocked);
        if let Some(stream) = accept_now(listener)
            .map_err(|error| Error::system("cannot look for a last connection", error))?
        {
            let stream = UnixStream::from_std(stream)
                .map_err(|error| Error::system("cannot serve a connection", error))?;
            return Ok(Idle::Visitor(stream));
        }
        fault::pass(Point::LeaverLooked);
        if !self.server.daemon.lease().end_if_idle() {
            return Ok(Idle::Busy);
        }
        self.server.daemon.close();
        if let (Some(tenancy), Some(spawn)) = (tenancy, &spawn) {
            tenancy.unpublish(spawn)?;
        }
        fault::pass(Point::LeaverUnpublished);
        self.send_on(listener);
        Ok(Idle::Left(spawn))
    }

    /// Leaves whatever anybody holds. With the spawn lock busy the door stays where it is: its next
    /// holder replaces it. The lock is to be freed after the listener.
    pub(super) fn leave_now(
        &self,
        listener: &UnixListener,
        tenancy: Option<&Tenancy>,
    ) -> Option<SpawnLock> {
        let spawn = tenancy.and_then(|tenancy| {
            let left = tenancy.try_spawn_lock().and_then(|spawn| {
                spawn.as_ref().map_or(Ok(()), |spawn| tenancy.unpublish(spawn))?;
                Ok(spawn)
            });
            left.unwrap_or_else(|error| {
                tracing::warn!(error = %in_full(&error), "the door could not be taken away");
                None
            })
        });
        self.send_on(listener);
        spawn
    }

    /// Whoever is in the queue is sent on, unless the queue outlives this daemon: then the next one
    /// serves them.
    fn send_on(&self, listener: &UnixListener) {
        if !self.server.kept {
            send_on(listener);
        }
    }
}

/// Tells everybody in the queue that the daemon is closing. Whoever comes later is cut off by the
/// close of the listener, before an Accept, and starts over as well.
fn send_on(listener: &UnixListener) {
    let closing = Answer::Closing.to_bytes();
    while let Ok(Some(stream)) = accept_now(listener) {
        // The socket is empty, so these few bytes fit.
        let _ = io::Write::write(&mut &stream, &closing);
    }
    fault::pass(Point::LeaverEmptiedQueue);
}
