//! What a person or a program is told, and how it gets to standard error.

use std::fmt;
use std::io::{self, Write as _};

use serde_json::{Value, json};

/// What is wrong, and what a person does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub text: String,
    pub help: Option<String>,
}

/// Between the two where both are one text, as on a terminal and from another process.
const HELP: &str = "\nhelp: ";

impl Told {
    /// Without a help that the text says already.
    pub fn new(text: impl Into<String>, help: impl Into<String>) -> Self {
        let (text, help) = (text.into(), help.into());
        let help = (!text.contains(&help)).then_some(help);
        Self { text, help }
    }

    /// As another process has printed it.
    pub fn read(said: &str) -> Self {
        match said.rsplit_once(HELP) {
            Some((text, help)) => Self { text: text.to_owned(), help: Some(help.to_owned()) },
            None => said.to_owned().into(),
        }
    }

    /// Where there is one line only.
    pub fn in_a_line(&self) -> String {
        self.to_string().replace(HELP, "; ").replace('\n', "; ")
    }

    /// The fields of an object for a program.
    pub fn to_json(&self) -> Value {
        match &self.help {
            Some(help) => json!({"text": self.text, "help": help}),
            None => json!({"text": self.text}),
        }
    }
}

impl From<String> for Told {
    fn from(text: String) -> Self {
        Self { text, help: None }
    }
}

impl From<&str> for Told {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// With its causes.
impl From<&autod_core::Error> for Told {
    fn from(error: &autod_core::Error) -> Self {
        Self::new(in_full(error), error.help())
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.help.iter().try_for_each(|help| write!(f, "{HELP}{help}"))
    }
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

/// To a person, on standard error, where whoever does not read any more misses it: unlike with `eprintln!`
/// that is no panic.
pub fn complain(lines: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless_lines(lines));
}

/// The same to a program.
pub fn complain_json(object: &Value) {
    let _ = writeln!(io::stderr(), "{object}");
}

/// A daemon's words may be in it, which are no commands for a terminal.
fn harmless_lines(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}

/// A remark that is no failure, for people or for programs.
pub fn warn(told: &Told, json: bool) {
    if json {
        complain_json(&json!({"warning": told.to_json()}));
    } else {
        complain(&format!("autod: {told}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_no_commands_for_a_terminal() {
        assert_eq!(
            harmless_lines("no:\n\tit \x1b[31mfailed\r\u{9b}"),
            "no:\n\tit \u{fffd}[31mfailed\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn what_was_printed_is_read_again() {
        for told in [Told::new("it fails", "mend it"), Told::from("it fails:\nhelp yourself")] {
            assert_eq!(Told::read(&told.to_string()), told);
        }
        assert_eq!(Told::new("it fails; mend it", "mend it").help, None, "said already");
    }
}
