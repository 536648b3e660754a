//! A service for connections that the program accepts itself, over any byte stream.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;

use crate::builder::Daemon;
use crate::client::Client;
use crate::error::Result;
use crate::handle::DaemonHandle;
use crate::server::{Facts, Manner, Server, Shop};
use crate::service::Serves;
use crate::voucher::Voucher;

/// A service that is ready, and listens nowhere; see [`Daemon::host`].
///
/// Clones share it. The program accepts connections where it likes, proves who is at the other end
/// as it must, and gives them to [`serve_over`](Self::serve_over).
#[derive(Clone)]
pub struct Hosted(Arc<Shop>);

impl<S, T> Daemon<S, T>
where
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Runs `init`, and readies the service for connections that this program accepts itself. No
    /// file is locked or made, nothing is listened on, and the daemon does not close for want of
    /// users.
    ///
    /// ```no_run
    /// # use autod_core::{Hosted, Voucher};
    /// # async fn accept(hosted: Hosted, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    /// loop {
    ///     let (stream, _) = listener.accept().await?;
    ///     let hosted = hosted.clone();
    ///     tokio::spawn(async move { hosted.serve_over(stream, Voucher::Nobody).await });
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What `init` returned.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time.
    pub async fn host<C: Client + Serves<T>>(mut self) -> Result<Hosted> {
        let (daemon, _) = self.prepare::<C>().await?;
        let server = Server {
            daemon,
            table: C::TABLE,
            limits: self.settings.limits.far(),
            build: self.settings.own_build(),
            drain: self.settings.drain_limit,
            root: None,
            kept: false,
            facts: Facts::new(self.settings.name.clone(), Manner::Foreground),
        };
        Ok(Hosted(Arc::new(server.open(Handle::current()))))
    }
}

impl Hosted {
    /// The daemon, to close it, to hold it, or to ask for its status.
    pub fn daemon(&self) -> &DaemonHandle {
        &self.0.server.daemon
    }

    /// Serves one connection; returns when it has ended. Dropping the future cuts it off.
    ///
    /// Hello, limits, credit and cancellation are those of a socket. What a socket of this machine
    /// proves by the peer's uid is up to whoever accepted: `voucher` is what
    /// [`Session::voucher`](crate::Session::voucher) tells the service, and is believed. Orders to
    /// close or to make way for another build are not obeyed here.
    ///
    /// # Errors
    ///
    /// The other end did not say hello in time or did not read what it was told. Whatever comes later
    /// ends the connection, and is no error of the service.
    pub async fn serve_over<T>(&self, io: T, voucher: Voucher) -> Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.0.serve_over(io, voucher).await
    }

    /// Answers one [`readiness`](crate::readiness) question, and turns whoever wants anything else
    /// away: for a socket of probes beside the service, where nobody proves who they are. Returns
    /// when the connection has ended.
    ///
    /// # Errors
    ///
    /// The other end did not say hello in time or did not read what it was told.
    pub async fn answer_probe<T>(&self, io: T) -> Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.0.answer_probe(io).await
    }

    /// Completes when somebody has asked the daemon to close: a handler, or [`drain`](Self::drain).
    pub async fn close_requested(&self) {
        self.daemon().close_requested().await;
    }

    /// Ends the service: whoever says hello is told that it is closing, calls that run are answered
    /// within [`Daemon::drain_limit`], streams end with a reason, then the shutdown hooks run.
    /// `true` if all connections have ended in time. Stop accepting first, or go on accepting so
    /// that newcomers hear why.
    pub async fn drain(&self) -> bool {
        self.daemon().close();
        let all = self.0.drain().await;
        self.daemon().run_hooks();
        all
    }
}
