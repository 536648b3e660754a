//! What is wrong with a text, or with a value on its way into one.

use std::fmt::{self, Write as _};

/// Serde quotes what it found, which a peer chose: no more of an error than this is kept.
const LONGEST: usize = 500;

/// In words; the caller says what was being read or written.
#[derive(Debug)]
pub(super) struct JsonError(String);

pub(super) type Result<T> = std::result::Result<T, JsonError>;

impl JsonError {
    #[cold]
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same about an argument.
    #[cold]
    pub(super) fn of_argument(self, name: &str) -> Self {
        Self(format!("the argument {name} does not fit: {self}"))
    }
}

impl From<&'static str> for JsonError {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// Takes no more text than is kept.
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST - self.0.len();
        let mut end = room.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.0.push_str(&text[..end]);
        if text.len() <= room { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cold]
fn shortened(message: fmt::Arguments<'_>) -> JsonError {
    let mut short = Short(String::new());
    if short.write_fmt(message).is_err() {
        short.0.push_str("..");
    }
    JsonError(short.0)
}

impl serde::de::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        shortened(format_args!("{message}"))
    }
}

impl serde::ser::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        shortened(format_args!("{message}"))
    }
}
