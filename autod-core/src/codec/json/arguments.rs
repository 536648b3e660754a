//! The arguments of a call: an object by their names, or a list in their order.

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::decoder::Decoder;
use super::error::{JsonError, Result};
use super::text::Text;
use crate::codec::bounds::Bounds;
use crate::service::Argument;

/// The texts of the arguments, in the order of the method.
pub(super) struct Given<'a, 'de> {
    expected: &'a [Argument],
    texts: Vec<Option<&'de [u8]>>,
    at: usize,
}

impl<'a, 'de> Given<'a, 'de> {
    /// Tells the arguments apart, and reads none of them.
    pub(super) fn find(bytes: &'de [u8], expected: &'a [Argument]) -> Result<Self> {
        let mut given = Self { expected, texts: vec![None; expected.len()], at: 0 };
        let mut text = Text::new(bytes);
        match text.peek() {
            None => {}
            Some(b'{') => given.by_name(&mut text)?,
            Some(b'[') => given.by_position(&mut text)?,
            Some(b'n') => {
                text.word()?;
            }
            Some(_) => return Err(text.expected("an object of arguments")),
        }
        match text.peek() {
            None => Ok(given),
            Some(_) => Err(text.expected("the end of the arguments")),
        }
    }

    fn by_name(&mut self, text: &mut Text<'de>) -> Result<()> {
        text.expect(b'{', "`{`")?;
        let mut first = true;
        while text.next(&mut first, b'}')? {
            let key = text.key()?;
            let Some(position) = self.expected.iter().position(|argument| argument.name == key)
            else {
                let key: String = key.chars().take(100).collect();
                return Err(JsonError::new(format!(
                    "there is no argument {key:?}; {}",
                    self.in_words()
                )));
            };
            if self.texts[position].replace(value(text)?).is_some() {
                return Err(JsonError::new(format!("the argument {key} is given twice")));
            }
        }
        Ok(())
    }

    fn by_position(&mut self, text: &mut Text<'de>) -> Result<()> {
        text.expect(b'[', "`[`")?;
        let mut first = true;
        let mut position = 0;
        while text.next(&mut first, b']')? {
            let Some(place) = self.texts.get_mut(position) else {
                return Err(JsonError::new(format!(
                    "there are more arguments than {position}; {}",
                    self.in_words()
                )));
            };
            *place = Some(value(text)?);
            position += 1;
        }
        Ok(())
    }

    /// The arguments of the method.
    fn in_words(&self) -> String {
        if self.expected.is_empty() {
            return "none is expected".to_owned();
        }
        let names: Vec<_> = self.expected.iter().map(|argument| argument.name).collect();
        format!("expected: {}", names.join(", "))
    }
}

/// Walks over a value.
fn value<'de>(text: &mut Text<'de>) -> Result<&'de [u8]> {
    text.peek();
    let start = text.at();
    text.skip(&mut Bounds::new())?;
    Ok(text.since(start))
}

impl<'de> Deserializer<'de> for Given<'_, 'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.texts.is_empty() { visitor.visit_unit() } else { visitor.visit_seq(self) }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Given<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(text) = self.texts.get(self.at) else { return Ok(None) };
        let name = self.expected[self.at].name;
        self.at += 1;
        let Some(text) = text else {
            return seed.deserialize(Missing).map(Some).map_err(|_| {
                JsonError::new(format!("the argument {name} is missing; {}", self.in_words()))
            });
        };
        Decoder::new(text)
            // The tuple of the arguments is a level.
            .nested(|decoder| seed.deserialize(decoder))
            .map(Some)
            .map_err(|error| error.of_argument(name))
    }
}

/// In the place of an argument that is not there: nothing for an `Option`, an error for others.
struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value> {
        Err(JsonError::new("it is missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
