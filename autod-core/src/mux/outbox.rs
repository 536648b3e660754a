//! What waits to be written.
//!
//! Short messages are appended to one buffer in the order in which they came. A long one is kept
//! apart and cut into pieces, in turn with other long ones, so that it delays nobody by more than
//! a piece. Frames of one id never overtake each other. A piece is written from where its message
//! is.
//!
//! Bound: an id has at most the end of one call and the beginning of the next in here, each with one
//! message of the negotiated size and a few short frames, and streams add no more than their credit.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::Batch;
use crate::codec::Message;
use crate::wire::frame::{Kind, MAX_PIECE};

/// Pieces of long messages are added while less than this waits.
const FILL: usize = 4 * MAX_PIECE;

/// What is cut at a time while short messages go between the pieces: they wait for all that is
/// written before them.
const SHORT_PIECE: usize = 16 << 10;

/// A message that is not longer is one that somebody waits for beside the long ones.
const SHORT: usize = 4 << 10;

/// After so many bytes of long messages without a short one between them they are alone.
const ALONE: usize = 16 << 20;

/// What an empty buffer may hold while its connection sleeps.
pub(super) const KEPT: usize = 16 << 10;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: Batch,
    long: VecDeque<Long>,
    /// The bytes of long messages that are cut before they count as alone.
    company: usize,
    /// How often something was taken to be written.
    taken: u64,
}

/// The messages of one id from its first long one on.
#[derive(Debug)]
struct Long {
    id: u32,
    messages: VecDeque<Uncut>,
    /// How much of the first message's body has become pieces.
    cut: usize,
}

/// A message that becomes pieces.
#[derive(Debug)]
struct Uncut {
    kind: Kind,
    /// Its short beginning, if that is apart: a piece of its own, so that the other end can receive
    /// the body to where it is kept.
    head: Vec<u8>,
    body: Arc<Vec<u8>>,
}

impl Uncut {
    fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.long.is_empty()
    }

    /// The bytes that wait, without headers of pieces that have not been cut yet.
    pub(super) fn waiting(&self) -> usize {
        if self.long.is_empty() {
            return self.ready.len();
        }
        let long: usize = self
            .long
            .iter()
            .map(|long| long.messages.iter().map(Uncut::len).sum::<usize>() - long.cut)
            .sum();
        self.ready.len() + long
    }

    /// The bytes that wait beside the longest message.
    ///
    /// That one alone is no sign that the other end does not read: it takes its time, and calls
    /// are answered meanwhile.
    pub(super) fn waiting_beside(&self) -> usize {
        if self.long.is_empty() {
            return self.ready.len();
        }
        let rest = |long: &Long| Some(long.messages.front()?.len() - long.cut);
        self.waiting() - self.long.iter().filter_map(rest).max().unwrap_or(0)
    }

    /// The bytes that a stream waits for: what comes in turn with it. Long arguments and answers do not
    /// hold it up, nor does the longest item of another stream.
    pub(super) fn crowd(&self) -> usize {
        if self.long.is_empty() {
            return self.ready.len();
        }
        let items = |long: &Long| {
            let messages = long.messages.iter();
            let (items, first) = (messages.clone(), messages.take(1));
            let of_items = |uncut: &&Uncut| uncut.kind == Kind::Items;
            let items: usize = items.filter(of_items).map(Uncut::len).sum();
            items - first.filter(of_items).map(|_| long.cut).sum::<usize>()
        };
        let (sum, most) = self
            .long
            .iter()
            .map(items)
            .fold((0, 0), |(sum, most), items| (sum + items, items.max(most)));
        self.ready.len() + sum - most
    }

    /// Adds a message that is short, or is copied anyway.
    pub(super) fn push(&mut self, kind: Kind, id: u32, payload: &[u8]) {
        if payload.len() > MAX_PIECE || self.is_queued(id) {
            self.push_long(kind, id, payload.to_vec().into());
        } else {
            self.put(kind, id, payload);
        }
    }

    fn put(&mut self, kind: Kind, id: u32, payload: &[u8]) {
        let is_awaited = matches!(kind, Kind::Call | Kind::Reply | Kind::Fail);
        if !self.long.is_empty() && is_awaited && payload.len() <= SHORT {
            self.company = ALONE;
        }
        self.ready.put(kind, id, payload);
    }

    /// Adds the last frame of the connection: behind what was cut, before what was not.
    pub(super) fn push_goodbye(&mut self, payload: &[u8]) {
        self.ready.put(Kind::Goodbye, 0, payload);
    }

    /// Adds a frame that is of no call.
    pub(super) fn push_beat(&mut self, kind: Kind) {
        self.ready.put(kind, 0, &[]);
    }

    /// Adds a message without copying it if it is long.
    pub(super) fn push_owned(&mut self, kind: Kind, id: u32, message: Message) {
        let is_short = message.head.len() <= MAX_PIECE && message.tail.is_empty();
        if is_short && !self.is_queued(id) {
            self.put(kind, id, &message.head);
        } else {
            self.push_long(kind, id, message);
        }
    }

    /// Whether a long message of this id waits, or something behind one.
    pub(super) fn is_queued(&self, id: u32) -> bool {
        self.long.iter().any(|long| long.id == id)
    }

    fn push_long(&mut self, kind: Kind, id: u32, message: Message) {
        let (head, tail) = (message.head.into_vec(), message.tail);
        let (head, body) = if tail.is_empty() { (tail, head) } else { (head, tail) };
        debug_assert!(head.len() <= MAX_PIECE, "what is apart is behind a few values");
        let uncut = Uncut { kind, head, body: Arc::new(body) };
        match self.long.iter_mut().find(|long| long.id == id) {
            Some(long) => long.messages.push_back(uncut),
            None => {
                self.long.push_back(Long { id, messages: VecDeque::from([uncut]), cut: 0 });
            }
        }
    }

    /// Forgets a Call of `id` of which nothing was sent, and what stands behind it. `false` if
    /// there is none. An older call may still have its last words before it.
    pub(super) fn withdraw(&mut self, id: u32) -> bool {
        let Some(at) = self.long.iter().position(|long| long.id == id) else { return false };
        let long = &mut self.long[at];
        let Some(call) = long.messages.iter().rposition(|uncut| uncut.kind == Kind::Call) else {
            return false;
        };
        if call == 0 && long.cut > 0 {
            return false;
        }
        long.messages.truncate(call);
        if long.messages.is_empty() {
            self.long.remove(at);
        }
        true
    }

    /// Forgets the rest of a Call of `id` that is being sent, and what stands behind it.
    pub(super) fn interrupt(&mut self, id: u32) {
        let begun = |long: &Long| {
            let first = long.messages.front();
            long.id == id && long.cut > 0 && first.is_some_and(|first| first.kind == Kind::Call)
        };
        if let Some(at) = self.long.iter().position(begun) {
            self.long.remove(at);
        }
    }

    /// Gives back the memory of bytes that have been taken, if it is much.
    pub(super) fn shrink(&mut self) {
        self.ready.shrink(KEPT);
    }

    /// What is added now goes out when this has been counted up.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Swaps what is to be written next with an empty batch.
    pub(super) fn take(&mut self, empty: &mut Batch) {
        debug_assert!(empty.is_empty());
        self.taken += 1;
        self.cut();
        self.ready.accompany(self.company > 0);
        std::mem::swap(&mut self.ready, empty);
    }

    fn cut(&mut self) {
        let (piece, fill) =
            if self.company > 0 { (SHORT_PIECE, SHORT_PIECE) } else { (MAX_PIECE, FILL) };
        // Short ones that never pause leave them a share.
        let fill = fill.max(self.ready.len() + self.ready.len() / 4 + 1);
        while self.ready.len() < fill {
            let Some(mut long) = self.long.pop_front() else { return };
            let Some(Uncut { kind, head, body }) = long.messages.front() else { continue };
            if long.cut == 0 && !head.is_empty() {
                self.ready.put_beginning(*kind, long.id, head);
            }
            let end = body.len().min(long.cut + piece);
            self.company = self.company.saturating_sub(end - long.cut);
            let more = end < body.len();
            self.ready.put_piece(*kind, long.id, more, body, long.cut..end);
            long.cut = end;
            if !more {
                long.messages.pop_front();
                long.cut = 0;
            }
            if !long.messages.is_empty() {
                self.long.push_back(long);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::transport::Room;
    use crate::wire::frame::{HEADER, Header};

    fn drain(outbox: &mut Outbox) -> Vec<(Header, Vec<u8>)> {
        let mut frames = Vec::new();
        while !outbox.is_empty() {
            let mut batch = Batch::default();
            outbox.take(&mut batch);
            let bytes = batch.to_vec();
            let mut rest = &bytes[..];
            while let Some(header) = Header::parse(rest).unwrap() {
                frames.push((header, rest[HEADER..HEADER + header.length].to_vec()));
                rest = &rest[HEADER + header.length..];
            }
            assert!(rest.is_empty());
        }
        frames
    }

    #[test]
    fn a_short_message_passes_a_long_one() {
        let mut outbox = Outbox::default();
        outbox.push_owned(Kind::Reply, 2, vec![1; 10 * MAX_PIECE].into());
        outbox.push(Kind::Reply, 4, b"short");
        let frames = drain(&mut outbox);
        assert_eq!(frames[0].0.id, 4);
        assert_eq!(frames.len(), 1 + 10 * MAX_PIECE / SHORT_PIECE);
        let (last, pieces) = frames[1..].split_last().unwrap();
        assert!(pieces.iter().all(|(header, _)| header.more) && !last.0.more);
    }

    #[test]
    fn a_buffer_that_was_large_is_given_back_when_it_is_empty() {
        let mut outbox = Outbox::default();
        for length in [100, 2 * KEPT] {
            let kept = length < KEPT;
            let mut writing = Batch::default();
            outbox.push(Kind::Reply, 2, &vec![1; length]);
            outbox.shrink();
            outbox.take(&mut writing);
            assert_eq!(writing.len(), HEADER + length);
            writing.clear(usize::MAX);
            // The two buffers take turns.
            outbox.take(&mut writing);
            outbox.shrink();
            assert_eq!(outbox.ready.capacity() > 0, kept);
        }
    }

    #[test]
    fn what_is_before_long_bytes_is_a_piece_of_its_own() {
        let mut outbox = Outbox::default();
        let message = Message { head: vec![1; 7].into(), tail: vec![2; MAX_PIECE + 1] };
        outbox.push_owned(Kind::Reply, 2, message);
        assert_eq!(outbox.waiting(), 7 + MAX_PIECE + 1);
        let frames = drain(&mut outbox);
        let pieces: Vec<_> =
            frames.iter().map(|(header, bytes)| (header.more, bytes.len())).collect();
        assert_eq!(pieces, [(true, 7), (true, MAX_PIECE), (false, 1)]);
    }

    #[test]
    fn short_messages_that_never_pause_leave_long_ones_a_share() {
        for length in [MAX_PIECE + 1, 40 * MAX_PIECE] {
            let mut outbox = Outbox::default();
            outbox.push_owned(Kind::Reply, 2, vec![1; length].into());
            let mut beside = 0;
            while outbox.is_queued(2) {
                for _ in 0..2 * FILL / MAX_PIECE {
                    outbox.push(Kind::Items, 4, &vec![2; MAX_PIECE]);
                }
                beside += outbox.waiting() - outbox.crowd();
                outbox.take(&mut Batch::default());
                beside += 2 * FILL;
                assert!(beside < 60 * length + 4 * FILL, "{beside} bytes beside {length}");
            }
        }
    }

    #[test]
    fn streams_are_crowded_by_streams() {
        let mut outbox = Outbox::default();
        outbox.push_owned(Kind::Call, 2, vec![1; 10 * MAX_PIECE].into());
        outbox.push_owned(Kind::Items, 2, vec![1; 2 * MAX_PIECE].into());
        outbox.push_owned(Kind::Reply, 4, vec![1; 10 * MAX_PIECE].into());
        assert_eq!(outbox.crowd(), 0, "the longest item is alone");
        outbox.push_owned(Kind::Items, 6, vec![1; 3 * MAX_PIECE].into());
        assert_eq!(outbox.crowd(), 2 * MAX_PIECE);
        outbox.push(Kind::Items, 8, &[1; 100]);
        assert_eq!(outbox.crowd(), 2 * MAX_PIECE + 100 + HEADER);
        // As soon as a part of an item is on its way it waits no longer.
        outbox.interrupt(2);
        assert_eq!(outbox.crowd(), 2 * MAX_PIECE + 100 + HEADER, "nothing of the call was sent");
        while outbox.crowd() > 0 {
            outbox.take(&mut Batch::default());
        }
        drain(&mut outbox);
    }

    #[test]
    fn the_rest_of_a_call_that_is_interrupted_is_not_sent() {
        let mut outbox = Outbox::default();
        outbox.push_owned(Kind::Call, 2, vec![1; 10 * MAX_PIECE].into());
        outbox.push(Kind::Items, 2, b"its items");
        outbox.push_owned(Kind::Reply, 4, vec![2; 10 * MAX_PIECE].into());
        outbox.take(&mut Batch::default());
        for id in [4, 2] {
            outbox.interrupt(id);
        }
        outbox.push(Kind::Cancel, 2, &[]);
        let frames = drain(&mut outbox);
        assert_eq!((frames[0].0.kind, frames[0].0.id), (Kind::Cancel, 2));
        assert!(frames[1..].iter().all(|(header, _)| header.kind == Kind::Reply));
        assert!(!frames.last().unwrap().0.more, "others are sent to their end");
    }

    #[test]
    fn two_long_messages_take_turns() {
        let mut outbox = Outbox::default();
        outbox.push_owned(Kind::Reply, 2, vec![1; 3 * MAX_PIECE].into());
        outbox.push_owned(Kind::Reply, 4, vec![2; 3 * MAX_PIECE].into());
        let ids: Vec<_> = drain(&mut outbox).iter().map(|(header, _)| header.id).collect();
        assert_eq!(ids, [2, 4, 2, 4, 2, 4]);
    }

    #[test]
    fn the_longest_message_is_no_sign_that_nobody_reads() {
        let mut outbox = Outbox::default();
        outbox.push_owned(Kind::Reply, 2, vec![1; 90 * MAX_PIECE].into());
        outbox.push_owned(Kind::Reply, 4, vec![2; 3 * MAX_PIECE].into());
        assert_eq!(outbox.waiting_beside(), 3 * MAX_PIECE);
        outbox.push_owned(Kind::Reply, 6, vec![3; 100 * MAX_PIECE].into());
        assert_eq!(outbox.waiting_beside(), 93 * MAX_PIECE);
    }

    #[test]
    fn the_kernel_takes_little_while_short_messages_go_between_the_pieces() {
        let room = |outbox: &mut Outbox| {
            let mut batch = Batch::default();
            outbox.take(&mut batch);
            batch.room()
        };
        let mut outbox = Outbox::default();
        // Nobody waits behind a long message yet.
        outbox.push(Kind::Reply, 8, b"short");
        outbox.push_owned(Kind::Reply, 2, vec![1; 2 * ALONE].into());
        assert_eq!(room(&mut outbox), Room::Wide);
        outbox.push(Kind::Reply, 4, b"short");
        for _ in 1..ALONE / SHORT_PIECE {
            assert_eq!(room(&mut outbox), Room::Narrow);
        }
        // The headers make no difference, and no short one has come for long enough.
        assert_eq!(room(&mut outbox), Room::Wide);
    }

    #[test]
    fn an_id_keeps_its_order() {
        let mut outbox = Outbox::default();
        outbox.push_owned(Kind::Items, 2, vec![1; MAX_PIECE + 1].into());
        outbox.push(Kind::Items, 2, b"next");
        outbox.push(Kind::End, 2, b"");
        let frames = drain(&mut outbox);
        let kinds: Vec<_> = frames.iter().map(|(header, _)| (header.kind, header.more)).collect();
        assert_eq!(
            kinds,
            [(Kind::Items, true), (Kind::Items, false), (Kind::Items, false), (Kind::End, false)]
        );
        assert_eq!(frames[2].1, b"next");
    }

    #[test]
    fn only_an_unsent_message_can_be_withdrawn() {
        let mut outbox = Outbox::default();
        outbox.push_owned(Kind::Call, 2, vec![0; 9 * MAX_PIECE].into());
        outbox.push_owned(Kind::Call, 4, vec![0; 9 * MAX_PIECE].into());
        assert!(outbox.withdraw(4));
        outbox.take(&mut Batch::default());
        assert!(!outbox.withdraw(2));
        assert!(outbox.waiting() < 9 * MAX_PIECE);
    }

    #[test]
    fn the_last_words_of_an_older_call_are_not_withdrawn() {
        let mut outbox = Outbox::default();
        outbox.push_owned(Kind::Items, 2, vec![1; 3 * MAX_PIECE].into());
        assert!(!outbox.withdraw(2), "there is no call");
        outbox.push(Kind::End, 2, &[]);
        outbox.push(Kind::Call, 2, b"younger");
        outbox.push(Kind::Items, 2, b"its items");
        assert!(outbox.withdraw(2));
        let kinds: Vec<_> = drain(&mut outbox).iter().map(|(header, _)| header.kind).collect();
        assert_eq!(kinds, [Kind::Items, Kind::Items, Kind::Items, Kind::End]);
    }
}
