//! A daemon that serves inside a running runtime: accepting from the first moment, ready when its
//! `init` is through.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::net::UnixListener;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::builder::Daemon;
use crate::client::Client;
use crate::daemon::{Lease, PidFile, Status, Tenancy};
use crate::error::{Error, ErrorKind, Result, chain};
use crate::mux::panic_message;
use crate::server::Server;
use crate::service::Serves;
use crate::session::{DaemonHandle, Host, Phase};
use crate::settings::Orders;
use crate::start::Start;

/// How long callers are told about a failed start before the door closes.
const FAREWELL: Duration = Duration::from_millis(500);

type Init = Pin<Box<dyn Future<Output = Result<Arc<dyn Host>>>>>;

/// A daemon that listens in this process; see [`Daemon::listen`].
///
/// Callers are accepted and told that it is starting as soon as this value exists. Dropping it
/// closes the daemon.
#[must_use = "the daemon is closed when this is dropped"]
pub struct Listening {
    daemon: DaemonHandle,
    socket: PathBuf,
    init: Option<Init>,
    autoclose: Option<Duration>,
    status: Arc<Status>,
    serving: Option<oneshot::Receiver<()>>,
    tenancy: Option<Arc<Tenancy>>,
    pid_path: Option<PathBuf>,
    pidfile: Option<PidFile>,
}

impl Listening {
    /// Begins to accept on `listener`. Connections are served in the current runtime.
    pub(crate) fn begin<C, S, T>(
        mut daemon: Daemon<S, T>,
        orders: Orders,
        listener: std::os::unix::net::UnixListener,
        tenancy: Option<Tenancy>,
        status: Arc<Status>,
        desk: Desk,
    ) -> Result<Self>
    where
        C: Client + Serves<T>,
        S: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let cannot_serve = |error| Error::system("cannot serve on the socket", error);
        listener.set_nonblocking(true).map_err(cannot_serve)?;
        let socket = listener
            .local_addr()
            .ok()
            .and_then(|address| address.as_pathname().map(Path::to_owned))
            .unwrap_or_default();
        let socket = tenancy.as_ref().map_or(socket, |tenancy| tenancy.place().sock().to_owned());
        let tenancy = tenancy.map(Arc::new);
        let life = tenancy.as_ref().map_or(0, |tenancy| tenancy.life_id());
        let handle = DaemonHandle::new(Lease::new(None, Instant::now()), orders.args, life);
        let server = Server {
            daemon: handle.clone(),
            table: C::TABLE,
            limits: daemon.settings.limits.clone(),
            build: daemon.settings.build(),
            drain: daemon.settings.drain_limit,
        };
        let make_state = daemon
            .take_init()
            .ok_or_else(|| Error::new(ErrorKind::Usage, "the daemon was run twice"))?;
        let start = Start::new(handle.clone(), {
            let status = Arc::clone(&status);
            move |text| status.progress(text)
        });
        let pid_path = daemon.settings.pidfile.clone();
        let init = Box::pin(async move { daemon.host::<C>(make_state(start).await?) });
        Ok(Self {
            daemon: handle,
            socket,
            init: Some(init),
            autoclose: orders.autoclose,
            status,
            serving: Some(desk.open(server, listener, tenancy.clone())?),
            tenancy,
            pid_path,
            pidfile: None,
        })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The daemon, to close it, to hold it, or to ask for its status.
    pub fn daemon(&self) -> &DaemonHandle {
        &self.daemon
    }

    pub(crate) fn tenancy(&self) -> Option<Arc<Tenancy>> {
        self.tenancy.clone()
    }

    /// Runs `init`; afterwards callers are served. Without effect when it is ready already.
    ///
    /// # Errors
    ///
    /// What `init` returned, or that it panicked. Those who wait have been told, and the daemon is
    /// closing.
    pub async fn ready(&mut self) -> Result<()> {
        let Some(init) = self.init.take() else { return Ok(()) };
        let made = AssertUnwindSafe(init).catch_unwind().await.unwrap_or_else(|panic| {
            Err(Error::custom(format!("init panicked: {}", panic_message(&*panic))))
        });
        let made = made.and_then(|host| {
            if let Some(tenancy) = &self.tenancy {
                tenancy.set_running()?;
            }
            self.pidfile = self.pid_path.as_deref().map(PidFile::write).transpose()?;
            Ok(host)
        });
        match made {
            Ok(host) => {
                self.daemon.set_phase(Phase::Ready(host));
                self.daemon.lease().begin(self.autoclose, Instant::now());
                self.status.ready();
                Ok(())
            }
            Err(error) => {
                let text = chain(&error);
                // Only those who have come by now waited for this start. Whoever comes later, told
                // of the failure or not, is for the next one.
                self.daemon.turn_away();
                self.status.failed(&text);
                self.daemon.set_phase(Phase::Failed(text));
                // Those who wait read it before the door closes.
                let _ = tokio::time::timeout(FAREWELL, self.daemon.lease().idle()).await;
                self.daemon.close();
                Err(error)
            }
        }
    }

    /// Serves until the daemon is closed and its last call was answered; runs the shutdown hooks.
    /// Makes it [`ready`](Self::ready) first.
    ///
    /// # Errors
    ///
    /// Those of [`ready`](Self::ready).
    pub async fn ended(mut self) -> Result<()> {
        let ready = self.ready().await;
        if let Some(serving) = self.serving.take() {
            serving.await.map_err(|error| Error::system("serving was cut short", error))?;
        }
        self.daemon.run_hooks();
        ready
    }
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
    fn open(
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
        .build()
        .map_err(|error| Error::system("cannot start a runtime", error))
}

fn close_on_signals(daemon: &DaemonHandle) -> Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals =
            signal(kind).map_err(|error| Error::system("cannot listen for signals", error))?;
        let daemon = daemon.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                daemon.close();
            }
        });
    }
    Ok(())
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.daemon.close();
    }
}
