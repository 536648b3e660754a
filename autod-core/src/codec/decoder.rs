//! Serde's way from bytes to a value, within [`Bounds`].
//!
//! Numbers are read by bincode. What is nested, and what has a length, is counted here: a peer
//! chooses both.

use bincode::Decode;
use bincode::config::{self, Configuration};
use bincode::de::read::Reader;
use bincode::de::{Decoder as _, DecoderImpl};
use bincode::error::{AllowedEnumVariants, DecodeError};
use bincode::serde::DecodeError as SerdeDecodeError;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::bounds::Bounds;
use super::number;

type Result<T> = std::result::Result<T, DecodeError>;

/// The bytes that have not been read.
struct Input<'de> {
    bytes: &'de [u8],
    /// What follows, apart.
    tail: Option<&'de mut Vec<u8>>,
    /// Something lies on both sides of the border.
    torn: bool,
}

impl<'de> Input<'de> {
    #[inline]
    fn left(&self) -> usize {
        self.bytes.len() + self.tail.as_ref().map_or(0, |tail| tail.len())
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'de [u8]> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            return self.take_over_border(length);
        };
        self.bytes = rest;
        Ok(taken)
    }

    #[cold]
    fn take_over_border(&mut self, length: usize) -> Result<&'de [u8]> {
        let left = self.left();
        if length > left {
            return Err(DecodeError::UnexpectedEnd { additional: length - left });
        }
        self.torn = !self.bytes.is_empty();
        match self.tail.take() {
            Some(tail) if !self.torn => {
                self.bytes = tail;
                self.take(length)
            }
            _ => Err(DecodeError::Other("it is in two parts")),
        }
    }

    /// As [`take`](Self::take), without a copy if it is all that is apart.
    #[inline]
    fn take_owned(&mut self, length: usize) -> Result<Vec<u8>> {
        match self.tail.take_if(|tail| self.bytes.is_empty() && tail.len() == length) {
            Some(tail) => Ok(std::mem::take(tail)),
            None => self.take(length).map(<[u8]>::to_vec),
        }
    }
}

impl Reader for Input<'_> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> Result<()> {
        bytes.copy_from_slice(self.take(bytes.len())?);
        Ok(())
    }

    #[inline]
    fn peek_read(&mut self, length: usize) -> Option<&[u8]> {
        self.bytes.get(..length)
    }

    #[inline]
    fn consume(&mut self, length: usize) {
        self.bytes = self.bytes.get(length..).unwrap_or_default();
    }
}

pub(super) struct Decoder<'de> {
    input: DecoderImpl<Input<'de>, Configuration, ()>,
    bounds: Bounds,
}

impl<'de> Decoder<'de> {
    /// Reads `bytes` and then the `tail`, which may be taken.
    #[inline]
    pub(super) fn new(bytes: &'de [u8], tail: Option<&'de mut Vec<u8>>) -> Self {
        let input = Input { bytes, tail, torn: false };
        let input = DecoderImpl::new(input, config::standard(), ());
        Self { input, bounds: Bounds::new() }
    }

    /// The bytes that are left.
    #[inline]
    pub(super) fn left(&mut self) -> usize {
        self.input.reader().left()
    }

    /// Whether it failed because something lies partly in the tail.
    pub(super) fn is_torn(&mut self) -> bool {
        self.input.reader().torn
    }

    /// An integer in a form that is not longer than that, if it can be told at a glance.
    #[inline]
    fn unsigned(&mut self, longest: usize) -> Option<u64> {
        let input = self.input.reader();
        let (value, length) = number::unsigned(input.bytes, longest)?;
        input.bytes = &input.bytes[length..];
        Some(value)
    }

    #[inline]
    fn length(&mut self) -> Result<usize> {
        usize::decode(&mut self.input)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'de [u8]> {
        let length = self.length()?;
        self.input.reader().take(length)
    }

    #[inline]
    fn owned_bytes(&mut self) -> Result<Vec<u8>> {
        let length = self.length()?;
        self.input.reader().take_owned(length)
    }

    #[inline]
    fn text(&mut self) -> Result<&'de str> {
        std::str::from_utf8(self.bytes()?).map_err(|inner| DecodeError::Utf8 { inner })
    }

    #[inline]
    fn nested<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.bounds.enter().map_err(DecodeError::Other)?;
        let result = inside(self);
        self.bounds.leave();
        result
    }

    /// What has a length before it.
    #[inline]
    fn counted<T>(&mut self, inside: impl FnOnce(Elements<'_, 'de>) -> Result<T>) -> Result<T> {
        let length = self.length()?;
        let before = self.left();
        self.bounds.claim(length, before).map_err(DecodeError::Other)?;
        let value = self.fields(length, inside)?;
        let taken = before - self.left();
        self.bounds.spend(length, taken).map_err(DecodeError::Other)?;
        Ok(value)
    }

    /// What has the length of its type.
    #[inline]
    fn fields<T>(
        &mut self,
        length: usize,
        inside: impl FnOnce(Elements<'_, 'de>) -> Result<T>,
    ) -> Result<T> {
        self.nested(|decoder| inside(Elements { decoder, left: length }))
    }
}

macro_rules! plain {
    ($($method:ident, $visit:ident, $type:ty;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.$visit(<$type>::decode(&mut self.input)?)
        }
    )*};
}

macro_rules! unsupported {
    ($($method:ident, $why:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value> {
            Err(DecodeError::Serde(SerdeDecodeError::$why))
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    plain! {
        deserialize_bool, visit_bool, bool;
        deserialize_i8, visit_i8, i8;
        deserialize_i16, visit_i16, i16;
        deserialize_i32, visit_i32, i32;
        deserialize_i64, visit_i64, i64;
        deserialize_i128, visit_i128, i128;
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u128, visit_u128, u128;
        deserialize_f32, visit_f32, f32;
        deserialize_f64, visit_f64, f64;
        deserialize_char, visit_char, char;
    }

    #[inline]
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.unsigned(number::LONGEST) {
            Some(value) => visitor.visit_u64(value),
            None => visitor.visit_u64(u64::decode(&mut self.input)?),
        }
    }

    unsupported! {
        deserialize_any, AnyNotSupported;
        deserialize_identifier, IdentifierNotSupported;
        deserialize_ignored_any, IgnoredAnyNotSupported;
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(self.text()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let text = String::from_utf8(self.owned_bytes()?);
        visitor.visit_string(text.map_err(|error| DecodeError::Utf8 { inner: error.utf8_error() })?)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_byte_buf(self.owned_bytes()?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match u8::decode(&mut self.input)? {
            0 => visitor.visit_none(),
            1 => self.nested(|decoder| visitor.visit_some(decoder)),
            other => Err(DecodeError::UnexpectedVariant {
                type_name: "Option",
                found: other.into(),
                allowed: &AllowedEnumVariants::Range { min: 0, max: 1 },
            }),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.nested(|decoder| visitor.visit_newtype_struct(decoder))
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.counted(|elements| visitor.visit_seq(elements))
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.counted(|elements| visitor.visit_map(elements))
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value> {
        self.fields(length, |elements| visitor.visit_seq(elements))
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.nested(|decoder| visitor.visit_enum(decoder))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a sequence, the entries of a map or the fields of a struct that are to come.
struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
}

impl<'de> Elements<'_, 'de> {
    #[inline]
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(&mut *self.decoder)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Decoder<'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let position = u32::decode(&mut self.input)?;
        let variant = seed.deserialize(position.into_deserializer())?;
        Ok((variant, self))
    }
}

/// The fields of a variant are on the level of their enum.
impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    #[inline]
    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(Elements { decoder: self, left: length })
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.tuple_variant(fields.len(), visitor)
    }
}
