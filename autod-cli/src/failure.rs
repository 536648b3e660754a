//! How a command ends: the exit codes, and what a person is told.

use std::fmt;
use std::process::ExitCode;

/// A command that has done what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Well,
    /// It has told what is wrong, and that is the result.
    WithFindings,
}

impl Done {
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Self::Well => ExitCode::SUCCESS,
            Self::WithFindings => ExitCode::FAILURE,
        }
    }
}

/// A command that has not.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) text: String,
    code: u8,
    /// The text says by itself where it comes from.
    plain: bool,
}

impl Failure {
    const NOT_RUNNING: u8 = 3;
    const NO_ANSWER: u8 = 4;

    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1, plain: false }
    }

    /// Says what the text says, and nothing before it.
    pub(crate) fn plain(text: String) -> Self {
        Self { text, code: 1, plain: true }
    }

    pub(crate) fn not_running(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: Self::NOT_RUNNING, plain: false }
    }

    pub(crate) fn no_answer(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: Self::NO_ANSWER, plain: false }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// The worse one of two, with what both say.
    pub(crate) fn and(self, other: Self) -> Self {
        let text = format!("{}\nautod: {}", self.text, other.text);
        Self { text, code: if self.code == other.code { self.code } else { 1 }, plain: self.plain }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.plain { "" } else { "autod: " }, self.text)
    }
}

impl From<autod::Error> for Failure {
    fn from(error: autod::Error) -> Self {
        let code = match () {
            () if error.is_not_running() => Self::NOT_RUNNING,
            () if error.is_timeout() => Self::NO_ANSWER,
            () => 1,
        };
        Self { text: in_full(&error), code, plain: false }
    }
}

/// What cannot be printed. Whoever does not read any more, as `head`, has what it wanted.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { code: 0, ..Self::plain(String::new()) };
        }
        Self::new(format!("cannot write: {error}"))
    }
}

/// An error with its causes.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
