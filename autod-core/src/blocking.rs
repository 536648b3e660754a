//! Clients that block: for programs and threads without a runtime.
//!
//! `#[autod::service] trait Counter` also makes `CounterBlockingClient`. Its methods are those of the
//! async client, but they give their answer at once: a value, an [iterator](Incoming) or a
//! [byte stream](Pipe) that reads and writes.
//!
//! A blocking client has no runtime and no thread, unless it
//! [comes back](crate::Reconnect::connect_blocking) or its daemon is on another machine: then one thread
//! drives all such connections of the process. It can be used inside a runtime too, where it
//! blocks the thread that calls it, as everything does that blocks. Clones share the connection, and
//! any number of threads can use it at once.
//!
//! While no call waits nobody listens to the daemon: an end of the connection is told by the next
//! call. A blocking client serves nothing to its daemon in return, whatever
//! [`caller_serves`](Daemon::caller_serves) says, and its hello says so. A daemon that calls it
//! nevertheless is told that there is no such method, when the client makes its next call.

use std::sync::mpsc;
use std::time::Duration;

use crate::builder::Daemon;
use crate::desk::single_threaded_runtime;
use crate::error::{Error, Result};

pub use crate::mux::blocking::{Connection, Incoming, Pipe};
use crate::resume::{Resume, StreamError};
use crate::service::{Serves, Service as _};
use crate::settings::Settings;

/// A generated client that blocks.
///
/// The methods of the client type itself are those of the service alone; what every client can do
/// is here.
pub trait Client: Clone + Send + Sync + 'static {
    /// The async client of the same service.
    type Async: crate::Client;

    /// Makes a client of a connection.
    fn from_connection(connection: Connection) -> Self;

    /// The connection that this client uses.
    fn connection(&self) -> &Connection;

    /// A client of the same connection that waits no longer than this; without it there is no limit.
    ///
    /// A call that is answered with a value takes so long at most. Its time is sent along, and when
    /// it is over the call is cancelled, as with [`Call::deadline`](crate::Call::deadline). Of a
    /// stream each wait takes so long at most: for an item, to read, to write. The stream goes on
    /// after that.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use autod_core::blocking::Client;
    /// # fn example<C: Client>(counter: C, add: impl Fn(&C) -> autod_core::Result<i64>) -> autod_core::Result<()> {
    /// let hasty = counter.with_deadline(Duration::from_secs(2));
    /// match add(&hasty) {
    ///     Err(error) if error.is_timeout() => eprintln!("the daemon is busy"),
    ///     total => println!("{}", total?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    fn with_deadline(&self, limit: Duration) -> Self {
        Self::from_connection(self.connection().with_limit(limit))
    }
}

/// A stream that goes on after a lost connection where it was interrupted, as an iterator: what
/// [`resume`](crate::resume()) is for clients that block. Made
/// [again](crate::Reconnect::connect_blocking), the client decides when it is opened again. An error
/// of which [`Error::is_timeout`] is true is not its end.
///
/// ```
/// # use autod_core::blocking::{Incoming, resume};
/// # struct JournalBlockingClient;
/// # impl JournalBlockingClient {
/// #     fn follow(&self, _: Option<u64>) -> Incoming<(u64, String)> { unimplemented!() }
/// # }
/// # fn print(journal: &JournalBlockingClient) -> autod_core::Result<()> {
/// for entry in resume(|after| journal.follow(after), |(number, _)| *number) {
///     println!("{}", entry?.1);
/// }
/// # Ok(())
/// # }
/// ```
pub fn resume<T, E, S, P, Open, Position>(
    open: Open,
    position: Position,
) -> Resume<S, P, Open, Position>
where
    Open: FnMut(Option<P>) -> S,
    Position: FnMut(&T) -> P,
    S: Iterator<Item = Result<T, E>>,
    E: StreamError,
    P: Clone,
{
    Resume::new(open, position)
}

/// Connecting, for clients that block. Safe to call inside a runtime; a daemon is started and
/// replaced by a thread that is gone afterwards.
impl<S, T> Daemon<S, T> {
    /// Connects; starts the daemon if none runs. As [`connect`](Self::connect), for a client that
    /// blocks.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    pub fn connect_blocking<C: Client>(&self) -> Result<C> {
        let early = self.settings.begin(C::Async::TABLE, None);
        let connected = self.settings.connect_blocking(C::Async::TABLE, early);
        connected.map(C::from_connection).map_err(|error| self.settings.named(error))
    }

    /// Connects to a daemon that runs already.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_running`] if none does.
    pub fn connect_existing_blocking<C: Client>(&self) -> Result<C> {
        let connected = self.settings.connect_existing_blocking(C::Async::TABLE);
        connected.map(C::from_connection).map_err(|error| self.settings.named(error))
    }

    /// Replaces the daemon that runs by a new one, or starts one, and connects to it. As
    /// [`restart`](Self::restart), for a client that blocks.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    pub fn restart_blocking<C: Client>(&self) -> Result<C> {
        let connected = self.settings.restart_blocking(C::Async::TABLE);
        connected.map(C::from_connection).map_err(|error| self.settings.named(error))
    }

    /// Ends the daemon that runs and waits until it is gone; `false` if there is none. As
    /// [`stop`](Self::stop), but blocks.
    ///
    /// # Errors
    ///
    /// It does not answer, or does not go within the time for connecting.
    pub fn stop_blocking(&self) -> Result<bool> {
        apart(self.settings.stop()).map_err(|error| self.settings.named(error))
    }
}

impl<S, T> Daemon<S, T>
where
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Runs `caller` with a client that blocks, and gives what it returns; starts the daemon if none
    /// runs. It is [`run`](Self::run) without a runtime in the caller: in the daemon's process it
    /// serves and never returns.
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # struct Total;
    /// # fn example<C, E>(print: impl FnOnce(C) -> Result<(), E>) -> Result<(), E>
    /// # where
    /// #     C: autod_core::blocking::Client<Async: autod_core::service::Serves<Total>>,
    /// #     E: From<autod_core::Error>,
    /// # {
    /// autod_core::Daemon::new("counter")
    ///     .serve(|_state: Arc<()>, _session| Total)
    ///     .run_blocking(|counter: C| print(counter))
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What `caller` returns, or why there is no connection.
    pub fn run_blocking<C, F, R, E>(self, caller: F) -> Result<R, E>
    where
        C: Client<Async: Serves<T>>,
        F: FnOnce(C) -> Result<R, E>,
        E: From<Error>,
    {
        let mut this = self.serve_if_spawned::<C::Async>()?;
        let early = this.settings.begin(C::Async::TABLE, None);
        let line = this.settings.show_progress();
        with_log(&this.settings, || {
            let connection = this.settings.connect_blocking(C::Async::TABLE, early);
            drop(line);
            let connection = connection.map_err(|error| this.settings.named(error))?;
            caller(C::from_connection(connection))
        })
    }
}

/// Runs `work`; in debug mode the daemon's log goes to standard error meanwhile.
fn with_log<R, E: From<Error>>(
    settings: &Settings,
    work: impl FnOnce() -> Result<R, E>,
) -> Result<R, E> {
    if !settings.debug {
        return work();
    }
    let (tell, told) = mpsc::channel();
    let (keep, over) = tokio::sync::oneshot::channel::<()>();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            single_threaded_runtime()?.block_on(settings.with_log(async move {
                let _ = tell.send(());
                let _ = over.await;
                Ok::<_, Error>(())
            }))
        });
        // It has found the end of the log, or failed to.
        let result = told.recv().ok().map(|()| work());
        drop(keep);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        result.unwrap_or_else(|| Err(Error::custom("the log is not copied").into()))
    })
}

/// Does something that needs a runtime, wherever this thread is.
pub(crate) fn apart<R: Send>(work: impl Future<Output = Result<R>> + Send) -> Result<R> {
    let thread = std::thread::Builder::new().name("autod-connect".to_owned());
    std::thread::scope(|scope| {
        let spawned = thread.spawn_scoped(scope, || single_threaded_runtime()?.block_on(work));
        let thread =
            spawned.map_err(|error| Error::system("cannot start a thread that connects", error))?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
