//! The keys of objects, which are strings whatever the type of a map's key.

use std::borrow::Cow;

use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::decoder::visit_text;
use super::error::{JsonError, Result};
use super::text::{Text, is_integer, out_of_range};
use crate::codec::bounds::Bounds;

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
