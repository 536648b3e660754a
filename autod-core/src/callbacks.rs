//! What a caller serves to its daemon: calls in the other direction, over the same connection.

use std::sync::Arc;

use crate::builder::Daemon;
use crate::mux::{Connection, Dispatch, Dispatcher, Incall, Pulse};
use crate::service::{Serves, Table};
use crate::wire::greeting::Offer;

type Open = dyn Fn(Connection) -> Box<dyn Dispatch> + Send + Sync;

/// A service of the caller's, with the way to make its object for a connection.
#[derive(Clone)]
pub(crate) struct Callbacks {
    table: &'static Table,
    open: Arc<Open>,
}

impl Callbacks {
    fn new<C, T>(make: impl Fn(Connection) -> T + Send + Sync + 'static) -> Self
    where
        C: Serves<T>,
        T: Send + Sync + 'static,
    {
        let open = move |connection| {
            let target = Arc::new(make(connection));
            let begin = move |call: Incall| C::dispatch(Arc::clone(&target), call);
            Box::new(Dispatcher::new(begin, Arc::<Pulse>::default()).of(C::TABLE))
                as Box<dyn Dispatch>
        };
        Self { table: C::TABLE, open: Arc::new(open) }
    }

    /// What the hello says of it.
    pub(crate) fn offer(&self) -> Offer {
        Offer { service: self.table.name.to_owned(), fingerprint: self.table.fingerprint() }
    }

    /// Makes the object that serves a connection. `connection` must be one that is
    /// [lent](Connection::lent): the object lives as long as the connection does.
    pub(crate) fn open(&self, connection: Connection) -> Box<dyn Dispatch> {
        (self.open)(connection)
    }
}

/// What the caller serves.
impl<S, T> Daemon<S, T> {
    /// Serves the daemon in return: while a caller is connected, the session that serves it can call
    /// the object that `make` makes, by [`Session::caller_as`](crate::Session::caller_as). For
    /// questions, progress, and whatever else only the caller's process can do.
    ///
    /// The object is made in the caller's process, for each connection anew, and is dropped when the
    /// connection has ended and its last call is over. Its methods run as tasks of the runtime in
    /// which the caller connected; one that blocks its thread holds up a command that
    /// [runs](Self::run), which has no other. The [limits](Self::limits) of this description are what
    /// the caller receives. There is one service; a second call of this replaces the first.
    ///
    /// `make` is given the connection, for an object that calls the daemon while the daemon calls it:
    /// make the client by [`Client::from_connection`](crate::Client::from_connection). This handle of
    /// the connection does not keep it open. Such a call needs a slot of its own beside the one it is
    /// made in ([`Limits::calls`](crate::Limits::calls)).
    ///
    /// ```no_run
    /// # // What the attribute generates for `trait Prompt { async fn ask(&self, question: String) -> String; }`
    /// # use autod_core::service::{Answered, Request, Serves, Service, Table};
    /// # struct PromptClient;
    /// # impl Service for PromptClient { const TABLE: &'static Table = &Table::new("Prompt", "", &[]); }
    /// # impl Serves<Terminal> for PromptClient {
    /// #     async fn dispatch<R: Request>(_: std::sync::Arc<Terminal>, request: R) -> Answered { request.unknown() }
    /// # }
    /// struct Terminal;
    ///
    /// // With `impl Prompt for Terminal`, the trait of a service like any other:
    /// let daemon = autod_core::Daemon::new("builder")
    ///     .caller_serves::<PromptClient, _>(|_connection| Terminal);
    /// ```
    pub fn caller_serves<C, U>(
        mut self,
        make: impl Fn(Connection) -> U + Send + Sync + 'static,
    ) -> Self
    where
        C: Serves<U>,
        U: Send + Sync + 'static,
    {
        self.settings.callbacks = Some(Callbacks::new::<C, U>(make));
        self
    }
}
