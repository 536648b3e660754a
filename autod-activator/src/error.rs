//! The one error type. Its text is one clause about our own operation; the cause is in `source()`.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Description,
    UnknownService,
    DuplicateService,
    InUse,
    NoDirectory,
    StartFailed,
    Stopped,
    Closed,
    System,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn system(message: impl Into<String>, source: std::io::Error) -> Self {
        Self::new(Kind::System, message).caused_by(source)
    }

    pub(crate) fn closed() -> Self {
        Self::new(Kind::Closed, "the supervisor is closed")
    }

    pub(crate) fn unknown(name: &str) -> Self {
        Self::new(Kind::UnknownService, format!("there is no service {name:?}"))
    }

    /// What to do next, for whoever reads the error: a clause or two, never empty.
    pub fn help(&self) -> &'static str {
        match self.kind {
            Kind::Description => {
                "mend the description of the service; `autod up --check` reads it again"
            }
            Kind::UnknownService => {
                "name one of the services that are described; `autod ps` lists them"
            }
            Kind::DuplicateService => {
                "give each service a name of its own, or remove the one that is there"
            }
            Kind::InUse => "end whoever listens there, or give the service another address",
            Kind::NoDirectory => "make the directory of that socket, or name another",
            Kind::StartFailed => {
                "mend what it says; what the service printed is in the supervisor's standard error, and the \
                 next visitor starts it again"
            }
            Kind::Stopped => "start it again if it is still wanted",
            Kind::Closed => "open another supervisor",
            Kind::System => "mend what the system says, and try again",
        }
    }

    /// The description of a service is wrong.
    pub fn is_description(&self) -> bool {
        self.kind == Kind::Description
    }

    /// No service has this name.
    pub fn is_unknown_service(&self) -> bool {
        self.kind == Kind::UnknownService
    }

    /// Another service has this name already.
    pub fn is_duplicate_service(&self) -> bool {
        self.kind == Kind::DuplicateService
    }

    /// Somebody else listens at the address.
    pub fn is_in_use(&self) -> bool {
        self.kind == Kind::InUse
    }

    /// The service was started and did not become ready.
    pub fn is_start_failed(&self) -> bool {
        self.kind == Kind::StartFailed
    }

    /// The service was stopped while its start was waited for.
    pub fn is_stopped(&self) -> bool {
        self.kind == Kind::Stopped
    }

    /// The supervisor is closed.
    pub fn is_closed(&self) -> bool {
        self.kind == Kind::Closed
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// It returned 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}

/// Why a service did not become ready.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The program is not there or cannot be executed.
    Program {
        /// As the service names it.
        program: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The working directory is not there or cannot be entered.
    Directory {
        /// As the service names it.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refused something else that a start needs.
    System(String),
    /// It ended before it was ready.
    Exited(Exit),
    /// It was not ready within the `start_timeout`.
    TimedOut(Duration),
}

impl Cause {
    pub(crate) fn directory(path: &Path, error: &std::io::Error) -> Self {
        Self::Directory { path: path.to_owned(), reason: error.to_string() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { program, reason } => {
                write!(formatter, "cannot execute {program}: {reason}")
            }
            Self::Directory { path, reason } => {
                write!(formatter, "cannot use the directory {}: {reason}", path.display())
            }
            Self::System(text) => formatter.write_str(text),
            Self::Exited(exit) => write!(formatter, "it ended before it was ready: {exit}"),
            Self::TimedOut(limit) => write!(formatter, "it was not ready within {limit:?}"),
        }
    }
}
