//! Serde's way from a value to a text.

use std::fmt::Display;
use std::io::Write as _;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::error::{JsonError, Result};
use super::key::KeyEncoder;
use crate::codec::bounds::Bounds;

pub(super) struct Encoder<'a> {
    bytes: &'a mut Vec<u8>,
    pub(super) bounds: Bounds,
}

impl<'a> Encoder<'a> {
    /// Appends to `bytes`.
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, bounds: Bounds::new() }
    }

    fn nested<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.bounds.enter()?;
        value.serialize(&mut *self)?;
        self.bounds.leave();
        Ok(())
    }

    pub(super) fn put(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(super) fn plain(&mut self, value: &dyn Display) {
        // A vector takes everything.
        let _ = write!(self.bytes, "{value}");
    }

    fn quote(&mut self, text: &str) {
        self.bytes.push(b'"');
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
            self.put(&rest[..at]);
            match rest.as_bytes()[at] {
                b'"' => self.put("\\\""),
                b'\\' => self.put("\\\\"),
                b'\n' => self.put("\\n"),
                b'\r' => self.put("\\r"),
                b'\t' => self.put("\\t"),
                other => self.plain(&format_args!("\\u{other:04x}")),
            }
            rest = &rest[at + 1..];
        }
        self.put(rest);
        self.bytes.push(b'"');
    }

    fn float(&mut self, is_finite: bool, text: &dyn std::fmt::Debug) -> Result<()> {
        if !is_finite {
            return Err(JsonError::new("JSON has no number that is infinite or none"));
        }
        // The shortest digits that read as the same number; never without a point or an exponent.
        let _ = write!(self.bytes, "{text:?}");
        Ok(())
    }

    fn open<'b>(&'b mut self, open: &str, close: &'static str) -> Result<Elements<'b, 'a>> {
        self.bounds.enter()?;
        self.put(open);
        Ok(Elements { encoder: self, first: true, close })
    }

    /// The name of a variant, before its fields.
    fn variant<'b>(
        &'b mut self,
        name: &str,
        open: &str,
        close: &'static str,
    ) -> Result<Elements<'b, 'a>> {
        self.put("{");
        self.quote(name);
        self.put(":");
        self.open(open, close)
    }
}

macro_rules! plain {
    ($($method:ident, $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<()> {
            self.plain(&value);
            Ok(())
        }
    )*};
}

impl<'a, 'b> Serializer for &'b mut Encoder<'a> {
    type Ok = ();
    type Error = JsonError;
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

    fn serialize_f32(self, value: f32) -> Result<()> {
        self.float(value.is_finite(), &value)
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        self.float(value.is_finite(), &value)
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        self.quote(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        self.nested(value)
    }

    fn serialize_unit(self) -> Result<()> {
        self.put("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<()> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        self.nested(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        let elements = self.variant(name, "", "}")?;
        value.serialize(&mut *elements.encoder)?;
        elements.finish();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'b, 'a>> {
        self.open("[", "]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Elements<'b, 'a>> {
        self.open("[", "]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Elements<'b, 'a>> {
        self.open("[", "]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Elements<'b, 'a>> {
        self.variant(name, "[", "]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Elements<'b, 'a>> {
        self.open("{", "}")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Elements<'b, 'a>> {
        // Such a value is a message of serde_json to itself.
        if name.starts_with("$serde_json::private") {
            return Err(JsonError::new(
                "serde_json's arbitrary_precision and raw_value cannot travel in this format",
            ));
        }
        self.open("{", "}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Elements<'b, 'a>> {
        self.variant(name, "{", "}}")
    }
}

/// A list or an object that is being written.
pub(super) struct Elements<'b, 'a> {
    encoder: &'b mut Encoder<'a>,
    first: bool,
    close: &'static str,
}

impl Elements<'_, '_> {
    fn separate(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.encoder.put(",");
        }
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.separate();
        value.serialize(&mut *self.encoder)
    }

    fn add_field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        self.separate();
        self.encoder.quote(name);
        self.encoder.put(":");
        value.serialize(&mut *self.encoder)
    }

    fn finish(self) {
        self.encoder.bounds.leave();
        self.encoder.put(self.close);
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident;)*) => {$(
        impl $trait for Elements<'_, '_> {
            type Ok = ();
            type Error = JsonError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.add(value)
            }

            fn end(self) -> Result<()> {
                self.finish();
                Ok(())
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
            type Error = JsonError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<()> {
                self.add_field(name, value)
            }

            fn end(self) -> Result<()> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

named_elements! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Elements<'_, '_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.separate();
        key.serialize(KeyEncoder(&mut *self.encoder))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.encoder.put(":");
        value.serialize(&mut *self.encoder)
    }

    fn end(self) -> Result<()> {
        self.finish();
        Ok(())
    }
}
