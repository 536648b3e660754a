//! What a type deserializes itself from: it notes the question and answers with what is at hand.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor, value,
};

use super::{DEPTH, NOTES, Walk};

/// A value that is made up as it is asked for.
pub(super) struct Source<'a> {
    pub(super) walk: &'a mut Walk,
    pub(super) depth: usize,
}

impl<'a> Source<'a> {
    fn note(self, word: &str) -> Result<Self, value::Error> {
        self.walk.note(word);
        if self.walk.notes > NOTES || self.depth > DEPTH {
            return Err(value::Error::custom("enough is known of the type"));
        }
        Ok(self)
    }

    /// What is in this value.
    fn inside(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    /// So many elements; where there is a choice, none if it is too deep for more.
    fn elements(self, count: usize) -> Elements<'a> {
        Elements { source: self.inside(), left: count }
    }

    fn some(&self) -> usize {
        usize::from(self.depth < DEPTH)
    }

    fn again(&mut self) -> Source<'_> {
        Source { walk: self.walk, depth: self.depth }
    }
}

macro_rules! plain {
    ($($method:ident $visit:ident $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
            self.note(stringify!($visit))?;
            visitor.$visit($value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Source<'_> {
    type Error = value::Error;

    plain! {
        deserialize_bool visit_bool true;
        deserialize_i8 visit_i8 1;
        deserialize_i16 visit_i16 1;
        deserialize_i32 visit_i32 1;
        deserialize_i64 visit_i64 1;
        deserialize_i128 visit_i128 1;
        deserialize_u8 visit_u8 1;
        deserialize_u16 visit_u16 1;
        deserialize_u32 visit_u32 1;
        deserialize_u64 visit_u64 1;
        deserialize_u128 visit_u128 1;
        deserialize_f32 visit_f32 1.0;
        deserialize_f64 visit_f64 1.0;
        deserialize_char visit_char 'a';
        deserialize_str visit_str "";
        deserialize_string visit_string String::new();
        deserialize_bytes visit_bytes &[];
        deserialize_byte_buf visit_byte_buf Vec::new();
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        self.note("any")?;
        Err(value::Error::custom("a value does not say what it is"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        let source = self.note("option")?;
        match source.some() {
            0 => visitor.visit_none(),
            _ => visitor.visit_some(source.inside()),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        self.note("unit")?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.note("unit struct")?.note(name)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        let source = self.note("newtype")?.note(name)?;
        visitor.visit_newtype_struct(source.inside())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        let source = self.note("seq")?;
        let count = source.some();
        visitor.visit_seq(source.elements(count))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        let source = self.note("tuple")?;
        source.walk.note_number(len);
        visitor.visit_seq(source.elements(len))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.note("tuple struct")?.note(name)?.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        let source = self.note("map")?;
        let count = source.some();
        visitor.visit_map(source.elements(count))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        let source = self.note("struct")?;
        source.walk.note_names(name, fields);
        visitor.visit_seq(source.elements(fields.len()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        let source = self.note("enum")?;
        source.walk.note_names(name, variants);
        source.walk.variants = source.walk.variants.max(variants.len());
        if variants.is_empty() {
            return Err(value::Error::custom("no variant can be made up"));
        }
        visitor.visit_enum(Variant { count: variants.len(), source: source.inside() })
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a sequence or the entries of a map.
struct Elements<'a> {
    source: Source<'a>,
    left: usize,
}

impl Elements<'_> {
    fn next<'de, S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, value::Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.source.again()).map(Some)
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = value::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, value::Error> {
        self.next(seed)
    }
}

impl<'de> MapAccess<'de> for Elements<'_> {
    type Error = value::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, value::Error> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, value::Error> {
        seed.deserialize(self.source.again())
    }
}

/// One variant of an enum.
struct Variant<'a> {
    source: Source<'a>,
    count: usize,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = value::Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), value::Error> {
        let at = self.source.walk.variant % self.count;
        let at: U32Deserializer<value::Error> =
            u32::try_from(at).unwrap_or_default().into_deserializer();
        Ok((seed.deserialize(at)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = value::Error;

    fn unit_variant(self) -> Result<(), value::Error> {
        self.source.note("unit variant").map(drop)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, value::Error> {
        seed.deserialize(self.source.note("newtype variant")?)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.source.note("tuple variant")?.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.source.note("struct variant")?.deserialize_struct("", fields, visitor)
    }
}
