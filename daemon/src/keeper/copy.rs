//! Where messages are copied to: what the owner's orders lead to.
//!
//! Pure. An order counts under the owner key that is pinned alone, for this very appliance, and once: its number is
//! kept with the marks, so that neither the platform nor an edited disk brings an older one back. What is in force is
//! ended by another order, or by the owner's letting the appliance go; never by the platform, time or a new epoch.

use serde::{Deserialize, Serialize};
use vedette_protocol::{
    Signed, codec,
    copy::{COPY_ORDER_LIMIT, Collector, CopyOrder, CopyRefusal},
    keeper::Copying,
};

use super::owner::{Name, Ownership};

/// What is known of the owner's orders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KnownCopy {
    /// The number of the last one that was taken; 0: none yet.
    pub number: u64,
    /// Where it says that messages are copied to.
    pub collector: Option<Collector>,
}

impl KnownCopy {
    /// What is true after an order; unchanged after one that was taken before.
    ///
    /// # Errors
    /// The first reason why it does not count.
    pub fn heard(
        &self,
        name: Name,
        ownership: Ownership,
        order: &Signed<CopyOrder>,
    ) -> Result<Self, CopyRefusal> {
        let owner = ownership.owner.ok_or(CopyRefusal::NoOwner)?;
        if codec::encode(order).len() > COPY_ORDER_LIMIT {
            return Err(CopyRefusal::TooLarge);
        }
        let order = order.verify(&owner).map_err(|_| CopyRefusal::NotSigned)?;
        if order.org != name.org {
            return Err(CopyRefusal::Organisation);
        }
        if order.appliance != name.appliance || order.identity != name.identity {
            return Err(CopyRefusal::Appliance);
        }
        let taken = Self {
            number: order.number,
            collector: order.collector,
        };
        if taken == *self {
            return Ok(taken);
        }
        if order.epoch < ownership.epoch {
            return Err(CopyRefusal::Epoch);
        }
        if order.number <= self.number {
            return Err(CopyRefusal::Older);
        }
        Ok(taken)
    }

    /// What is true when the appliance has no owner any more: what it finds is nothing to that one's collector.
    #[must_use]
    pub fn released(&self) -> Self {
        Self {
            collector: None,
            ..*self
        }
    }

    /// For vedetted.
    pub fn copying(&self) -> Option<Copying> {
        self.collector.clone().map(|collector| Copying {
            order: self.number,
            collector,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vedette_crypto::{
        Signer, SigningKey,
        roots::{PinnedRoot, PinnedRoots},
    };
    use vedette_protocol::{ApplianceId, Fingerprint, OrgId, copy::Delivery, owner::Epoch};

    use super::*;

    const NAME: Name = Name {
        org: OrgId([1; 16]),
        appliance: ApplianceId([2; 16]),
        identity: Fingerprint([3; 32]),
    };

    fn owned(key: &SigningKey) -> Ownership {
        Ownership {
            owner: Some(key.verifying_key()),
            epoch: Epoch(5),
        }
    }

    fn collector() -> Collector {
        Collector {
            at: "192.0.2.7:6514".parse().unwrap(),
            name: None,
            roots: PinnedRoots::new(vec![PinnedRoot::named("ISRG Root X1").unwrap()]).unwrap(),
            delivery: Delivery::Required,
            certificate: None,
        }
    }

    fn order(number: u64) -> CopyOrder {
        CopyOrder {
            org: NAME.org,
            appliance: NAME.appliance,
            identity: NAME.identity,
            epoch: Epoch(5),
            number,
            collector: Some(collector()),
        }
    }

    fn signed(order: &CopyOrder, key: &SigningKey) -> Signed<CopyOrder> {
        let Ok(signed) = Signed::seal(order, key);
        signed
    }

    #[test]
    fn an_order_is_taken_and_taking_it_again_changes_nothing() {
        let key = SigningKey::generate();
        let first = signed(&order(7), &key);
        let taken = KnownCopy::default().heard(NAME, owned(&key), &first).unwrap();
        assert_eq!(taken.number, 7);
        assert_eq!(taken.collector, Some(collector()));
        assert_eq!(taken.heard(NAME, owned(&key), &first), Ok(taken.clone()));
        // Even when its epoch is over by then.
        let later = Ownership {
            epoch: Epoch(6),
            ..owned(&key)
        };
        assert_eq!(taken.heard(NAME, later, &first), Ok(taken.clone()));
        let off = CopyOrder {
            collector: None,
            ..order(8)
        };
        let off = taken.heard(NAME, owned(&key), &signed(&off, &key)).unwrap();
        assert_eq!(off.copying(), None);
        assert_eq!(off.heard(NAME, owned(&key), &first), Err(CopyRefusal::Older));
    }

    #[test]
    fn what_is_not_the_owners_word_to_this_appliance_is_refused_with_its_reason() {
        let (key, other) = (SigningKey::generate(), SigningKey::generate());
        let known = KnownCopy {
            number: 3,
            collector: None,
        };
        let nobodys = Ownership::default();
        let good = signed(&order(4), &key);
        assert_eq!(known.heard(NAME, nobodys, &good), Err(CopyRefusal::NoOwner));
        let by_other = signed(&order(4), &other);
        assert_eq!(
            known.heard(NAME, owned(&key), &by_other),
            Err(CopyRefusal::NotSigned)
        );
        let huge = PinnedRoots::new(vec![PinnedRoot::named("ISRG Root X1").unwrap(); 40]).unwrap();
        for (wrong, why) in [
            (
                CopyOrder {
                    org: OrgId([9; 16]),
                    ..order(4)
                },
                CopyRefusal::Organisation,
            ),
            (
                CopyOrder {
                    appliance: ApplianceId([9; 16]),
                    ..order(4)
                },
                CopyRefusal::Appliance,
            ),
            (
                CopyOrder {
                    identity: Fingerprint([9; 32]),
                    ..order(4)
                },
                CopyRefusal::Appliance,
            ),
            (
                CopyOrder {
                    epoch: Epoch(4),
                    ..order(4)
                },
                CopyRefusal::Epoch,
            ),
            (order(3), CopyRefusal::Older),
            (order(2), CopyRefusal::Older),
            (
                CopyOrder {
                    collector: Some(Collector {
                        roots: huge,
                        ..collector()
                    }),
                    ..order(4)
                },
                CopyRefusal::TooLarge,
            ),
        ] {
            assert_eq!(
                known.heard(NAME, owned(&key), &signed(&wrong, &key)),
                Err(why),
                "{wrong:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_flipped_bit_makes_another_order(bit in 0usize..1 << 16) {
            let key = SigningKey::generate();
            let mut bytes = signed(&order(4), &key).to_bytes();
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(altered) = Signed::from_bytes(&bytes) {
                let heard = KnownCopy::default().heard(NAME, owned(&key), &altered);
                prop_assert!(matches!(heard, Err(CopyRefusal::NotSigned)), "{heard:?}");
            }
        }
    }
}
