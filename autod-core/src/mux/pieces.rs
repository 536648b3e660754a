//! A message that comes in pieces.

use crate::wire::frame::{Broken, Header};

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

    /// Adds it to what has come of its message, if that was not lent.
    pub(super) fn join(self, message: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => message.extend_from_slice(bytes),
            Self::Read(all, _) => *message = all,
        }
    }
}

/// What has come of a message that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Pieces(Option<(Header, Vec<u8>)>);

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
    ) -> Result<Option<Vec<u8>>, Broken> {
        let mut bytes = match self.0.take() {
            Some((begun, bytes)) if begun.kind == header.kind => bytes,
            Some(_) => return Err(Broken::Unexpected(header.kind, header.id)),
            None => Vec::new(),
        };
        payload.join(&mut bytes);
        if bytes.len() > cap {
            return Err(Broken::Payload(header.kind));
        }
        if header.more {
            self.0 = Some((header, bytes));
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    /// Lends what has come, so that more can be read behind it.
    pub(super) fn lend(&mut self) -> Vec<u8> {
        self.0.as_mut().map(|(_, bytes)| std::mem::take(bytes)).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }
}
