//! Who owns an appliance, and what it is still to be told: pure, from what it said and what its owner said.
//!
//! The platform only carries. It verifies so that nobody can plant a word in its owner's way; the appliance verifies
//! again and believes itself.

use vedette_crypto::VerifyingKey;
use vedette_protocol::{
    Signed,
    copy::CopyOrder,
    owner::{Epoch, NewEpoch, OwnerWord, Rotation, WORDS_LIMIT},
    signed::key_id,
};

/// What there is about one appliance.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// The owner key that it says is pinned.
    pub said: Option<VerifyingKey>,
    /// What was last said to it alone: a pin or a release.
    pub own: Option<OwnerWord>,
    /// Rotations, of whatever key.
    pub rotations: Vec<Signed<Rotation>>,
    /// The newest epoch of each key.
    pub epochs: Vec<Signed<NewEpoch>>,
    /// The last order for a copy.
    pub copy: Option<Signed<CopyOrder>>,
}

/// How an appliance stands once it has heard all words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// The owner key that is pinned then; none: it does what the platform says.
    pub owner: Option<VerifyingKey>,
    /// The newest epoch that is known.
    pub epoch: Epoch,
    /// The words, in the order in which they count.
    pub words: Vec<OwnerWord>,
}

impl Carried {
    /// Follows the words from what the appliance said.
    pub fn ownership(&self) -> Ownership {
        let mut stands = Ownership {
            owner: self.said,
            ..Ownership::default()
        };
        match &self.own {
            Some(OwnerWord::Pin(signed)) => {
                if let Ok(pin) = signed.verify_self_signed(|pin| pin.owner) {
                    if self.said.is_none() {
                        stands.owner = Some(pin.owner);
                        stands.words.push(OwnerWord::Pin(signed.clone()));
                    }
                    if stands.owner == Some(pin.owner) {
                        stands.epoch = pin.epoch;
                    }
                }
            }
            // Until it says that it has no owner, nothing is sent to it without a grant.
            Some(word @ OwnerWord::Release(_)) => stands.words.push(word.clone()),
            Some(OwnerWord::NewEpoch(_) | OwnerWord::Rotation(_) | OwnerWord::Copy(_)) | None => {}
        }
        self.follow_rotations(&mut stands);
        self.add_epoch(&mut stands);
        self.add_order(&mut stands);
        stands
    }

    fn follow_rotations(&self, stands: &mut Ownership) {
        let Some(mut owner) = stands.owner else { return };
        // Places are left for the epoch and an order; what does not fit is told once these were taken.
        while stands.words.len() < WORDS_LIMIT - 2 {
            let by_owner = |signed: &&Signed<Rotation>| signed.key() == key_id(&owner);
            let Some(signed) = self.rotations.iter().find(by_owner) else {
                break;
            };
            let Ok(rotation) = signed.verify(&owner) else {
                break;
            };
            owner = rotation.new;
            stands.epoch = stands.epoch.max(rotation.epoch);
            stands.words.push(OwnerWord::Rotation(signed.clone()));
        }
        stands.owner = Some(owner);
    }

    fn add_epoch(&self, stands: &mut Ownership) {
        let Some(owner) = stands.owner else { return };
        let newest = self
            .epochs
            .iter()
            .filter_map(|signed| Some((signed.verify(&owner).ok()?.epoch, signed)))
            .max_by_key(|(epoch, _)| *epoch);
        if let Some((epoch, signed)) = newest.filter(|(epoch, _)| *epoch > stands.epoch) {
            stands.epoch = epoch;
            stands.words.push(OwnerWord::NewEpoch(signed.clone()));
        }
    }

    /// Last: it is of the newest key and epoch, or of none that counts.
    fn add_order(&self, stands: &mut Ownership) {
        if let (Some(_), Some(order)) = (stands.owner, &self.copy) {
            stands.words.push(OwnerWord::Copy(order.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
