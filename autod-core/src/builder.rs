//! The description of a daemon: what it serves, where it lives, how it is started.
//!
//! The same description is made by the caller and, because the daemon is the caller's own program
//! run again, by the daemon. [`Daemon::run`] finds out which of the two this process is.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::handle::Host;
use crate::mux::{Dispatch, Dispatcher, Incall, Pulse};
use crate::service::Serves;
use crate::session::Session;
use crate::settings::Settings;
use crate::start::Start;

/// What `init` may fail with.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

type Init<S> = Box<dyn FnOnce(Start) -> Pin<Box<dyn Future<Output = Result<S>>>> + Send>;
type Snapshot<S> = Box<dyn FnOnce(Arc<S>) -> Pin<Box<dyn Future<Output = Result<Vec<u8>>>>> + Send>;
type Factory<S, T> = Arc<dyn Fn(Arc<S>, Session) -> T + Send + Sync>;

/// A daemon that has been given nothing to serve. Can be connected to, cannot be run.
#[derive(Debug)]
pub enum Nothing {}

/// A daemon: what it serves, where it lives, how it is started.
///
/// `S` is the state that `init` makes once, `T` the object that serves a connection.
///
/// | setting | default |
/// |---|---|
/// | [`sockfile`](Self::sockfile) | a private directory of the user, by the daemon's name |
/// | [`root`](Self::root) | none: the daemon works for no directory in particular |
/// | [`autoclose`](Self::autoclose) | never: the daemon stays until it is closed |
/// | [`exec_path`](Self::exec_path) | the running executable |
/// | [`cwd`](Self::cwd) | the daemon's private directory |
/// | [`env`](Self::env), [`env_clear`](Self::env_clear) | the environment of the first caller |
/// | [`connect_timeout`](Self::connect_timeout) | 30 s |
/// | [`silence_timeout`](Self::silence_timeout) | 10 s |
/// | [`drain_limit`](Self::drain_limit) | 5 s |
/// | [`exit_on_close`](Self::exit_on_close) | true |
#[must_use = "a description does nothing until it is run"]
pub struct Daemon<S = (), T = Nothing> {
    pub(crate) settings: Settings,
    /// Locked by nobody: the locks make a description one that threads can share.
    init: Mutex<Option<Init<S>>>,
    factory: Option<Factory<S, T>>,
    snapshot: Mutex<Option<Snapshot<S>>>,
}

impl Daemon {
    /// Begins the description of the daemon with this name: at most 64 bytes, without `/`, not
    /// beginning with a dot. A wrong name is an error when the description is used.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            settings: Settings::new(name.into()),
            init: Mutex::new(Some(Box::new(|_| Box::pin(async { Ok(()) })))),
            factory: None,
            snapshot: Mutex::default(),
        }
    }
}

/// What is served.
impl<S: Send + Sync + 'static, T> Daemon<S, T> {
    /// Makes the state of the daemon: once, in the daemon's process only. It may take its time and
    /// say how far it is; an error ends the daemon and is what the callers read.
    pub fn init<S2, F>(self, init: F) -> Daemon<S2, T>
    where
        S2: Send + Sync + 'static,
        F: AsyncFnOnce(Start) -> Result<S2, BoxError> + Send + 'static,
    {
        Daemon {
            settings: self.settings,
            init: Mutex::new(Some(Box::new(move |start| {
                Box::pin(async move { init(start).await.map_err(Error::from_boxed) })
            }))),
            factory: None,
            snapshot: Mutex::default(),
        }
    }

    /// Makes the bytes that a daemon hands to its successor when it is restarted or replaced by a
    /// newer build. Called after the last call was answered; [`Start::snapshot`] gives them to the
    /// successor. The bytes are kept until a successor is ready: one that fails to start leaves
    /// them to the next. An error is logged, and nothing is handed on.
    pub fn snapshot<F>(mut self, make: F) -> Self
    where
        F: AsyncFnOnce(Arc<S>) -> Result<Vec<u8>, BoxError> + Send + 'static,
    {
        self.snapshot = Mutex::new(Some(Box::new(move |state| {
            Box::pin(async move { make(state).await.map_err(Error::from_boxed) })
        })));
        self
    }

    /// Makes the object that serves a connection, for each connection anew. It is dropped when the
    /// connection has ended and its last call is over.
    pub fn serve<T2, F>(self, factory: F) -> Daemon<S, T2>
    where
        F: Fn(Arc<S>, Session) -> T2 + Send + Sync + 'static,
    {
        Daemon {
            settings: self.settings,
            init: self.init,
            factory: Some(Arc::new(factory)),
            snapshot: self.snapshot,
        }
    }
}

/// Connecting.
impl<S, T> Daemon<S, T> {
    /// Connects; starts the daemon if none runs.
    ///
    /// A program that does this itself, instead of by [`run`](Self::run), must begin its `main`
    /// with [`serve_if_spawned`](Self::serve_if_spawned), or name another program by
    /// [`exec_path`](Self::exec_path).
    ///
    /// Dropping the future gives up. A daemon that was being started goes on if somebody uses it and
    /// its `main` has come to [`run`](Self::run); if not, its process ends, and whoever waits for it
    /// starts another.
    ///
    /// # Errors
    ///
    /// What the daemon itself said when its start failed, and whatever is in the way: predicates of
    /// [`Error`] tell them apart. In all cases nothing was executed.
    pub async fn connect<C: Client>(&self) -> Result<C> {
        self.settings.connect(false, None).await.map_err(|error| self.settings.named(error))
    }

    /// Connects to a daemon that runs already.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_running`] if none does.
    pub async fn connect_existing<C: Client>(&self) -> Result<C> {
        self.settings.connect_existing().await.map_err(|error| self.settings.named(error))
    }

    /// Replaces the daemon that runs by a new one, or starts one, and connects to it. Calls that
    /// run are answered, streams end, and what [`snapshot`](Self::snapshot) makes is handed on, as
    /// in an upgrade. A failure of an earlier start is not minded.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    pub async fn restart<C: Client>(&self) -> Result<C> {
        self.settings.connect(true, None).await.map_err(|error| self.settings.named(error))
    }

    /// Ends the daemon that runs, whatever build or service it is of, and waits until it is gone.
    /// One that goes already is waited for as well; `false` if there is none. Calls that run are
    /// answered within the daemon's drain limit.
    ///
    /// # Errors
    ///
    /// It does not answer, or does not go within the time for connecting.
    pub async fn stop(&self) -> Result<bool> {
        self.settings.stop().await.map_err(|error| self.settings.named(error))
    }

    /// Where the daemon listens.
    ///
    /// # Errors
    ///
    /// The directory is not private, or cannot be made.
    pub fn socket_path(&self) -> Result<PathBuf> {
        let place = self.settings.place().map_err(|error| self.settings.named(error))?;
        Ok(place.sock().to_owned())
    }

    /// Where the daemon writes what goes to its standard output and error.
    ///
    /// # Errors
    ///
    /// The directory is not private, or cannot be made.
    pub fn log_path(&self) -> Result<PathBuf> {
        let place = self.settings.place().map_err(|error| self.settings.named(error))?;
        Ok(place.log_path())
    }
}

impl<S, T> Daemon<S, T>
where
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    pub(crate) fn take_init(&mut self) -> Option<Init<S>> {
        self.init.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Joins the state and the factory into something that can serve connections.
    pub(crate) fn open<C: Serves<T>>(&mut self, state: S) -> Result<Opened> {
        let factory = self.factory.clone().ok_or_else(|| {
            Error::new(ErrorKind::Usage, "the daemon was given nothing to serve: call serve()")
        })?;
        let state = Arc::new(state);
        let snapshot = self.snapshot.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let snapshot = snapshot.map(|make| {
            let state = Arc::clone(&state);
            Box::new(move || make(state)) as MakeSnapshot
        });
        let host = Arc::new(Service::<C, _> {
            make: move |session| factory(Arc::clone(&state), session),
            client: std::marker::PhantomData,
        });
        Ok(Opened { host, snapshot })
    }
}

/// A daemon whose `init` is through.
pub(crate) struct Opened {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) snapshot: Option<MakeSnapshot>,
}

/// Makes what is handed to a successor.
pub(crate) type MakeSnapshot = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<Vec<u8>>>>>>;

struct Service<C, F> {
    make: F,
    client: std::marker::PhantomData<fn() -> C>,
}

impl<C, T, F> Host for Service<C, F>
where
    C: Serves<T>,
    T: Send + Sync + 'static,
    F: Fn(Session) -> T + Send + Sync,
{
    fn open(&self, session: Session, pulse: Arc<Pulse>) -> Box<dyn Dispatch> {
        let target = Arc::new((self.make)(session));
        let begin = move |call: Incall| C::dispatch(Arc::clone(&target), call);
        Box::new(Dispatcher::new(begin, pulse).of(C::TABLE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connecting_can_be_spawned() {
        struct Nobody;
        #[derive(Clone)]
        struct NobodyClient(crate::Connection);
        impl crate::service::Service for NobodyClient {
            const TABLE: &'static crate::service::Table = &crate::service::Table::NONE;
        }
        impl Client for NobodyClient {
            fn from_connection(connection: crate::Connection) -> Self {
                Self(connection)
            }
            fn connection(&self) -> &crate::Connection {
                &self.0
            }
        }
        fn is_send<T: Send>(future: T) {
            drop(future);
        }
        let daemon = Daemon::new("nobody")
            .init(async |_| Ok(()))
            .serve(|_, _| Nobody)
            .snapshot(async |_| Ok(Vec::new()));
        is_send(daemon.connect::<NobodyClient>());
        is_send(daemon.connect_existing::<NobodyClient>());
        is_send(daemon.restart::<NobodyClient>());
        is_send(daemon.stop());
    }
}
