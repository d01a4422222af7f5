//! Prints the test vectors of the envelope, with fresh keys: sealing is random, so that what is published is keys,
//! sealed bytes and content, which whoever implements the envelope must be able to open.
//!
//! `cargo run -p vedette-protocol --example envelope_vectors > docs/vectors/envelope.json`

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use vedette_crypto::{Secret, Signer, SigningKey, credential::CredentialKey, hpke::Suite, wrap::WrappingKey};
use vedette_protocol::{
    CredentialId, Digest, Envelope, Fingerprint, OrgId, Signed, codec,
    credential::{CredentialKind, HEADER_VERSION, Header, Login, Place, SecretText, Trust},
    envelope::Sealing,
};

fn main() {
    let (x25519, xwing) = (Secret::<32>::random(), Secret::<32>::random());
    let key = credential_key(&x25519, &xwing);
    let (identity, owner) = (SigningKey::generate(), SigningKey::generate());
    let appliance = Fingerprint::of(&identity.verifying_key());
    let vectors: Vec<Value> = logins()
        .into_iter()
        .zip([Suite::XWing, Suite::X25519, Suite::XWing, Suite::X25519])
        .zip(1..)
        .map(|((login, suite), number)| vector(&login, suite, number, &key, appliance, &owner))
        .collect();
    let suites = json!({
        "x25519": { "private": x25519.with(|bytes| base64(bytes)), "public": base64(key.public().x25519.as_bytes()) },
        "x-wing": { "private": xwing.with(|bytes| base64(bytes)), "public": base64(key.public().xwing.as_bytes()) },
    });
    let all = json!({
        "note": "The keys are of these vectors alone. Binary values are base64; header and content are text, byte for byte.",
        "identity": identity.verifying_key(),
        "appliance": appliance,
        "owner": owner.verifying_key(),
        "keys": suites,
        "envelopes": vectors,
    });
    println!(
        "{}",
        serde_json::to_string_pretty(&all).expect("plain data has a form in JSON")
    );
}

fn vector(
    login: &Login,
    suite: Suite,
    number: u8,
    key: &CredentialKey,
    appliance: Fingerprint,
    owner: &SigningKey,
) -> Value {
    let header = Header {
        vedette: HEADER_VERSION,
        org: OrgId([0x0a; 16]),
        credential: CredentialId([number; 16]),
        version: number.into(),
        kind: login.kind(),
        places: vec![Place {
            host: "192.0.2.7".parse().expect("an address"),
            port: 22,
            trust: match login.kind() {
                CredentialKind::SshPassword => Trust::SshHostKey(Digest([7; 32])),
                CredentialKind::Bearer => Trust::TlsSpki(Digest([8; 32])),
                CredentialKind::SnmpCommunity => Trust::Cleartext,
                _ => Trust::FirstSeen,
            },
        }],
        appliances: vec![appliance],
    };
    let envelope =
        Envelope::seal(&header, login, suite, std::slice::from_ref(key.public())).expect("it fits");
    let Ok(signed) = Signed::seal(&envelope, owner);
    let signature = signed.to_bytes();
    let signature = &signature[signature.len() - 64..];
    let sealed = &envelope.sealed()[0];
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("JSON is text");
    json!({
        "suite": suite,
        "info": base64(&[b"vedette/1 credential\0", &appliance.0[..]].concat()),
        "header": text(envelope.header_bytes()),
        "content": text(&login.to_sealed_form()),
        "encapsulated": base64(sealed.sealed.encapsulated()),
        "ciphertext": base64(sealed.sealed.ciphertext()),
        "signed": base64(&[b"vedette/1\0envelope\0", &codec::encode(&envelope)[..]].concat()),
        "signature": base64(signature),
        "sealing": base64(&codec::encode(&Sealing::Owned(signed))),
    })
}

fn logins() -> [Login; 4] {
    let secret = |text: &str| SecretText::new(text.to_owned().into());
    [
        Login::SshPassword {
            user: "scanner".to_owned(),
            password: secret("correct horse battery \u{1f40e}"),
        },
        Login::Bearer {
            token: secret(&"token".repeat(80)),
        },
        Login::SshKey {
            user: "scanner".to_owned(),
            key: secret("-----BEGIN OPENSSH PRIVATE KEY-----\nnone\n-----END OPENSSH PRIVATE KEY-----\n"),
            passphrase: Some(secret("\"quoted\"")),
        },
        Login::SnmpCommunity {
            community: secret("public"),
        },
    ]
}

/// A credential key of these halves.
fn credential_key(x25519: &Secret<32>, xwing: &Secret<32>) -> CredentialKey {
    let wrapping = WrappingKey::random();
    let both = x25519.with(|one| xwing.with(|other| [&one[..], other].concat()));
    CredentialKey::unwrap(&wrapping, b"", &wrapping.wrap(b"", &both))
        .expect("any 32 bytes are a key of either suite")
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
