//! A message that comes in pieces.

use crate::codec::Message;
use crate::wire::frame::{Broken, Header};

/// The longest first piece behind which the rest of its message is kept apart: a sender cuts it off
/// before long bytes. Such a frame is always taken whole.
const SHORT: usize = 4 << 10;

/// What has come of a frame's payload.
#[derive(Debug)]
pub(super) enum Part<'a> {
    Bytes(&'a [u8]),
    /// It was read behind what had come of its message before: the message so far, and how much of
    /// that is new.
    Read(Vec<u8>, usize),
}

impl Part<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Read(_, new) => *new,
        }
    }

    /// The payload of a frame that is not one of several pieces.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Read(message, _) => message,
        }
    }

    /// It is all of a message.
    pub(super) fn into_message(self) -> Message {
        match self {
            Self::Bytes(bytes) => Message::copied(bytes),
            Self::Read(all, _) => all.into(),
        }
    }
}

/// What has come of one message.
#[derive(Debug, Default)]
pub(super) struct Partial {
    message: Message,
    /// The rest of it goes into the tail.
    apart: bool,
}

impl Partial {
    pub(super) fn len(&self) -> usize {
        self.message.len()
    }

    /// Where the next part goes.
    fn open(&mut self) -> &mut Vec<u8> {
        if self.apart { &mut self.message.tail } else { self.message.head.make_mut() }
    }

    /// Adds a part to what has come, if that was not lent.
    pub(super) fn add(&mut self, header: Header, part: Part<'_>) {
        let begins = self.len() == 0;
        match part {
            Part::Bytes(bytes) if begins => self.message = Message::copied(bytes),
            Part::Bytes(bytes) => self.open().extend_from_slice(bytes),
            Part::Read(all, _) => *self.open() = all,
        }
        self.apart |= begins && header.more && header.length <= SHORT;
    }

    /// Lends what has come, or its tail.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        std::mem::take(self.open())
    }

    /// Lets go of all but so many bytes.
    pub(super) fn keep(&mut self, length: usize) {
        self.message.reach(length);
        let kept = self.message.head.len().min(length);
        self.message = Message::copied(&self.message.head[..kept]);
    }

    pub(super) fn into_message(self) -> Message {
        self.message
    }
}

/// What has come of a message that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Pieces(Option<Box<(Header, Partial)>>);

impl Pieces {
    /// Whether no message has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds a piece; gives the message when it is whole. No message is longer than `cap`.
    pub(super) fn add(
        &mut self,
        header: Header,
        payload: Part<'_>,
        cap: usize,
    ) -> Result<Option<Message>, Broken> {
        if self.0.is_none() && !header.more {
            return if payload.len() > cap {
                Err(Broken::Payload(header.kind))
            } else {
                Ok(Some(payload.into_message()))
            };
        }
        let begun = self.0.get_or_insert_with(|| Box::new((header, Partial::default())));
        let (first, partial) = &mut **begun;
        if first.kind != header.kind {
            return Err(Broken::Unexpected(header.kind, header.id));
        }
        partial.add(header, payload);
        if partial.len() > cap {
            return Err(Broken::Payload(header.kind));
        }
        if header.more {
            return Ok(None);
        }
        Ok(self.0.take().map(|begun| begun.1.into_message()))
    }

    /// Lends what has come, so that more can be read behind it.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        self.0.as_mut().map(|begun| begun.1.lend()).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |begun| begun.1.len())
    }
}
