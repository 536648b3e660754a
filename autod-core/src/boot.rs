//! Running a description: as the caller, or as the daemon's process from its first act to its exit.

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::activation::Activation;
use crate::builder::Daemon;
use crate::client::Client;
use crate::daemon::{Heir, Inherited, Status, Tenancy, Watchdog};
use crate::desk::{Desk, Door, single_threaded_runtime};
use crate::errand::Errand;
use crate::error::{Error, ErrorKind, Result, in_full};
use crate::fault::{self, Point};
use crate::listening::Listening;
use crate::server::Manner;
use crate::service::Serves;
use crate::settings::Orders;

/// The exit code of a daemon that could not start.
const EXIT_FAILED: i32 = 1;

impl<S, T> Daemon<S, T>
where
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Runs `caller` with a client that is connected, and gives what it returns; starts the daemon if
    /// none runs. In the daemon's process it serves instead and never returns: the process exits with 0 when the
    /// daemon is closed, with 1 when `init` fails.
    ///
    /// While the daemon starts and reports progress, a line on standard error shows it if that is a
    /// terminal, unless [`on_progress`](Self::on_progress) says otherwise.
    ///
    /// Call it early in `main`: before it, the daemon's process does whatever the caller's does.
    ///
    /// # Errors
    ///
    /// What `caller` returns, or why there is no connection.
    pub fn run<C, F, R, E>(self, caller: F) -> Result<R, E>
    where
        C: Client + Serves<T>,
        F: AsyncFnOnce(C) -> Result<R, E>,
        E: From<Error>,
    {
        let mut this = self.serve_if_spawned::<C>()?;
        // The daemon answers the hello while the runtime is set up.
        let early = this.settings.begin(C::TABLE, this.settings.callbacks.as_ref());
        // One thread: a command makes a call or two, and a pool would cost it more than they do.
        let runtime = single_threaded_runtime()?;
        let line = this.settings.show_progress();
        let work = async {
            let client = this.settings.connect::<C>(false, early).await;
            drop(line);
            caller(client.map_err(|error| this.settings.named(error))?).await
        };
        runtime.block_on(this.settings.with_log(work))
    }

    /// Serves, and never returns, if this process was started as this daemon, or by a supervisor that
    /// has handed it a Unix socket (see [`Activation`]); else gives the
    /// description back. For programs that bring their own runtime: call it first in `main`, then
    /// [`connect`](Self::connect) where a client is needed.
    ///
    /// # Errors
    ///
    /// The process was started as a daemon, but not in the way that this library does it.
    pub fn serve_if_spawned<C: Client + Serves<T>>(self) -> Result<Self> {
        if let Some(errand) = Errand::take(&self.settings.name) {
            restart::<C, S, T>(self, errand);
        }
        match Heir::announce(&self.settings.name)? {
            Some(heir) => serve_spawned::<C, S, T>(self, heir),
            #[cfg(feature = "remote")]
            None if crate::remote::is_bridge() => self.bridge_if_asked::<C>(),
            None if Activation::is_offered() => serve_activated::<C, S, T>(self),
            None => Ok(self),
        }
    }

    /// Serves in this process until the daemon is closed, by itself or by SIGTERM or SIGINT.
    ///
    /// # Errors
    ///
    /// [`Error::is_already_running`] if a daemon serves here; what `init` returned; what is in the
    /// way of listening.
    pub fn foreground<C: Client + Serves<T>>(self) -> Result<()> {
        if Activation::is_offered() {
            return serve_inherited::<C, S, T>(self, Activation::take()?);
        }
        serve_foreground::<C, S, T>(self)
    }
}

/// A pool of at least two: a handler that computes for long must not hold up those of others.
fn daemon_runtime() -> Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get().max(2));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .thread_name("autod")
        .build()
        .map_err(|error| Error::system("cannot start a runtime", error))
}

/// Serves as the daemon that a caller has started; exits the process.
#[cold]
#[inline(never)]
fn serve_spawned<C, S, T>(daemon: Daemon<S, T>, heir: Heir) -> !
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let status = Arc::clone(&heir.status);
    // Never dropped: what is left of the process once the daemon is over still belongs to this
    // life, and only its death lets a successor begin.
    let mut held = None;
    // Run when there is a runtime: the starter hands over meanwhile.
    let moved_in = async {
        let Inherited { place, life, listener, payload } = heir.receive()?;
        let orders = Orders::from_bytes(&payload)?;
        let tenancy = Some(Tenancy::from_inherited(place, life)?);
        Ok((orders, Door { listener, tenancy, kept: false, manner: Manner::Spawned }))
    };
    let watchdog = Watchdog::new(daemon.settings.drain_limit);
    let result = run::<C, S, T>(daemon, moved_in, Arc::clone(&status), None, &watchdog, &mut held);
    let code = match result {
        Ok(()) => 0,
        Err(error) => {
            let text = in_full(&error);
            status.failed(&text);
            // Standard error is the log.
            eprintln!("autod: the daemon failed to start: {text}");
            EXIT_FAILED
        }
    };
    fault::pass(Point::DaemonExits);
    std::process::exit(code)
}

/// Puts a new daemon in the place of the one that runs, for whoever has asked for it; exits the
/// process.
#[cold]
#[inline(never)]
fn restart<C, S, T>(mut daemon: Daemon<S, T>, errand: Errand) -> !
where
    C: Client + Serves<T>,
{
    daemon.settings.errand = Some(errand);
    let restarted = single_threaded_runtime()
        .and_then(|runtime| runtime.block_on(daemon.settings.connect::<C>(true, None)).map(drop))
        .map_err(|error| daemon.settings.named(error));
    let code = match restarted {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error:?}");
            EXIT_FAILED
        }
    };
    std::process::exit(code)
}

/// Serves in a process that somebody else looks after.
fn serve_foreground<C, S, T>(daemon: Daemon<S, T>) -> Result<()>
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let orders = daemon.settings.orders()?;
    let (place, build) = daemon.settings.own_place()?;
    let whom = place.whom();
    let claim = async move {
        let (tenancy, listener) = Tenancy::claim(place, &build).await?;
        Ok((
            orders,
            Door { listener, tenancy: Some(tenancy), kept: false, manner: Manner::Foreground },
        ))
    };
    let watchdog = Watchdog::new(daemon.settings.drain_limit);
    let nobody = Arc::new(Status::nowhere());
    let result = run::<C, S, T>(daemon, claim, nobody, None, &watchdog, &mut None);
    // What the program does now is its own business.
    watchdog.disarm();
    result.map_err(|error| error.of_daemon(|| whom))
}

/// Serves on the socket that a supervisor has handed over; exits the process.
#[cold]
#[inline(never)]
fn serve_activated<C, S, T>(daemon: Daemon<S, T>) -> !
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let result =
        Activation::take().and_then(|activation| serve_inherited::<C, S, T>(daemon, activation));
    let code = match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("autod: the daemon failed to start: {}", in_full(&error));
            EXIT_FAILED
        }
    };
    std::process::exit(code)
}

/// Serves on an inherited socket: no lock, no file, and nothing to look after. The socket outlives
/// this process, so whoever comes too late is for the next.
fn serve_inherited<C, S, T>(daemon: Daemon<S, T>, mut activation: Activation) -> Result<()>
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let orders = daemon.settings.orders()?;
    let listener = activation.unix(None)?.ok_or_else(|| {
        Error::new(ErrorKind::Usage, "none of the inherited sockets is a Unix socket")
    })?;
    let door = async {
        Ok((orders, Door { listener, tenancy: None, kept: true, manner: Manner::Activated }))
    };
    let watchdog = Watchdog::new(daemon.settings.drain_limit);
    let nobody = Arc::new(Status::nowhere());
    run::<C, S, T>(daemon, door, nobody, Some(activation), &watchdog, &mut None)
}

/// `held` keeps the life until its owner lets go of it, past the end of the runtime.
fn run<C, S, T>(
    daemon: Daemon<S, T>,
    moved_in: impl Future<Output = Result<(Orders, Door)>>,
    status: Arc<Status>,
    activation: Option<Activation>,
    watchdog: &Watchdog,
    held: &mut Option<Arc<Tenancy>>,
) -> Result<()>
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let runtime = daemon_runtime()?;
    let limit = daemon.settings.drain_limit;
    let exit_on_close = daemon.settings.exit_on_close;
    let mut moved = false;
    let result = runtime.block_on(async {
        let (orders, door) = moved_in.await?;
        moved = true;
        let mut listening = Listening::begin::<C, S, T>(daemon, orders, door, status, Desk::Apart)?;
        *held = listening.tenancy();
        listening.daemon().limit_end(watchdog);
        let Some(activation) = activation else { return listening.ended().await };
        let ready = listening.ready().await;
        if ready.is_ok() {
            activation.ready();
        }
        let closing = listening.daemon().clone();
        tokio::spawn(async move {
            closing.close_requested().await;
            activation.stopping();
        });
        listening.ended().await.and(ready)
    });
    if exit_on_close || !moved {
        // Threads and tasks of the program are not waited for; nor is there a limit for them yet if
        // this process has not become the daemon.
        runtime.shutdown_background();
    } else {
        runtime.shutdown_timeout(limit);
        watchdog.wait_for_other_threads();
    }
    result
}
