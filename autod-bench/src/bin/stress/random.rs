//! The randomness of a run: all of it from one seed.

use std::time::Duration;

/// `SplitMix64`.
pub(crate) struct Random(u64);

impl Random {
    /// A row draws the same whether or not others run.
    pub(crate) fn for_row(seed: u64, name: &str) -> Self {
        let start = name.bytes().fold(seed, |state, byte| Self(state ^ u64::from(byte)).draw());
        Self(start)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// Between the two, in microseconds.
    pub(crate) fn pause(&mut self, from: Duration, to: Duration) -> Duration {
        let width = to.saturating_sub(from).as_micros().try_into().unwrap_or(u64::MAX);
        from + Duration::from_micros(self.below(width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_name_make_the_sequence() {
        let draw = |seed, name| Random::for_row(seed, name).draw();
        assert_eq!(draw(1, "herd"), draw(1, "herd"));
        assert_ne!(draw(1, "herd"), draw(2, "herd"));
        assert_ne!(draw(1, "herd"), draw(1, "theft"));
        let pause = Random(5).pause(Duration::from_millis(2), Duration::from_millis(3));
        assert!(pause >= Duration::from_millis(2) && pause < Duration::from_millis(3));
    }
}
