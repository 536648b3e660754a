//! Packets: what both ends of a bridge tell from anything else on the same byte stream.
//!
//! ```text
//! packet = mark: 16 bytes | length: u16 | payload
//! ```
//!
//! The mark is chosen by the caller for each bridge; eight of its bytes are random. A length of 0
//! says that the sender lives, 65535 that it has no more to say. A packet is at most 4096 bytes,
//! which a pipe takes whole or not at all: others may write between packets, and not into one.

use std::fmt;

use crate::error::{Error, Result};

/// The length of mark and length.
const HEADER: usize = 18;

/// The most that one packet carries.
pub(super) const PAYLOAD: usize = 4096 - HEADER;

const END: u16 = u16::MAX;

/// Nothing that a shell prints.
const MAGIC: [u8; 8] = *b"\0autod\0\x01";

/// Which packets belong to this bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark([u8; 8]);

impl Mark {
    pub(super) fn random() -> Result<Self> {
        let mut bytes = [0; 8];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| Error::system("cannot get random bytes", error))?;
        Ok(Self(bytes))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let right = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| right)?;
        Some(Self(number.to_be_bytes()))
    }

    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..].copy_from_slice(&self.0);
        bytes
    }

    /// The packet of a payload that is not too long; an empty one is a sign of life.
    pub(super) fn packet(self, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap_or(END);
        debug_assert!(payload.len() <= PAYLOAD);
        [&self.bytes()[..], &length.to_le_bytes(), payload].concat()
    }

    /// The packet that ends a direction.
    pub(super) fn end(self) -> Vec<u8> {
        [&self.bytes()[..], &END.to_le_bytes()].concat()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// One thing found among what has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Payload(Vec<u8>),
    Alive,
    End,
}

/// Finds packets among bytes of any kind.
pub(super) struct Finder {
    mark: [u8; 16],
    bytes: Vec<u8>,
}

impl Finder {
    pub(super) fn new(mark: Mark) -> Self {
        Self { mark: mark.bytes(), bytes: Vec::new() }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next packet, if it is whole. What is no packet is forgotten.
    pub(super) fn next(&mut self) -> Option<Found> {
        loop {
            let at = self.begin();
            self.bytes.drain(..at);
            let header = self.bytes.get(..HEADER)?;
            let length = u16::from_le_bytes([header[16], header[17]]);
            let (found, end) = match length {
                0 => (Found::Alive, HEADER),
                END => (Found::End, HEADER),
                length => {
                    let end = HEADER + usize::from(length);
                    if usize::from(length) > PAYLOAD {
                        // The mark alone, as somebody may print it who copies what he sees.
                        self.bytes.drain(..1);
                        continue;
                    }
                    (Found::Payload(self.bytes.get(HEADER..end)?.to_vec()), end)
                }
            };
            self.bytes.drain(..end);
            return Some(found);
        }
    }

    /// Where a packet begins, or may begin when more has arrived.
    fn begin(&self) -> usize {
        let matches = |at: &usize| {
            let rest = &self.bytes[*at..];
            let length = rest.len().min(self.mark.len());
            rest[..length] == self.mark[..length]
        };
        (0..self.bytes.len()).find(matches).unwrap_or(self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(finder: &mut Finder) -> Vec<Found> {
        std::iter::from_fn(|| finder.next()).collect()
    }

    #[test]
    fn packets_are_found_among_anything_in_any_pieces() {
        let mark = Mark::random().unwrap();
        let other = Mark([7; 8]);
        let long = vec![3; PAYLOAD];
        let stream = [
            b"Welcome!\n\0auto".to_vec(),
            mark.packet(b"one"),
            mark.bytes()[..11].to_vec(),
            mark.packet(b""),
            other.packet(b"not ours"),
            [&mark.bytes()[..], &[0xff, 0xfe]].concat(),
            mark.packet(&long),
            b"\0\0\0".to_vec(),
            mark.end(),
            b"late".to_vec(),
        ]
        .concat();
        let all =
            vec![Found::Payload(b"one".to_vec()), Found::Alive, Found::Payload(long), Found::End];
        for size in [1, 2, 17, 18, 19, 1000, stream.len()] {
            let mut finder = Finder::new(mark);
            let mut seen = Vec::new();
            for piece in stream.chunks(size) {
                finder.add(piece);
                seen.extend(found(&mut finder));
            }
            assert_eq!(seen, all, "in pieces of {size}");
            assert!(finder.bytes.len() < HEADER, "keeps what is no packet");
        }
    }

    #[test]
    fn vectors() {
        let mut vectors = crate::wire::vectors::all("packets");
        let mark = Mark::parse("0123456789abcdef").unwrap();
        for (name, written, expected) in [
            ("a sign of life", mark.packet(b""), Found::Alive),
            ("a payload", mark.packet(b"AUTOD"), Found::Payload(b"AUTOD".to_vec())),
            ("the end of a direction", mark.end(), Found::End),
        ] {
            assert_eq!(vectors.remove(name), Some(written.clone()), "{name}");
            let mut finder = Finder::new(mark);
            finder.add(&written);
            assert_eq!(found(&mut finder), [expected], "{name}");
        }
        assert!(vectors.is_empty(), "nobody checks {:?}", vectors.keys());
    }

    #[test]
    fn a_mark_is_its_text() {
        let mark = Mark::random().unwrap();
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        assert_eq!(Mark::parse("+123456789abcdef"), None);
    }
}
