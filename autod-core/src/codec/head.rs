//! The beginning of a message: short ones need no memory of their own.

use std::ops::Deref;

/// The arguments and the answer of a small call are not longer.
const SHORT: usize = 24;

#[derive(Clone, Debug)]
pub(crate) enum Head {
    Short(u8, Bytes),
    Long(Vec<u8>),
}

/// Where the words of the other form are, so that both are moved alike: bytes that are moved in other
/// portions than they were written in wait until these have reached the cache.
#[derive(Clone, Debug)]
#[repr(align(8))]
pub(crate) struct Bytes([u8; SHORT]);

impl Head {
    /// A copy of these bytes.
    #[inline]
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        match u8::try_from(bytes.len()) {
            Ok(length) if bytes.len() <= SHORT => {
                let mut short = [0; SHORT];
                short[..bytes.len()].copy_from_slice(bytes);
                Self::Short(length, Bytes(short))
            }
            _ => Self::Long(bytes.to_vec()),
        }
    }

    /// The bytes, to be changed.
    pub(crate) fn make_mut(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Long(bytes) => bytes,
            short @ Self::Short(..) => {
                *short = Self::Long(short.to_vec());
                short.make_mut()
            }
        }
    }

    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(self.make_mut())
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::Long(Vec::new())
    }
}

impl From<Vec<u8>> for Head {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Long(bytes)
    }
}

impl Deref for Head {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => &bytes.0[..usize::from(*length).min(SHORT)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_ones_are_alike() {
        for length in 0..2 * SHORT {
            let bytes = vec![7; length];
            let mut head = Head::copied(&bytes);
            assert_eq!((&*head, &head), (&bytes[..], &Head::from(bytes.clone())));
            assert_eq!(matches!(head, Head::Short(..)), length <= SHORT);
            head.make_mut().push(8);
            assert_eq!(head.into_vec(), [&bytes[..], &[8]].concat());
        }
    }
}
