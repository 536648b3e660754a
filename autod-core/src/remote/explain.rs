//! Errors across a bridge: what the far end reports, and what the end of `ssh` means.

use std::process::ExitStatus;

use crate::error::{Error, ErrorKind, in_full};
use crate::wire::greeting::{RejectCode, Rejection};

/// The answer that says this error to the caller of a bridge.
pub(super) fn rejection(error: &Error) -> Rejection {
    let code = match error.kind() {
        ErrorKind::StartFailed => RejectCode::StartFailed,
        ErrorKind::Mismatch => RejectCode::Service,
        ErrorKind::Limit => RejectCode::Full,
        ErrorKind::NotRunning => RejectCode::NotRunning,
        ErrorKind::Denied | ErrorKind::Place => RejectCode::Denied,
        ErrorKind::Timeout => RejectCode::Timeout,
        ErrorKind::System => RejectCode::System,
        ErrorKind::Lost | ErrorKind::Closing => RejectCode::Lost,
        _ => RejectCode::Other,
    };
    let (build, life, pid) = Default::default();
    Rejection { code, text: in_full(error), build, life, pid }
}

/// How `ssh` has ended, and what it said.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) status: Option<ExitStatus>,
    /// Its last words on standard error, the far program's included.
    pub(super) said: String,
}

impl Ended {
    /// Why nothing was joined.
    pub(super) fn before_joining(&self, host: &str, program: &str) -> Error {
        let code = self.status.and_then(|status| status.code());
        let error = match code {
            Some(255) => {
                let text = format!("cannot connect to {host} by ssh");
                Error::new(ErrorKind::Unreachable, text)
            }
            Some(127) => {
                let text =
                    format!("there is no {program} on {host}: install it there, or name its path");
                Error::new(ErrorKind::StartFailed, text)
            }
            Some(126) => {
                Error::new(ErrorKind::StartFailed, format!("{program} on {host} cannot be run"))
            }
            Some(code) => {
                let text = format!(
                    "{program} on {host} ended with exit code {code} before it joined the daemon; \
                     it may be built without remote connections"
                );
                Error::new(ErrorKind::StartFailed, text).with_mend()
            }
            None => Error::new(ErrorKind::Lost, format!("ssh to {host} was killed")),
        };
        self.as_cause_of(error)
    }

    /// The connection ended before the daemon accepted.
    pub(super) fn lost(&self, host: &str, error: Error) -> Error {
        let lost = Error::new(ErrorKind::Lost, format!("the connection to {host} ended"));
        match self.status {
            Some(status) if status.success() => lost.caused_by(error),
            _ => self.as_cause_of(lost),
        }
    }

    fn as_cause_of(&self, error: Error) -> Error {
        // What it says last is why, but for what it says is to be done about it.
        let mut lines = self.said.lines().map(str::trim).filter(|line| !line.is_empty());
        match lines.rfind(|line| !line.starts_with("help: ")) {
            Some(last) => error.caused_by(last),
            None => error,
        }
    }
}
