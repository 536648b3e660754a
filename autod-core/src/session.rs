//! What a service knows about the connection that an object serves.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::client::Client;
use crate::codec::Codec;
use crate::daemon::Peer;
use crate::error::{Error, ErrorKind, Result};
use crate::handle::DaemonHandle;
use crate::mux::{Connection, Origin, Shared};
use crate::voucher::Voucher;
use crate::wire::frame::GoodbyeCode;
use crate::wire::greeting::Offer;

/// One connection, seen from the service.
///
/// The factory given to [`Daemon::serve`](crate::Daemon::serve) gets it; clones share it.
#[derive(Clone, Debug)]
pub struct Session(Arc<SessionInner>);

#[derive(Debug)]
struct SessionInner {
    daemon: DaemonHandle,
    voucher: Voucher,
    caller: Arc<Caller>,
    /// What the caller serves.
    offer: Option<Offer>,
    connection: Connection,
}

impl Session {
    pub(crate) fn new(
        daemon: DaemonHandle,
        voucher: Voucher,
        caller: impl Into<Arc<Caller>>,
        offer: Option<Offer>,
        shared: Arc<Shared>,
        build: String,
    ) -> Self {
        let caller = caller.into();
        let (pid, life) = (std::process::id(), daemon.life());
        let origin = Origin { pid, build, life, started: None, retries: 0 };
        let connection = Connection::lent(shared, origin);
        Self(Arc::new(SessionInner { daemon, voucher, caller, offer, connection }))
    }

    /// The daemon that serves this connection.
    pub fn daemon(&self) -> &DaemonHandle {
        &self.0.daemon
    }

    /// Who says who is at the other end.
    pub fn voucher(&self) -> &Voucher {
        &self.0.voucher
    }

    /// The process at the other end, if the kernel vouches for it: always on a socket of this
    /// machine. Of a caller on another machine it is the bridge that the login has started.
    pub fn peer(&self) -> Option<&Peer> {
        match &self.0.voucher {
            Voucher::Kernel(peer) | Voucher::Login { bridge: peer, .. } => Some(peer),
            _ => None,
        }
    }

    /// What the other end says about itself.
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// A client of what the caller serves by
    /// [`Daemon::caller_serves`](crate::Daemon::caller_serves): calls in the other direction, over
    /// this connection. Streams, deadlines, cancellation and errors are those of every client.
    ///
    /// It may be kept beyond the call and the connection. It does not keep the connection open, nor
    /// the daemon. A call to a caller who is gone fails with an error of which
    /// [`Error::is_lost`](crate::Error::is_lost) is true, and a handler whose own caller is gone is
    /// dropped with the calls that it makes, unless its method is `#[autod(no_cancel)]`.
    ///
    /// A daemon that closes waits for the answers of callers, as part of its
    /// [drain limit](crate::Daemon::drain_limit): those that are not there after seven eighths of it
    /// end with an error of which [`Error::is_closing`](crate::Error::is_closing) is true, so that
    /// their handlers can still answer.
    ///
    /// ```no_run
    /// # async fn example<PromptClient: autod_core::Client>(session: autod_core::Session) -> autod_core::Result<()> {
    /// let prompt = session.caller_as::<PromptClient>()?;
    /// // if prompt.ask("overwrite it?".to_owned()).await? == "yes" { .. }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::is_mismatch`](crate::Error::is_mismatch): the caller serves nothing, another service,
    /// or another shape of this one, or speaks JSON. What it serves does not change as long as it is connected.
    pub fn caller_as<C: Client>(&self) -> Result<C> {
        let wanted = C::TABLE.name;
        let text = match &self.0.offer {
            _ if self.0.connection.shared().codec != Codec::default() => {
                format!("a caller that speaks JSON cannot be called as {wanted}")
            }
            Some(offer) if offer.service != wanted => {
                format!("the caller serves {}, not {wanted}", offer.service)
            }
            Some(offer) if offer.fingerprint != C::TABLE.fingerprint() => {
                format!("the caller serves another shape of {wanted}")
            }
            Some(_) => return Ok(C::from_connection(self.0.connection.clone())),
            None => format!("the caller serves nothing that could be {wanted}"),
        };
        let mend = format!("let the caller serve {wanted} of this build (`caller_serves`)");
        Err(Error::new(ErrorKind::Mismatch, format!("{text}; {mend}")).with_mend())
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
        self.0
            .connection
            .shared()
            .leave(GoodbyeCode::Disconnected, "the service ended the connection");
    }

    /// Completes when the connection is gone.
    pub async fn ended(&self) {
        self.0.connection.ended().await;
    }
}
