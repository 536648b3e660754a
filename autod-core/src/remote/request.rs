//! What a bridge is asked to do, in one variable of its environment: arguments would be the
//! program's own.

use std::ffi::OsString;
use std::time::Duration;

use super::packet::Mark;
use crate::daemon::forget_variables;
use crate::error::{Error, ErrorKind, Result};

const VARIABLE: &str = "AUTOD_BRIDGE";

/// The value in a daemon that a bridge has started.
const DAEMON: &str = "daemon";

/// The version of the request and of the packets.
pub(super) const VERSION: &str = "1";

/// Whether this process was run for somebody on another machine: as the bridge to the daemon, or as
/// the daemon that a bridge has started. Its arguments are then those of [`Ssh::args`](super::Ssh::args), usually
/// none, and no person has typed them.
///
/// A `main` that would refuse to go on without arguments asks this first, and comes to
/// [`Daemon::run`](crate::Daemon::run) or [`Daemon::serve_if_spawned`](crate::Daemon::serve_if_spawned)
/// in any case. `false` again once the daemon has taken over.
///
/// ```
/// let command = match std::env::args().nth(1) {
///     Some(command) => command,
///     None if autod_core::is_bridge() => String::new(),
///     None => "help".to_owned(),
/// };
/// # assert_eq!(command, "help");
/// ```
pub fn is_bridge() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// For the environment of a daemon that a bridge starts.
pub(crate) fn daemon_variable() -> (OsString, Option<OsString>) {
    (VARIABLE.into(), Some(DAEMON.into()))
}

/// What this process starts is neither bridge nor daemon. To be called in its first act.
pub(crate) fn forget_variable() {
    forget_variables(&[VARIABLE]);
}

/// Refuses what only a person's own process may do: a bridge connects for somebody else.
pub(crate) fn check_unasked() -> Result<()> {
    let Asked::Bridge(Request { app, .. }) = Asked::of_process() else { return Ok(()) };
    let text = format!(
        "a caller on another machine asked for the daemon {app}, and main() does not come to its run"
    );
    Err(Error::new(ErrorKind::Usage, text))
}

/// Which daemon is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// One that runs.
    Existing,
    /// One that runs, else a new one.
    Start,
    /// A new one.
    Restart,
    /// None: what the arguments of the `autod` command say is done.
    Command,
}

impl Way {
    const ALL: [(Self, &str); 4] = [
        (Self::Existing, "existing"),
        (Self::Start, "start"),
        (Self::Restart, "restart"),
        (Self::Command, "command"),
    ];
}

/// What a bridge is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) mark: Mark,
    pub(super) keep_alive: Duration,
    pub(super) way: Way,
    /// Empty if the program has one daemon only.
    pub(super) app: String,
}

/// What stands in the variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Bridge(Request),
    /// Of another version; what it is asked over.
    Unknown(Mark),
    Nothing,
}

impl Request {
    /// `NAME=value`, of characters that mean nothing to any shell.
    pub(super) fn assignment(&self) -> String {
        let Self { mark, keep_alive, way, app } = self;
        let way = Way::ALL.iter().find(|(one, _)| one == way).map_or("", |(_, name)| name);
        let keep_alive = keep_alive.as_millis();
        format!("{VARIABLE}={VERSION}:{mark}:{keep_alive}:{way}:{app}")
    }
}

impl Asked {
    pub(super) fn of_process() -> Self {
        std::env::var(VARIABLE).map_or(Self::Nothing, |value| Self::parse(&value))
    }

    fn parse(value: &str) -> Self {
        let mut parts = value.splitn(5, ':');
        let mut part = || parts.next().unwrap_or_default();
        let (version, mark) = (part(), part());
        let Some(mark) = Mark::parse(mark) else { return Self::Nothing };
        let (keep_alive, way, app) = (part().parse(), part(), part().to_owned());
        let way = Way::ALL.into_iter().find(|(_, name)| *name == way);
        match (version, keep_alive, way) {
            (VERSION, Ok(keep_alive), Some((way, _))) => {
                let keep_alive = Duration::from_millis(keep_alive);
                Self::Bridge(Request { mark, keep_alive, way, app })
            }
            _ => Self::Unknown(mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_request_is_what_was_asked() {
        for (way, _) in Way::ALL {
            let mark = Mark::random().unwrap();
            let keep_alive = Duration::from_millis(1500);
            let request = Request { mark, keep_alive, way, app: "a:b".to_owned() };
            let text = request.assignment();
            let value = text.strip_prefix("AUTOD_BRIDGE=").unwrap();
            assert_eq!(Asked::parse(value), Asked::Bridge(request));
            let newer = value.replacen("1:", "2:", 1);
            assert_eq!(Asked::parse(&newer), Asked::Unknown(mark));
        }
        assert_eq!(Asked::parse(DAEMON), Asked::Nothing);
        assert_eq!(Asked::parse("1:zz:1:start:"), Asked::Nothing);
    }
}
