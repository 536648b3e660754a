//! What is wrong with a text, or with a value on its way into one.

use std::fmt;

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

impl serde::de::Error for JsonError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl serde::ser::Error for JsonError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}
