//! A daemon that serves inside a running runtime: accepting from the first moment, ready when its
//! `init` is through.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::builder::{Daemon, MakeSnapshot, Opened};
use crate::client::Client;
use crate::daemon::{Lease, PidFile, Status, Tenancy};
use crate::desk::{Desk, Door};
use crate::error::{Error, ErrorKind, Result, in_full};
use crate::fault::{self, Point};
use crate::handle::{DaemonHandle, Ending, Phase};
use crate::mux::panic_message;
use crate::server::{Facts, Manner, Server};
use crate::service::Serves;
use crate::settings::Orders;
use crate::start::Start;

type Init = Pin<Box<dyn Future<Output = Result<Opened>>>>;

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
    snapshot: Option<MakeSnapshot>,
    pid_path: Option<PathBuf>,
    pidfile: Option<PidFile>,
    /// What to write, if this process is nothing but the daemon.
    #[cfg(feature = "log")]
    log: Option<crate::journal::Log>,
}

impl<S, T> Daemon<S, T>
where
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Listens and serves in the current runtime, beside whatever else runs there.
    ///
    /// Callers wait from now on, and are served after [`Listening::ready`].
    ///
    /// # Errors
    ///
    /// Those of [`foreground`](Self::foreground), but for `init`, which has not run yet.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time.
    pub async fn listen<C: Client + Serves<T>>(self) -> Result<Listening> {
        let (place, build) = self.settings.own_place()?;
        let whom = place.whom();
        let claimed = Tenancy::claim(place, &build).await;
        let (tenancy, listener) = claimed.map_err(|error| error.of_daemon(|| whom))?;
        let orders = self.settings.orders()?;
        let nobody = Arc::new(Status::nowhere());
        let door =
            Door { listener, tenancy: Some(tenancy), kept: false, manner: Manner::Foreground };
        Listening::begin::<C, S, T>(self, orders, door, nobody, Desk::Here)
    }

    /// Serves on a socket that somebody else has made and looks after. No file is locked, made or
    /// removed.
    ///
    /// # Errors
    ///
    /// The socket cannot be used.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time.
    pub fn listen_on<C: Client + Serves<T>>(
        self,
        listener: std::os::unix::net::UnixListener,
    ) -> Result<Listening> {
        let orders = self.settings.orders()?;
        let nobody = Arc::new(Status::nowhere());
        let door = Door { listener, tenancy: None, kept: false, manner: Manner::Foreground };
        Listening::begin::<C, S, T>(self, orders, door, nobody, Desk::Here)
    }
}

impl Listening {
    /// Begins to accept at the door. Connections are served in the current runtime.
    pub(crate) fn begin<C, S, T>(
        mut daemon: Daemon<S, T>,
        orders: Orders,
        door: Door,
        status: Arc<Status>,
        desk: Desk,
    ) -> Result<Self>
    where
        C: Client + Serves<T>,
        S: Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let Door { listener, tenancy, kept, manner } = door;
        let cannot_serve = |error| Error::system("cannot serve on the socket", error);
        listener.set_nonblocking(true).map_err(cannot_serve)?;
        let socket = listener
            .local_addr()
            .ok()
            .and_then(|address| address.as_pathname().map(Path::to_owned))
            .unwrap_or_default();
        let socket = tenancy.as_ref().map_or(socket, |tenancy| tenancy.place().sock().to_owned());
        if let Some(tenancy) = &tenancy {
            tenancy.register();
        }
        let tenancy = tenancy.map(Arc::new);
        let facts = Facts {
            socket: socket.clone(),
            log: tenancy
                .as_ref()
                .filter(|_| manner == Manner::Spawned)
                .map(|tenancy| tenancy.place().log_path()),
            root: orders.root().map(Path::to_owned),
            autoclose: orders.autoclose,
            started_in: orders.started_in().map(Path::to_owned),
            ..Facts::new(daemon.settings.name.clone(), manner)
        };
        let lease = Lease::new(None, Instant::now());
        let drain = daemon.settings.drain_limit;
        let root = orders.find_root()?;
        let handle = DaemonHandle::new(lease, orders.args, tenancy.clone(), drain);
        let server = Server {
            daemon: handle.clone(),
            table: C::TABLE,
            limits: daemon.settings.limits.clone(),
            build: daemon.settings.own_build(),
            drain,
            root,
            kept,
            facts,
        };
        let make_state = daemon
            .take_init()
            .ok_or_else(|| Error::new(ErrorKind::Usage, "the daemon was run twice"))?;
        let snapshot = match &tenancy {
            Some(tenancy) => tenancy.read_snapshot()?,
            None => None,
        };
        let start = Start::new(handle.clone(), snapshot, {
            let status = Arc::clone(&status);
            move |text| status.progress(text)
        });
        let pid_path = daemon.settings.pidfile.clone();
        #[cfg(feature = "log")]
        let log = (manner != Manner::Foreground).then(|| daemon.settings.log.clone());
        let init = Box::pin(async move { daemon.open::<C>(make_state(start).await?) });
        Ok(Self {
            daemon: handle,
            socket,
            init: Some(init),
            autoclose: orders.autoclose,
            status,
            serving: Some(desk.open(server, listener, tenancy.clone())?),
            tenancy,
            snapshot: None,
            pid_path,
            pidfile: None,
            #[cfg(feature = "log")]
            log,
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

    /// Runs `init`; afterwards callers are served. Without effect when it is ready already. Dropped,
    /// it goes on when it is called again.
    ///
    /// # Errors
    ///
    /// What `init` returned, or that it panicked. Those who wait have been told, and the daemon is
    /// closing.
    pub async fn ready(&mut self) -> Result<()> {
        let Some(init) = &mut self.init else { return Ok(()) };
        let made = AssertUnwindSafe(init).catch_unwind().await.unwrap_or_else(|panic| {
            Err(Error::custom(format!("init panicked: {}", panic_message(&*panic))))
        });
        self.init = None;
        let made = made.and_then(|opened| {
            self.pidfile = self.pid_path.as_deref().map(PidFile::write).transpose()?;
            fault::pass(Point::DaemonInitialised);
            if let Some(tenancy) = &self.tenancy {
                tenancy.set_running()?;
                // The state that it held lives here now.
                tenancy.remove_snapshot()?;
            }
            Ok(opened)
        });
        match made {
            Ok(Opened { host, snapshot }) => {
                // Not before `init`, which may set up a log of the program's own.
                #[cfg(feature = "log")]
                if let Some(log) = self.log.take() {
                    crate::journal::open(&log, &self.daemon, self.tenancy.clone());
                }
                self.snapshot = snapshot;
                self.daemon.set_phase(Phase::Ready(host));
                self.daemon.lease().begin(self.autoclose, Instant::now());
                fault::pass(Point::DaemonReady);
                self.status.ready();
                Ok(())
            }
            Err(error) => {
                let text = in_full(&error);
                // Only those who have come by now waited for this start. Whoever comes later, told
                // of the failure or not, is for the next one.
                self.daemon.turn_away();
                fault::pass(Point::DaemonFailed);
                self.status.failed(&text);
                self.daemon.set_phase(Phase::Failed(text));
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
        fault::pass(Point::DaemonDrained);
        self.hand_on().await;
        self.daemon.run_hooks();
        ready
    }

    /// Leaves a snapshot if a successor is waiting for it.
    async fn hand_on(&mut self) {
        let (Some(snapshot), Some(tenancy)) = (self.snapshot.take(), &self.tenancy) else { return };
        if self.daemon.ending() != Ending::Restarting {
            return;
        }
        let made = AssertUnwindSafe(async move { snapshot().await }).catch_unwind().await;
        let made = made.unwrap_or_else(|panic| Err(Error::custom(panic_message(&*panic))));
        if let Err(error) = made.and_then(|bytes| tenancy.write_snapshot(&bytes)) {
            // Standard error is the log; the successor begins without it.
            eprintln!("autod: no snapshot is handed on: {}", in_full(&error));
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.daemon.close();
    }
}
