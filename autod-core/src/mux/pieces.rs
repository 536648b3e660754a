//! A message that comes in pieces.

use crate::wire::frame::{Broken, Header};

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
        payload: &[u8],
        cap: usize,
    ) -> Result<Option<Vec<u8>>, Broken> {
        let mut bytes = match self.0.take() {
            Some((begun, bytes)) if begun.kind == header.kind => bytes,
            Some(_) => return Err(Broken::Unexpected(header.kind, header.id)),
            None => Vec::new(),
        };
        if bytes.len() + payload.len() > cap {
            return Err(Broken::Payload(header.kind));
        }
        bytes.extend_from_slice(payload);
        if header.more {
            self.0 = Some((header, bytes));
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }
}
