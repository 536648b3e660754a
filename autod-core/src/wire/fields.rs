//! The form of greetings: a prefix and fields, the same in every version.
//!
//! ```text
//! "AUTOD" | version: u8 | kind: u8 | 0: u8 | length: u32 | fields
//! field = tag: u8 | length: u32 | value
//! ```
//!
//! All numbers are little-endian. What the fields mean is not known here.

use std::fmt;

use super::limits::Receives;

/// The length of everything before the fields.
pub(crate) const PREFIX: usize = 12;

/// The most that a greeting may carry in its fields. An argument list that is longer is not sent.
pub(crate) const MAX_FIELDS: usize = 1 << 20;

/// The most that is said of a text for people.
const MAX_TEXT: usize = 64 << 10;

const MAGIC: &[u8; 5] = b"AUTOD";

/// Bytes that are not a greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Magic,
    Kind(u8),
    Length(usize),
    Field(u8),
    Missing(&'static str),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("the other end does not speak autod's protocol"),
            Self::Kind(kind) => write!(f, "unknown greeting kind {kind}"),
            Self::Length(length) => write!(f, "greeting of {length} bytes, at most {MAX_FIELDS}"),
            Self::Field(tag) => write!(f, "malformed greeting field {tag}"),
            Self::Missing(name) => write!(f, "greeting without {name}"),
        }
    }
}

impl std::error::Error for Malformed {}

pub(super) mod kind {
    pub(crate) const HELLO: u8 = 1;
    pub(crate) const ACCEPT: u8 = 2;
    pub(crate) const WAIT: u8 = 3;
    pub(crate) const CLOSING: u8 = 4;
    pub(crate) const REJECT: u8 = 5;
    pub(crate) const REPORT: u8 = 6;
}

pub(super) mod tag {
    pub(crate) const PURPOSE: u8 = 1;
    pub(crate) const SERVICE: u8 = 2;
    pub(crate) const FINGERPRINT: u8 = 3;
    pub(crate) const BUILD: u8 = 4;
    pub(crate) const CODEC: u8 = 5;
    pub(crate) const RECEIVES: u8 = 6;
    pub(crate) const CWD: u8 = 7;
    pub(crate) const ARGUMENT: u8 = 8;
    pub(crate) const ENVIRONMENT: u8 = 9;
    pub(crate) const TERMINAL: u8 = 10;
    pub(crate) const ROOT: u8 = 11;
    pub(crate) const LIFE: u8 = 12;
    pub(crate) const PID: u8 = 13;
    pub(crate) const TEXT: u8 = 14;
    pub(crate) const CODE: u8 = 15;
    pub(crate) const OFFER: u8 = 16;
    pub(crate) const CONTROL: u8 = 17;
    pub(crate) const KEEP_ALIVE: u8 = 18;
    pub(crate) const LOGIN: u8 = 19;
}

/// The start of a greeting: enough to know how much more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    /// Of the fields.
    pub(crate) length: usize,
}

impl Prefix {
    /// Refuses foreign bytes as soon as the first of them differs, so that a peer which sends four
    /// bytes and waits is told apart from a slow one.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            return Err(Malformed::Magic);
        }
        let Some((prefix, _)) = bytes.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let [.., version, kind, _, a, b, c, d] = *prefix;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MAX_FIELDS {
            return Err(Malformed::Length(length));
        }
        Ok(Some(Self { version, kind, length }))
    }
}

pub(super) fn array<const N: usize>(tag: u8, value: &[u8]) -> Result<[u8; N], Malformed> {
    value.try_into().map_err(|_| Malformed::Field(tag))
}

pub(super) fn text(tag: u8, value: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| Malformed::Field(tag))
}

/// The fields of a greeting, one after the other.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u8, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let field = rest
            .split_first_chunk::<4>()
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
        let Some((value, rest)) = field else {
            self.0 = &[];
            return Some(Err(Malformed::Field(tag)));
        };
        self.0 = rest;
        Some(Ok((tag, value)))
    }
}

pub(super) struct Builder(Vec<u8>);

impl Builder {
    pub(super) fn new(version: u8, kind: u8) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[version, kind, 0, 0, 0, 0, 0]);
        Self(bytes)
    }

    #[expect(clippy::cast_possible_truncation, reason = "arguments are far shorter than 4 GiB")]
    pub(super) fn field(&mut self, tag: u8, value: &[u8]) {
        self.0.push(tag);
        self.0.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.extend_from_slice(value);
    }

    /// A text for people, cut if it is longer than anybody reads.
    pub(super) fn text(&mut self, text: &str) {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.field(tag::TEXT, &text.as_bytes()[..end]);
    }

    pub(super) fn receives(&mut self, receives: Receives) {
        let mut value = [0; 12];
        value[..4].copy_from_slice(&receives.message.to_le_bytes());
        value[4..8].copy_from_slice(&receives.calls.to_le_bytes());
        value[8..].copy_from_slice(&receives.window.to_le_bytes());
        self.field(tag::RECEIVES, &value);
    }

    #[expect(clippy::cast_possible_truncation, reason = "see field")]
    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() - PREFIX) as u32;
        self.0[PREFIX - 4..PREFIX].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}
