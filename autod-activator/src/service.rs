//! The description of a service: what is run, where it listens, how it comes and goes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use regex_lite::Regex;

use crate::address::Listen;
use crate::backoff::Restart;

/// How traffic reaches the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The listener itself is passed on (`LISTEN_FDS`); nothing is between the app and its clients.
    Fd,
    /// Connections are forwarded to an address of the app's own.
    Proxy,
}

/// What kind of program it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Any program.
    #[default]
    Plain,
    /// One that cooperates: an autod daemon, or a program that uses `autod::Activation`. It is in
    /// fd mode, says when it is ready, and is given the `data`.
    Autod,
}

/// When the app counts as ready.
#[derive(Clone, Debug)]
pub enum Ready {
    /// It sends `READY=1` to `$NOTIFY_SOCKET`.
    Notify,
    /// It writes a newline to this descriptor, 3 to 255. In fd mode it must lie past the listeners.
    Fd(i32),
    /// It accepts connections at all its addresses.
    Connect,
    /// It answers a GET of this path with a status from 200 to 399.
    Http(String),
    /// A line of its output matches.
    Log(Regex),
    /// So long after its start.
    Delay(Duration),
}

impl PartialEq for Ready {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Notify, Self::Notify) | (Self::Connect, Self::Connect) => true,
            (Self::Fd(one), Self::Fd(other)) => one == other,
            (Self::Http(one), Self::Http(other)) => one == other,
            (Self::Log(one), Self::Log(other)) => one.as_str() == other.as_str(),
            (Self::Delay(one), Self::Delay(other)) => one == other,
            _ => false,
        }
    }
}

/// A service: what is run, where it listens, how it comes and goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) kind: Kind,
    pub(crate) listens: Vec<Listen>,
    pub(crate) mode: Option<Mode>,
    pub(crate) ready: Option<Ready>,
    pub(crate) start_timeout: Duration,
    pub(crate) stop_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) min_uptime: Duration,
    pub(crate) max_connections: usize,
    pub(crate) max_pending: usize,
    pub(crate) restart: Restart,
    pub(crate) data: Option<serde_json::Value>,
}

impl Service {
    /// A service of this name (letters, digits, `-`, `_` and `.`) that runs this program. The
    /// program is looked for in `PATH` if its name has no slash.
    pub fn new(name: impl Into<String>, program: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            command: vec![program.into()],
            dir: None,
            env: BTreeMap::new(),
            kind: Kind::Plain,
            listens: Vec::new(),
            mode: None,
            ready: None,
            start_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(30),
            idle_timeout: Some(Duration::from_secs(300)),
            min_uptime: Duration::ZERO,
            max_connections: 1024,
            max_pending: 1024,
            restart: Restart::default(),
            data: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds an argument. `${PORT}` and `${SOCKET}` stand for the address of the first listener that
    /// has one, `${PORT_name}` and `${SOCKET_name}` for that of another.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.command.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The working directory. Default: the supervisor's.
    #[must_use]
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.dir = Some(path.into());
        self
    }

    /// Sets a variable; the others are the supervisor's. Its value may have `${PORT}` in it.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Default [`Kind::Plain`].
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds a public socket. A service has at least one.
    #[must_use]
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listens.push(listen);
        self
    }

    /// Default [`Mode::Proxy`]; [`Mode::Fd`] for a program that cooperates.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Default [`Ready::Notify`] for a program that cooperates, [`Ready::Connect`] in proxy mode, and
    /// at once in fd mode: its listener is there already.
    #[must_use]
    pub fn ready(mut self, ready: Ready) -> Self {
        self.ready = Some(ready);
        self
    }

    /// How long a start may take. Default 30 s.
    #[must_use]
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.start_timeout = limit;
        self
    }

    /// How long the app may take to end after SIGTERM, before SIGKILL. Default 10 s.
    #[must_use]
    pub fn stop_timeout(mut self, limit: Duration) -> Self {
        self.stop_timeout = limit;
        self
    }

    /// How long a soft stop leaves forwarded connections to themselves before SIGTERM. Default 30 s.
    #[must_use]
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = limit;
        self
    }

    /// Lets the app go when no connection was forwarded and nothing held it for this long; `None` is
    /// never. Default 5 minutes. In fd mode the app decides itself.
    #[must_use]
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = limit.into();
        self
    }

    /// The app is not let go before this time since it was ready. Default 0.
    #[must_use]
    pub fn min_uptime(mut self, time: Duration) -> Self {
        self.min_uptime = time;
        self
    }

    /// Connections that are forwarded at a time; more wait in the kernel's queue. Default 1024.
    #[must_use]
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = most;
        self
    }

    /// Connections that are held while the app starts; more wait in the kernel's queue. Default 1024.
    #[must_use]
    pub fn max_pending(mut self, most: usize) -> Self {
        self.max_pending = most;
        self
    }

    /// The pauses after failures.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// A value for a program that cooperates, handed over as JSON.
    #[must_use]
    pub fn data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }

    pub(crate) fn effective_mode(&self) -> Mode {
        self.mode.unwrap_or(match self.kind {
            Kind::Plain => Mode::Proxy,
            Kind::Autod => Mode::Fd,
        })
    }

    pub(crate) fn effective_ready(&self) -> Ready {
        self.ready.clone().unwrap_or(match (self.kind, self.effective_mode()) {
            (Kind::Autod, _) => Ready::Notify,
            (Kind::Plain, Mode::Proxy) => Ready::Connect,
            (Kind::Plain, Mode::Fd) => Ready::Delay(Duration::ZERO),
        })
    }

    pub(crate) fn listen_name<'a>(&'a self, listen: &'a Listen) -> &'a str {
        listen.name.as_deref().unwrap_or(&self.name)
    }
}
