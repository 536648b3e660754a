//! The two error types of the framework.
//!
//! [`Error`] is opaque: what a program may want to decide on is a predicate, everything else is
//! text. [`CallError`] adds the service's own error for methods that return a `Result`. This module
//! knows nothing of frames, sockets or processes; the modules that do build their errors here.

mod call;
mod chain;
mod daemon;
mod help;
mod kind;

use std::error::Error as StdError;
use std::fmt;

pub use call::CallError;
use chain::write_chain;
pub(crate) use chain::{chain, in_full};
pub(crate) use daemon::Whom;
pub(crate) use kind::ErrorKind;

/// What a fallible operation of autod returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// Why an operation of autod failed.
///
/// `Display` is one lower-case clause about the operation, which names the daemon; the cause, if
/// there is one, is in [`source`](StdError::source), and what to do next in [`help`](Self::help).
/// `Debug` prints the whole chain on one line and the help on another, because that is what a `main`
/// that returns `Result` shows.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
    executed: bool,
    repeatable: bool,
    /// What to do next, if it is more than what goes without saying for its kind.
    mend: Option<String>,
    daemon: Option<Whom>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            message,
            source: None,
            executed: false,
            repeatable: false,
            mend: None,
            daemon: None,
        }))
    }

    pub(crate) fn system(message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::new(ErrorKind::System, message).caused_by(source)
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Takes what to do out of a message that ends in it, behind its last `; `.
    pub(crate) fn with_mend(mut self) -> Self {
        let inner = &mut *self.0;
        if let Some((finding, mend)) = inner.message.rsplit_once("; ") {
            (inner.mend, inner.message) = (Some(mend.to_owned()), finding.to_owned());
        }
        self
    }

    /// What to do is what is to be done about this one.
    pub(crate) fn mended_as(mut self, cause: &Self) -> Self {
        self.0.mend.clone_from(&cause.0.mend);
        self
    }

    /// Names the daemon that this is about, unless one is named. What the service says itself stays
    /// as it is.
    pub(crate) fn of_daemon(mut self, whom: impl FnOnce() -> Whom) -> Self {
        let inner = &mut *self.0;
        if inner.daemon.is_none() {
            let whom = inner.daemon.insert(whom());
            if inner.kind != ErrorKind::Service {
                whom.name_in(&mut inner.message);
            }
        }
        self
    }

    /// Marks a call that may have reached its handler.
    pub(crate) fn maybe_executed(mut self) -> Self {
        self.0.executed = true;
        self
    }

    /// Marks a call that may be executed twice.
    pub(crate) fn repeatable(mut self) -> Self {
        self.0.repeatable = true;
        self
    }

    /// An error of the user's `init`, in its own words.
    pub(crate) fn from_boxed(error: Source) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => {
                let message = error.to_string();
                let cause = error.source().map(chain);
                let error = Self::new(ErrorKind::Service, message);
                cause.into_iter().fold(error, Self::caused_by)
            }
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message without its causes.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// An error of a service that is shown to the caller as it stands.
    ///
    /// Use it in an `init` or a `run` closure that has something of its own to say.
    ///
    /// ```
    /// let error = autod_core::Error::custom("no index in this directory");
    /// assert_eq!(error.to_string(), "no index in this directory");
    /// ```
    pub fn custom(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Service, message.to_string())
    }

    /// What to do next, for whoever reads the error: a clause or two, never empty.
    ///
    /// ```
    /// # fn example(error: &autod_core::Error) {
    /// eprintln!("mytool: {error}\nhelp: {}", error.help());
    /// # }
    /// ```
    pub fn help(&self) -> String {
        help::of(&self.0)
    }

    /// Whether the failed call may have been executed by the daemon.
    ///
    /// `false` is a proof: the handler was never entered. `true` says that nobody knows, or that
    /// the handler is known to have begun.
    pub fn may_have_executed(&self) -> bool {
        self.0.executed
    }

    /// Whether it may help to try the same operation again, and cannot do harm: it was not executed,
    /// or it is a call of a method with `#[autod(idempotent)]`, which does no more when it is executed
    /// twice. It is true of nothing but a lost connection, a daemon that is closing or does not run,
    /// and a limit of time that has passed.
    pub fn is_retry_safe(&self) -> bool {
        (!self.0.executed || self.0.repeatable)
            && matches!(
                self.0.kind,
                ErrorKind::Lost | ErrorKind::Closing | ErrorKind::Timeout | ErrorKind::NotRunning
            )
    }

    /// Nothing listens, and the operation was asked not to start a daemon.
    pub fn is_not_running(&self) -> bool {
        self.0.kind == ErrorKind::NotRunning
    }

    /// Another machine could not be reached, or did not let us in; nothing was executed. Whether it
    /// may help to try again only a person knows, who reads the cause.
    pub fn is_unreachable(&self) -> bool {
        self.0.kind == ErrorKind::Unreachable
    }

    /// A daemon already serves at this place.
    pub fn is_already_running(&self) -> bool {
        self.0.kind == ErrorKind::AlreadyRunning
    }

    /// The daemon ended, or said that it failed, before it was ready.
    pub fn is_start_failure(&self) -> bool {
        self.0.kind == ErrorKind::StartFailed
    }

    /// A limit of time passed without an answer.
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::Timeout
    }

    /// The other end is of another user, or the files of the daemon are not private.
    pub fn is_denied(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Denied | ErrorKind::Place)
    }

    /// The running daemon serves another service, another version of it, or another protocol.
    pub fn is_mismatch(&self) -> bool {
        self.0.kind == ErrorKind::Mismatch
    }

    /// The connection ended before the operation did.
    pub fn is_lost(&self) -> bool {
        self.0.kind == ErrorKind::Lost
    }

    /// The daemon is closing and refused the operation.
    pub fn is_closing(&self) -> bool {
        self.0.kind == ErrorKind::Closing
    }

    /// The call or stream was cancelled by one of the ends.
    pub fn is_cancelled(&self) -> bool {
        self.0.kind == ErrorKind::Cancelled
    }

    /// The handler of the call panicked; the daemon lives.
    pub fn is_panic(&self) -> bool {
        self.0.kind == ErrorKind::Panicked
    }

    /// A size or a number was past its limit.
    pub fn is_limit(&self) -> bool {
        self.0.kind == ErrorKind::Limit
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(self, f)?;
        match self.0.kind {
            // In the service's own words, and they alone.
            ErrorKind::Service => Ok(()),
            _ => write!(f, "\nhelp: {}", self.help()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_the_chain_on_one_line_and_the_help_on_another() {
        let error = Error::system("cannot open /x", std::io::Error::other("no disk"));
        assert_eq!(format!("{error}"), "cannot open /x");
        let debug = format!("{error:?}");
        assert_eq!(debug, format!("cannot open /x: no disk\nhelp: {}", error.help()));
        assert_eq!(format!("{:?}", Error::custom("no index")), "no index", "in its own words");
    }

    #[test]
    fn every_error_names_its_daemon_and_says_what_to_do() {
        for kind in ErrorKind::all() {
            for executed in [false, true] {
                let whom = || Whom::named("counter").at("/run/a/sock");
                let error = Error::new(kind, "it failed").of_daemon(whom);
                let error = if executed { error.maybe_executed() } else { error };
                assert!(error.help().len() > 20, "{kind:?}: {}", error.help());
                assert!(!error.help().contains("NAME"), "{kind:?}: {}", error.help());
                assert!(!error.help().ends_with('.'), "{kind:?}");
                if kind != ErrorKind::Service {
                    assert_eq!(error.to_string(), "it failed (counter on /run/a/sock)");
                    assert!(format!("{error:?}").contains("\nhelp: "), "{kind:?}");
                }
                let repeats = error.help().contains("try again: ");
                assert!(!repeats || error.is_retry_safe(), "{kind:?}: {}", error.help());
            }
        }
    }

    #[test]
    fn a_mend_of_its_own_is_the_help_and_goes_along_to_others() {
        let error = Error::new(ErrorKind::Place, "/x is not private; close it: chmod go-w /x");
        let error = error.with_mend().of_daemon(|| Whom::named("counter")).caused_by("it is so");
        assert_eq!(error.to_string(), "/x is not private (counter)");
        assert_eq!(error.help(), "close it: chmod go-w /x");
        let whole = "/x is not private (counter): it is so\nhelp: close it: chmod go-w /x";
        assert_eq!(format!("{error:?}"), whole);
        let told = "/x is not private (counter): it is so; close it: chmod go-w /x";
        assert_eq!(in_full(&error), told);
    }

    #[test]
    fn what_the_system_says_decides_what_to_do() {
        let help = |errno: rustix::io::Errno| {
            Error::system("cannot write", std::io::Error::from(errno)).help()
        };
        let usual = help(rustix::io::Errno::IO);
        for (errno, word) in [
            (rustix::io::Errno::ACCESS, "owner"),
            (rustix::io::Errno::ROFS, "writ"),
            (rustix::io::Errno::NOSPC, "room"),
            (rustix::io::Errno::DQUOT, "room"),
            (rustix::io::Errno::MFILE, "ulimit -n"),
            (rustix::io::Errno::AGAIN, "ulimit -u"),
        ] {
            assert!(help(errno).contains(word), "{errno}: {}", help(errno));
            assert_ne!(help(errno), usual);
        }
    }

    #[test]
    fn an_executed_call_is_not_safe_to_repeat() {
        let lost = Error::new(ErrorKind::Lost, "connection lost");
        assert!(lost.is_retry_safe());
        assert!(!lost.maybe_executed().is_retry_safe());
        let panic = Error::new(ErrorKind::Panicked, "it panicked").maybe_executed().repeatable();
        assert!(!panic.is_retry_safe(), "it would do the same again");
        assert!(!CallError::Service("no").is_retry_safe());
    }

    #[test]
    fn question_mark_goes_both_ways() {
        fn into_error() -> Result<()> {
            Err(CallError::Service("division by zero".to_owned()))?
        }
        fn into_call_error() -> Result<(), CallError<String>> {
            Err(Error::new(ErrorKind::Closing, "closing"))?
        }
        fn into_box() -> Result<(), Box<dyn StdError + Send + Sync>> {
            Err(CallError::Service("division by zero".to_owned()))?
        }
        assert_eq!(into_error().unwrap_err().to_string(), "division by zero");
        assert!(into_call_error().unwrap_err().is_retry_safe());
        assert_eq!(into_box().unwrap_err().to_string(), "division by zero");
    }
}
