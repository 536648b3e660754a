//! The process of a daemon, from its first act to its exit.

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::builder::Daemon;
use crate::client::Client;
use crate::daemon::{Inherited, Status, Tenancy, Watchdog};
use crate::error::{Error, Result, chain};
use crate::listening::{Desk, Listening};
use crate::service::Serves;
use crate::settings::Orders;

/// The exit code of a daemon that could not start.
const EXIT_FAILED: i32 = 1;

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
pub(crate) fn serve_spawned<C, S, T>(daemon: Daemon<S, T>, inherited: Inherited) -> !
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let Inherited { place, life, listener, payload, status, .. } = inherited;
    let status = Arc::new(status);
    // Never dropped: what is left of the process once the daemon is over still belongs to this
    // life, and only its death lets a successor begin.
    let mut held = None;
    let result = Orders::from_bytes(&payload).and_then(|orders| {
        let moved_in = async { Ok((Tenancy::from_inherited(place, life)?, listener)) };
        run::<C, S, T>(daemon, orders, moved_in, Arc::clone(&status), &mut held)
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
    run::<C, S, T>(daemon, orders, claim, Arc::new(Status::nowhere()), &mut None)
}

/// `held` keeps the life until its owner lets go of it, past the end of the runtime.
fn run<C, S, T>(
    daemon: Daemon<S, T>,
    orders: Orders,
    moved_in: impl Future<Output = Result<(Tenancy, std::os::unix::net::UnixListener)>>,
    status: Arc<Status>,
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
    let result = runtime.block_on(async {
        let (tenancy, listener) = moved_in.await?;
        let listening = Listening::begin::<C, S, T>(
            daemon,
            orders,
            listener,
            Some(tenancy),
            status,
            Desk::Apart,
        )?;
        *held = listening.tenancy();
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
