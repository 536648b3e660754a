//! Serde's way from a text to a value.

use std::borrow::Cow;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{JsonError, Result};
use super::key::Key;
use super::number::{Number, is_integer, out_of_range};
use super::text::{Text, Word};
use crate::codec::bounds::Bounds;

pub(super) struct Decoder<'de> {
    text: Text<'de>,
    bounds: Bounds,
}

impl<'de> Decoder<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self { text: Text::new(bytes), bounds: Bounds::new() }
    }

    /// Where the value ends, with the whitespace behind it.
    pub(super) fn end(&mut self) -> usize {
        self.text.peek();
        self.text.at()
    }

    pub(super) fn nested<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.bounds.enter()?;
        let result = inside(self);
        self.bounds.leave();
        result
    }

    /// What is between brackets, of which the first has been read.
    fn elements<T>(
        &mut self,
        close: u8,
        inside: impl FnOnce(&mut Elements<'_, 'de>) -> Result<T>,
    ) -> Result<T> {
        self.nested(|decoder| {
            let mut elements = Elements { decoder, first: true, close, over: false };
            let value = inside(&mut elements)?;
            if elements.more()? {
                return Err(JsonError::new("it has more elements than expected"));
            }
            Ok(value)
        })
    }
}

pub(super) fn visit_text<'de, V: Visitor<'de>>(
    text: Cow<'de, str>,
    visitor: V,
) -> Result<V::Value> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

/// Numbers of which the type says more than the text.
macro_rules! numbers {
    ($($method:ident, $visit:ident, $type:ty, $fits:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            if !self.text.is_number() {
                return self.deserialize_any(visitor);
            }
            let digits = self.text.number()?;
            let fits: fn(&str, &$type) -> bool = $fits;
            match digits.parse::<$type>() {
                Ok(number) if fits(digits, &number) => visitor.$visit(number),
                _ => Err(out_of_range(digits)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.text.word()? {
            Word::Null => visitor.visit_unit(),
            Word::Bool(value) => visitor.visit_bool(value),
            Word::Number(Number::Unsigned(number)) => visitor.visit_u64(number),
            Word::Number(Number::Negative(number)) => visitor.visit_i64(number),
            Word::Number(Number::Float(number)) => visitor.visit_f64(number),
            Word::Text(text) => visit_text(text, visitor),
            Word::List => self.elements(b']', |elements| visitor.visit_seq(elements)),
            Word::Object => self.elements(b'}', |elements| visitor.visit_map(elements)),
        }
    }

    numbers! {
        deserialize_f32, visit_f32, f32, |_, number| number.is_finite();
        deserialize_f64, visit_f64, f64, |_, number| number.is_finite();
        deserialize_i128, visit_i128, i128, |digits, _| is_integer(digits);
        deserialize_u128, visit_u128, u128, |digits, _| is_integer(digits);
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.text.peek() == Some(b'n') {
            self.text.word()?;
            return visitor.visit_none();
        }
        self.nested(|decoder| visitor.visit_some(decoder))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.nested(|decoder| visitor.visit_newtype_struct(decoder))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.nested(|decoder| match decoder.text.peek() {
            Some(b'"') => match decoder.text.word()? {
                Word::Text(name) => visitor.visit_enum(name.into_deserializer()),
                _ => Err(decoder.text.expected("a variant")),
            },
            Some(b'{') => {
                decoder.text.expect(b'{', "a variant")?;
                let value = visitor.visit_enum(&mut *decoder)?;
                decoder.text.expect(b'}', "`}` behind a variant")?;
                Ok(value)
            }
            _ => Err(decoder.text.expected("the name of a variant, or an object with one")),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.text.skip(&mut self.bounds)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

/// The elements of a list or the entries of an object.
struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    first: bool,
    close: u8,
    /// The closing bracket has been read.
    over: bool,
}

impl Elements<'_, '_> {
    fn more(&mut self) -> Result<bool> {
        if !self.over {
            self.over = !self.decoder.text.next(&mut self.first, self.close)?;
        }
        Ok(!self.over)
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if !self.more()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.decoder).map(Some)
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if !self.more()? {
            return Ok(None);
        }
        let key = self.decoder.text.key()?;
        seed.deserialize(Key::new(key, &mut self.decoder.bounds)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(&mut *self.decoder)
    }
}

/// In an object: the name of the variant is its only key.
impl<'de> EnumAccess<'de> for &mut Decoder<'de> {
    type Error = JsonError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let name = self.text.key()?;
        let variant = seed.deserialize(Key::new(name, &mut self.bounds))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = JsonError;

    fn unit_variant(self) -> Result<()> {
        match self.text.word()? {
            Word::Null => Ok(()),
            _ => Err(JsonError::new("a variant without fields has none")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }
}
