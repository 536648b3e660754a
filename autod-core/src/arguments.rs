//! What travels as the arguments of a call, and bytes among it.
//!
//! Serde takes a `Vec<u8>` for a sequence, and walks it element by element. Here the type of each
//! argument, answer and item is known, so that bytes go as bytes: the same form on the wire, made
//! and read by one copy. Inside of other types serde knows them by `serde_bytes` only.

use std::any::{Any, TypeId};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::codec::take_long;

/// The arguments of a method: a tuple of up to 16 values.
pub trait Arguments: Sized + 'static {
    /// What is encoded in their place.
    #[doc(hidden)]
    type Sent<'a>: Serialize;
    /// What is decoded in their place.
    #[doc(hidden)]
    type Received: DeserializeOwned;

    /// Takes the last value if it is long bytes; what is then sent in its place is empty.
    #[doc(hidden)]
    fn take_long(&mut self) -> Option<Vec<u8>>;
    #[doc(hidden)]
    fn sent(&self) -> Self::Sent<'_>;
    #[doc(hidden)]
    fn received(received: Self::Received) -> Self;
}

macro_rules! arguments {
    ($last:tt: $($name:ident $at:tt)*) => {
        impl<$($name: Serialize + DeserializeOwned + 'static),*> Arguments for ($($name,)*) {
            type Sent<'a> = ($(Sent<'a, $name>,)*);
            type Received = ($(Received<$name>,)*);

            #[inline]
            fn take_long(&mut self) -> Option<Vec<u8>> {
                take_long(&mut self.$last)
            }

            #[inline]
            fn sent(&self) -> Self::Sent<'_> {
                ($(Sent(&self.$at),)*)
            }

            #[inline]
            fn received(received: Self::Received) -> Self {
                ($(received.$at.0,)*)
            }
        }
    };
}

impl Arguments for () {
    type Sent<'a> = ();
    type Received = ();

    fn take_long(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn sent(&self) {}

    fn received((): ()) {}
}

macro_rules! all_arguments {
    ([$($done:tt)*]) => {};
    ([$($done:tt)*] $name:ident $at:tt $($rest:tt)*) => {
        arguments!($at: $($done)* $name $at);
        all_arguments!([$($done)* $name $at] $($rest)*);
    };
}

all_arguments! { [] A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15 }

/// A value about to be encoded.
#[doc(hidden)]
pub struct Sent<'a, T>(pub(crate) &'a T);

impl<T: Serialize + 'static> Serialize for Sent<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: &dyn Any = self.0;
        if let Some(bytes) = value.downcast_ref::<Vec<u8>>() {
            return serializer.serialize_bytes(bytes);
        }
        match value.downcast_ref::<Option<Vec<u8>>>() {
            Some(Some(bytes)) => serializer.serialize_some(&Sent(bytes)),
            Some(None) => serializer.serialize_none(),
            None => self.0.serialize(serializer),
        }
    }
}

/// A value that was decoded.
#[doc(hidden)]
pub struct Received<T>(pub(crate) T);

impl<'de, T: DeserializeOwned + 'static> Deserialize<'de> for Received<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if TypeId::of::<T>() == TypeId::of::<Vec<u8>>() {
            let bytes = deserializer.deserialize_byte_buf(Bytes)?;
            return Ok(Self(same(bytes)));
        }
        if TypeId::of::<T>() == TypeId::of::<Option<Vec<u8>>>() {
            let bytes = deserializer.deserialize_option(Maybe(PhantomData::<Received<Vec<u8>>>))?;
            return Ok(Self(same(bytes.map(|bytes| bytes.0))));
        }
        T::deserialize(deserializer).map(Self)
    }
}

/// A value under the other name of its type.
#[inline]
fn same<A: 'static, B: 'static>(value: A) -> B {
    let mut value = Some(value);
    let value: &mut dyn Any = &mut value;
    let value = value.downcast_mut::<Option<B>>().and_then(Option::take);
    value.expect("both are one type")
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    /// In formats that have no bytes.
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = elements.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

struct Maybe<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Maybe<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes, or nothing")
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        T::deserialize(deserializer).map(Some)
    }
}
