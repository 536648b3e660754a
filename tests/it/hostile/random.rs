//! Random numbers that a seed repeats.

/// Xorshift with 64 bits of state.
pub(super) struct Random(u64);

impl Random {
    /// The seed is that of `HOSTILE_SEED`, or always the same; it is printed.
    pub(super) fn new() -> Self {
        let seed = std::env::var("HOSTILE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed: u64 = seed.unwrap_or(675_582_326);
        println!("HOSTILE_SEED={seed}");
        Self(seed | 1 << 63)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }
}
