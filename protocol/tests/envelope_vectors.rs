//! The published test vectors of the envelope.
#![cfg(test)]

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use vedette_crypto::{VerifyingKey, credential::CredentialKey, hpke::Suite, wrap::WrappingKey};
use vedette_protocol::{
    Fingerprint, codec,
    credential::CredentialUse,
    envelope::{EnvelopeRefusal, Expected, Sealing, Unsigned},
};

#[derive(Deserialize)]
struct Vectors {
    identity: VerifyingKey,
    appliance: Fingerprint,
    owner: VerifyingKey,
    keys: Keys,
    envelopes: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Keys {
    x25519: Pair,
    x_wing: Pair,
}

#[derive(Deserialize)]
struct Pair {
    private: String,
    public: String,
}

#[derive(Deserialize)]
struct Vector {
    suite: Suite,
    header: String,
    content: String,
    encapsulated: String,
    ciphertext: String,
    sealing: String,
}

fn bytes(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

fn published() -> (Vectors, CredentialKey) {
    let vectors: Vectors = serde_json::from_str(include_str!("../../docs/vectors/envelope.json")).unwrap();
    let wrapping = WrappingKey::random();
    let both = [
        bytes(&vectors.keys.x25519.private),
        bytes(&vectors.keys.x_wing.private),
    ]
    .concat();
    let key = CredentialKey::unwrap(&wrapping, b"", &wrapping.wrap(b"", &both)).unwrap();
    (vectors, key)
}

#[test]
fn published_envelopes_open_to_what_was_published() {
    let (vectors, key) = published();
    assert_eq!(key.public().x25519.as_bytes(), bytes(&vectors.keys.x25519.public));
    assert_eq!(key.public().xwing.as_bytes(), bytes(&vectors.keys.x_wing.public));
    assert_eq!(vectors.appliance, Fingerprint::of(&vectors.identity));
    for suite in [Suite::X25519, Suite::XWing] {
        assert!(vectors.envelopes.iter().any(|vector| vector.suite == suite));
    }
    for vector in &vectors.envelopes {
        let sealing: Sealing = codec::decode(&bytes(&vector.sealing)).unwrap();
        let envelope = sealing.envelope(Some(&vectors.owner), Unsigned::Refused).unwrap();
        let header = envelope.header().unwrap();
        assert_eq!(envelope.header_bytes(), vector.header.as_bytes());
        let sealed = &envelope.sealed()[0];
        assert_eq!(
            (sealed.suite, sealed.appliance),
            (vector.suite, vectors.appliance)
        );
        assert_eq!(sealed.sealed.encapsulated(), bytes(&vector.encapsulated));
        assert_eq!(sealed.sealed.ciphertext(), bytes(&vector.ciphertext));
        let expected = Expected {
            org: header.org,
            appliance: vectors.appliance,
            credential: CredentialUse {
                id: header.credential,
                version: header.version,
            },
        };
        let (_, login) = envelope.open(&key, expected).unwrap();
        assert_eq!(login.to_sealed_form().as_slice(), vector.content.as_bytes());

        assert_eq!(
            sealing.envelope(Some(&vectors.identity), Unsigned::Accepted),
            Err(EnvelopeRefusal::NotSigned)
        );
    }
}
