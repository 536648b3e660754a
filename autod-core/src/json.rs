//! A client that knows no service at compile time: methods by name, values as JSON.
//!
//! For tools that call whatever a person names. Programs that know the trait use the generated
//! client, which the compiler checks and which is faster.

use futures_util::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Daemon;
use crate::error::{CallError, Result};
use crate::mux::{Call, Connection, Incoming, Pipe, Upstream, untyped};

impl<S: Send + Sync + 'static, T> Daemon<S, T> {
    /// Connects to the daemon that runs here, whatever it serves, to call its methods by name.
    /// Starts nothing, and replaces nothing.
    ///
    /// # Errors
    ///
    /// Nothing listens, or what listens is built without the feature `json`.
    pub async fn connect_untyped(&self) -> Result<Client> {
        let connected = self.settings.connect_untyped().await;
        connected.map(Client::new).map_err(|error| self.settings.named(error))
    }
}

/// A connection whose methods are called by name. Clones share it.
///
/// Which of the functions calls a method is decided by its signature in the trait; another one is an
/// error of that call. The arguments are anything that serde makes an object of, by their names, or
/// a list of, by their order; `()` for none. An argument that is an `Option` may be left out. The
/// answer `T`, the items and the service's own error `E` are any type that reads the JSON of theirs,
/// such as `serde_json::Value`. What JSON cannot say of a value is in PROTOCOL.md.
///
/// A name that was called is kept as long as the process lives.
///
/// ```no_run
/// use std::collections::BTreeMap;
///
/// # async fn example() -> autod_core::Result<()> {
/// let counter = autod_core::Daemon::new("counter").connect_untyped().await?;
/// let total: i64 = counter.call::<_, String>("add", &BTreeMap::from([("n", 2)])).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
}

impl Client {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The connection, which tells which daemon this is.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Calls `async fn method(&self, ..) -> T`, or one that returns `Result<T, E>`.
    pub fn call<T, E>(&self, method: &str, arguments: &impl Serialize) -> Call<T, CallError<E>>
    where
        T: DeserializeOwned + 'static,
        E: DeserializeOwned + 'static,
    {
        untyped::call(&self.connection, method, arguments, None)
    }

    /// Calls a method that returns a stream of `T`.
    pub fn open<T, E>(&self, method: &str, arguments: &impl Serialize) -> Incoming<T, CallError<E>>
    where
        T: DeserializeOwned + 'static,
        E: DeserializeOwned + 'static,
    {
        untyped::open(&self.connection, method, arguments, None)
    }

    /// Calls a method that takes a stream and returns a value. The stream is not among the
    /// arguments.
    pub fn send<T, E, I>(
        &self,
        method: &str,
        arguments: &impl Serialize,
        items: impl Stream<Item = I> + Send + 'static,
    ) -> Call<T, CallError<E>>
    where
        T: DeserializeOwned + 'static,
        E: DeserializeOwned + 'static,
        I: Serialize + 'static,
    {
        untyped::call(&self.connection, method, arguments, Some(Upstream::items(items)))
    }

    /// Calls a method that takes a stream and returns one. The stream is not among the arguments.
    pub fn exchange<T, E, I>(
        &self,
        method: &str,
        arguments: &impl Serialize,
        items: impl Stream<Item = I> + Send + 'static,
    ) -> Incoming<T, CallError<E>>
    where
        T: DeserializeOwned + 'static,
        E: DeserializeOwned + 'static,
        I: Serialize + 'static,
    {
        untyped::open(&self.connection, method, arguments, Some(Upstream::items(items)))
    }

    /// Calls a method that takes a [`ByteStream`](crate::ByteStream), and gives the other end of
    /// it. The bytes go as they are.
    pub fn pipe<T, E>(&self, method: &str, arguments: &impl Serialize) -> Pipe<T, CallError<E>>
    where
        T: DeserializeOwned + 'static,
        E: DeserializeOwned + 'static,
    {
        untyped::pipe(&self.connection, method, arguments)
    }
}
