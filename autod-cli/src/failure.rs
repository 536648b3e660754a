//! How a command ends that did not do what it was asked for.

/// Wrong usage; clap's code too.
pub(crate) const USAGE: u8 = 2;
/// What was asked about does not run.
pub(crate) const NOT_RUNNING: u8 = 3;
/// There is no such service.
pub(crate) const UNKNOWN: u8 = 4;
/// The file has a supervisor already.
pub(crate) const ALREADY_RUNNING: u8 = 5;

/// What a person is to read, and the exit code. The codes are listed in docs/activation.md.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self { code: 1, text }
    }
}
