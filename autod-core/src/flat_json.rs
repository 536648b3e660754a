//! The JSON of a daemon's small files, and of what a daemon tells about itself.
//!
//! People read these files with `cat` and scripts with `jq`, so they are JSON. What is read here is
//! one flat object of strings and numbers, which is all that the files hold and that a daemon is
//! asked with; what is written may be nested. What a field means is the callers' knowledge.

use std::fmt::Write as _;

/// Builds the text of one object.
#[derive(Default)]
pub(crate) struct Writer(String);

impl Writer {
    fn key(&mut self, key: &str) {
        self.0.push_str(if self.0.is_empty() { "{" } else { "," });
        quote(&mut self.0, key);
        self.0.push(':');
    }

    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        quote(&mut self.0, value);
        self
    }

    pub(crate) fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        let _ = write!(self.0, "{value}");
        self
    }

    pub(crate) fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        let _ = write!(self.0, "{value}");
        self
    }

    /// Nothing is written for what is not known.
    pub(crate) fn number_if(self, key: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// Nothing is written for what is not known.
    pub(crate) fn text_if(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    pub(crate) fn object(mut self, key: &str, value: Self) -> Self {
        self.key(key);
        self.0.push_str(&value.finish());
        self
    }

    pub(crate) fn objects(mut self, key: &str, values: impl IntoIterator<Item = Self>) -> Self {
        self.key(key);
        self.list(values, |out, value| out.push_str(&value.finish()));
        self
    }

    pub(crate) fn texts<T: AsRef<str>>(
        mut self,
        key: &str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        self.key(key);
        self.list(values, |out, value| quote(out, value.as_ref()));
        self
    }

    fn list<T>(
        &mut self,
        values: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut String, T),
    ) {
        self.0.push('[');
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            write(&mut self.0, value);
        }
        self.0.push(']');
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The longest beginning of a text that takes at most `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    Number(u64),
}

/// One object that was read.
#[derive(Debug, PartialEq)]
pub(crate) struct Object(Vec<(String, Value)>);

impl Object {
    /// `None` for everything that is not exactly one flat object.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(std::str::from_utf8(bytes).ok()?);
        let mut fields = Vec::new();
        reader.expect('{')?;
        if reader.expect('}').is_none() {
            loop {
                let key = reader.string()?;
                reader.expect(':')?;
                let value = reader.value()?;
                if fields.iter().any(|(known, _)| *known == key) {
                    return None;
                }
                fields.push((key, value));
                if reader.expect(',').is_none() {
                    reader.expect('}')?;
                    break;
                }
            }
        }
        reader.rest().is_empty().then_some(Self(fields))
    }

    fn field(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.field(key)? {
            Value::Text(text) => Some(text),
            Value::Number(_) => None,
        }
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        match self.field(key)? {
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
        }
    }
}

struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.0.trim_start_matches([' ', '\n', '\r', '\t'])
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.0 = self.rest().strip_prefix(c)?;
        Some(())
    }

    fn value(&mut self) -> Option<Value> {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return self.string().map(Value::Text);
        }
        let (number, rest) = rest.split_at(digits);
        self.0 = rest;
        number.parse().ok().map(Value::Number)
    }

    fn string(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut text = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => text.push(match chars.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'u' => escaped(&mut chars)?,
                    c @ ('"' | '\\' | '/') => c,
                    _ => return None,
                }),
                c if u32::from(c) < 0x20 => return None,
                c => text.push(c),
            }
        }
        self.0 = chars.as_str();
        Some(text)
    }
}

fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let first = unit(chars)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if chars.next()? != '\\' || chars.next()? != 'u' {
        return None;
    }
    let second = unit(chars)?;
    if !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}

fn unit(chars: &mut std::str::Chars<'_>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit << 4 | chars.next()?.to_digit(16)?;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text = "a \"b\"\\\n\r\t\u{1}\u{7f}\u{85} \u{e9}\u{1f600}";
        let written = Writer::default().text("k\"", text).number("n", u64::MAX).finish();
        assert!(written.is_ascii() || !written.contains('\u{1}'));
        let object = Object::parse(format!("  {written} \n").as_bytes()).unwrap();
        assert_eq!(object.text("k\""), Some(text));
        assert_eq!(object.number("n"), Some(u64::MAX));
        assert_eq!(object.number("k\""), None);
        assert_eq!(Object::parse(Writer::default().finish().as_bytes()), Some(Object(vec![])));
    }

    #[test]
    fn what_is_written_may_be_nested() {
        let inner = || Writer::default().flag("yes", true).texts("words", ["a\"", "b"]);
        let none: [&str; 0] = [];
        let written = Writer::default()
            .object("one", inner())
            .objects("many", [inner(), Writer::default()])
            .texts("none", none)
            .number_if("known", Some(1))
            .number_if("unknown", None)
            .text_if("unknown", None)
            .finish();
        let inner = r#"{"yes":true,"words":["a\"","b"]}"#;
        let expected = format!(r#"{{"one":{inner},"many":[{inner},{{}}],"none":[],"known":1}}"#);
        assert_eq!(written, expected);
    }

    #[test]
    fn surrogate_pairs_make_one_character() {
        let object = Object::parse(br#"{"a":"\ud83d\ude00\/"}"#).unwrap();
        assert_eq!(object.text("a"), Some("\u{1f600}/"));
        for broken in [r#"{"a":"\ud83d"}"#, r#"{"a":"\ud83d\u0041"}"#, r#"{"a":"\ude00"}"#] {
            assert_eq!(Object::parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for broken in [
            "",
            "{",
            "{}x",
            "{\"a\":1,}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":{}}",
            "{\"a\":-1}",
            "{\"a\":99999999999999999999}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"x",
            "{\"a\":\"\\x\"}",
            "[]",
        ] {
            assert_eq!(Object::parse(broken.as_bytes()), None, "{broken}");
        }
        assert_eq!(Object::parse(b"{\"a\":\"\xff\"}"), None);
    }
}
