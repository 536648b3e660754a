//! A client that comes back after a lost connection.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::Client;
use crate::blocking;
use crate::builder::Daemon;
use crate::error::Result;
use crate::mux::blocking::background;
use crate::mux::{Change, Connect, OnChange, Persistence, Renewal};

/// Makes a client that connects again when its connection is lost.
///
/// The client is of the same type as any other. When the transport is lost, or the daemon takes no
/// more calls because it closes or is replaced,
///
/// - calls that have not been sent wait for the next connection;
/// - calls that were sent and are known not to have been executed are sent again, without a word;
/// - calls of methods with `#[autod(idempotent)]` are sent again, six times at most;
/// - all others fail, and [`Error::may_have_executed`](crate::Error::may_have_executed) is true. So
///   nothing is executed twice that may not be.
///
/// A stream that has given items ends with its error, as does a call with a stream among its
/// arguments that was sent: [`resume`](crate::resume()) goes on where a stream has stopped. Calls
/// that wait at the same time are sent in no particular order; who makes one call after the other
/// keeps their order.
///
/// It connects when a call waits for it, and not before: a client that nobody uses starts no daemon
/// that somebody has closed. Each attempt is made after a pause, of a random length up to a limit
/// that doubles, so that many clients do not come back at the same moment. While nobody waits any
/// longer there are no attempts.
///
/// | setting | default |
/// |---|---|
/// | [`backoff`](Self::backoff) | from 50 ms up to 10 s |
/// | [`patience`](Self::patience) | 30 s |
///
/// ```no_run
/// # use std::time::Duration;
/// # use autod_core::{Change, Client, Daemon, Reconnect, Result};
/// # async fn example<CounterClient: Client>() -> Result<CounterClient> {
/// Daemon::new("counter")
///     .reconnect()
///     .patience(Duration::from_secs(5))
///     .on_change(|change| {
///         if let Change::Lost(reason) = change {
///             eprintln!("waiting for the daemon: {reason}");
///         }
///     })
///     .connect()
///     .await
/// # }
/// ```
#[must_use = "nothing is connected before connect()"]
pub struct Reconnect<C> {
    connect: Connect,
    persistence: Persistence,
    on_change: Option<OnChange>,
    client: PhantomData<fn() -> C>,
}

impl<C: Client> Reconnect<C> {
    /// A client whose connections are made by this function: any transport, any daemon.
    ///
    /// Errors that another attempt would only meet again (another service listens, access is
    /// denied, the daemon fails to start) end all calls that wait. All others are tried again; an
    /// error that is not of autod can be given as [`Error::custom`](crate::Error::custom).
    pub fn new<F, Connecting>(connect: F) -> Self
    where
        F: Fn() -> Connecting + Send + Sync + 'static,
        Connecting: Future<Output = Result<C>> + Send + 'static,
    {
        Self {
            connect: Box::new(move || {
                let connecting = connect();
                Box::pin(async move { Ok(connecting.await?.connection().clone()) })
            }),
            persistence: Persistence {
                first: Duration::from_millis(50),
                most: Duration::from_secs(10),
                patience: Duration::from_secs(30),
            },
            on_change: None,
            client: PhantomData,
        }
    }

    /// The longest pause before the first attempt, and the longest of all: it doubles from one
    /// attempt to the next. It begins anew after a connection that has lasted longer than its pause.
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.persistence.first = first;
        self.persistence.most = most;
        self
    }

    /// How long a call waits for the next connection before it fails. A
    /// [deadline](crate::Call::deadline) of the call counts, too.
    pub fn patience(mut self, limit: Duration) -> Self {
        self.persistence.patience = limit;
        self
    }

    /// Called when the connection is made, lost, or could not be made. One call after the other, in
    /// the order in which it happened, and calls of the client wait for it: it should be brief, and
    /// must not wait for the client itself.
    pub fn on_change(mut self, hear: impl FnMut(Change<'_>) + Send + 'static) -> Self {
        self.on_change = Some(Box::new(hear));
        self
    }

    /// Connects for the first time, with one attempt.
    ///
    /// # Errors
    ///
    /// Those of the function that connects. Nothing was executed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time. Later connections are made in the same runtime.
    pub async fn connect(self) -> Result<C> {
        let Self { connect, persistence, on_change, .. } = self;
        Renewal::connect(connect, persistence, on_change).await.map(C::from_connection)
    }

    /// As [`connect`](Self::connect), for a client that blocks. A thread of the process drives the
    /// connection and makes it again; all such clients share it, and it stays. `on_change` is called
    /// there, and the function that connects runs there, after the first time: a call that blocks, on
    /// any such connection, is an error there, because nobody would drive it. A call that blocks waits for the next connection by the same rules, and no longer than
    /// its [deadline](blocking::Client::with_deadline).
    ///
    /// ```no_run
    /// # use autod_core::{Client, Daemon, Result, blocking};
    /// # fn example<CounterBlockingClient>() -> Result<CounterBlockingClient>
    /// # where
    /// #     CounterBlockingClient: blocking::Client<Async: Client>,
    /// # {
    /// let counter: CounterBlockingClient = Daemon::new("counter").reconnect().connect_blocking()?;
    /// # Ok(counter)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the function that connects. Nothing was executed.
    pub fn connect_blocking<B: blocking::Client<Async = C>>(self) -> Result<B> {
        let Self { connect, persistence, on_change, .. } = self;
        let connected = background::run(Renewal::connect(connect, persistence, on_change))?;
        Ok(B::from_connection(blocking::Connection::driven(connected)))
    }
}

/// A client that lives longer than its daemon.
impl<S, T> Daemon<S, T>
where
    S: Send + Sync + 'static,
    T: 'static,
{
    /// A client that connects again when the daemon has gone: it was closed, killed, or replaced by
    /// another build. As [`connect`](Self::connect) does, it starts the daemon if none runs, when it
    /// has a call for it.
    pub fn reconnect<C: Client>(self) -> Reconnect<C> {
        let daemon = Arc::new(self);
        Reconnect::new(move || {
            let daemon = Arc::clone(&daemon);
            async move { daemon.connect().await }
        })
    }
}
