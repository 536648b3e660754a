//! What is written next.
//!
//! Short frames and headers are in one buffer. The pieces of a long message stay where the message
//! is, so that they are never copied on their way to the kernel.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use super::spares::SPARES;
use super::transport::Room;
use crate::wire::frame::{self, Header, Kind};

/// A shorter piece costs less copied than kept apart.
const APART: usize = 4 << 10;

#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// The sum of the pieces.
    apart: usize,
    /// How much of all has been written.
    written: usize,
    /// Short messages are sent between its pieces and those that follow.
    accompanied: bool,
}

#[derive(Debug)]
struct Piece {
    /// So much of the buffer comes before it.
    at: usize,
    message: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Batch {
    /// How long all of it is.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.apart
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives back the memory of an empty batch, if it is more than this.
    pub(super) fn shrink(&mut self, most: usize) {
        if self.is_empty() && self.bytes.capacity() > most {
            self.bytes = Vec::new();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Says whether short messages are sent between its pieces and those that follow.
    pub(super) fn accompany(&mut self, accompanied: bool) {
        self.accompanied = accompanied;
    }

    /// What the kernel should take of a batch with pieces.
    pub(super) fn room(&self) -> Room {
        if self.accompanied { Room::Narrow } else { Room::Wide }
    }

    pub(super) fn put(&mut self, kind: Kind, id: u32, payload: &[u8]) {
        frame::put(&mut self.bytes, kind, id, false, payload);
    }

    /// Adds the first piece of a message.
    pub(super) fn put_beginning(&mut self, kind: Kind, id: u32, payload: &[u8]) {
        frame::put(&mut self.bytes, kind, id, true, payload);
    }

    /// Adds a frame whose payload is a part of a message.
    pub(super) fn put_piece(
        &mut self,
        kind: Kind,
        id: u32,
        more: bool,
        message: &Arc<Vec<u8>>,
        range: Range<usize>,
    ) {
        if range.len() < APART {
            frame::put(&mut self.bytes, kind, id, more, &message[range]);
            return;
        }
        let header = Header::new(kind, id, range.len(), more);
        self.bytes.extend_from_slice(&header.to_bytes());
        self.apart += range.len();
        self.pieces.push(Piece { at: self.bytes.len(), message: Arc::clone(message), range });
    }

    /// What is to be written, if it is in one place.
    pub(super) fn as_slice(&self) -> Option<&[u8]> {
        self.pieces.is_empty().then(|| &self.bytes[self.written..])
    }

    /// Fills `slices` with the next parts of what is to be written, and tells how many those are.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let mut count = 0;
        let mut at = 0;
        let parts = self.pieces.iter().flat_map(|piece| {
            let before = at..piece.at;
            at = piece.at;
            [&self.bytes[before], &piece.message[piece.range.clone()]]
        });
        let end = self.pieces.last().map_or(0, |piece| piece.at);
        for part in parts.chain([&self.bytes[end..]]) {
            if skip >= part.len() {
                skip -= part.len();
                continue;
            }
            let Some(slice) = slices.get_mut(count) else { break };
            *slice = IoSlice::new(&part[skip..]);
            skip = 0;
            count += 1;
        }
        count
    }

    /// The first header, if nothing of it has been written.
    pub(super) fn unwritten_header(&self) -> Option<Header> {
        let start = (self.written == 0).then_some(&self.bytes)?;
        Header::parse(start).ok().flatten()
    }

    pub(super) fn is_written(&self) -> bool {
        self.written >= self.len()
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.written += count;
    }

    /// Makes it empty. A buffer of up to `keep` bytes is kept.
    pub(super) fn clear(&mut self, keep: usize) {
        if self.bytes.capacity() > keep {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
        for piece in self.pieces.drain(..) {
            // The last piece of a message gives its buffer back.
            if let Some(buffer) = Arc::into_inner(piece.message) {
                SPARES.keep(buffer);
            }
        }
        self.apart = 0;
        self.written = 0;
    }

    /// All of it, as it goes over the line.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); 2 * self.pieces.len() + 1];
        let count = self.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_not_offered_again() {
        let message = Arc::new((0..=255).cycle().take(3 * APART).collect::<Vec<u8>>());
        let mut batch = Batch::default();
        batch.put(Kind::Reply, 0, b"short");
        batch.put_piece(Kind::Reply, 2, true, &message, 0..2 * APART);
        batch.put_piece(Kind::Reply, 4, true, &message, 7..9);
        batch.put_piece(Kind::Reply, 2, false, &message, 2 * APART..3 * APART);
        let all = batch.to_vec();
        assert_eq!(all.len(), batch.len());
        for written in 1..=all.len() {
            batch.advance(1);
            assert_eq!(batch.to_vec(), all[written..]);
            assert_eq!(batch.is_written(), written == all.len());
        }
        batch.clear(0);
        assert!(batch.is_empty() && batch.to_vec().is_empty());
    }
}
