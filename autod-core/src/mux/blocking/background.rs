//! The one thread that drives what no caller can: connections that are made again, and those over a
//! transport that knows only a runtime. It is started when it is first needed, and stays.

use std::cell::Cell;
use std::future::pending;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::runtime::Handle;

use super::seat::{Slept, Taken};
use crate::desk::single_threaded_runtime;
use crate::error::{Error, ErrorKind, Result};

static THREAD: Mutex<Option<Handle>> = Mutex::new(None);

thread_local! {
    static IS_THIS: Cell<bool> = const { Cell::new(false) };
}

/// Refuses to wait in this thread for what nobody else does.
pub(super) fn check() -> Result<()> {
    if !IS_THIS.get() {
        return Ok(());
    }
    let text = "nothing that blocks can be waited for in the thread that drives its connection, as in \
                on_change; use another thread";
    Err(Error::new(ErrorKind::Usage, text).with_mend())
}

fn handle() -> Result<Handle> {
    let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*thread {
        return Ok(handle.clone());
    }
    let runtime = single_threaded_runtime()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("autod-background".to_owned())
        .spawn(move || {
            IS_THIS.set(true);
            runtime.block_on(pending::<()>());
        })
        .map_err(|error| Error::system("cannot start the thread of a connection", error))?;
    Ok(thread.insert(handle).clone())
}

/// Does this where tasks that it spawns are driven after it. Blocks, wherever this thread is.
pub(crate) fn run<R: Send>(work: impl Future<Output = Result<R>> + Send) -> Result<R> {
    check()?;
    let handle = handle()?;
    std::thread::scope(|scope| {
        // This thread may be one of a runtime, which must not block on another one.
        let thread = std::thread::Builder::new().name("autod-connect".to_owned());
        let spawned = thread.spawn_scoped(scope, || handle.block_on(work));
        let thread =
            spawned.map_err(|error| Error::system("cannot start a thread that connects", error))?;
        let panicked = |_| Error::new(ErrorKind::Panicked, "the attempt to connect panicked");
        thread.join().map_err(panicked)?
    })
}

/// Polls until it is ready; `None` if that takes longer than `until`. What wakes it is elsewhere; who
/// waits there himself has not asked [`check`], and waits no longer than for a look.
pub(super) fn wait_for<T>(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    until: Option<Instant>,
) -> Option<T> {
    let taken = Taken::new();
    let mut context = Context::from_waker(&taken.waker);
    loop {
        taken.seat.sit();
        if let Poll::Ready(ready) = poll(&mut context) {
            return Some(ready);
        }
        let is_late = until.is_some_and(|until| Instant::now() >= until);
        if is_late || IS_THIS.get() || taken.seat.park(until) == Slept::TimedOut {
            return None;
        }
    }
}
