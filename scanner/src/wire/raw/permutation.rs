//! All numbers below a bound, each once, in an order that looks random, without a list of them.
//!
//! A Feistel network over pairs, as Black and Rogaway describe it for domains that are no power of two ("Ciphers
//! with Arbitrary Finite Domains", CT-RSA 2002, section 5): x is a pair (l, r) with l < a and r < b, and each round
//! adds a function of one half to the other, modulo its own bound. Since a * b may be more than the bound, what
//! comes out too high goes in again (cycle walking, section 3 there). It spreads probes over hosts and ports so
//! that no host bears them all at once and a short look at the answers is a sample of all; it hides nothing.

/// One order of the numbers below a bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permutation {
    bound: u64,
    a: u64,
    b: u64,
    keys: [u64; ROUNDS],
}

impl Permutation {
    pub(super) fn new(bound: u64, seed: u64) -> Self {
        let a = bound.isqrt().max(1);
        let b = bound.div_ceil(a).max(1);
        let mut state = seed;
        let keys = [0; ROUNDS].map(|_: u64| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        });
        Self { bound, a, b, keys }
    }

    /// The number at a place. Both are less than the bound.
    pub(super) fn at(&self, place: u64) -> u64 {
        let mut number = place;
        loop {
            number = self.once(number);
            if number < self.bound {
                return number;
            }
        }
    }

    fn once(&self, number: u64) -> u64 {
        let (mut left, mut right) = (number % self.a, number / self.a);
        for (round, key) in self.keys.iter().enumerate() {
            let bound = if round % 2 == 0 { self.a } else { self.b };
            // Both are less than the bound, and that is less than 2^33: no overflow.
            let next = left + below(bound, mix(key ^ right));
            (left, right) = (right, if next < bound { next } else { next - bound });
        }
        // After an even number of rounds each half is where it began.
        left + self.a * right
    }
}

/// A number below the bound, out of one of any size, without a division (Lemire, "Fast Random Integer Generation in an
/// Interval", ACM TOMACS 2019).
fn below(bound: u64, number: u64) -> u64 {
    ((u128::from(number) * u128::from(bound)) >> 64) as u64
}

/// Each bit of the result depends on each bit of the argument (the finisher of SplitMix64; Steele, Lea and Flood,
/// "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const ROUNDS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_number_comes_once(bound in 1..5_000_u64, seed: u64) {
            let permutation = Permutation::new(bound, seed);
            let mut numbers: Vec<u64> = (0..bound).map(|place| permutation.at(place)).collect();
            numbers.sort_unstable();
            prop_assert!(numbers.iter().copied().eq(0..bound));
        }

        #[test]
        fn the_largest_scopes_stay_within_their_bound(bound in 1..1_u64 << 37, place: u64, seed: u64) {
            let permutation = Permutation::new(bound, seed);
            prop_assert!(permutation.at(place % bound) < bound);
        }
    }

    #[test]
    fn the_beginning_is_a_sample_of_the_whole() {
        // 64 hosts of 1,000 ports: of 6,400 probes each host gets about 100.
        let permutation = Permutation::new(64_000, 1);
        let mut hosts = [0_u32; 64];
        for place in 0..6_400 {
            hosts[usize::try_from(permutation.at(place) / 1_000).unwrap()] += 1;
        }
        assert!(hosts.iter().all(|count| (50..200).contains(count)), "{hosts:?}");
    }

    #[test]
    fn another_seed_is_another_order() {
        let (one, other) = (Permutation::new(10_000, 1), Permutation::new(10_000, 2));
        let same = (0..10_000)
            .filter(|place| one.at(*place) == other.at(*place))
            .count();
        assert!(same < 20, "{same}");
    }
}
