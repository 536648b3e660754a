//! An error with its causes, as text.

use std::error::Error as StdError;
use std::fmt;

use super::Error;

/// All that is known of an error, for another process or for the log: its message, its causes, and
/// what to do if that does not go without saying.
pub(crate) fn in_full(error: &Error) -> String {
    match &error.0.mend {
        Some(mend) => format!("{}; {mend}", chain(error)),
        None => chain(error),
    }
}

/// The message of an error and of all its causes, joined by `: `.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    struct Chain<'a>(&'a (dyn StdError + 'static));
    impl fmt::Display for Chain<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_chain(self.0, f)
        }
    }
    Chain(error).to_string()
}

pub(super) fn write_chain(
    error: &(dyn StdError + 'static),
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    while let Some(cause) = source {
        write!(f, ": {cause}")?;
        source = cause.source();
    }
    Ok(())
}
