//! Numbers that look random and are the same every time.

/// splitmix64 (Steele, Lea, Flood 2014), from a seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Of this seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// One below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }

    /// True so many times of a thousand.
    pub fn per_mille(&mut self, times: u64) -> bool {
        self.below(1_000) < times
    }
}
