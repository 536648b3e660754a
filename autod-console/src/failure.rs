//! How a command ends: the exit codes, and what a person is told.

use std::fmt;
use std::process::ExitCode;

use serde_json::{Value, json};

/// Wrong usage; clap's code too.
pub const USAGE: u8 = 2;
/// What was asked about does not run.
pub const NOT_RUNNING: u8 = 3;
/// There is no such daemon or service.
pub const UNKNOWN: u8 = 4;
/// The file has a supervisor already.
pub const ALREADY_RUNNING: u8 = 5;
/// A daemon does not answer, or does not end, in time.
pub const NO_ANSWER: u8 = 6;
/// A call did not come to its end.
pub const UNFINISHED: u8 = 7;

/// A command that has done what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Well,
    /// It has told what is wrong, and that is the result.
    WithFindings,
}

impl Done {
    pub fn code(self) -> ExitCode {
        match self {
            Self::Well => ExitCode::SUCCESS,
            Self::WithFindings => ExitCode::FAILURE,
        }
    }
}

/// A command that has not.
#[derive(Debug)]
pub struct Failure {
    pub text: String,
    code: u8,
    /// The text says by itself where it comes from.
    plain: bool,
}

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1, plain: false }
    }

    /// Says what the text says, and nothing before it.
    pub fn coded(code: u8, text: impl Into<String>) -> Self {
        Self { text: text.into(), code, plain: true }
    }

    pub fn unknown(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: UNKNOWN, plain: false }
    }

    /// With what a person does next, on a line of its own.
    #[must_use]
    pub fn with_help(self, help: impl fmt::Display) -> Self {
        Self { text: format!("{}\nhelp: {help}", self.text), ..self }
    }

    /// There is none of that name.
    pub fn is_unknown(&self) -> bool {
        self.code == UNKNOWN
    }

    pub fn not_running(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: NOT_RUNNING, plain: false }
    }

    pub fn no_answer(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: NO_ANSWER, plain: false }
    }

    /// Says on a line of its own what a person does next.
    #[must_use]
    pub fn help(self, help: &str) -> Self {
        Self { text: helped(self.text, help), ..self }
    }

    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// The worse one of two, with what both say.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let text = format!("{}\nautod: {}", self.text, other.text);
        Self { text, code: if self.code == other.code { self.code } else { 1 }, plain: self.plain }
    }
}

impl Failure {
    /// Says it on standard error: a line of text, or with `json` an object.
    pub fn report(&self, json: bool) {
        if self.text.is_empty() {
            return;
        }
        if json {
            eprintln!("{}", json!({"error": self.to_json()}));
        } else {
            eprintln!("{self}");
        }
    }

    /// What it says without the name of the command, and the exit code.
    pub fn to_json(&self) -> Value {
        let lines: Vec<&str> = self.text.lines().map(without_our_name).collect();
        json!({"text": lines.join("\n"), "code": self.code})
    }
}

fn without_our_name(line: &str) -> &str {
    line.strip_prefix("autod: ").unwrap_or(line)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.plain { "" } else { "autod: " }, self.text)
    }
}

/// What a person does next, on a line of its own, unless the text says it already.
pub fn helped(text: String, help: &str) -> String {
    if text.contains(help) { text } else { format!("{text}\nhelp: {help}") }
}

impl From<autod_core::Error> for Failure {
    fn from(error: autod_core::Error) -> Self {
        let code = match () {
            () if error.is_not_running() => NOT_RUNNING,
            () if error.is_timeout() => NO_ANSWER,
            () => 1,
        };
        Self { text: told(&error), code, plain: false }
    }
}

/// What cannot be printed. Whoever does not read any more, as `head`, has what it wanted.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { code: 0, ..Self::coded(0, "") };
        }
        Self::new(format!("cannot write: {error}"))
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::coded(1, text)
    }
}

/// An error with its causes, and what to do next on a second line.
pub fn told(error: &autod_core::Error) -> String {
    helped(in_full(error), &error.help())
}

/// The same where there is one line only.
pub fn told_in_a_line(error: &autod_core::Error) -> String {
    in_a_line(&told(error))
}

/// What a command says on several lines, on one.
pub fn in_a_line(text: &str) -> String {
    text.replace("\nhelp: ", "; ").replace('\n', "; ")
}

/// An error with its causes.
pub fn in_full(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
