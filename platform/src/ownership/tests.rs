use vedette_crypto::{Signer, SigningKey};
use vedette_protocol::{
    ApplianceId, Fingerprint, OrgId,
    owner::{Pin, Release},
};

use super::*;

const ORG: OrgId = OrgId([1; 16]);
const APPLIANCE: ApplianceId = ApplianceId([2; 16]);
const IDENTITY: Fingerprint = Fingerprint([3; 32]);

fn pin(key: &SigningKey, epoch: u64) -> OwnerWord {
    let pin = Pin {
        owner: key.verifying_key(),
        org: ORG,
        appliance: APPLIANCE,
        identity: IDENTITY,
        epoch: Epoch(epoch),
    };
    let Ok(signed) = Signed::seal(&pin, key);
    OwnerWord::Pin(signed)
}

fn release(key: &SigningKey) -> OwnerWord {
    let release = Release {
        appliance: APPLIANCE,
        identity: IDENTITY,
    };
    let Ok(signed) = Signed::seal(&release, key);
    OwnerWord::Release(signed)
}

fn rotation(old: &SigningKey, new: &SigningKey, epoch: u64) -> Signed<Rotation> {
    let rotation = Rotation {
        org: ORG,
        new: new.verifying_key(),
        epoch: Epoch(epoch),
    };
    let Ok(signed) = Signed::seal(&rotation, old);
    signed
}

fn epoch(key: &SigningKey, epoch: u64) -> Signed<NewEpoch> {
    let word = NewEpoch {
        org: ORG,
        epoch: Epoch(epoch),
    };
    let Ok(signed) = Signed::seal(&word, key);
    signed
}

#[test]
fn nothing_is_told_where_nobody_has_said_anything() {
    assert_eq!(Carried::default().ownership(), Ownership::default());
}

#[test]
fn a_pin_is_told_until_the_appliance_says_that_it_took_it() {
    let key = SigningKey::generate();
    let mut carried = Carried {
        own: Some(pin(&key, 3)),
        ..Carried::default()
    };
    let before = carried.ownership();
    assert_eq!(before.words, [pin(&key, 3)]);
    assert_eq!(
        (before.owner, before.epoch),
        (Some(key.verifying_key()), Epoch(3))
    );
    carried.said = Some(key.verifying_key());
    let after = carried.ownership();
    assert_eq!(
        (after.owner, after.epoch, after.words),
        (before.owner, Epoch(3), vec![])
    );
}

#[test]
fn rotations_are_followed_and_the_last_keys_epoch_comes_behind_them() {
    let keys: Vec<SigningKey> = (0..3).map(|_| SigningKey::generate()).collect();
    let (first, second) = (rotation(&keys[0], &keys[1], 2), rotation(&keys[1], &keys[2], 4));
    let carried = Carried {
        said: Some(keys[0].verifying_key()),
        own: Some(pin(&keys[0], 0)),
        rotations: vec![second.clone(), first.clone()],
        epochs: vec![epoch(&keys[0], 9), epoch(&keys[2], 6)],
        copy: None,
    };
    let stands = carried.ownership();
    assert_eq!(stands.owner, Some(keys[2].verifying_key()));
    assert_eq!(
        stands.epoch,
        Epoch(6),
        "an epoch of a key that is no more counts for nothing"
    );
    assert_eq!(
        stands.words,
        [
            OwnerWord::Rotation(first),
            OwnerWord::Rotation(second),
            OwnerWord::NewEpoch(epoch(&keys[2], 6))
        ]
    );
}

#[test]
fn keys_that_rotate_in_a_circle_come_to_an_end() {
    let (one, two) = (SigningKey::generate(), SigningKey::generate());
    let carried = Carried {
        said: Some(one.verifying_key()),
        rotations: vec![rotation(&one, &two, 1), rotation(&two, &one, 2)],
        epochs: vec![epoch(&one, 9), epoch(&two, 9)],
        ..Carried::default()
    };
    assert_eq!(carried.ownership().words.len(), WORDS_LIMIT - 1);
}

#[test]
fn what_another_key_signs_is_told_to_nobody() {
    let (owner, other) = (SigningKey::generate(), SigningKey::generate());
    let carried = Carried {
        said: Some(owner.verifying_key()),
        own: Some(pin(&other, 7)),
        rotations: vec![rotation(&other, &other, 8)],
        epochs: vec![epoch(&other, 9)],
        copy: None,
    };
    let stands = carried.ownership();
    assert_eq!(
        (stands.owner, stands.epoch, stands.words),
        (Some(owner.verifying_key()), Epoch(0), vec![])
    );
}

#[test]
fn a_released_appliance_still_wants_grants_until_it_says_otherwise() {
    let key = SigningKey::generate();
    let carried = Carried {
        said: Some(key.verifying_key()),
        own: Some(release(&key)),
        ..Carried::default()
    };
    let stands = carried.ownership();
    assert_eq!(stands.words, [release(&key)]);
    assert_eq!(stands.owner, Some(key.verifying_key()));
}
