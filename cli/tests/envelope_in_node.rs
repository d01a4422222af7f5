//! The envelope by another implementation, in Node: it opens the published vectors, and what it seals opens here.
#![cfg(test)]

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use vedette_crypto::credential::CredentialKey;
use vedette_crypto::hpke::{Sealed, Suite};
use vedette_crypto::wrap::WrappingKey;
use vedette_protocol::credential::CredentialUse;
use vedette_protocol::envelope::{Expected, SealedFor};
use vedette_protocol::{Envelope, Fingerprint};

#[derive(Deserialize)]
struct FromNode {
    suite: Suite,
    header: String,
    content: String,
    encapsulated: String,
    ciphertext: String,
}

#[test]
fn rust_and_node_open_what_the_other_sealed() {
    let file = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let vectors = file("../docs/vectors/envelope.json");
    let output = Command::new("node")
        .arg(file("tests/envelope.mjs"))
        .arg(&vectors)
        .arg(file("../platform/assets/hpke/hpke.js"))
        .output()
        .expect("running node; see tests/packages");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let sealed: Vec<FromNode> = serde_json::from_slice(&output.stdout).unwrap();

    let vectors: Value = serde_json::from_str(&fs::read_to_string(vectors).unwrap()).unwrap();
    let appliance: Fingerprint = vectors["appliance"].as_str().unwrap().parse().unwrap();
    let private = |suite: &str| bytes(vectors["keys"][suite]["private"].as_str().unwrap());
    let wrapping = WrappingKey::random();
    let both = [private("x25519"), private("x-wing")].concat();
    let key = CredentialKey::unwrap(&wrapping, b"", &wrapping.wrap(b"", &both)).unwrap();
    assert!(sealed.len() >= 4);
    for one in sealed {
        let sealing = SealedFor {
            appliance,
            suite: one.suite,
            sealed: Sealed::new(bytes(&one.encapsulated), bytes(&one.ciphertext)),
        };
        let envelope = Envelope::from_parts(one.header.into_bytes(), vec![sealing]);
        let header = envelope.header().unwrap();
        let expected = Expected {
            org: header.org,
            appliance,
            credential: CredentialUse {
                id: header.credential,
                version: header.version,
            },
        };
        let (_, login) = envelope.open(&key, expected).unwrap();
        assert_eq!(login.to_sealed_form().as_slice(), one.content.as_bytes());
    }
}

fn bytes(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}
