//! The process of a daemon, from its first act to its exit.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::builder::{Daemon, Orders};
use crate::client::Client;
use crate::daemon::{Inherited, Status, Tenancy, Watchdog};
use crate::error::{Error, Result, chain};
use crate::listening::Listening;
use crate::service::Serves;
use crate::session::DaemonHandle;

/// The exit code of a daemon that could not start.
const EXIT_FAILED: i32 = 1;

/// One thread: a command makes a call or two, and a pool would cost it more than they do.
pub(crate) fn caller_runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
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
    let Inherited { place, life, listener, payload, status, .. } = inherited;
    let status = Arc::new(status);
    let result = Orders::from_bytes(&payload).and_then(|orders| {
        let moved_in = async { Ok((Tenancy::from_inherited(place, life)?, listener)) };
        run::<C, S, T>(daemon, orders, moved_in, Arc::clone(&status))
    });
    let code = match result {
        Ok(()) => 0,
        Err(error) => {
            let text = chain(&error);
            status.failed(&text);
            // Standard error is the log.
            eprintln!("autod: the daemon failed to start: {text}");
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
    let orders = daemon.settings.orders()?;
    let place = daemon.settings.place()?;
    let build = daemon.settings.build();
    let claim = async move { Tenancy::claim(place, &build).await };
    run::<C, S, T>(daemon, orders, claim, Arc::new(Status::nowhere()))
}

fn run<C, S, T>(
    daemon: Daemon<S, T>,
    orders: Orders,
    moved_in: impl Future<Output = Result<(Tenancy, std::os::unix::net::UnixListener)>>,
    status: Arc<Status>,
) -> Result<()>
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let runtime = daemon_runtime()?;
    let limit = daemon.settings.drain_limit;
    let exit_on_close = daemon.settings.exit_on_close;
    let result = runtime.block_on(async {
        let (tenancy, listener) = moved_in.await?;
        let listening =
            Listening::begin::<C, S, T>(daemon, orders, listener, Some(tenancy), status)?;
        close_on_signals(listening.daemon())?;
        let closing = listening.daemon().clone();
        tokio::spawn(async move {
            closing.close_requested().await;
            Watchdog::start(limit);
        });
        listening.ended().await
    });
    if exit_on_close {
        // Threads and tasks of the program are not waited for.
        runtime.shutdown_background();
    } else {
        runtime.shutdown_timeout(limit);
        Watchdog::wait_for_other_threads();
    }
    result
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
