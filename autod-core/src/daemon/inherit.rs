//! The first act of a daemon's process: it says that main has come this far, and gets what makes it
//! the daemon.
//!
//! The variables that lead here are also the guard against a fork bomb: as long as they stand in
//! the environment, this process was started as a daemon and has not become one, and it must not
//! start another.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::locks::LifeLock;
use super::place::Place;
use super::status::{self, Status};
use super::{settings, sys};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};

/// Number of the inherited socket, the nonce that the settings repeat, and the daemon's name.
const STATUS: &str = "AUTOD_STATUS_FD";
/// Stands until a daemon has taken over.
pub(crate) const DEPTH: &str = "AUTOD_DEPTH";

/// A process that was started as a daemon and has said so. Its starter hands over next.
#[derive(Debug)]
pub(crate) struct Heir {
    nonce: u64,
    socket: UnixStream,
    pub(crate) status: Arc<Status>,
}

/// All that a daemon gets from its starter.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) place: Place,
    pub(crate) life: LifeLock,
    /// It listens already and does not block.
    pub(crate) listener: UnixListener,
    /// What the starter's `Launch` held.
    pub(crate) payload: Vec<u8>,
}

/// The variables of a daemon's environment.
pub(super) fn variables(socket: &UnixStream, nonce: u64, app: &str) -> [(&'static str, String); 2] {
    let status = format!("{}:{nonce:016x}:{app}", socket.as_raw_fd());
    [(STATUS, status), (DEPTH, "1".to_owned())]
}

/// Whether this process was started as a daemon and has not taken over yet.
pub(crate) fn guard_present() -> bool {
    std::env::var_os(DEPTH).is_some() || std::env::var_os(STATUS).is_some()
}

/// Refuses what only a caller may do. A daemon that has not taken over would knock at the very door
/// that waits for it.
pub(crate) fn check_guard() -> Result<()> {
    #[cfg(feature = "remote")]
    crate::remote::check_unasked()?;
    if !guard_present() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        "main() never called autod's run: this process was started as a daemon and connects instead of serving",
    ))
}

impl Heir {
    /// Says that main has handed over, if this process was started as the daemon of this name.
    ///
    /// To be called before anything else in main, while the process has one thread.
    pub(crate) fn announce(app: &str) -> Result<Option<Self>> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let Ok(value) = std::env::var(STATUS) else { return Ok(None) };
        let mut parts = value.splitn(3, ':');
        let mut parse = || {
            let number = parts.next()?.parse().ok()?;
            Some((number, u64::from_str_radix(parts.next()?, 16).ok()?, parts.next()?))
        };
        let Some((number, nonce, name)) = parse() else {
            return Err(stray("is not from a starter"));
        };
        // A program may describe several daemons.
        if name != app || TAKEN.swap(true, Ordering::SeqCst) {
            return Ok(None);
        }
        let inherited =
            sys::adopt(number).map_err(|error| stray("leads nowhere").caused_by(error))?;
        sys::forget_variables(&[STATUS, DEPTH]);
        #[cfg(feature = "remote")]
        crate::remote::forget_variable();
        let cannot_talk = |error| Error::system("cannot talk to the starter", error);
        fault::pass(Point::DaemonBegins);
        let socket = status::announce(&inherited.into()).map_err(cannot_talk)?;
        let status = Arc::new(Status::new(socket.try_clone().map_err(cannot_talk)?));
        fault::pass(Point::DaemonSeen);
        Ok(Some(Self { nonce, socket, status }))
    }

    /// Waits for what makes this process the daemon; blocks for as long as the starter lives and
    /// does not hand it over.
    ///
    /// The error has not been told to the starter. After it this process must end: it is neither
    /// the daemon, nor anybody's caller any more.
    pub(crate) fn receive(self) -> Result<Inherited> {
        let (settings, life, listener) =
            settings::receive(&self.socket).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Error::new(
                    ErrorKind::StartFailed,
                    "the starter went away before it had handed over",
                ),
                _ => Error::system("cannot take over from the starter", error),
            })?;
        if settings.nonce != self.nonce {
            return Err(stray("does not match what came through the socket"));
        }
        let place = Place::reopen(&settings.sock, settings.explicit, &settings.app)?;
        let life = LifeLock::inherited(life, &place)?;
        fault::pass(Point::DaemonInherited);
        name_process(place.app());
        Ok(Inherited { place, life, listener: listener.into(), payload: settings.payload })
    }

    /// Waits until it could be received.
    #[cfg(test)]
    pub(super) fn wait_for_hand_over(&self) {
        let peek = rustix::net::RecvFlags::PEEK;
        assert_eq!(rustix::net::recv(&self.socket, &mut [0; 1], peek).unwrap().0, 1);
    }
}

fn stray(finding: &str) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("the variable {STATUS} {finding}; it is autod's own: unset it, and {DEPTH} too"),
    )
    .with_mend()
}

/// An exec of `/proc/self/exe` leaves "exe" as the name that `ps` and `pgrep` show.
fn name_process(app: &str) {
    if cfg!(target_os = "linux") {
        let _ = std::fs::write("/proc/self/comm", app);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::passing::pair;

    #[test]
    fn a_process_that_nobody_started_as_a_daemon_inherits_nothing() {
        assert!(Heir::announce("counter").unwrap().is_none());
        assert!(!guard_present());
        check_guard().unwrap();
    }

    #[test]
    fn the_variables_name_the_socket() {
        let (one, _other) = pair().unwrap();
        let [(name, value), (depth, _)] = variables(&one, 0xab, "counter");
        assert_eq!((name, depth), (STATUS, DEPTH));
        assert_eq!(value, format!("{}:00000000000000ab:counter", one.as_raw_fd()));
    }
}
