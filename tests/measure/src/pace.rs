//! How fast something is done again and again.

use std::time::{Duration, Instant};

/// How often in a second this is done, over a tenth of a second.
pub(crate) fn per_second(mut once: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut times = 0u32;
    while begun.elapsed() < ROUND {
        once();
        times += 1;
    }
    f64::from(times) / begun.elapsed().as_secs_f64()
}

/// Measures both in turn, so that what disturbs one disturbs the other, and gives the middle of each.
pub(crate) fn in_turn(mut one: impl FnMut() -> f64, mut other: impl FnMut() -> f64) -> (f64, f64) {
    let mut both = ([0.0; TURNS], [0.0; TURNS]);
    for (ours, theirs) in both.0.iter_mut().zip(&mut both.1) {
        (*ours, *theirs) = (one(), other());
    }
    both.0.sort_unstable_by(f64::total_cmp);
    both.1.sort_unstable_by(f64::total_cmp);
    (both.0[TURNS / 2], both.1[TURNS / 2])
}

const ROUND: Duration = Duration::from_millis(100);
const TURNS: usize = 15;
