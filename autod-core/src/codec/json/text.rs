//! The words of a JSON text (RFC 8259). Knows no types.

use std::borrow::Cow;

use super::error::{JsonError, Result};
use super::number::Number;
use crate::codec::bounds::Bounds;

/// A text that is being read.
#[derive(Debug)]
pub(super) struct Text<'de> {
    bytes: &'de [u8],
    at: usize,
}

/// What stands next in a text; of a list and an object the opening bracket has been read.
#[derive(Debug)]
pub(super) enum Word<'de> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'de, str>),
    List,
    Object,
}

impl<'de> Text<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How much has been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What has been read since then.
    pub(super) fn since(&self, start: usize) -> &'de [u8] {
        &self.bytes[start..self.at]
    }

    /// The next byte that is no whitespace.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    pub(super) fn is_number(&mut self) -> bool {
        matches!(self.peek(), Some(b'-' | b'0'..=b'9'))
    }

    #[cold]
    pub(super) fn expected(&self, what: &str) -> JsonError {
        if self.at >= self.bytes.len() {
            return JsonError::new(format!("the text ends where {what} is expected"));
        }
        JsonError::new(format!("{what} is expected at byte {}", self.at))
    }

    /// Reads this byte if it is the next one.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn expect(&mut self, byte: u8, what: &str) -> Result<()> {
        if self.take(byte) { Ok(()) } else { Err(self.expected(what)) }
    }

    /// Whether another element comes before the closing bracket, which is read if none does.
    pub(super) fn next(&mut self, first: &mut bool, close: u8) -> Result<bool> {
        if std::mem::take(first) {
            return Ok(!self.take(close));
        }
        if self.take(b',') {
            return Ok(true);
        }
        self.expect(close, if close == b']' { "`,` or `]`" } else { "`,` or `}`" })?;
        Ok(false)
    }

    /// The key of an object's entry, and the colon behind it.
    pub(super) fn key(&mut self) -> Result<Cow<'de, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key"));
        }
        let key = self.string()?;
        self.expect(b':', "`:`")?;
        Ok(key)
    }

    /// Reads a value, or the beginning of one.
    pub(super) fn word(&mut self) -> Result<Word<'de>> {
        Ok(match self.peek() {
            Some(b'n') => self.literal("null").map(|()| Word::Null)?,
            Some(b't') => self.literal("true").map(|()| Word::Bool(true))?,
            Some(b'f') => self.literal("false").map(|()| Word::Bool(false))?,
            Some(b'"') => Word::Text(self.string()?),
            Some(b'[') => {
                self.at += 1;
                Word::List
            }
            Some(b'{') => {
                self.at += 1;
                Word::Object
            }
            _ => Word::Number(Number::parse(self.number()?)?),
        })
    }

    fn literal(&mut self, word: &str) -> Result<()> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    /// The text of a number.
    pub(super) fn number(&mut self) -> Result<&'de str> {
        if !self.is_number() {
            return Err(self.expected("a value"));
        }
        let start = self.at;
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.bytes.get(self.at) {
                return Err(JsonError::new(format!("a number begins with 0 at byte {start}")));
            }
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.utf8(start)
    }

    /// What was read from here on, as text.
    fn utf8(&self, start: usize) -> Result<&'de str> {
        std::str::from_utf8(self.since(start))
            .map_err(|_| JsonError::new(format!("the text at byte {start} is not UTF-8")))
    }

    /// The string whose opening quote is the next byte.
    fn string(&mut self) -> Result<Cow<'de, str>> {
        self.at += 1;
        let first = self.plain()?;
        if self.bytes[self.at] == b'"' {
            self.at += 1;
            return Ok(Cow::Borrowed(first));
        }
        let mut text = first.to_owned();
        while self.bytes[self.at] != b'"' {
            self.at += 1;
            text.push(self.escaped()?);
            text.push_str(self.plain()?);
        }
        self.at += 1;
        Ok(Cow::Owned(text))
    }

    /// Characters up to a quote or a backslash, which is there.
    fn plain(&mut self) -> Result<&'de str> {
        let start = self.at;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"' | b'\\') => return self.utf8(start),
                Some(0..0x20) => {
                    let at = self.at;
                    return Err(JsonError::new(format!(
                        "a control character at byte {at} is not escaped"
                    )));
                }
                Some(_) => self.at += 1,
                None => return Err(self.expected("the end of a string")),
            }
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char> {
        let Some(&byte) = self.bytes.get(self.at) else {
            return Err(self.expected("the end of a string"));
        };
        self.at += 1;
        Ok(match byte {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(byte),
            b'u' => self.unicode()?,
            _ => {
                self.at -= 1;
                return Err(self.expected("an escaped character"));
            }
        })
    }

    fn unicode(&mut self) -> Result<char> {
        let start = self.at;
        let first = self.unit()?;
        let code = if (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u")
        {
            self.at += 2;
            let second = self.unit()?;
            let is_pair = (0xdc00..0xe000).contains(&second);
            is_pair.then(|| 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
        } else {
            Some(first)
        };
        code.and_then(char::from_u32).ok_or_else(|| {
            JsonError::new(format!("half of a surrogate pair stands at byte {start}"))
        })
    }

    fn unit(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.bytes.get(self.at).and_then(|&byte| char::from(byte).to_digit(16));
            unit = unit << 4 | digit.ok_or_else(|| self.expected("a hexadecimal digit"))?;
            self.at += 1;
        }
        Ok(unit)
    }

    /// Reads a value that nobody wants.
    pub(super) fn skip(&mut self, bounds: &mut Bounds) -> Result<()> {
        let close = match self.peek() {
            Some(b'[') => b']',
            Some(b'{') => b'}',
            // Of any size.
            Some(b'-' | b'0'..=b'9') => return self.number().map(|_| ()),
            _ => return self.word().map(|_| ()),
        };
        bounds.enter()?;
        self.at += 1;
        let mut first = true;
        while self.next(&mut first, close)? {
            if close == b'}' {
                self.key()?;
            }
            self.skip(bounds)?;
        }
        bounds.leave();
        Ok(())
    }
}
