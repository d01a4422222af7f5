//! How fast to ask without losing answers: learnt while asking, without a list of what is under way.
//!
//! Questions go out in random order, so that those of each epoch are a sample of all. While nothing is lost for
//! speed's sake, the same share of them is answered, whatever the speed: loss that is the road's own, hosts that are
//! off and ports behind a filter are in each sample alike. A share that falls below what the other epochs had, by
//! more than chance explains, is loss by speed: then it goes back to less than what that epoch had. So does it when
//! this machine has no room for frames. Otherwise it doubles, and once it has been too fast, grows by little.
//!
//! ICMP errors are not counted for TCP: hosts send a thousand of them a second, and whether one comes changes
//! nothing about a port. Where they are the answer (UDP), they are counted, and set the pace by themselves.
//! Pure; what must stay true: never above the limit, and, unless one was set, never fast where no answers show that
//! the road bears it.

use std::time::Duration;

use super::cookie::EPOCHS;

/// The speed, and what was learnt of it.
#[derive(Debug)]
pub(super) struct Speed {
    limit: f64,
    /// As fast as it goes where answers are few: whoever set a limit has said what the road bears.
    blind: f64,
    /// Questions in a second.
    now: f64,
    growth: f64,
    /// How fast it grows at most: less, once it has been too fast.
    most_growth: f64,
    /// The newest epoch that was judged.
    judged: u64,
    /// Epochs before this one were asked at another speed.
    settled: u64,
    epochs: [Epoch; EPOCHS as usize],
    /// All epochs that were not too fast.
    usual: Epoch,
    /// The last judgement that it was too fast.
    slowed: Option<Slowed>,
    /// How many epochs an answer takes at most.
    lag: u64,
    heard: bool,
}

/// Questions of one epoch.
#[derive(Debug, Clone, Copy, Default)]
struct Epoch {
    number: u64,
    sent: u32,
    answered: u32,
    short: bool,
}

/// For which epoch it went slower, and from which speed.
#[derive(Debug, Clone, Copy)]
struct Slowed {
    epoch: u64,
    from: f64,
}

impl Speed {
    /// A speed that never passes the limit, in questions a second; none: as fast as it goes.
    pub(super) fn new(limit: Option<f64>, epoch: u64) -> Self {
        let (limit, blind) = (limit.unwrap_or(FASTEST), limit.unwrap_or(BLIND));
        Self {
            limit,
            blind,
            now: FIRST.min(limit),
            growth: DOUBLE,
            most_growth: DOUBLE,
            judged: epoch.saturating_sub(1),
            settled: epoch,
            epochs: Default::default(),
            usual: Epoch::default(),
            slowed: None,
            lag: 1,
            heard: false,
        }
    }

    /// Questions in a second.
    pub(super) fn per_second(&self) -> f64 {
        self.now
    }

    /// How long an answer may take, from what answers took so far.
    pub(super) fn patience(&self) -> Duration {
        let lag = u32::try_from(self.lag).unwrap_or(u32::MAX);
        if self.heard {
            SHORTEST + EPOCH * 2 * (lag - 1)
        } else {
            UNKNOWN
        }
    }

    /// So many questions were sent in this epoch.
    pub(super) fn sent(&mut self, epoch: u64, questions: u32) {
        self.of(epoch).sent += questions;
    }

    /// A question of that epoch was answered in this one.
    pub(super) fn answered(&mut self, asked: u8, epoch: u64) {
        self.heard = true;
        let lag = epoch.wrapping_sub(asked.into()) % u64::from(EPOCHS);
        // Longer ways count slowly, so that one late answer does not make all others wait.
        if lag > self.lag && lag < LONGEST_LAG {
            self.lag += 1;
        }
        let of = self.of(epoch.wrapping_sub(lag));
        of.answered += 1;
    }

    /// This machine had no room for a frame, on its way in or out.
    pub(super) fn fell_short(&mut self, epoch: u64) {
        self.of(epoch).short = true;
    }

    /// A new set of questions begins, of which another share is answered.
    pub(super) fn begin_anew(&mut self, epoch: u64) {
        self.usual = Epoch::default();
        self.epochs = Default::default();
        self.slowed = None;
        self.judged = epoch.saturating_sub(1);
        self.settled = epoch;
    }

    /// Time goes on to this epoch: judges those of which all answers are in.
    pub(super) fn turn(&mut self, epoch: u64) {
        if let Some(slowed) = self.slowed {
            let again = *self.of(slowed.epoch);
            if !again.short && !self.lost(again) {
                // The answers were late, not lost (as RFC 5682 finds of TCP).
                self.now = self.now.max(slowed.from);
                self.growth = self.most_growth;
                self.slowed = None;
            }
        }
        while self.judged + self.lag + 1 < epoch {
            self.judged += 1;
            let judged = *self.of(self.judged);
            self.judge(judged, epoch);
        }
    }

    fn judge(&mut self, judged: Epoch, epoch: u64) {
        // What was still asked at a speed that has been found too high is no news.
        if judged.sent == 0 || judged.number < self.settled {
            return;
        }
        if judged.short || self.lost(judged) {
            let was = f64::from(judged.sent) / EPOCH_SECONDS;
            self.slowed = Some(Slowed {
                epoch: judged.number,
                from: self.now,
            });
            self.now = (self.now.min(was) * BACK).max(SLOWEST).min(self.limit);
            (self.growth, self.most_growth) = (LITTLE, MORE);
            self.settled = epoch;
            return;
        }
        self.usual.sent += judged.sent;
        self.usual.answered += judged.answered;
        // A speed that is not used says nothing.
        let used = f64::from(judged.sent) / EPOCH_SECONDS;
        if used > self.now / 4.0 {
            let bound = if judged.answered < ENOUGH {
                self.blind
            } else {
                FASTEST
            };
            self.now = (self.now * self.growth).min(bound.max(self.now)).min(self.limit);
            self.growth = (self.growth * LITTLE).min(self.most_growth);
        }
    }

    /// Whether fewer were answered than usual, by more than four standard deviations and a hundredth.
    fn lost(&self, judged: Epoch) -> bool {
        if self.usual.sent < SAMPLE || judged.sent < SAMPLE {
            return false;
        }
        let (sent, usual_sent) = (f64::from(judged.sent), f64::from(self.usual.sent));
        let usual = f64::from(self.usual.answered) / usual_sent;
        let deviation = (usual * (1.0 - usual) * (1.0 / sent + 1.0 / usual_sent)).sqrt();
        f64::from(judged.answered) / sent < usual * 0.99 - 4.0 * deviation
    }

    /// The books of an epoch. Its place was another's before.
    fn of(&mut self, number: u64) -> &mut Epoch {
        let at = usize::try_from(number % u64::from(EPOCHS)).unwrap_or_default();
        let of = &mut self.epochs[at];
        if of.number != number {
            *of = Epoch {
                number,
                ..Epoch::default()
            };
        }
        of
    }
}

/// The length of an epoch.
pub(super) const EPOCH: Duration = Duration::from_millis(32);
const EPOCH_SECONDS: f64 = 0.032;
/// More than any wire of today takes from one core.
const FASTEST: f64 = 5_000_000.0;
const FIRST: f64 = 50_000.0;
const BLIND: f64 = 100_000.0;
const SLOWEST: f64 = 500.0;
const DOUBLE: f64 = 2.0;
const LITTLE: f64 = 1.05;
const MORE: f64 = 1.4;
const BACK: f64 = 0.7;
/// Fewer questions than this are no sample.
const SAMPLE: u32 = 200;
/// Answers in one epoch that show that the road bears more.
const ENOUGH: u32 = 50;
const SHORTEST: Duration = Duration::from_millis(100);
/// Of a road on which nothing has come back yet.
const UNKNOWN: Duration = Duration::from_millis(500);
/// Answers that take longer are told from the next round of epochs no more.
const LONGEST_LAG: u64 = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A road that answers a share of what is asked, and no more than so many questions a second.
    fn drive(speed: &mut Speed, epochs: std::ops::Range<u64>, share: f64, most: f64) -> f64 {
        let mut sum = 0.0;
        for epoch in epochs.clone() {
            speed.turn(epoch);
            let sent = (speed.per_second() * EPOCH_SECONDS).floor();
            let passed = sent.min(most * EPOCH_SECONDS);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            speed.sent(epoch, sent as u32);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            for _ in 0..(passed * share) as u32 {
                speed.answered((epoch % u64::from(EPOCHS)) as u8, epoch);
            }
            sum += speed.per_second();
        }
        sum / (epochs.end - epochs.start) as f64
    }

    #[test]
    fn it_grows_as_long_as_answers_come() {
        let mut speed = Speed::new(None, 10);
        drive(&mut speed, 10..30, 0.9, f64::INFINITY);
        assert!(speed.per_second() >= 1_600_000.0, "{speed:?}");
    }

    #[test]
    fn loss_that_is_the_roads_own_does_not_slow_it() {
        let mut speed = Speed::new(None, 10);
        drive(&mut speed, 10..30, 0.5, f64::INFINITY);
        assert!(speed.per_second() >= 1_600_000.0, "{speed:?}");
    }

    #[test]
    fn it_settles_below_what_the_road_bears() {
        let mut speed = Speed::new(None, 10);
        drive(&mut speed, 10..60, 0.9, 300_000.0);
        let mean = drive(&mut speed, 60..400, 0.9, 300_000.0);
        assert!((150_000.0..330_000.0).contains(&mean), "{mean}");
    }

    #[test]
    fn without_answers_it_is_never_fast() {
        let mut speed = Speed::new(None, 10);
        drive(&mut speed, 10..200, 0.0001, f64::INFINITY);
        assert!(speed.per_second() <= BLIND);
    }

    #[test]
    fn a_machine_that_falls_short_goes_slower() {
        let mut speed = Speed::new(None, 10);
        drive(&mut speed, 10..20, 0.9, f64::INFINITY);
        let before = speed.per_second();
        speed.sent(20, 10_000);
        speed.fell_short(20);
        speed.turn(24);
        assert!(speed.per_second() < before);
    }

    #[test]
    fn answers_that_were_only_late_bring_the_speed_back() {
        let mut speed = Speed::new(None, 10);
        drive(&mut speed, 10..20, 0.9, f64::INFINITY);
        let before = speed.per_second();
        speed.sent(20, 10_000);
        speed.turn(24);
        assert!(speed.per_second() < before);
        for _ in 0..9_000 {
            speed.answered(20, 24);
        }
        speed.turn(24);
        assert!(speed.per_second() >= before);
    }

    proptest! {
        #[test]
        fn whatever_happens_the_limit_holds(
            limit in 1.0..1e7,
            events in proptest::collection::vec((0..40_u64, 0..100_000_u32, any::<u8>(), any::<bool>()), 0..200),
        ) {
            let mut speed = Speed::new(Some(limit), 5);
            let mut epoch = 5;
            for (later, sent, answered, short) in events {
                epoch += later;
                speed.turn(epoch);
                speed.sent(epoch, sent);
                for _ in 0..answered { speed.answered(answered % EPOCHS, epoch); }
                if short { speed.fell_short(epoch); }
                prop_assert!(speed.per_second() <= limit && speed.per_second() > 0.0);
            }
        }
    }
}
