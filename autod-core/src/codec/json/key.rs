//! The keys of objects, which are strings whatever the type of a map's key.

use std::borrow::Cow;

use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Impossible, Serialize, Serializer};

use super::decoder::visit_text;
use super::encoder::Encoder;
use super::error::{JsonError, Result};
use super::number::{is_integer, out_of_range};
use super::text::Text;
use crate::codec::bounds::Bounds;

/// Reads a key.
pub(super) struct Key<'a, 'de> {
    text: Cow<'de, str>,
    bounds: &'a mut Bounds,
}

impl<'a, 'de> Key<'a, 'de> {
    pub(super) fn new(text: Cow<'de, str>, bounds: &'a mut Bounds) -> Self {
        Self { text, bounds }
    }

    /// A level that JSON does not show.
    fn nested<T>(self, inside: impl FnOnce(Key<'_, 'de>) -> Result<T>) -> Result<T> {
        let Self { text, bounds } = self;
        bounds.enter()?;
        let result = inside(Key { text, bounds });
        bounds.leave();
        result
    }
}

/// `None` if it is not written as a number.
fn digits(text: &str) -> Option<&str> {
    let mut number = Text::new(text.as_bytes());
    let digits = number.number().ok()?;
    (digits.len() == text.len() && is_integer(digits)).then_some(digits)
}

macro_rules! integers {
    ($($method:ident, $visit:ident, $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            let Some(digits) = digits(&self.text) else { return self.deserialize_any(visitor) };
            visitor.$visit(digits.parse::<$type>().map_err(|_| out_of_range(digits))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visit_text(self.text, visitor)
    }

    integers! {
        deserialize_i8, visit_i8, i8;
        deserialize_i16, visit_i16, i16;
        deserialize_i32, visit_i32, i32;
        deserialize_i64, visit_i64, i64;
        deserialize_i128, visit_i128, i128;
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u64, visit_u64, u64;
        deserialize_u128, visit_u128, u128;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match &*self.text {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.nested(|key| visitor.visit_some(key))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.nested(|key| visitor.visit_newtype_struct(key))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(self.text.into_deserializer())
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// Writes the key of a map: text, or what is text within quotes.
pub(super) struct KeyEncoder<'b, 'a>(pub(super) &'b mut Encoder<'a>);

fn no_key<T>() -> Result<T> {
    Err(JsonError::new(
        "the keys of a map have to be text, integers, bool or variants without fields",
    ))
}

macro_rules! quoted {
    ($($method:ident, $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<()> {
            self.0.put("\"");
            self.0.plain(&value);
            self.0.put("\"");
            Ok(())
        }
    )*};
}

macro_rules! no_keys {
    ($($method:ident($($type:ty),*) -> $result:ty;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<$result> {
            no_key()
        }
    )*};
}

type None = Impossible<(), JsonError>;

impl Serializer for KeyEncoder<'_, '_> {
    type Ok = ();
    type Error = JsonError;
    type SerializeSeq = None;
    type SerializeTuple = None;
    type SerializeTupleStruct = None;
    type SerializeTupleVariant = None;
    type SerializeMap = None;
    type SerializeStruct = None;
    type SerializeStructVariant = None;

    quoted! {
        serialize_bool, bool;
        serialize_i8, i8;
        serialize_i16, i16;
        serialize_i32, i32;
        serialize_i64, i64;
        serialize_i128, i128;
        serialize_u8, u8;
        serialize_u16, u16;
        serialize_u32, u32;
        serialize_u64, u64;
        serialize_u128, u128;
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.0.serialize_char(value)
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.0.serialize_str(value)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<()> {
        self.0.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        let encoder = self.0;
        encoder.bounds.enter()?;
        value.serialize(KeyEncoder(&mut *encoder))?;
        encoder.bounds.leave();
        Ok(())
    }

    no_keys! {
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_seq(Option<usize>) -> None;
        serialize_tuple(usize) -> None;
        serialize_tuple_struct(&'static str, usize) -> None;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> None;
        serialize_map(Option<usize>) -> None;
        serialize_struct(&'static str, usize) -> None;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> None;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<()> {
        no_key()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<()> {
        no_key()
    }
}
