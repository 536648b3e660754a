//! Values as JSON, for people, scripts and other languages.
//!
//! A reader and a writer of our own, because a peer chooses the text: every level counts against
//! [`Bounds`](super::bounds), also those that JSON does not show. A `struct Chain(Option<Box<Chain>>)`
//! takes the text `5` for a link of a link without end, unless somebody counts. What JSON cannot say
//! is an error, and nothing is rounded.

mod arguments;
mod decoder;
mod encoder;
mod error;
mod key;
mod number;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod text;

use std::any::type_name;

use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};

use self::decoder::Decoder;
use self::encoder::Encoder;
use super::codec as codec_error;
use crate::arguments::{Arguments, Received, Sent};
use crate::error::Result;
use crate::service::Argument;

/// The name of the format in the hello.
pub(super) const NAME: &str = crate::wire::hello::SELF_DESCRIBING;

/// Appends the text of `value`. On an error `bytes` is as it was.
#[inline(never)]
pub(crate) fn encode_into<T: Serialize + 'static>(bytes: &mut Vec<u8>, value: &T) -> Result<()> {
    encode::<T>(bytes, &Sent(value))
}

/// Appends the text of an item of a stream, which ends with a new line.
pub(crate) fn encode_item<T: Serialize + 'static>(bytes: &mut Vec<u8>, item: &T) -> Result<()> {
    encode_into(bytes, item)?;
    bytes.push(b'\n');
    Ok(())
}

/// Appends the text of a value that may borrow.
pub(crate) fn encode_borrowing<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<()> {
    encode::<T>(bytes, value)
}

fn encode<T>(bytes: &mut Vec<u8>, sent: &impl Serialize) -> Result<()> {
    let start = bytes.len();
    sent.serialize(&mut Encoder::new(bytes)).map_err(|error| {
        bytes.truncate(start);
        codec_error(format!("cannot encode {} as JSON: {error}", type_name::<T>()))
    })
}

/// Decodes one value that is all of `bytes`.
#[inline(never)]
pub(crate) fn decode<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T> {
    let (value, used) = decode_prefix(bytes)?;
    if used < bytes.len() {
        let left = bytes.len() - used;
        let name = type_name::<T>();
        return Err(codec_error(format!("cannot decode {name}: {left} bytes are left over")));
    }
    Ok(value)
}

/// Decodes one value from the start of `bytes` and tells how long it was, with the whitespace
/// behind it.
#[inline(never)]
pub(crate) fn decode_prefix<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<(T, usize)> {
    let mut decoder = Decoder::new(bytes);
    match Received::<T>::deserialize(&mut decoder) {
        Ok(received) => Ok((received.0, decoder.end())),
        Err(error) => Err(codec_error(format!("cannot decode {}: {error}", type_name::<T>()))),
    }
}

/// Decodes the arguments of a method that has these.
#[inline(never)]
pub(crate) fn decode_arguments<A: Arguments>(bytes: &[u8], expected: &[Argument]) -> Result<A> {
    arguments::Given::find(bytes, expected)
        .and_then(A::Received::deserialize)
        .map(A::received)
        .map_err(|error| codec_error(error.to_string()))
}
