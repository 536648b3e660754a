//! The error of a call that may fail in the service's own way.

use std::error::Error as StdError;
use std::fmt;

use super::Error;

/// Why a call of a method that returns `Result<T, E>` failed.
///
/// `?` turns it into [`Error`], and into everything that takes a standard error.
pub enum CallError<E> {
    /// The service's own error: the handler ran and said no.
    Service(E),
    /// The call did not get that far, or its answer did not come back.
    Autod(Error),
}

impl<E> CallError<E> {
    /// The service's own error, if it was that.
    pub fn into_service(self) -> Option<E> {
        match self {
            Self::Service(error) => Some(error),
            Self::Autod(_) => None,
        }
    }

    /// What to do next, unless the service's own error says it; see [`Error::help`].
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Service(_) => None,
            Self::Autod(error) => Some(error.help()),
        }
    }

    /// Whether the call may have been executed; see [`Error::may_have_executed`].
    pub fn may_have_executed(&self) -> bool {
        match self {
            Self::Service(_) => true,
            Self::Autod(error) => error.may_have_executed(),
        }
    }

    /// Whether the call can be sent again safely; see [`Error::is_retry_safe`].
    pub fn is_retry_safe(&self) -> bool {
        match self {
            Self::Service(_) => false,
            Self::Autod(error) => error.is_retry_safe(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Autod(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Autod(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Display + fmt::Debug> StdError for CallError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Service(_) => None,
            Self::Autod(error) => error.source(),
        }
    }
}

impl<E> From<Error> for CallError<E> {
    fn from(error: Error) -> Self {
        Self::Autod(error)
    }
}

impl<E: fmt::Display> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        match error {
            CallError::Service(error) => Self::custom(error).maybe_executed(),
            CallError::Autod(error) => error,
        }
    }
}
