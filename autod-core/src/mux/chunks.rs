//! What has come of a stream and waits for its user.
//!
//! Plain data. Many short messages are kept one behind the other, so that the memory that they take goes
//! with their bytes: a sender may put each item into a message of its own.

use std::collections::VecDeque;

use crate::codec::Message;
use crate::wire::frame::MAX_PIECE;

/// As long as no more wait, each is kept as it came.
const LOOSE: usize = 32;

/// What keeping it costs is little beside a message that is longer.
const SHORT: usize = 256;

/// No more is added to so many bytes of short messages.
const PACK: usize = 16 << 10;

/// In the length of a packed message: how many items were dropped before it stands behind it.
const SKIPPED: u16 = 1 << 15;

/// What stands before the items of a message: their number.
const COUNT: usize = size_of::<u32>();

/// A part of a stream as it came.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The items that are left in it.
    pub(super) count: u32,
    /// The items that were dropped before it.
    pub(super) skipped: u64,
    pub(super) bytes: Message,
    /// The credit that was spent for it.
    pub(super) cost: usize,
    /// Where the next item, or the next byte, begins.
    pub(super) at: usize,
}

impl Chunk {
    /// A message of items; `None` if it does not say how many they are.
    fn of_items(mut bytes: Message, skipped: u64) -> Option<Self> {
        bytes.reach(COUNT);
        let count = u32::from_le_bytes(*bytes.head.first_chunk()?);
        Some(Self { count, skipped, cost: bytes.len(), bytes, at: COUNT })
    }
}

#[derive(Debug)]
enum Entry {
    Loose(Chunk),
    Packed(Packed),
}

/// Short messages of items, each behind its length.
#[derive(Debug, Default)]
struct Packed {
    bytes: Vec<u8>,
    /// Those before it have been taken.
    at: usize,
}

impl Packed {
    fn put(&mut self, message: &[u8], skipped: u64) {
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        let flag = if skipped > 0 { SKIPPED } else { 0 };
        self.bytes.extend_from_slice(&(length | flag).to_le_bytes());
        if skipped > 0 {
            self.bytes.extend_from_slice(&skipped.to_le_bytes());
        }
        self.bytes.extend_from_slice(message);
    }

    fn take(&mut self) -> Option<Chunk> {
        let rest = &self.bytes[self.at..];
        let (length, mut rest) = rest.split_first_chunk()?;
        let length = u16::from_le_bytes(*length);
        let mut skipped = 0;
        if length & SKIPPED != 0 {
            let (number, behind) = rest.split_first_chunk()?;
            skipped = u64::from_le_bytes(*number);
            rest = behind;
        }
        let (message, rest) = rest.split_at_checked(usize::from(length & !SKIPPED))?;
        self.at = self.bytes.len() - rest.len();
        Chunk::of_items(Message::copied(message), skipped)
    }

    fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }
}

#[derive(Debug, Default)]
pub(super) struct Chunks(VecDeque<Entry>);

impl Chunks {
    /// Adds a message of items. `false` if it has not the form of one.
    pub(super) fn push_items(&mut self, bytes: Message, skipped: u64) -> bool {
        let Some(chunk) = Chunk::of_items(bytes, skipped) else { return false };
        let is_short = chunk.bytes.tail.is_empty() && chunk.bytes.head.len() <= SHORT;
        if !is_short || self.0.len() < LOOSE {
            self.0.push_back(Entry::Loose(chunk));
            return true;
        }
        match self.0.back_mut() {
            Some(Entry::Packed(packed)) if packed.bytes.len() < PACK => {
                packed.put(&chunk.bytes.head, skipped);
            }
            _ => {
                let mut packed = Packed::default();
                packed.put(&chunk.bytes.head, skipped);
                self.0.push_back(Entry::Packed(packed));
            }
        }
        true
    }

    /// Adds bytes. `false` if there are none.
    pub(super) fn push_bytes(&mut self, mut bytes: Message) -> bool {
        bytes.join();
        // Many short writes of the other end become one chunk.
        match self.0.back_mut() {
            Some(Entry::Loose(last)) if last.bytes.len() + bytes.len() <= MAX_PIECE => {
                last.cost += bytes.len();
                last.bytes.head.make_mut().extend_from_slice(&bytes.head);
            }
            _ if bytes.len() == 0 => {}
            _ => {
                let chunk = Chunk { cost: bytes.len(), bytes, ..Chunk::default() };
                self.0.push_back(Entry::Loose(chunk));
                return true;
            }
        }
        bytes.len() > 0
    }

    pub(super) fn pop(&mut self) -> Option<Chunk> {
        if let Some(Entry::Packed(packed)) = self.0.front_mut() {
            let chunk = packed.take();
            if packed.is_empty() || chunk.is_none() {
                self.0.pop_front();
            }
            return chunk;
        }
        match self.0.pop_front()? {
            Entry::Loose(chunk) => Some(chunk),
            Entry::Packed(_) => None,
        }
    }

    /// The bytes that wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        let of = |entry: &Entry| match entry {
            Entry::Loose(chunk) => chunk.bytes.len(),
            Entry::Packed(packed) => packed.bytes.len() - packed.at,
        };
        self.0.iter().map(of).sum()
    }

    /// The memory that they take.
    #[cfg(test)]
    fn memory(&self) -> usize {
        let of = |entry: &Entry| match entry {
            Entry::Loose(chunk) => chunk.bytes.len(),
            Entry::Packed(packed) => packed.bytes.capacity(),
        };
        self.0.capacity() * size_of::<Entry>() + self.0.iter().map(of).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(number: usize, length: usize) -> Vec<u8> {
        let mut bytes = 1_u32.to_le_bytes().to_vec();
        bytes.resize(COUNT + length, u8::try_from(number % 251).unwrap());
        bytes
    }

    #[test]
    fn messages_take_as_much_memory_as_their_bytes() {
        for (length, skipped) in [(0, 0), (1, 0), (20, 0), (0, 7), (SHORT, 0), (2 * SHORT, 7)] {
            let mut chunks = Chunks::default();
            let mut bytes = 0;
            for number in 0..10_000 {
                let message = message(number, length);
                bytes += message.len();
                assert!(chunks.push_items(message.into(), skipped));
            }
            // An item behind a Skip is twelve bytes more, and vectors grow by doubling.
            let memory = chunks.memory();
            assert!(memory < 8 * bytes + (16 << 10), "{memory} for {bytes} of {length} each");
        }
    }

    #[test]
    fn what_has_not_the_form_of_its_stream_is_refused() {
        let mut chunks = Chunks::default();
        assert!(
            !chunks.push_items(vec![1, 0, 0].into(), 0) && !chunks.push_bytes(Vec::new().into())
        );
        assert!(chunks.push_bytes(vec![1].into()) && !chunks.push_bytes(Vec::new().into()));
        assert!(chunks.push_bytes(vec![2].into()));
        let chunk = chunks.pop().unwrap();
        assert_eq!((&chunk.bytes.head[..], chunk.cost), (&[1, 2][..], 2));
        assert!(chunks.pop().is_none());
    }

    proptest! {
        #[test]
        fn all_come_out_as_they_came(
            came in proptest::collection::vec((0..400_usize, 0..3_u64, any::<bool>()), 0..300),
        ) {
            let mut chunks = Chunks::default();
            let mut expected = VecDeque::new();
            for (number, (length, skipped, takes)) in came.into_iter().enumerate() {
                let message = message(number, length);
                assert!(chunks.push_items(message.clone().into(), skipped));
                expected.push_back((message, skipped));
                // Fewer are taken than come.
                if takes && number % 3 == 0 {
                    let (message, skipped) = expected.pop_front().unwrap();
                    let chunk = chunks.pop().unwrap();
                    assert_eq!((chunk.skipped, chunk.count, chunk.at), (skipped, 1, COUNT));
                    assert_eq!(chunk.cost, message.len());
                    assert_eq!(chunk.bytes.into_bytes(), message);
                }
            }
            for (message, skipped) in expected {
                let chunk = chunks.pop().unwrap();
                assert_eq!((chunk.bytes.into_bytes(), chunk.skipped), (message, skipped));
            }
            assert!(chunks.pop().is_none() && chunks.waiting() == 0);
        }
    }
}
