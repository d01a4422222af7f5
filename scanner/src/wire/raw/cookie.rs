//! What makes a stateless reply ours: a keyed hash of what was asked, in the sequence number of the question.
//!
//! A target acknowledges that number plus one, whether it accepts or refuses. Whoever did not see the question has to
//! guess [`COOKIE_BITS`] bits of it, beside the source port. The rest of the number is the epoch in which it was
//! sent, so that a reply tells how long it took; the epoch is hashed as well. SipHash is made for such short inputs
//! (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012); the standard library's has 1 and 3 rounds.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

/// The key of one scan: random, and gone with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cookies(RandomState);

/// A question: to whom, from which port of ours, when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) host: IpAddr,
    pub(super) port: u16,
    pub(super) from: u16,
    /// Modulo [`EPOCHS`].
    pub(super) epoch: u8,
}

impl Asked {
    /// All of it, no two alike.
    fn numbers(self) -> [u128; 2] {
        let host = match self.host {
            IpAddr::V4(host) => host.to_bits().into(),
            IpAddr::V6(host) => host.to_bits(),
        };
        let [port, from, epoch] = [self.port, self.from, (self.epoch % EPOCHS).into()].map(u128::from);
        let family = u128::from(self.host.is_ipv6());
        [host, family << 64 | port << 32 | from << 16 | epoch]
    }
}

impl Cookies {
    /// The sequence number of a question.
    #[expect(clippy::cast_possible_truncation, reason = "a hash cut to 32 bits")]
    pub(super) fn sequence(&self, asked: Asked) -> u32 {
        let hash = self.0.hash_one(asked.numbers()) as u32;
        hash << EPOCH_BITS | u32::from(asked.epoch % EPOCHS)
    }

    /// The question that has this sequence number, if it is one of ours.
    pub(super) fn recognise(&self, host: IpAddr, port: u16, from: u16, sequence: u32) -> Option<Asked> {
        let epoch = u8::try_from(sequence % u32::from(EPOCHS)).ok()?;
        let asked = Asked {
            host,
            port,
            from,
            epoch,
        };
        (self.sequence(asked) == sequence).then_some(asked)
    }

    /// The numbers that a question may have had, by epoch.
    pub(super) fn candidates(
        &self,
        host: IpAddr,
        port: u16,
        from: u16,
    ) -> impl Iterator<Item = (u8, u32)> + '_ {
        (0..EPOCHS).map(move |epoch| {
            let asked = Asked {
                host,
                port,
                from,
                epoch,
            };
            (epoch, self.sequence(asked))
        })
    }

    /// A number for other purposes of the same scan.
    pub(super) fn number(&self, purpose: &str) -> u64 {
        self.0.hash_one(purpose)
    }
}

const EPOCH_BITS: u32 = 5;
/// Epochs that are told apart.
pub(super) const EPOCHS: u8 = 1 << EPOCH_BITS;

#[cfg(test)]
/// Bits that have to be guessed.
const COOKIE_BITS: u32 = 32 - EPOCH_BITS;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_question_is_recognised_and_no_other(
            host: IpAddr, other: IpAddr, port: u16, from: u16, epoch in 0..EPOCHS, flip in 0..32,
        ) {
            let cookies = Cookies::default();
            let asked = Asked { host, port, from, epoch };
            let sequence = cookies.sequence(asked);
            prop_assert_eq!(cookies.recognise(host, port, from, sequence), Some(asked));
            // One in 2^27 each.
            prop_assert_eq!(cookies.recognise(host, port, from, sequence ^ (1_u32 << flip)), None);
            prop_assert_eq!(cookies.recognise(host, port ^ 1, from, sequence), None);
            prop_assert_eq!(cookies.recognise(host, port, from ^ 1, sequence), None);
            prop_assert!(host == other || cookies.recognise(other, port, from, sequence).is_none());
            prop_assert_eq!(Cookies::default().recognise(host, port, from, sequence), None, "of another scan");
        }
    }

    #[test]
    fn guessing_seldom_succeeds() {
        let cookies = Cookies::default();
        let host = IpAddr::from([192, 0, 2, 1]);
        let guesses = 1_u32 << 20;
        let hits = (0..guesses)
            .filter(|guess| {
                cookies
                    .recognise(host, 80, 1024, guess.wrapping_mul(0x9e37_79b1))
                    .is_some()
            })
            .count();
        // About 1/128 is to be expected.
        assert!(hits <= 2, "{hits} of 2^20 guesses, of {COOKIE_BITS} bits");
    }
}
