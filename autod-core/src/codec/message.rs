//! The bytes of values, on their way to a connection or from it.
//!
//! Long bytes at the end of a message may be in a buffer of their own: they are sent from where the
//! caller had them, and received to where the user gets them.

use std::any::Any;

use super::head::Head;

/// Bytes that are shorter cost less copied than kept apart.
const APART: usize = 16 << 10;

/// The bytes of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) head: Head,
    /// What follows, if it is apart.
    pub(crate) tail: Vec<u8>,
}

impl Message {
    /// A copy of these bytes.
    #[inline]
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        Self { head: Head::copied(bytes), tail: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Makes sure that so many bytes from its start are in `head`, if there are so many.
    pub(crate) fn reach(&mut self, length: usize) {
        if self.head.len() < length {
            self.join();
        }
    }

    /// Copies both parts into one place.
    pub(crate) fn join(&mut self) {
        self.head.make_mut().append(&mut self.tail);
        self.tail = Vec::new();
    }

    /// All of it in one place.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.join();
        self.head.into_vec()
    }
}

impl From<Vec<u8>> for Message {
    fn from(head: Vec<u8>) -> Self {
        Self { head: head.into(), tail: Vec::new() }
    }
}

/// Takes long bytes or text out of a value, and leaves it empty.
#[inline]
pub(crate) fn take_long<T: 'static>(value: &mut T) -> Option<Vec<u8>> {
    let value: &mut dyn Any = value;
    if let Some(bytes) = value.downcast_mut::<Vec<u8>>() {
        return (bytes.len() >= APART).then(|| std::mem::take(bytes));
    }
    let text = value.downcast_mut::<String>()?;
    (text.len() >= APART).then(|| std::mem::take(text).into_bytes())
}
