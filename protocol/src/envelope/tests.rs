use proptest::prelude::*;
use vedette_crypto::{Signer, SigningKey};

use super::*;
use crate::{
    credential::{CredentialKind, Place, SecretText, Trust},
    id::{CredentialId, Digest},
};

struct Setting {
    key: CredentialKey,
    owner: SigningKey,
    expected: Expected,
    envelope: Envelope,
}

fn setting() -> &'static Setting {
    static SETTING: std::sync::OnceLock<Setting> = std::sync::OnceLock::new();
    SETTING.get_or_init(|| {
        let (key, owner) = (CredentialKey::generate(), SigningKey::generate());
        let appliance = Fingerprint::of(&SigningKey::generate().verifying_key());
        let credential = CredentialUse {
            id: CredentialId::random(),
            version: 2,
        };
        let org = OrgId::random();
        let header = Header {
            vedette: HEADER_VERSION,
            org,
            credential: credential.id,
            version: credential.version,
            kind: CredentialKind::SshPassword,
            places: vec![Place {
                host: "192.0.2.7".parse().unwrap(),
                port: 22,
                trust: Trust::SshHostKey(Digest([3; 32])),
            }],
            appliances: vec![appliance],
        };
        let login = login();
        let envelope = Envelope::seal(&header, &login, Suite::X25519, &[key.public().clone()]).unwrap();
        let expected = Expected {
            org,
            appliance,
            credential,
        };
        Setting {
            key,
            owner,
            expected,
            envelope,
        }
    })
}

fn login() -> Login {
    Login::SshPassword {
        user: "scanner".to_owned(),
        password: SecretText::new(Zeroizing::new("a password".to_owned())),
    }
}

#[test]
fn an_envelope_opens_where_it_is_meant_to_in_both_suites() {
    let setting = setting();
    let (_, opened) = setting.envelope.open(&setting.key, setting.expected).unwrap();
    assert_eq!(opened.to_sealed_form(), login().to_sealed_form());
    let header = setting.envelope.header().unwrap();
    let hybrid = Envelope::seal(&header, &login(), Suite::XWing, &[setting.key.public().clone()]).unwrap();
    assert!(hybrid.open(&setting.key, setting.expected).is_ok());
}

#[test]
fn each_thing_that_is_not_as_expected_is_named() {
    let Setting {
        key,
        owner,
        expected,
        envelope,
    } = setting();
    let refused = |expected: Expected| envelope.open(key, expected).unwrap_err();
    let another = CredentialUse {
        id: CredentialId::random(),
        ..expected.credential
    };
    let older = CredentialUse {
        version: 1,
        ..expected.credential
    };
    assert_eq!(
        refused(Expected {
            org: OrgId::random(),
            ..*expected
        }),
        EnvelopeRefusal::Organisation
    );
    assert_eq!(
        refused(Expected {
            credential: another,
            ..*expected
        }),
        EnvelopeRefusal::Credential
    );
    assert_eq!(
        refused(Expected {
            credential: older,
            ..*expected
        }),
        EnvelopeRefusal::OtherVersion
    );
    let elsewhere = Fingerprint::of(&SigningKey::generate().verifying_key());
    assert_eq!(
        refused(Expected {
            appliance: elsewhere,
            ..*expected
        }),
        EnvelopeRefusal::Appliance
    );
    let Ok(owned) = Signed::seal(envelope, owner);
    let (owned, unsigned) = (Sealing::Owned(owned), Sealing::Unsigned(envelope.clone()));
    let (ours, other) = (owner.verifying_key(), SigningKey::generate().verifying_key());
    assert!(owned.envelope(Some(&ours), Unsigned::Refused).is_ok());
    assert_eq!(
        owned.envelope(Some(&other), Unsigned::Accepted).unwrap_err(),
        EnvelopeRefusal::NotSigned
    );
    assert_eq!(
        unsigned.envelope(Some(&ours), Unsigned::Refused).unwrap_err(),
        EnvelopeRefusal::NotSigned
    );
    assert!(unsigned.envelope(Some(&ours), Unsigned::Accepted).is_ok());
    assert!(unsigned.envelope(None, Unsigned::Refused).is_ok());
}

#[test]
fn a_sealing_moved_to_another_appliance_does_not_open() {
    let setting = setting();
    let elsewhere = Fingerprint::of(&SigningKey::generate().verifying_key());
    let header = Header {
        appliances: vec![elsewhere],
        ..setting.envelope.header().unwrap()
    };
    // As a platform would that wants appliance B to open what was sealed to A, with A's key in its hands or not.
    let moved = Envelope::from_parts(
        serde_json::to_vec(&header).unwrap(),
        vec![SealedFor {
            appliance: elsewhere,
            ..setting.envelope.sealed()[0].clone()
        }],
    );
    let expected = Expected {
        appliance: elsewhere,
        ..setting.expected
    };
    assert_eq!(
        moved.open(&setting.key, expected).unwrap_err(),
        EnvelopeRefusal::Damaged
    );
}

#[test]
fn a_header_that_does_not_fit_its_content_is_not_sealed() {
    let setting = setting();
    let header = setting.envelope.header().unwrap();
    let keys = [setting.key.public().clone()];
    let seal = |header: &Header| Envelope::seal(header, &login(), Suite::X25519, &keys).unwrap_err();
    for wrong in [
        Header {
            kind: CredentialKind::Bearer,
            ..header.clone()
        },
        Header {
            places: vec![],
            ..header.clone()
        },
        Header {
            appliances: vec![],
            ..header.clone()
        },
        Header {
            version: 0,
            ..header.clone()
        },
        Header {
            places: vec![header.places[0].clone(); PLACES_LIMIT + 1],
            ..header
        },
    ] {
        assert_eq!(seal(&wrong), SealError::Header);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Any bit of an envelope that changes is noticed: by the signature, and without one by what is left.
    #[test]
    fn every_flipped_bit_is_refused(place: prop::sample::Index, bit in 0u8..8) {
        let setting = setting();
        let mut bytes = crate::codec::encode(&setting.envelope);
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let opened = crate::codec::decode::<Envelope>(&bytes).map(|altered| altered.open(&setting.key, setting.expected));
        prop_assert!(!matches!(opened, Ok(Ok(_))), "byte {at}, bit {bit}");
    }

    /// No bytes make it panic, and none open.
    #[test]
    fn no_bytes_are_an_envelope(bytes: Vec<u8>) {
        let setting = setting();
        if let Ok(read) = crate::codec::decode::<Envelope>(&bytes) {
            prop_assert!(read.open(&setting.key, setting.expected).is_err());
        }
    }
}
