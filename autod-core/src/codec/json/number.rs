//! What the digits of a number say.

use super::error::{JsonError, Result};

/// A number of at most 64 bits.
#[derive(Debug)]
pub(super) enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

impl Number {
    /// Reads what [`Text::number`] has found.
    pub(super) fn parse(digits: &str) -> Result<Self> {
        if is_integer(digits) && digits != "-0" {
            let unsigned = digits.parse().map(Self::Unsigned);
            return unsigned
                .or_else(|_| digits.parse().map(Self::Negative))
                .map_err(|_| out_of_range(digits));
        }
        let float: f64 = digits.parse().map_err(|_| out_of_range(digits))?;
        if float.is_finite() { Ok(Self::Float(float)) } else { Err(out_of_range(digits)) }
    }
}

pub(super) fn is_integer(digits: &str) -> bool {
    !digits.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

#[cold]
pub(super) fn out_of_range(digits: &str) -> JsonError {
    // Digits alone, so every byte is the end of a character.
    match digits.get(..40) {
        Some(start) => JsonError::new(format!("the number {start}.. is out of range")),
        None => JsonError::new(format!("the number {digits} is out of range")),
    }
}
