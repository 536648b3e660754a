//! Serde's way from a value to bytes, within [`Bounds`].

use bincode::Encode;
use bincode::config::{self, Configuration};
use bincode::enc::write::Writer;
use bincode::enc::{Encoder as _, EncoderImpl};
use bincode::error::EncodeError;
use bincode::serde::EncodeError as SerdeEncodeError;
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::bounds::Bounds;
use super::number::{put_signed, put_unsigned};

type Result<T> = std::result::Result<T, EncodeError>;

struct Output<'a>(&'a mut Vec<u8>);

impl Writer for Output<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

pub(super) struct Encoder<'a> {
    output: EncoderImpl<Output<'a>, Configuration>,
    bounds: Bounds,
}

impl<'a> Encoder<'a> {
    /// Appends to `bytes`.
    #[inline]
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        let output = EncoderImpl::new(Output(bytes), config::standard());
        Self { output, bounds: Bounds::new() }
    }

    #[inline]
    fn length(&mut self) -> usize {
        self.output.writer().0.len()
    }

    #[inline]
    fn nested<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.bounds.enter().map_err(EncodeError::Other)?;
        value.serialize(&mut *self)?;
        self.bounds.leave();
        Ok(())
    }

    /// What has a length before it.
    #[inline]
    fn counted(&mut self, length: Option<usize>) -> Result<Elements<'_, 'a>> {
        let length = length.ok_or(EncodeError::Serde(SerdeEncodeError::SequenceMustHaveLength))?;
        length.encode(&mut self.output)?;
        let mut elements = self.fields()?;
        elements.claimed = length;
        elements.start = elements.encoder.length();
        Ok(elements)
    }

    /// What has the length of its type.
    #[inline]
    fn fields(&mut self) -> Result<Elements<'_, 'a>> {
        self.bounds.enter().map_err(EncodeError::Other)?;
        Ok(Elements { encoder: self, claimed: 0, start: 0 })
    }

    #[inline]
    fn variant(&mut self, position: u32) -> Result<Elements<'_, 'a>> {
        position.encode(&mut self.output)?;
        self.fields()
    }
}

macro_rules! plain {
    ($($method:ident, $type:ty;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<()> {
            value.encode(&mut self.output)
        }
    )*};
}

macro_rules! integers {
    ($($method:ident, $type:ty, $put:ident;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<()> {
            $put(self.output.writer().0, value.into());
            Ok(())
        }
    )*};
}

impl<'a, 'b> Serializer for &'b mut Encoder<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Elements<'b, 'a>;
    type SerializeTuple = Elements<'b, 'a>;
    type SerializeTupleStruct = Elements<'b, 'a>;
    type SerializeTupleVariant = Elements<'b, 'a>;
    type SerializeMap = Elements<'b, 'a>;
    type SerializeStruct = Elements<'b, 'a>;
    type SerializeStructVariant = Elements<'b, 'a>;

    plain! {
        serialize_bool, bool;
        serialize_i8, i8;
        serialize_i128, i128;
        serialize_u8, u8;
        serialize_u128, u128;
        serialize_f32, f32;
        serialize_f64, f64;
        serialize_char, char;
        serialize_str, &str;
        serialize_bytes, &[u8];
    }

    integers! {
        serialize_i16, i16, put_signed;
        serialize_i32, i32, put_signed;
        serialize_i64, i64, put_signed;
        serialize_u16, u16, put_unsigned;
        serialize_u32, u32, put_unsigned;
        serialize_u64, u64, put_unsigned;
    }

    #[inline]
    fn serialize_none(self) -> Result<()> {
        self.serialize_u8(0)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        1_u8.encode(&mut self.output)?;
        self.nested(value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, position: u32, _: &'static str) -> Result<()> {
        self.serialize_u32(position)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        self.nested(value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        position: u32,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        position.encode(&mut self.output)?;
        self.nested(value)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Elements<'b, 'a>> {
        self.counted(length)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Elements<'b, 'a>> {
        self.counted(length)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Elements<'b, 'a>> {
        self.fields()
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Elements<'b, 'a>> {
        self.fields()
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Elements<'b, 'a>> {
        self.fields()
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        position: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Elements<'b, 'a>> {
        self.variant(position)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        position: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Elements<'b, 'a>> {
        self.variant(position)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// A sequence, map, tuple or struct that is being written.
pub(super) struct Elements<'b, 'a> {
    encoder: &'b mut Encoder<'a>,
    /// The length that was written before it, 0 if its type has it.
    claimed: usize,
    start: usize,
}

impl Elements<'_, '_> {
    #[inline]
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        value.serialize(&mut *self.encoder)
    }

    #[inline]
    fn finish(self) -> Result<()> {
        self.encoder.bounds.leave();
        let written = self.encoder.length() - self.start;
        self.encoder.bounds.spend(self.claimed, written).map_err(EncodeError::Other)
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident;)*) => {$(
        impl $trait for Elements<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.add(value)
            }

            #[inline]
            fn end(self) -> Result<()> {
                self.finish()
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! named_elements {
    ($($trait:ident)*) => {$(
        impl $trait for Elements<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Result<()> {
                self.add(value)
            }

            /// The decoder expects every field.
            fn skip_field(&mut self, _: &'static str) -> Result<()> {
                Err(EncodeError::Other(
                    "serde's skip_serializing_if cannot travel in this format",
                ))
            }

            #[inline]
            fn end(self) -> Result<()> {
                self.finish()
            }
        }
    )*};
}

named_elements! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Elements<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.add(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.add(value)
    }

    #[inline]
    fn end(self) -> Result<()> {
        self.finish()
    }
}

/// Appends what stands before so many elements.
pub(super) fn put_length(bytes: &mut Vec<u8>, length: usize) {
    put_unsigned(bytes, length as u64);
}
