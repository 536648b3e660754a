//! The one place that knows the serde format.
//!
//! Values travel as bincode 2 with its standard configuration (little-endian, variable-length
//! integers). The format is not self-describing: a type must decode to what it encoded without
//! looking ahead, which rules out serde's `untagged`, `tag`, `flatten` and `skip_serializing_if`.
//! Such a type fails here with an error that says so.
//!
//! The other format is [`json`], for those who do not know the types. Which one a connection has
//! was agreed in the hello: [`Codec`].
//!
//! A peer chooses how deep a value is nested and which lengths it claims, so both are bounded
//! ([`bounds`]): no value takes more stack or time than its bytes account for.

mod bounds;
mod decoder;
mod encoder;
#[cfg(feature = "json")]
pub(crate) mod json;
#[cfg(test)]
mod tests;

use std::any::type_name;

use bincode::error::{DecodeError, EncodeError};
use bincode::serde::EncodeError as SerdeEncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::decoder::Decoder;
use self::encoder::Encoder;
use crate::arguments::{Arguments, Received, Sent};
use crate::error::{Error, ErrorKind, Result};

/// How the values of a connection are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Codec {
    #[default]
    Bincode,
    #[cfg(feature = "json")]
    Json,
}

impl Codec {
    const ALL: &[Self] = &[
        Self::Bincode,
        #[cfg(feature = "json")]
        Self::Json,
    ];

    /// Its name in the hello.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bincode => "bincode2",
            #[cfg(feature = "json")]
            Self::Json => json::NAME,
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| codec.name() == name)
    }

    /// The names of all, for people.
    pub(crate) fn names() -> String {
        Self::ALL.iter().map(|codec| codec.name()).collect::<Vec<_>>().join(" or ")
    }

    /// Whether values can be read without their types: then the fingerprint need not be known.
    pub(crate) fn is_self_describing(self) -> bool {
        self != Self::Bincode
    }

    /// Appends the encoding of `value`. On an error `bytes` is as it was.
    #[inline]
    pub(crate) fn encode_into<T: Serialize + 'static>(
        self,
        bytes: &mut Vec<u8>,
        value: &T,
    ) -> Result<()> {
        match self {
            Self::Bincode => encode_into(bytes, value),
            #[cfg(feature = "json")]
            Self::Json => json::encode_into(bytes, value),
        }
    }

    /// Appends the encoding of an item of a stream, which others follow.
    #[inline]
    pub(crate) fn encode_item<T: Serialize + 'static>(
        self,
        bytes: &mut Vec<u8>,
        item: &T,
    ) -> Result<()> {
        match self {
            Self::Bincode => encode_into(bytes, item),
            #[cfg(feature = "json")]
            Self::Json => json::encode_item(bytes, item),
        }
    }
}

/// Appends the encoding of `value`. On an error `bytes` is as it was.
pub(crate) fn encode_into<T: Serialize + 'static>(bytes: &mut Vec<u8>, value: &T) -> Result<()> {
    encode::<T>(bytes, &Sent(value))
}

/// Appends the encoding of a value that may borrow.
pub(crate) fn encode_borrowing<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<()> {
    encode::<T>(bytes, value)
}

/// Appends the encoding of the arguments of a call.
pub(crate) fn encode_arguments<A: Arguments>(bytes: &mut Vec<u8>, arguments: &A) -> Result<()> {
    encode::<A>(bytes, &arguments.sent())
}

/// Encodes what is sent for a `T`.
fn encode<T>(bytes: &mut Vec<u8>, sent: &impl Serialize) -> Result<()> {
    let start = bytes.len();
    sent.serialize(&mut Encoder::new(bytes)).map_err(|error| {
        bytes.truncate(start);
        let name = type_name::<T>();
        let message = match error {
            EncodeError::Other(why) => return codec(format!("cannot encode {name}: {why}")),
            EncodeError::Serde(SerdeEncodeError::SequenceMustHaveLength) => format!(
                "cannot encode {name}: serde's flatten, or a map or sequence of unknown length, \
                 cannot travel in this format"
            ),
            _ => format!("cannot encode {name}"),
        };
        codec(message).caused_by(error)
    })
}

/// Decodes one value that fills `bytes` exactly.
pub(crate) fn decode<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T> {
    let (value, used) = decode_prefix(bytes)?;
    check_end::<T>(bytes.len() - used)?;
    Ok(value)
}

/// Decodes the arguments of a call.
pub(crate) fn decode_arguments<A: Arguments>(bytes: &[u8]) -> Result<A> {
    let (received, used) = decode_received::<A, A::Received>(bytes)?;
    check_end::<A>(bytes.len() - used)?;
    Ok(A::received(received))
}

/// Decodes one value from the start of `bytes` and tells how long it was.
pub(crate) fn decode_prefix<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<(T, usize)> {
    decode_received::<T, Received<T>>(bytes).map(|(received, used)| (received.0, used))
}

/// Decodes what was sent for a `T`.
fn decode_received<T, R: DeserializeOwned>(bytes: &[u8]) -> Result<(R, usize)> {
    let mut decoder = Decoder::new(bytes);
    match R::deserialize(&mut decoder) {
        Ok(received) => Ok((received, bytes.len() - decoder.left())),
        Err(error) => Err(undecodable::<T>(error)),
    }
}

fn check_end<T>(left: usize) -> Result<()> {
    if left == 0 {
        return Ok(());
    }
    Err(codec(format!("cannot decode {}: {left} bytes are left over", type_name::<T>())))
}

fn undecodable<T>(error: DecodeError) -> Error {
    let name = type_name::<T>();
    let message = match error {
        DecodeError::Other(why) => return codec(format!("cannot decode {name}: {why}")),
        DecodeError::Serde(_) => format!(
            "cannot decode {name}: serde's untagged, tag and flatten, and types that hold any value, \
             cannot travel in this format"
        ),
        _ => format!("cannot decode {name}"),
    };
    codec(message).caused_by(error)
}

fn codec(message: String) -> Error {
    Error::new(ErrorKind::Codec, message)
}
