//! The desk of a daemon: where its connections are accepted and greeted.

use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

use crate::daemon::Tenancy;
use crate::error::{Error, Result};
use crate::handle::DaemonHandle;
use crate::server::{Manner, Server};

/// The socket of a daemon, and what makes it the daemon's.
pub(crate) struct Door {
    pub(crate) listener: std::os::unix::net::UnixListener,
    /// Nothing, if somebody else looks after the socket.
    pub(crate) tenancy: Option<Tenancy>,
    /// Somebody keeps the socket open when the daemon leaves.
    pub(crate) kept: bool,
    pub(crate) manner: Manner,
}

/// Where connections are accepted and greeted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Desk {
    /// In the runtime that serves them.
    Here,
    /// In a thread of its own, which a handler that blocks cannot hold up.
    Apart,
}

impl Desk {
    pub(crate) fn open(
        self,
        server: Server,
        listener: std::os::unix::net::UnixListener,
        tenancy: Option<Arc<Tenancy>>,
    ) -> Result<oneshot::Receiver<()>> {
        let (tell, ended) = oneshot::channel();
        let sessions = Handle::current();
        let cannot_serve = |error| Error::system("cannot serve on the socket", error);
        match self {
            Self::Here => {
                let listener = UnixListener::from_std(listener).map_err(cannot_serve)?;
                tokio::spawn(async move {
                    server.run(listener, tenancy, sessions).await;
                    let _ = tell.send(());
                });
            }
            Self::Apart => {
                let runtime = single_threaded_runtime()?;
                let listener = {
                    let _entered = runtime.enter();
                    close_on_signals(&server.daemon)?;
                    UnixListener::from_std(listener).map_err(cannot_serve)?
                };
                let work = move || {
                    runtime.block_on(server.run(listener, tenancy, sessions));
                    let _ = tell.send(());
                };
                std::thread::Builder::new()
                    .name("autod-desk".to_owned())
                    .spawn(work)
                    .map_err(|error| Error::system("cannot start a thread", error))?;
            }
        }
        Ok(ended)
    }
}

/// A runtime that lives in the thread which blocks on it.
pub(crate) fn single_threaded_runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_io()
        .enable_time()
        // It has a connection or a door, and little else.
        .max_io_events_per_tick(64)
        .build()
        .map_err(|error| Error::system("cannot start a runtime", error))
}

/// Closes the daemon on SIGTERM and SIGINT, for the rest of the process's life.
///
/// Signals write into a socket: tokio's own signal handling would be set up in every runtime with
/// IO, also in that of a command that needs none.
fn close_on_signals(daemon: &DaemonHandle) -> Result<()> {
    let cannot_listen = |error| Error::system("cannot listen for signals", error);
    let (heard, raised) = std::os::unix::net::UnixStream::pair().map_err(cannot_listen)?;
    for signal in [SIGTERM, SIGINT] {
        let raised = raised.try_clone().map_err(cannot_listen)?;
        signal_hook::low_level::pipe::register(signal, raised).map_err(cannot_listen)?;
    }
    heard.set_nonblocking(true).map_err(cannot_listen)?;
    let heard = UnixStream::from_std(heard).map_err(cannot_listen)?;
    let daemon = daemon.clone();
    tokio::spawn(async move {
        // The socket has nothing to say but that.
        if heard.readable().await.is_ok() {
            daemon.close();
        }
    });
    Ok(())
}
