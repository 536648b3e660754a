//! The form of a type on the wire, as a number.
//!
//! A type is asked to deserialize itself from a source that notes what it asks for and gives made-up
//! values. What is noted goes into the fingerprint of a service with type parameters, of which nothing
//! is written that could tell two of them apart. The names of Rust's paths do not count: they are not
//! the same under every compiler. Nothing here knows bytes.

mod source;
#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;

use self::source::Source;
use crate::service::{FNV_OFFSET, FNV_PRIME, end, hash};

/// How many variants of an enum are looked into; of the others the names count.
const VARIANTS: usize = 64;
/// How much is noted in one walk through a type.
const NOTES: usize = 1024;
/// How deep a walk goes. What may be left out is left out there; what may not ends the walk.
const DEPTH: usize = 16;

/// A number that is the same for the same type in every build, and another one for a type that asks
/// its source for something else.
///
/// The names of structs, fields and variants count, and what is in them. Each walk takes one variant of
/// each enum, so there are as many walks as variants. A walk ends early at a value that the type refuses,
/// as a number must not be 1.
pub fn shape<T: DeserializeOwned>() -> u64 {
    let mut walk = Walk { state: FNV_OFFSET, variant: 0, variants: 0, notes: 0 };
    loop {
        // The value is made up, and so is an error about it.
        let _ = T::deserialize(Source { walk: &mut walk, depth: 0 });
        walk.note("end");
        walk.variant += 1;
        walk.notes = 0;
        if walk.variant >= walk.variants.min(VARIANTS) {
            return walk.state;
        }
    }
}

/// The number of what stands in the place of a constant parameter, by its text.
pub fn constant(value: &str) -> u64 {
    end(hash(FNV_OFFSET, value))
}

/// What was noted of a type.
struct Walk {
    state: u64,
    /// Which variant of each enum this walk takes, if it has so many.
    variant: usize,
    /// The most variants that an enum has.
    variants: usize,
    notes: usize,
}

impl Walk {
    fn note(&mut self, word: &str) {
        self.state = end(hash(self.state, word));
        self.notes += 1;
    }

    fn note_number(&mut self, number: usize) {
        for byte in (number as u64).to_le_bytes() {
            self.state = (self.state ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
    }

    fn note_names(&mut self, name: &str, parts: &[&str]) {
        self.note(name);
        for part in parts {
            self.note(part);
        }
        self.note_number(parts.len());
    }
}
