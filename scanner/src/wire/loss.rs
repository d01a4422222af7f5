//! What the road loses, learnt from answers; and from that how often to ask, and how likely an open port was missed.
//!
//! Silence proves nothing: a port behind a filter is silent on the best of roads. What proves loss is an answer to a
//! later attempt. Let p be the chance that an attempt or its answer is lost, each on its own. Of N endpoints that would
//! answer, A1 = N(1-p) answer the first attempt, A2 = N(1-p)p the second, and so on: whatever N is, each is p times
//! the one before. So with k attempts made,
//!
//! > p is about L / S, with L = A2 + ... + Ak and S = A1 + ... + A(k-1),
//!
//! and, unlike the share of attempts that were lost of those at endpoints that answered, this holds although the
//! endpoints that lost all k are not among those that answered. After the first attempt alone nothing is known. With
//! half a loss in ten to begin from, p is Beta(a, b) with a = L + 1/2 and a + b = S + 10, and the chance that all k
//! attempts at an open port are lost is the mean of p^k under it (Gelman et al., Bayesian Data Analysis, section 2.4),
//!
//! > miss(k) = (a / (a + b)) * ((a + 1) / (a + b + 1)) * ... * ((a + k - 1) / (a + b + k - 1)),
//!
//! which is more than the k-th power of the mean: little knowledge of p counts as risk. Attempts at one endpoint are
//! far apart in time, so that a burst of loss seldom takes two.

/// How many endpoints answered to which attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    answers: [u64; MOST_ATTEMPTS as usize],
    made: u8,
    heard: bool,
}

impl Loss {
    /// Attempt number `attempt` is made at what was silent so far; the first is number 1.
    pub(crate) fn asked(&mut self, attempt: u8) {
        self.made = self.made.max(attempt).min(MOST_ATTEMPTS);
    }

    /// An answer to attempt number `attempt` came.
    pub(crate) fn answered(&mut self, attempt: u8) {
        let attempt = attempt.clamp(1, MOST_ATTEMPTS);
        self.asked(attempt);
        self.answers[usize::from(attempt - 1)] += 1;
    }

    /// Something came back of which it is not known how much should have: the road bears something.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// How often to ask what is silent: until an open port is missed with less than [`MISS_GOAL`].
    pub(crate) fn attempts(&self) -> u8 {
        if self.answers[0] == 0 {
            return UNKNOWN_ATTEMPTS;
        }
        (FEWEST_ATTEMPTS..MOST_ATTEMPTS)
            .find(|attempts| self.all_lost(*attempts) <= MISS_GOAL)
            .unwrap_or(MOST_ATTEMPTS)
    }

    /// The chance that an open port was silent to so many attempts. Of a road on which nothing ever came back,
    /// nothing is known: then each attempt was lost as likely as not.
    pub(crate) fn miss(&self, attempts: u8) -> f64 {
        if self.answers[0] == 0 && !self.heard {
            0.5_f64.powi(attempts.into())
        } else {
            self.all_lost(attempts)
        }
    }

    fn all_lost(&self, attempts: u8) -> f64 {
        let made = usize::from(self.made.max(1));
        let sum = |answers: &[u64]| answers.iter().sum::<u64>() as f64;
        let a = sum(&self.answers[1..made]) + 0.5;
        // Where few answered by chance early and many late, p is near 1 and not more.
        let all = (sum(&self.answers[..made - 1]) + 10.0).max(a);
        (0..attempts)
            .map(f64::from)
            .map(|i| (a + i) / (all + i))
            .product()
    }
}

/// Where nothing answers at all, more of it teaches nothing.
const UNKNOWN_ATTEMPTS: u8 = 3;
const MISS_GOAL: f64 = 1e-4;
const FEWEST_ATTEMPTS: u8 = 2;
pub(crate) const MOST_ATTEMPTS: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn with_nothing_measured_some_loss_is_taken_for_granted() {
        let mut loss = Loss::default();
        assert!((loss.all_lost(1) - 0.05).abs() < f64::EPSILON);
        assert_eq!(loss.attempts(), UNKNOWN_ATTEMPTS);
        assert!((loss.miss(2) - 0.25).abs() < f64::EPSILON, "nothing is known");
        loss.heard();
        assert!(
            (loss.miss(1) - 0.05).abs() < f64::EPSILON,
            "that it bears anything is known"
        );
        for _ in 0..1000 {
            loss.answered(1);
        }
        assert!(
            loss.attempts() > FEWEST_ATTEMPTS,
            "the first attempt alone proves nothing"
        );
    }

    #[test]
    fn measured_loss_asks_for_more_attempts_and_answers_for_fewer() {
        let mut loss = Loss::default();
        for _ in 0..50 {
            loss.answered(1);
            loss.answered(2);
        }
        assert_eq!(loss.attempts(), MOST_ATTEMPTS);
        for _ in 0..100_000 {
            loss.answered(1);
        }
        assert_eq!(loss.attempts(), FEWEST_ATTEMPTS);
        assert!(loss.miss(2) < 1e-6);
    }

    /// The stated chance against what happens, with losses of a known probability.
    #[test]
    fn what_is_stated_is_what_happens() {
        let mut state = 7_u64;
        let mut lost = |chance: f64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 / (1_u64 << 53) as f64) < chance
        };
        for (chance, attempts) in [(0.02, 2), (0.02, 3), (0.1, 3), (0.3, 3), (0.3, 6)] {
            let (mut missed, mut stated, ports) = (0_u32, 0.0, 1500);
            for _ in 0..40 {
                let mut loss = Loss::default();
                loss.asked(attempts);
                for _ in 0..ports {
                    match (1..=attempts).find(|_| !lost(chance)) {
                        Some(attempt) => loss.answered(attempt),
                        None => missed += 1,
                    }
                }
                stated += loss.miss(attempts) * f64::from(ports);
            }
            let missed = f64::from(missed);
            let tolerance = 4.0 * stated.sqrt() + 0.1 * stated + 3.0;
            assert!(
                (missed - stated).abs() < tolerance,
                "{chance}, {attempts}: {missed} of {stated}"
            );
        }
    }

    proptest! {
        #[test]
        fn it_is_a_probability_and_more_attempts_miss_no_more(answers in proptest::collection::vec(0u8..8, 0..200)) {
            let mut loss = Loss::default();
            for attempt in answers {
                loss.answered(attempt);
            }
            prop_assert!((FEWEST_ATTEMPTS..=MOST_ATTEMPTS).contains(&loss.attempts()));
            for attempts in 1..8 {
                prop_assert!(loss.miss(attempts + 1) <= loss.miss(attempts));
                prop_assert!(loss.miss(attempts) > 0.0 && loss.miss(attempts) <= 1.0);
            }
        }
    }
}
