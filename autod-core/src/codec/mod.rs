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
mod head;
#[cfg(feature = "json")]
pub(crate) mod json;
mod message;
mod number;
#[cfg(test)]
mod tests;

use std::any::type_name;

use bincode::error::{DecodeError, EncodeError};
use bincode::serde::EncodeError as SerdeEncodeError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::decoder::Decoder;
use self::encoder::Encoder;
pub(crate) use self::message::{Message, take_long};
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

    /// Puts a value behind `head`.
    #[inline]
    pub(crate) fn value_message<T: Serialize + 'static>(
        self,
        mut head: Vec<u8>,
        value: T,
    ) -> Result<Message> {
        let tail = self.encode_value(&mut head, value)?;
        Ok(Message { head: head.into(), tail })
    }

    /// Appends the encoding of a value but for long bytes at its end, which it gives.
    #[inline]
    pub(crate) fn encode_value<T: Serialize + 'static>(
        self,
        bytes: &mut Vec<u8>,
        value: T,
    ) -> Result<Vec<u8>> {
        match self {
            Self::Bincode => {
                let mut tail = Vec::new();
                encode_owned(bytes, &mut tail, value)?;
                Ok(tail)
            }
            #[cfg(feature = "json")]
            Self::Json => json::encode_into(bytes, &value).map(|()| Vec::new()),
        }
    }

    /// Appends the encoding of an item of a stream, which others follow, but for long bytes at its
    /// end, which go to `tail`.
    #[inline]
    pub(crate) fn encode_item<T: Serialize + 'static>(
        self,
        bytes: &mut Vec<u8>,
        tail: &mut Vec<u8>,
        item: T,
    ) -> Result<()> {
        match self {
            Self::Bincode => encode_owned(bytes, tail, item),
            #[cfg(feature = "json")]
            Self::Json => json::encode_item(bytes, &item),
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

/// Puts the arguments of a call behind `head`.
pub(crate) fn arguments_message<A: Arguments>(
    mut head: Vec<u8>,
    mut arguments: A,
) -> Result<Message> {
    let tail = arguments.take_long().unwrap_or_default();
    encode::<A>(&mut head, &arguments.sent())?;
    put_length(&mut head, &tail);
    Ok(Message { head: head.into(), tail })
}

/// Appends the encoding of a value but for long bytes at its end, which go to `tail`.
#[inline]
fn encode_owned<T: Serialize + 'static>(
    bytes: &mut Vec<u8>,
    tail: &mut Vec<u8>,
    mut value: T,
) -> Result<()> {
    let long = take_long(&mut value);
    encode::<T>(bytes, &Sent(&value))?;
    if let Some(long) = long {
        put_length(bytes, &long);
        *tail = long;
    }
    Ok(())
}

/// Completes the encoding of a value whose long bytes have been taken.
#[inline]
fn put_length(bytes: &mut Vec<u8>, tail: &[u8]) {
    if !tail.is_empty() {
        // What stands there for them is the length of nothing.
        debug_assert_eq!(bytes.last(), Some(&0));
        bytes.pop();
        encoder::put_length(bytes, tail.len());
    }
}

/// Encodes what is sent for a `T`.
#[inline]
fn encode<T>(bytes: &mut Vec<u8>, sent: &impl Serialize) -> Result<()> {
    let start = bytes.len();
    sent.serialize(&mut Encoder::new(bytes)).map_err(|error| {
        bytes.truncate(start);
        unencodable(type_name::<T>(), error)
    })
}

#[cold]
fn unencodable(name: &str, error: EncodeError) -> Error {
    let message = match error {
        EncodeError::Other(why) => return codec(format!("cannot encode {name}: {why}")),
        EncodeError::Serde(SerdeEncodeError::SequenceMustHaveLength) => format!(
            "cannot encode {name}: serde's flatten, or a map or sequence of unknown length, \
             cannot travel in this format"
        ),
        _ => format!("cannot encode {name}"),
    };
    codec(message).caused_by(error)
}

/// Decodes one value that fills `bytes` exactly.
pub(crate) fn decode<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<T> {
    let (value, used) = decode_prefix(bytes)?;
    check_end::<T>(bytes.len() - used)?;
    Ok(value)
}

/// Decodes one value that is all of a message.
pub(crate) fn decode_message<T: DeserializeOwned + 'static>(mut message: Message) -> Result<T> {
    let length = message.len();
    let (value, used) = decode_from(&mut message, 0)?;
    check_end::<T>(length - used)?;
    Ok(value)
}

/// Decodes the arguments of a call, which begin there. What is apart may go into them.
pub(crate) fn decode_arguments<A: Arguments>(message: &mut Message, at: usize) -> Result<A> {
    let length = message.len();
    let (received, used) = received_from::<A, A::Received>(message, at)?;
    check_end::<A>(length - at - used)?;
    Ok(A::received(received))
}

/// Decodes one value from the start of `bytes` and tells how long it was.
#[inline]
pub(crate) fn decode_prefix<T: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<(T, usize)> {
    let decoder = &mut Decoder::new(bytes, None);
    match Received::deserialize(&mut *decoder) {
        Ok(Received(value)) => Ok((value, bytes.len() - decoder.left())),
        Err(error) => Err(undecodable::<T>(error)),
    }
}

/// Decodes the value that begins there and tells how long it was. What is apart may go into it.
#[inline]
pub(crate) fn decode_from<T: DeserializeOwned + 'static>(
    message: &mut Message,
    at: usize,
) -> Result<(T, usize)> {
    if message.tail.is_empty() {
        return decode_prefix(message.head.get(at..).unwrap_or_default());
    }
    received_from::<T, Received<T>>(message, at).map(|(received, used)| (received.0, used))
}

/// Decodes what was sent for a `T`.
#[inline]
fn received_from<T, R: DeserializeOwned>(message: &mut Message, at: usize) -> Result<(R, usize)> {
    let before = message.len() - at;
    let decoder = &mut match message.head.get(at..) {
        Some(head) => Decoder::new(head, Some(&mut message.tail)),
        None => Decoder::new(&message.tail[at - message.head.len()..], None),
    };
    let received = R::deserialize(&mut *decoder);
    let used = before - decoder.left();
    if decoder.is_torn() {
        // Its sender has cut it amid a value.
        message.join();
        return received_from::<T, R>(message, at);
    }
    received.map(|received| (received, used)).map_err(undecodable::<T>)
}

fn check_end<T>(left: usize) -> Result<()> {
    if left == 0 {
        return Ok(());
    }
    Err(codec(format!("cannot decode {}: {left} bytes are left over", type_name::<T>())))
}

#[cold]
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
