//! The middle of several measurements: one that was disturbed changes nothing.

use std::time::Duration;

/// The median of an odd number of times.
pub(super) fn median<const N: usize>(mut times: [Duration; N]) -> Duration {
    const { assert!(N % 2 == 1, "an even number has no middle") };
    times.sort_unstable();
    times[N / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([9, 1, 5].map(Duration::from_secs)), Duration::from_secs(5));
    }
}
