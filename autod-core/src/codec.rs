//! The one place that knows the serde format.
//!
//! Values travel as bincode 2 with its standard configuration (little-endian, variable-length
//! integers). The format is not self-describing: a type must decode to what it encoded without
//! looking ahead, which rules out serde's `untagged`, `tag`, `flatten` and `skip_serializing_if`.
//! Such a type fails here with an error that says so.

use std::any::type_name;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use bincode::serde::EncodeError as SerdeEncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

/// No length prefix inside a value may claim more than this, whatever the negotiated limits are.
const MAX_CLAIM: usize = 1 << 30;

const CONFIG: Configuration<LittleEndian, Varint, Limit<MAX_CLAIM>> =
    bincode::config::standard().with_limit::<MAX_CLAIM>();

/// The name of the format in the hello.
pub(crate) const NAME: &str = "bincode2";

/// Appends the encoding of `value`. On an error `bytes` is as it was.
pub(crate) fn encode_into<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) -> Result<()> {
    struct Append<'a>(&'a mut Vec<u8>);
    impl Writer for Append<'_> {
        fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }

    let start = bytes.len();
    bincode::serde::encode_into_writer(value, Append(bytes), CONFIG).map_err(|error| {
        bytes.truncate(start);
        let name = type_name::<T>();
        let message = match error {
            EncodeError::Serde(SerdeEncodeError::SequenceMustHaveLength) => format!(
                "cannot encode {name}: serde's flatten, or a map or sequence of unknown length, \
                 cannot travel in this format"
            ),
            _ => format!("cannot encode {name}"),
        };
        Error::new(ErrorKind::Codec, message).caused_by(error)
    })
}

/// Decodes one value that fills `bytes` exactly.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let (value, used) = decode_prefix(bytes)?;
    if used != bytes.len() {
        let left = bytes.len() - used;
        return Err(Error::new(
            ErrorKind::Codec,
            format!("cannot decode {}: {left} bytes are left over", type_name::<T>()),
        ));
    }
    Ok(value)
}

/// Decodes one value from the start of `bytes` and tells how long it was.
pub(crate) fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize)> {
    bincode::serde::decode_from_slice(bytes, CONFIG).map_err(|error| {
        let name = type_name::<T>();
        let message = match error {
            DecodeError::Serde(_) => format!(
                "cannot decode {name}: serde's untagged, tag and flatten cannot travel in this \
                 format"
            ),
            _ => format!("cannot decode {name}"),
        };
        Error::new(ErrorKind::Codec, message).caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    fn round_trip<T: Serialize + DeserializeOwned>(value: &T) -> Result<T> {
        let mut bytes = Vec::new();
        encode_into(&mut bytes, value)?;
        decode(&bytes)
    }

    #[test]
    fn values_come_back() {
        assert_eq!(round_trip(&(7_i64, "seven".to_owned())).unwrap(), (7, "seven".to_owned()));
        assert_eq!(round_trip(&vec![Some(1_u8), None]).unwrap(), vec![Some(1), None]);
    }

    #[test]
    fn trailing_bytes_are_an_error() {
        let error = decode::<u8>(&[1, 2]).unwrap_err();
        assert_eq!(error.to_string(), "cannot decode u8: 1 bytes are left over");
    }

    #[test]
    fn a_claimed_length_is_not_believed() {
        // 0xfd: a u64 follows.
        let claim = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(decode::<Vec<u64>>(&claim).is_err());
    }

    #[test]
    fn untagged_is_refused_with_its_name() {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u32),
        }
        let error = round_trip(&Either::Number(1)).unwrap_err();
        assert!(error.to_string().contains("Either: serde's untagged"), "{error}");
    }

    #[test]
    fn flatten_is_refused_and_leaves_the_buffer_alone() {
        #[derive(Serialize)]
        struct Inner {
            a: u8,
        }
        #[derive(Serialize)]
        struct Outer {
            #[serde(flatten)]
            inner: Inner,
        }
        let mut bytes = vec![9];
        let error = encode_into(&mut bytes, &Outer { inner: Inner { a: 1 } }).unwrap_err();
        assert!(error.to_string().contains("flatten"), "{error}");
        assert_eq!(bytes, [9]);
    }
}
