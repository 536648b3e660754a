//! How a command ends: the exit codes, and what a person is told.

use std::fmt;
use std::io;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::told::{Told, complain, complain_json};

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
    /// Several if it was asked for several things; none if it was printed already.
    told: Vec<Told>,
    code: u8,
    /// The text says by itself where it comes from.
    plain: bool,
}

impl Failure {
    pub fn new(told: impl Into<Told>) -> Self {
        Self::coded(1, told)
    }

    pub fn coded(code: u8, told: impl Into<Told>) -> Self {
        Self { told: vec![told.into()], code, plain: false }
    }

    /// Says what the text says, and nothing before it.
    pub fn plain(code: u8, told: impl Into<Told>) -> Self {
        Self { plain: true, ..Self::coded(code, told) }
    }

    /// Whoever waits for it knows already, or has another way to.
    pub fn silent(code: u8) -> Self {
        Self { told: Vec::new(), code, plain: false }
    }

    /// All of this went wrong.
    pub fn several(told: Vec<Told>) -> Self {
        Self { told, code: 1, plain: false }
    }

    pub fn unknown(told: impl Into<Told>) -> Self {
        Self::coded(UNKNOWN, told)
    }

    pub fn not_running(told: impl Into<Told>) -> Self {
        Self::coded(NOT_RUNNING, told)
    }

    pub fn no_answer(told: impl Into<Told>) -> Self {
        Self::coded(NO_ANSWER, told)
    }

    /// With what a person does next, on a line of its own.
    #[must_use]
    pub fn with_help(mut self, help: impl fmt::Display) -> Self {
        if let Some(last) = self.told.last_mut() {
            last.help = Some(help.to_string());
        }
        self
    }

    /// The same, unless it says that already.
    #[must_use]
    pub fn or_help(self, help: impl fmt::Display) -> Self {
        let is_helped = self.told.last().is_some_and(|last| last.help.is_some());
        if is_helped { self } else { self.with_help(help) }
    }

    /// Says before all what it is about.
    #[must_use]
    pub fn about(mut self, what: impl fmt::Display) -> Self {
        for told in &mut self.told {
            told.text = format!("{what}: {}", told.text);
        }
        self
    }

    /// There is none of that name.
    pub fn is_unknown(&self) -> bool {
        self.code == UNKNOWN
    }

    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// The worse one of two, with what both say.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.told.extend_from_slice(&other.told);
        self.code = if self.code == other.code { self.code } else { 1 };
        self
    }

    /// Says it on standard error: lines of text, or with `json` an object.
    pub fn report(&self, json: bool) {
        if self.told.is_empty() {
            return;
        }
        if json {
            complain_json(&json!({"error": self.to_json()}));
        } else {
            complain(&self.to_string());
        }
    }

    /// What it says, and the exit code.
    pub fn to_json(&self) -> Value {
        let mut helps: Vec<&str> = Vec::new();
        for help in self.told.iter().filter_map(|told| told.help.as_deref()) {
            if !helps.contains(&help) {
                helps.push(help);
            }
        }
        let texts: Vec<&str> = self.told.iter().map(|told| &*told.text).collect();
        let help = (!helps.is_empty()).then(|| helps.join("\n"));
        let mut object = Told { text: texts.join("\n"), help }.to_json();
        object["code"] = self.code.into();
        object
    }

    /// Where there is one line only.
    pub fn in_a_line(&self) -> String {
        let lines: Vec<String> = self.told.iter().map(Told::in_a_line).collect();
        lines.join("; ")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, told) in self.told.iter().enumerate() {
            let (end, name) =
                (if at == 0 { "" } else { "\n" }, if self.plain { "" } else { "autod: " });
            write!(f, "{end}{name}{told}")?;
        }
        Ok(())
    }
}

impl From<autod_core::Error> for Failure {
    fn from(error: autod_core::Error) -> Self {
        let code = match () {
            () if error.is_not_running() => NOT_RUNNING,
            () if error.is_timeout() => NO_ANSWER,
            () => 1,
        };
        Self::coded(code, &error)
    }
}

impl From<Told> for Failure {
    fn from(told: Told) -> Self {
        Self::new(told)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// What cannot be printed. Whoever does not read any more, as `head`, has what it wanted.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(0);
        }
        Self::new(format!("cannot print: {error}"))
            .with_help("look at what standard output leads to")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_apart_for_programs() {
        let failure = Failure::unknown("no a").with_help("look");
        assert_eq!(failure.to_string(), "autod: no a\nhelp: look");
        assert_eq!(failure.to_json(), json!({"text": "no a", "help": "look", "code": 4}));
        assert_eq!(failure.in_a_line(), "no a; look");
        let both = failure.and(&Failure::new("b fails").with_help("look"));
        assert_eq!(both.to_string(), "autod: no a\nhelp: look\nautod: b fails\nhelp: look");
        assert_eq!(both.to_json(), json!({"text": "no a\nb fails", "help": "look", "code": 1}));
        let without = Failure::plain(2, "a.toml:1:1: no");
        assert_eq!(without.to_string(), "a.toml:1:1: no");
        assert_eq!(without.to_json(), json!({"text": "a.toml:1:1: no", "code": 2}));
    }
}
