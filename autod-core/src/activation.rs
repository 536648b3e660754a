//! What a program is given by whoever has started it on a connection, systemd or `autod up`: sockets
//! that listen already, a place to say that it is ready, and data.
//!
//! It does not know what is served. A daemon that is described by `Daemon` takes this up by itself.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::AddressFamily;

use crate::daemon::{adopt_descriptor, forget_variables};
use crate::error::{Error, ErrorKind, Result};

const FIRST: i32 = 3;
const FDS: &str = "LISTEN_FDS";
const PID: &str = "LISTEN_PID";
const NAMES: &str = "LISTEN_FDNAMES";
const NOTIFY: &str = "NOTIFY_SOCKET";
const DATA: &str = "AUTOD_DATA";

/// What this process was started with by a supervisor; nothing, if it was started by hand.
///
/// ```no_run
/// # use autod_core as autod;
/// # fn main() -> autod::Result<()> {
/// let mut activation = autod::Activation::take()?;
/// let listener = activation.tcp_or_bind("127.0.0.1:8080")?;
/// activation.ready();
/// // serve on `listener`
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Activation {
    sockets: Vec<(String, OwnedFd)>,
    supervised: bool,
    notify: Option<OsString>,
    data: Option<Vec<u8>>,
}

impl Activation {
    /// Takes what the environment names, and removes it from there: children are not meant. Call it
    /// early in `main`, before there are other threads. The second time there is nothing.
    ///
    /// Variables that are for another process (`LISTEN_PID`) are left alone.
    ///
    /// # Errors
    ///
    /// The environment names descriptors that are not there.
    pub fn take() -> Result<Self> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Ok(Self::default());
        }
        let meant = std::env::var(PID).is_ok_and(|pid| pid == std::process::id().to_string());
        let count = if meant { number(FDS)?.unwrap_or(0) } else { 0 };
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut names = names.split(':');
        let mut sockets = Vec::new();
        for index in 0..count {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            let descriptor = FIRST.checked_add(index).ok_or_else(|| stray(FDS))?;
            let socket =
                adopt_descriptor(descriptor).map_err(|error| stray(FDS).caused_by(error))?;
            sockets.push((name.to_owned(), socket));
        }
        let data = match number(DATA)? {
            None => None,
            Some(descriptor) => {
                let file = adopt_descriptor(descriptor);
                let mut bytes = Vec::new();
                file.and_then(|file| File::from(file).read_to_end(&mut bytes))
                    .map_err(|error| stray(DATA).caused_by(error))?;
                Some(bytes)
            }
        };
        let notify = std::env::var_os(NOTIFY);
        if meant {
            forget_variables(&[FDS, PID, NAMES]);
        }
        forget_variables(&[NOTIFY, DATA]);
        Ok(Self { supervised: !sockets.is_empty(), sockets, notify, data })
    }

    /// Whether a supervisor has handed sockets to this process, and nobody has taken them.
    pub fn is_offered() -> bool {
        std::env::var_os(PID)
            .is_some_and(|pid| pid.to_str() == Some(&std::process::id().to_string()))
            && std::env::var_os(FDS).is_some()
    }

    /// Whether a supervisor has handed sockets over, which it goes on to own.
    pub fn is_supervised(&self) -> bool {
        self.supervised
    }

    /// Whether sockets are left that nobody has taken.
    pub fn has_sockets(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// The names of the sockets that nobody has taken, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sockets.iter().map(|(name, _)| name.as_str())
    }

    /// Takes the next TCP listener, of this name if one is given. It blocks, as std's do; it is not
    /// inherited by children.
    ///
    /// # Errors
    ///
    /// The socket cannot be used.
    pub fn tcp(&mut self, name: Option<&str>) -> Result<Option<TcpListener>> {
        let socket = self.socket(name, |family| family != AddressFamily::UNIX)?;
        Ok(socket.map(TcpListener::from))
    }

    /// Takes the next listener at a Unix socket, of this name if one is given. It blocks, as std's
    /// do; it is not inherited by children.
    ///
    /// # Errors
    ///
    /// The socket cannot be used.
    pub fn unix(&mut self, name: Option<&str>) -> Result<Option<UnixListener>> {
        let socket = self.socket(name, |family| family == AddressFamily::UNIX)?;
        Ok(socket.map(UnixListener::from))
    }

    /// The next TCP listener that was handed over; else one that is bound to this address. It does not
    /// block, as tokio asks for.
    ///
    /// # Errors
    ///
    /// The socket cannot be used, or the address is taken.
    pub fn tcp_or_bind(&mut self, address: impl std::net::ToSocketAddrs) -> Result<TcpListener> {
        let listener = match self.tcp(None)? {
            Some(listener) => listener,
            None => {
                TcpListener::bind(address).map_err(|error| Error::system("cannot listen", error))?
            }
        };
        listener.set_nonblocking(true).map_err(|error| Error::system("cannot listen", error))?;
        Ok(listener)
    }

    /// Takes all sockets that are left, by name, of whatever kind.
    pub fn sockets(&mut self) -> Vec<(String, OwnedFd)> {
        std::mem::take(&mut self.sockets)
    }

    fn socket(
        &mut self,
        name: Option<&str>,
        fits: impl Fn(AddressFamily) -> bool,
    ) -> Result<Option<OwnedFd>> {
        let unusable = |error: rustix::io::Errno| {
            Error::system("an inherited socket cannot be used", std::io::Error::from(error))
        };
        for index in 0..self.sockets.len() {
            let (own, socket) = &self.sockets[index];
            let address = rustix::net::getsockname(socket);
            let family = address.map_err(unusable)?.address_family();
            if fits(family) && name.is_none_or(|name| name == own) {
                let (_, socket) = self.sockets.remove(index);
                let blocking = rustix::io::ioctl_fionbio(socket.as_fd(), false);
                blocking.map_err(unusable)?;
                return Ok(Some(socket));
            }
        }
        Ok(None)
    }

    /// The `data` of the service, JSON as it stands in the supervisor's file.
    pub fn data(&self) -> Option<&[u8]> {
        self.data.as_deref()
    }

    /// Says that this program is ready. Without effect if nobody wants to know.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// Says that this program is about to end: whoever comes from now on is for its successor. It
    /// must not accept any more.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// Says what this program is doing, in one line.
    pub fn status(&self, text: &str) {
        self.say(&format!("STATUS={}", text.replace('\n', " ")));
    }

    /// Says lines of the protocol of `sd_notify`. A supervisor that is gone, or does not read, is not
    /// waited for.
    pub fn say(&self, lines: &str) {
        let Some(path) = &self.notify else { return };
        if let Err(error) = say_to(path, lines) {
            tracing::warn!(%error, "the supervisor cannot be told");
        }
    }
}

fn say_to(path: &OsString, lines: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        // systemd writes the zero byte of an abstract name so.
        if let Some(name) = path.as_bytes().strip_prefix(b"@") {
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            return socket.send_to_addr(lines.as_bytes(), &address).map(drop);
        }
    }
    socket.send_to(lines.as_bytes(), path).map(drop)
}

fn number(variable: &str) -> Result<Option<i32>> {
    match std::env::var(variable) {
        Err(std::env::VarError::NotPresent) => Ok(None),
        Ok(text) => text.parse().map(Some).map_err(|_| stray(variable)),
        Err(_) => Err(stray(variable)),
    }
}

fn stray(variable: &str) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("{variable} is set, but not by a supervisor of this process"),
    )
}
