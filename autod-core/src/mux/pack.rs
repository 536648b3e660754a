//! Items on their way into messages.
//!
//! Either way to keep them is bounded by a message, or by what the method says.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use serde::Serialize;

use super::flow::Role;
use super::shared::{Over, Shared};
use crate::codec::{Codec, Message};
use crate::error::Error;

/// Items are packed into one message until it is this long, as long as the stream has more ready.
const PACK: usize = 32 << 10;

/// The most items of one message; they may be empty.
pub(super) const ITEMS: u32 = 8192;

/// The count of items before them.
const HEAD: usize = 4;

/// The most bytes of items that are kept for a caller that does not take them.
const KEPT: usize = 1 << 20;

/// Why an item cannot be sent.
#[derive(Debug)]
pub(super) enum Unsendable {
    Encoding(Error),
    /// The bytes that it takes.
    TooLarge(usize),
}

/// How items go on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) codec: Codec,
    /// The most bytes of one.
    pub(super) limit: usize,
}

/// What keeps the items that are not sent yet.
pub(super) trait Queue {
    /// Whether the stream is asked for items also when they cannot be sent.
    const DROPS: bool;

    fn add<T: Serialize + 'static>(&mut self, item: T, form: Form) -> Result<(), Unsendable>;

    fn is_empty(&self) -> bool;

    /// Whether something has to be sent before more is added.
    fn is_full(&self, limit: usize) -> bool;

    /// It is empty and has to wait: an empty buffer need not be kept meanwhile.
    fn rest(&mut self) {}

    /// Sends one message of what is there. `now`: it was asked a moment ago whether it may.
    fn poll_send(
        &mut self,
        shared: &Shared,
        role: Role,
        now: bool,
        context: &Context<'_>,
    ) -> Poll<Result<(), Over>>;
}

/// The items of the next message: what cannot be sent holds up the stream.
#[derive(Debug)]
pub(super) struct Pack {
    count: u32,
    bytes: Vec<u8>,
    /// The last item is long: the rest of it.
    tail: Vec<u8>,
    /// How large the buffer was that was let go.
    room: usize,
    /// An item that did not fit behind the others.
    next: Option<Message>,
}

impl Pack {
    pub(super) fn new() -> Self {
        let (bytes, tail) = (Vec::new(), Vec::new());
        Self { count: 0, bytes, tail, room: HEAD, next: None }
    }

    /// The message was taken; the item that did not fit begins the next one.
    fn sent(&mut self) {
        self.bytes.resize(HEAD, 0);
        self.count = 0;
        if let Some(mut next) = self.next.take() {
            self.count = 1;
            self.bytes.append(next.head.make_mut());
            self.tail = next.tail;
        }
    }

    /// Puts what stands before the first item.
    #[cold]
    fn begin(&mut self) {
        self.bytes.reserve_exact(self.room);
        self.bytes.resize(HEAD, 0);
    }

    /// The item that begins there does not fit behind those before it.
    #[cold]
    fn postpone(&mut self, start: usize) {
        let head = self.bytes.split_off(start).into();
        self.next = Some(Message { head, tail: std::mem::take(&mut self.tail) });
    }
}

impl Queue for Pack {
    const DROPS: bool = false;

    #[inline]
    fn add<T: Serialize + 'static>(&mut self, item: T, form: Form) -> Result<(), Unsendable> {
        if self.bytes.is_empty() {
            self.begin();
        }
        let start = self.bytes.len();
        encode(&mut self.bytes, &mut self.tail, item, form)?;
        if self.count > 0 && (!self.tail.is_empty() || self.bytes.len() - HEAD > form.limit) {
            self.postpone(start);
        } else {
            self.count += 1;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn rest(&mut self) {
        self.room = self.bytes.capacity().clamp(HEAD, 2 * PACK);
        self.bytes = Vec::new();
    }

    #[inline]
    fn is_full(&self, limit: usize) -> bool {
        self.bytes.len() >= PACK.min(limit)
            || self.count >= ITEMS
            || !self.tail.is_empty()
            || self.next.is_some()
    }

    fn poll_send(
        &mut self,
        shared: &Shared,
        role: Role,
        now: bool,
        context: &Context<'_>,
    ) -> Poll<Result<(), Over>> {
        self.bytes[..HEAD].copy_from_slice(&self.count.to_le_bytes());
        if !self.tail.is_empty() {
            let (head, tail) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.tail));
            let mut message = Message { head: head.into(), tail };
            let sent = if now {
                Poll::Ready(shared.send_long_now(role, &mut message))
            } else {
                shared.poll_send_long(role, &mut message, context)
            };
            (self.bytes, self.tail) = (message.head.into_vec(), message.tail);
            ready!(sent)?;
        } else if now {
            shared.send_now(role, 0, &self.bytes)?;
        } else {
            ready!(shared.poll_send(role, 0, &self.bytes, context))?;
        }
        self.sent();
        Poll::Ready(Ok(()))
    }
}

/// The newest items: what cannot be sent makes room for what comes.
#[derive(Debug)]
pub(super) struct Newest {
    most: usize,
    items: VecDeque<Vec<u8>>,
    /// Of all items.
    bytes: usize,
    /// Dropped since the last message.
    dropped: u64,
}

impl Newest {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), items: VecDeque::new(), bytes: 0, dropped: 0 }
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let item = self.items.pop_front()?;
        self.bytes -= item.len();
        Some(item)
    }

    fn message(&mut self) -> Vec<u8> {
        let mut message = vec![0; HEAD];
        let mut count = 0_u32;
        // A single item may be as long as a message can be.
        while let Some(item) = self.items.front()
            && (count == 0 || message.len() + item.len() <= PACK)
            && count < ITEMS
        {
            message.extend_from_slice(item);
            count += 1;
            self.pop();
        }
        message[..HEAD].copy_from_slice(&count.to_le_bytes());
        message
    }
}

impl Queue for Newest {
    const DROPS: bool = true;

    fn add<T: Serialize + 'static>(&mut self, item: T, form: Form) -> Result<(), Unsendable> {
        let (mut bytes, mut tail) = (Vec::new(), Vec::new());
        encode(&mut bytes, &mut tail, item, form)?;
        bytes.append(&mut tail);
        self.bytes += bytes.len();
        self.items.push_back(bytes);
        while self.items.len() > self.most || self.bytes > KEPT && self.items.len() > 1 {
            self.pop();
            self.dropped += 1;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn is_full(&self, _: usize) -> bool {
        self.items.len() >= self.most || self.bytes >= PACK
    }

    fn poll_send(
        &mut self,
        shared: &Shared,
        role: Role,
        _: bool,
        context: &Context<'_>,
    ) -> Poll<Result<(), Over>> {
        ready!(shared.poll_may_send(role, context))?;
        let message = self.message();
        Poll::Ready(shared.send_now(role, std::mem::take(&mut self.dropped), &message))
    }
}

/// Appends an item, if it is not longer than the other end receives. Long bytes at its end go to
/// `tail`, which is empty.
#[inline]
fn encode<T: Serialize + 'static>(
    bytes: &mut Vec<u8>,
    tail: &mut Vec<u8>,
    item: T,
    form: Form,
) -> Result<(), Unsendable> {
    let start = bytes.len();
    form.codec.encode_item(bytes, tail, item).map_err(Unsendable::Encoding)?;
    let length = bytes.len() - start + tail.len();
    if length > form.limit {
        bytes.truncate(start);
        *tail = Vec::new();
        return Err(Unsendable::TooLarge(length));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(limit: usize) -> Form {
        Form { codec: Codec::Bincode, limit }
    }

    fn decoded(message: &[u8]) -> Vec<u8> {
        assert_eq!(message[..HEAD], u32::try_from(message.len() - HEAD).unwrap().to_le_bytes());
        message[HEAD..].to_vec()
    }

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        let mut newest = Newest::new(3);
        for item in 0..10_u8 {
            newest.add(item, form(1024)).unwrap();
        }
        assert_eq!(newest.dropped, 7);
        assert_eq!(decoded(&newest.message()), [7, 8, 9]);
        assert!(newest.is_empty());
    }

    #[test]
    fn bytes_are_bounded_too_but_one_item_is_kept() {
        let mut newest = Newest::new(usize::MAX);
        for _ in 0..100 {
            newest.add(vec![0_u8; 100 << 10], form(1 << 30)).unwrap();
            assert!(newest.bytes <= KEPT);
        }
        newest.add(vec![0_u8; 2 * KEPT], form(1 << 30)).unwrap();
        assert_eq!((newest.items.len(), newest.dropped), (1, 100));
    }

    #[test]
    fn an_item_that_is_too_large_leaves_the_others() {
        let mut pack = Pack::new();
        pack.add(1_u8, form(16)).unwrap();
        assert!(matches!(pack.add([0_u8; 17], form(16)), Err(Unsendable::TooLarge(17))));
        pack.add(2_u8, form(16)).unwrap();
        assert_eq!((pack.count, &pack.bytes[HEAD..]), (2, &[1, 2][..]));
    }
}
