//! How much work one value may be, whatever a peer claims.
//!
//! Both ways are counted alike: what encodes decodes.

/// How deep a value may be nested. A level of a debug build takes up to some ten KiB of stack, and
/// the threads of a runtime have 2 MiB.
pub(super) const DEPTH: u32 = 128;

/// How many elements of a value may take no bytes. All others are bounded by the bytes that are
/// there.
pub(super) const EMPTY: usize = 1 << 16;

const TOO_DEEP: &str = "it is nested more than 128 deep";
const TOO_LONG: &str = "a length in it claims more than there is";

/// What is left for a value.
#[derive(Debug)]
pub(super) struct Bounds {
    depth: u32,
    empty: usize,
}

impl Bounds {
    #[inline]
    pub(super) fn new() -> Self {
        Self { depth: DEPTH, empty: EMPTY }
    }

    #[inline]
    pub(super) fn enter(&mut self) -> Result<(), &'static str> {
        self.depth = self.depth.checked_sub(1).ok_or(TOO_DEEP)?;
        Ok(())
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        self.depth += 1;
    }

    /// Whether so many elements can come with so many bytes.
    #[inline]
    pub(super) fn claim(&self, elements: usize, bytes: usize) -> Result<(), &'static str> {
        if elements.saturating_sub(bytes) > self.empty { Err(TOO_LONG) } else { Ok(()) }
    }

    /// So many elements have come with so many bytes.
    #[inline]
    pub(super) fn spend(&mut self, elements: usize, bytes: usize) -> Result<(), &'static str> {
        let empty = elements.saturating_sub(bytes);
        self.empty = self.empty.checked_sub(empty).ok_or(TOO_LONG)?;
        Ok(())
    }
}
