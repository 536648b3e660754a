//! What a program's own tests can ask.

use std::any::type_name;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Error, ErrorKind, Result};

/// Sends a value to itself: encodes it as for a call, and decodes it again.
///
/// Run it on the types of a service. Values travel in a form that does not describe itself, so some of
/// serde's attributes cannot be used in them, and no compiler sees that:
///
/// | attribute | what fails |
/// |---|---|
/// | `untagged`, `tag`, `tag` with `content` | decoding |
/// | `flatten` | encoding |
/// | `skip_serializing_if` | encoding, of a value of which a field is skipped: give one |
/// | a type that holds any value, such as `serde_json::Value` | decoding |
/// | `serialize_with` without its counterpart | decoding, or the comparison |
///
/// `skip`, `default`, `rename` and `with` can be used. A field with `skip` comes back as its default,
/// so compare what you get with what you gave.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Job {
///     name: String,
///     priority: Option<u8>,
/// }
///
/// let job = Job { name: "index".to_owned(), priority: None };
/// assert_eq!(autod_core::testing::roundtrip(&job)?, job);
/// # Ok::<(), autod_core::Error>(())
/// ```
///
/// # Errors
///
/// The value cannot be encoded or decoded, with the reason, or it comes back as another one: its
/// bytes are then not the same, in whatever order, since a `HashMap` has none.
pub fn roundtrip<T: Serialize + DeserializeOwned + 'static>(value: &T) -> Result<T> {
    let encoded = |value: &T| {
        let mut bytes = Vec::new();
        codec::encode_into(&mut bytes, value).map(|()| bytes)
    };
    let mut bytes = encoded(value)?;
    let back = codec::decode(&bytes)?;
    let mut again = encoded(&back)?;
    bytes.sort_unstable();
    again.sort_unstable();
    if bytes == again {
        return Ok(back);
    }
    let name = type_name::<T>();
    let text = format!("{name} comes back as another value: its Serialize and Deserialize differ");
    Err(Error::new(ErrorKind::Codec, text))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fmt::Debug;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::*;

    #[track_caller]
    fn assert_refused<T: Serialize + DeserializeOwned + Debug + 'static>(value: &T, words: &str) {
        let error = roundtrip(value).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn untagged_is_found() {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u32),
            Text(String),
        }
        for value in [Either::Number(1), Either::Text("one".to_owned())] {
            assert_refused(&value, "Either: serde's untagged, tag and flatten");
        }
    }

    #[test]
    fn tag_is_found() {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        enum Shape {
            Point,
            Circle { radius: u32 },
        }
        for value in [Shape::Point, Shape::Circle { radius: 2 }] {
            assert_refused(&value, "Shape: serde's untagged, tag and flatten");
        }
    }

    #[test]
    fn flatten_is_found() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Inner {
            a: u8,
        }
        #[derive(Debug, Serialize, Deserialize)]
        struct Outer {
            #[serde(flatten)]
            inner: Inner,
        }
        assert_refused(&Outer { inner: Inner { a: 1 } }, "serde's flatten");
    }

    #[test]
    fn skip_serializing_if_is_found_where_it_skips() {
        // The bytes of the second field would pass for both.
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Sparse {
            #[serde(skip_serializing_if = "is_zero")]
            count: u8,
            bytes: Vec<u8>,
        }
        #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
        fn is_zero(n: &u8) -> bool {
            *n == 0
        }
        #[derive(Debug, Serialize, Deserialize)]
        enum Event {
            Named {
                #[serde(skip_serializing_if = "Option::is_none")]
                name: Option<String>,
                n: u8,
            },
        }
        let whole = Sparse { count: 1, bytes: vec![2] };
        assert_eq!(roundtrip(&whole).unwrap(), whole);
        assert_refused(&Sparse { count: 0, bytes: vec![1, 9] }, "serde's skip_serializing_if");
        assert_refused(&Event::Named { name: None, n: 0 }, "serde's skip_serializing_if");
    }

    #[test]
    fn two_halves_that_do_not_belong_together_are_found() {
        #[derive(Debug)]
        struct Meters(u32);
        impl Serialize for Meters {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u32(self.0 * 1000)
            }
        }
        impl<'de> Deserialize<'de> for Meters {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                u32::deserialize(deserializer).map(Self)
            }
        }
        assert_refused(&Meters(3), "comes back as another value");
    }

    #[test]
    fn what_can_travel_comes_back() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Fine {
            #[serde(rename = "other", default)]
            name: String,
            #[serde(skip)]
            cache: u8,
            map: HashMap<u32, Option<String>>,
        }
        let map: HashMap<_, _> = (0..1000).map(|n| (n, Some(n.to_string()))).collect();
        let fine = Fine { name: "fine".to_owned(), cache: 0, map };
        assert_eq!(roundtrip(&fine).unwrap(), fine);
        assert_eq!(roundtrip(&Fine { cache: 3, ..fine }).unwrap().cache, 0);
    }
}
