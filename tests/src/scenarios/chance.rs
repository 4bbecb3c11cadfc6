//! Numbers that look random and are the same for the same seed, and what is drawn with them.

/// A stream of numbers (xoshiro256++ by Blackman and Vigna, seeded by splitmix64).
#[derive(Clone, Debug)]
pub struct Chance {
    seed: u64,
    state: [u64; 4],
}

impl Chance {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        let mut at = seed;
        let state = std::array::from_fn(|_| {
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(at)
        });
        Self { seed, state }
    }

    /// A stream of its own for whoever is called `name`: what others draw does not change it.
    #[must_use]
    pub fn fork(&self, name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::new(mix(self.seed ^ hash))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        let [s0, s1, s2, s3] = self.state;
        let (t2, t3) = (s2 ^ s0, s3 ^ s1);
        self.state = [s0 ^ t3, s1 ^ t2, t2 ^ (s1 << 17), t3.rotate_left(45)];
        s0.wrapping_add(s3).rotate_left(23).wrapping_add(s0)
    }

    /// 0 to `bound` - 1; 0 where that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether what happens with this probability does.
    pub fn is(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of them. There must be one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.unit(), self.unit());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// Log-normal: half of them are below `median`, and `sigma` is how far they spread.
    pub fn spread(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Waiting time until what happens every `mean` on average.
    pub fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Heavy tail (Pareto): `least` and above, most near it, few far beyond; cut at `most`.
    pub fn tail(&mut self, least: f64, shape: f64, most: f64) -> f64 {
        (least / (1.0 - self.unit()).powf(1.0 / shape)).min(most)
    }

    /// How often what happens `mean` times on average does (Poisson).
    pub fn times(&mut self, mean: f64) -> u64 {
        if mean > 60.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let limit = (-mean).exp();
        let (mut product, mut count) = (self.unit(), 0);
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Letters of an alphabet.
    pub fn text(&mut self, alphabet: &str, len: usize) -> String {
        let alphabet = alphabet.as_bytes();
        (0..len).map(|_| char::from(*self.pick(alphabet))).collect()
    }

    /// Hexadecimal digits.
    pub fn hex(&mut self, len: usize) -> String {
        self.text("0123456789abcdef", len)
    }

    /// An identifier as version 4 of RFC 9562 writes it.
    pub fn uuid(&mut self) -> String {
        let [low, mid, high, clock, node] = [8, 4, 3, 3, 12].map(|len| self.hex(len));
        format!("{low}-{mid}-4{high}-8{clock}-{node}")
    }
}

fn mix(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_their_seeds_own() {
        let draw = |mut chance: Chance| [chance.number(), chance.number()];
        assert_eq!(draw(Chance::new(7)), draw(Chance::new(7)));
        assert_ne!(draw(Chance::new(7)), draw(Chance::new(8)));
        let mut used = Chance::new(7);
        used.number();
        assert_eq!(draw(used.fork("a")), draw(Chance::new(7).fork("a")));
        assert_ne!(draw(used.fork("a")), draw(used.fork("b")));
    }

    #[test]
    fn distributions_have_their_means() {
        let mut chance = Chance::new(1);
        let mut mean =
            |draw: &mut dyn FnMut(&mut Chance) -> f64| (0..20_000).map(|_| draw(&mut chance)).sum::<f64>() / 20_000.0;
        assert!((mean(&mut |chance| chance.unit()) - 0.5).abs() < 0.02);
        assert!(mean(&mut |chance| chance.normal()).abs() < 0.05);
        assert!((mean(&mut |chance| chance.times(3.0) as f64) - 3.0).abs() < 0.1);
        assert!((mean(&mut |chance| chance.times(90.0) as f64) - 90.0).abs() < 0.5);
        assert!((mean(&mut |chance| chance.wait(5.0)) - 5.0).abs() < 0.2);
        assert!((mean(&mut |chance| chance.between(2, 4) as f64) - 3.0).abs() < 0.05);
    }
}
