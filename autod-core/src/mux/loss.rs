//! Why a connection is gone, and what that means for its calls.

use crate::error::{Error, ErrorKind};

/// Why a connection is gone.
#[derive(Clone, Debug)]
pub(crate) struct Loss {
    pub(crate) kind: ErrorKind,
    pub(crate) text: String,
    /// A call without an answer may have been executed.
    pub(crate) executed: bool,
}

impl Loss {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), executed: true }
    }

    /// The error of a call that was waiting for its answer.
    pub(super) fn of_open_call(&self) -> Error {
        let error = self.of_new_call();
        if self.executed { error.maybe_executed() } else { error }
    }

    /// The error of a call that came too late to be sent.
    pub(super) fn of_new_call(&self) -> Error {
        Error::new(self.kind, self.text.clone())
    }
}
