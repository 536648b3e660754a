//! The end of a stream that receives it, at either end of a call.
//!
//! Plain data. Bound: what has come and was not given back as credit is less than a window and one
//! message. What passes the first window is counted with that of all other streams: for a message
//! that does not fit the stream is cut off, a window that does not fit does not grow.

use std::task::Waker;

use super::account::Share;
use super::chunks::{Chunk, Chunks};
use super::pieces::{Part, Pieces};
use crate::codec::Message;
use crate::wire::frame::{Broken, ENVELOPE, Header, Kind};

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
    /// The credit with which a stream begins.
    pub(super) window: usize,
    /// How far we let the window of a stream to us grow.
    pub(super) most: usize,
    /// The largest message that we receive.
    pub(super) message: usize,
}

#[derive(Debug, Default)]
pub(super) struct Inflow {
    form: Form,
    pieces: Pieces,
    chunks: Chunks,
    /// Dropped since the last chunk came.
    skipped: u64,
    /// The credit that the stream began with, and what it has grown by.
    window: usize,
    /// Bytes of whole messages that came and were not given back as credit.
    held: usize,
    /// Bytes of the message that is not whole.
    partial: usize,
    /// The part of `held` that the user has done with.
    taken: usize,
    /// The part of `held` that the user has in hand.
    in_hand: usize,
    share: Option<Share>,
    pub(super) waker: Option<Waker>,
}

/// What a piece leads to.
#[derive(Debug)]
pub(super) enum Piece {
    More,
    Whole(Message),
    /// There is no room for it beside what is held already.
    Full,
}

impl Inflow {
    pub(super) fn new(form: Form, window: usize, share: Share) -> Self {
        Self { form, window, share: Some(share), ..Self::default() }
    }

    /// Whether nothing flows in it, and nothing has begun to come.
    pub(super) fn is_unused(&self) -> bool {
        self.share.is_none() && self.is_whole()
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
    ) -> Result<Piece, Broken> {
        let items = header.kind == Kind::Items;
        if items && self.is_whole() && self.held >= self.window {
            return Err(Broken::Credit(header.id));
        }
        let length = payload.len();
        let whole = self.pieces.add(header, payload, bounds.message + ENVELOPE)?;
        if items {
            self.partial += length;
            if !self.count_excess() {
                return Ok(Piece::Full);
            }
        }
        Ok(whole.map_or(Piece::More, Piece::Whole))
    }

    /// Counts what is held beyond the window. `false` if there is no room for it.
    fn count_excess(&mut self) -> bool {
        let excess = (self.held + self.partial).saturating_sub(self.window);
        self.share.as_mut().is_none_or(|share| share.set_excess(excess))
    }

    /// Lends what has come of a message, so that more can be read behind it.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        self.pieces.lend()
    }

    /// Adds a whole message of Items.
    pub(super) fn push(&mut self, bytes: Message) -> Result<(), Broken> {
        self.held += bytes.len();
        self.partial = 0;
        let well_formed = match self.form {
            Form::Items => self.chunks.push_items(bytes, std::mem::take(&mut self.skipped)),
            Form::Bytes => self.chunks.push_bytes(bytes),
        };
        if well_formed { Ok(()) } else { Err(Broken::Payload(Kind::Items)) }
    }

    pub(super) fn skip(&mut self, payload: &[u8]) -> Result<(), Broken> {
        let count = payload.try_into().map_err(|_| Broken::Payload(Kind::Skip))?;
        self.skipped = self.skipped.saturating_add(u64::from_le_bytes(count));
        Ok(())
    }

    /// The next chunk. The user has done with the one before.
    pub(super) fn take(&mut self) -> Option<Chunk> {
        self.taken += std::mem::take(&mut self.in_hand);
        let chunk = self.chunks.pop()?;
        self.in_hand = chunk.cost;
        Some(chunk)
    }

    /// The credit to give back if the stream goes on.
    pub(super) fn credit(&mut self, bounds: Bounds) -> u32 {
        // Half a window at a time: rarely enough to be cheap, early enough to keep the line full.
        if self.taken * 2 < self.window {
            return 0;
        }
        let taken = self.let_go();
        // Whoever takes half a window can do with more of it.
        let more = self.window.min(bounds.most.saturating_sub(self.window));
        let has_room = more > 0 && self.share.as_mut().is_some_and(|share| share.grow(more));
        let grown = if has_room { more } else { 0 };
        self.window += grown;
        self.count_excess();
        u32::try_from(taken + grown).unwrap_or(u32::MAX)
    }

    fn let_go(&mut self) -> usize {
        let taken = std::mem::take(&mut self.taken);
        self.held -= taken;
        taken
    }

    /// The stream has ended: what the user has done with is not held any longer.
    pub(super) fn settle(&mut self) {
        self.let_go();
        self.count_excess();
    }

    /// No more is to come: what is not whole stays so.
    pub(super) fn forget_pieces(&mut self) {
        self.pieces.clear();
        self.partial = 0;
        self.count_excess();
    }

    /// Nobody is interested any more.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.chunks = Chunks::default();
        self.waker = None;
        self.share = None;
    }

    /// The credit that the sender has left, when nothing is on its way.
    #[cfg(test)]
    pub(super) fn room(&self) -> Option<i64> {
        self.share.as_ref()?;
        Some(i64::try_from(self.window).unwrap() - i64::try_from(self.held).unwrap())
    }

    /// The bytes that wait for the user.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.pieces.waiting() + self.chunks.waiting()
    }
}
