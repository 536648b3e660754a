//! The first act of a daemon's process: taking over what its starter left for it.
//!
//! The variables that lead here are also the guard against a fork bomb: as long as they stand in
//! the environment, this process was started as a daemon and has not become one, and it must not
//! start another.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};

use super::locks::LifeLock;
use super::place::Place;
use super::status::Status;
use super::{settings, sys};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};

/// Number of the inherited socket, the nonce that the settings repeat, and the daemon's name.
const STATUS: &str = "AUTOD_STATUS_FD";
/// Stands until a daemon has taken over.
const DEPTH: &str = "AUTOD_DEPTH";

/// All that a daemon gets from its starter.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) place: Place,
    pub(crate) life: LifeLock,
    /// It listens already and does not block.
    pub(crate) listener: UnixListener,
    /// What the starter's `Launch` held.
    pub(crate) payload: Vec<u8>,
    pub(crate) status: Status,
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
    if !guard_present() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        "main() never called autod's run: this process was started as a daemon and connects instead of serving",
    ))
}

impl Inherited {
    /// Takes over, if this process was started as the daemon of this name.
    ///
    /// To be called before anything else in main, while the process has one thread.
    pub(crate) fn take(app: &str) -> Result<Option<Self>> {
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
        let socket = sys::adopt(number).map_err(|error| stray("leads nowhere").caused_by(error))?;
        sys::forget_variables(&[STATUS, DEPTH]);
        let socket = UnixStream::from(socket);
        let status = socket
            .try_clone()
            .map(Status::new)
            .map_err(|error| Error::system("cannot talk to the starter", error))?;
        fault::pass(Point::DaemonBegins);
        // Before anything is waited for: a starter that replaces a daemon asks the old one to go
        // only when it has heard this.
        status.seen();
        fault::pass(Point::DaemonSeen);
        let (settings, life, listener) = settings::receive(&socket).map_err(|error| {
            Error::new(ErrorKind::StartFailed, "the starter went away before it had handed over")
                .caused_by(error)
        })?;
        drop(socket);
        if settings.nonce != nonce {
            return Err(stray("does not match what came through the socket"));
        }
        let taken = Place::reopen(&settings.sock, settings.explicit, &settings.app)
            .and_then(|place| LifeLock::inherited(life, &place).map(|life| (place, life)));
        let (place, life) =
            taken.inspect_err(|error| status.failed(&crate::error::chain(error)))?;
        fault::pass(Point::DaemonInherited);
        name_process(place.app());
        let payload = settings.payload;
        Ok(Some(Self { place, life, listener: listener.into(), payload, status }))
    }
}

fn stray(finding: &str) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("the variable {STATUS} {finding}; it is autod's own: unset it, and {DEPTH} too"),
    )
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
    use crate::daemon::settings::pair;

    #[test]
    fn a_process_that_nobody_started_as_a_daemon_inherits_nothing() {
        assert!(Inherited::take("counter").unwrap().is_none());
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
