//! The process of a daemon, from its first act to its exit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::builder::{Daemon, Orders};
use crate::client::Client;
use crate::daemon::{Inherited, Lease, Status, Tenancy, Watchdog};
use crate::error::{Error, ErrorKind, Result, chain};
use crate::mux::panic_message;
use crate::server::Server;
use crate::service::Serves;
use crate::session::{DaemonHandle, Phase};
use crate::start::Start;

/// The exit code of a daemon that could not start.
const EXIT_FAILED: i32 = 1;

/// How long callers are told about a failed start before its process goes.
const FAREWELL: Duration = Duration::from_millis(500);

/// One thread: a command makes a call or two, and a pool would cost it more than they do.
pub(crate) fn caller_runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Error::system("cannot start a runtime", error))
}

/// A pool: `init` and handlers may compute for long, and callers must still be greeted.
fn daemon_runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("autod")
        .build()
        .map_err(|error| Error::system("cannot start a runtime", error))
}

/// Serves as the daemon that a caller has started; exits the process.
pub(crate) fn serve_spawned<C, S, T>(daemon: Daemon<S, T>, inherited: Inherited) -> !
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let Inherited { place, life, listener, payload, status } = inherited;
    let result = Orders::from_bytes(&payload).and_then(|orders| {
        let tenancy = Tenancy::from_inherited(place, life);
        run::<C, S, T>(daemon, orders, listener, Some(tenancy), Arc::new(status))
    });
    let code = match result {
        Ok(()) => 0,
        Err(error) => {
            // Standard error is the log.
            eprintln!("autod: the daemon failed to start: {}", chain(&error));
            EXIT_FAILED
        }
    };
    std::process::exit(code)
}

/// Serves in a process that somebody else looks after.
pub(crate) fn serve_foreground<C, S, T>(daemon: Daemon<S, T>) -> Result<()>
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let place = daemon.settings.place()?;
    let (tenancy, listener) = Tenancy::claim(place, &daemon.settings.build())?;
    let orders =
        Orders { autoclose: daemon.settings.autoclose, args: daemon.settings.args_bytes() };
    run::<C, S, T>(daemon, orders, listener, Some(tenancy), Arc::new(Status::nowhere()))
}

fn run<C, S, T>(
    mut daemon: Daemon<S, T>,
    orders: Orders,
    listener: std::os::unix::net::UnixListener,
    tenancy: Option<Tenancy>,
    status: Arc<Status>,
) -> Result<()>
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let begun = daemon_runtime();
    let runtime = begun.inspect_err(|error| status.failed(&chain(error)))?;
    let limit = daemon.settings.drain_limit;
    let exit_on_close = daemon.settings.exit_on_close;
    let handle = DaemonHandle::new(
        Lease::new(None, Instant::now()),
        orders.args,
        tenancy.as_ref().map_or(0, Tenancy::life_id),
    );
    let result = runtime.block_on(async {
        let listener = UnixListener::from_std(listener)
            .map_err(|error| Error::system("cannot serve the door", error))?;
        let server = Server {
            daemon: handle.clone(),
            table: C::TABLE,
            limits: daemon.settings.limits.clone(),
            build: daemon.settings.build(),
            drain: limit,
        };
        close_on_signals(&handle)?;
        // Accepts from here on, so that everybody who waits is told how the start goes.
        let serving = tokio::spawn(server.run(listener, tenancy));
        let watched = handle.clone();
        tokio::spawn(async move {
            watched.close_requested().await;
            Watchdog::start(limit);
        });

        let begun = init::<C, S, T>(&mut daemon, &handle, &status).await;
        match &begun {
            Ok(()) => {
                handle.lease().begin(orders.autoclose, Instant::now());
                status.ready();
            }
            Err(error) => {
                let text = chain(error);
                status.failed(&text);
                handle.set_phase(Phase::Failed(text));
                // Those who wait read it before the door closes.
                let _ = tokio::time::timeout(FAREWELL, handle.lease().idle()).await;
                handle.close();
            }
        }
        let ended = serving.await;
        begun?;
        ended.map_err(|error| Error::system("the accepting task ended", error))
    });
    handle.run_hooks();
    if exit_on_close {
        // Threads and tasks of the program are not waited for.
        runtime.shutdown_background();
    } else {
        runtime.shutdown_timeout(limit);
        Watchdog::wait_for_other_threads(limit);
    }
    result
}

/// Runs `init` and opens for service. A panic in it is an error of the start.
async fn init<C, S, T>(
    daemon: &mut Daemon<S, T>,
    handle: &DaemonHandle,
    status: &Arc<Status>,
) -> Result<()>
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let init = daemon
        .take_init()
        .ok_or_else(|| Error::new(ErrorKind::Usage, "the daemon was run twice"))?;
    let reporter = Arc::clone(status);
    let start = Start::new(handle.clone(), move |text| reporter.progress(text));
    // The future is made inside: a plain function that returns one may panic as well.
    let made = AssertUnwindSafe(async move { init(start).await }).catch_unwind().await;
    let state = match made {
        Ok(Ok(state)) => state,
        Ok(Err(error)) => return Err(Error::custom(&error).with_causes_of(&*error)),
        Err(panic) => {
            return Err(Error::custom(format!("init panicked: {}", panic_message(&*panic))));
        }
    };
    let host = catch_unwind(AssertUnwindSafe(|| daemon.host::<C>(state)));
    let host = host.map_err(|panic| Error::custom(panic_message(&*panic)))??;
    handle.set_phase(Phase::Ready(host));
    Ok(())
}

fn close_on_signals(daemon: &DaemonHandle) -> Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)
            .map_err(|error| Error::system("cannot listen for signals", error))?;
        let daemon = daemon.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                daemon.close();
            }
        });
    }
    Ok(())
}
