//! The end of a stream that receives it, at either end of a call.
//!
//! Plain data. Bound: what has come and was not given back as credit is less than a window and one
//! message.

use std::collections::VecDeque;
use std::task::Waker;

use super::pieces::{Part, Pieces};
use crate::codec::Message;
use crate::wire::frame::{Broken, ENVELOPE, Header, Kind, MAX_PIECE};

/// What flows in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Items,
    Bytes,
}

/// What both ends allow a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The credit with which a stream begins, and which it never passes.
    pub(super) window: usize,
    /// The largest message that we receive.
    pub(super) message: usize,
}

/// A part of a stream as it came.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The items that are left in it.
    pub(super) count: u32,
    /// The items that were dropped before it.
    pub(super) skipped: u64,
    pub(super) bytes: Message,
    /// Where the next item, or the next byte, begins.
    pub(super) at: usize,
}

#[derive(Debug, Default)]
pub(super) struct Inflow {
    form: Form,
    pieces: Pieces,
    chunks: VecDeque<Chunk>,
    /// Dropped since the last chunk came.
    skipped: u64,
    /// Bytes that came and were not given back as credit.
    held: usize,
    /// The part of `held` that the user has taken.
    taken: usize,
    pub(super) waker: Option<Waker>,
}

impl Inflow {
    pub(super) fn new(form: Form) -> Self {
        Self { form, ..Self::default() }
    }

    /// Whether the last message is whole.
    pub(super) fn is_whole(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds a piece of a message of any kind; gives the message when it is whole.
    pub(super) fn piece(
        &mut self,
        header: Header,
        payload: Part<'_>,
        bounds: Bounds,
    ) -> Result<Option<Message>, Broken> {
        if header.kind == Kind::Items && self.is_whole() && self.held >= bounds.window {
            return Err(Broken::Credit(header.id));
        }
        self.pieces.add(header, payload, bounds.message + ENVELOPE)
    }

    /// Lends what has come of a message, so that more can be read behind it.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        self.pieces.lend()
    }

    /// Adds a whole message of Items.
    pub(super) fn push(&mut self, mut bytes: Message) -> Result<(), Broken> {
        self.held += bytes.len();
        if self.form == Form::Items {
            bytes.reach(size_of::<u32>());
            let (count, _) = bytes.head.split_first_chunk().ok_or(Broken::Payload(Kind::Items))?;
            let count = u32::from_le_bytes(*count);
            let skipped = std::mem::take(&mut self.skipped);
            self.chunks.push_back(Chunk { count, skipped, bytes, at: 4 });
            return Ok(());
        }
        bytes.join();
        if bytes.len() == 0 {
            return Err(Broken::Payload(Kind::Items));
        }
        // Many short writes of the other end become one chunk, so that memory goes with the bytes.
        match self.chunks.back_mut() {
            Some(last) if last.bytes.len() + bytes.len() <= MAX_PIECE => {
                last.bytes.head.make_mut().extend_from_slice(&bytes.head);
            }
            _ => self.chunks.push_back(Chunk { bytes, ..Chunk::default() }),
        }
        Ok(())
    }

    pub(super) fn skip(&mut self, payload: &[u8]) -> Result<(), Broken> {
        let count = payload.try_into().map_err(|_| Broken::Payload(Kind::Skip))?;
        self.skipped = self.skipped.saturating_add(u64::from_le_bytes(count));
        Ok(())
    }

    /// The next chunk, and the credit to give back if the stream goes on.
    pub(super) fn take(&mut self, bounds: Bounds) -> Option<(Chunk, u32)> {
        let chunk = self.chunks.pop_front()?;
        self.taken += chunk.bytes.len();
        // Half a window at a time: rarely enough to be cheap, early enough to keep the line full.
        if self.taken * 2 < bounds.window {
            return Some((chunk, 0));
        }
        let credit = u32::try_from(self.taken).unwrap_or(u32::MAX);
        self.held -= self.taken;
        self.taken = 0;
        Some((chunk, credit))
    }

    /// No more is to come: what is not whole stays so.
    pub(super) fn forget_pieces(&mut self) {
        self.pieces.clear();
    }

    /// Nobody is interested any more.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.chunks = VecDeque::new();
        self.waker = None;
    }

    /// The bytes that were not given back as credit.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// The bytes that wait for the user.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.pieces.waiting() + self.chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>()
    }
}
