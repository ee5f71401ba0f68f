//! Chosen at random: the same from the same seed.

/// splitmix64.
pub(crate) struct Random(u64);

impl Random {
    /// Each thread of a run has its own.
    pub(crate) fn new(seed: u64, thread: u64) -> Self {
        Self(mix(seed).wrapping_add(mix(!thread)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// As often below 100 as below 1000, and so on, up to `limit`.
    pub(crate) fn size(&mut self, limit: u64) -> u64 {
        let bits = self.below(u64::from(u64::BITS - limit.leading_zeros()) + 1);
        self.below(1 << bits).min(limit)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
