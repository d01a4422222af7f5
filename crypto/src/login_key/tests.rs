use std::process::Command;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use ssh_key::PublicKey;

use super::*;

/// A key that OpenSSH made, and its public half as OpenSSH writes it.
fn made(arguments: &[&str]) -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let ran = Command::new("ssh-keygen")
        .args(["-q", "-a", "1", "-f"])
        .arg(&file)
        .args(arguments)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    let blob = STANDARD.decode(public.split(' ').nth(1).unwrap()).unwrap();
    (std::fs::read_to_string(file).unwrap(), blob)
}

/// The same key with another number of rounds written into it (PROTOCOL.key).
fn with_rounds(pem: &str, rounds: u32) -> String {
    let mut document = pem::parse(pem).unwrap().into_contents();
    let options = b"bcrypt".len() + 4 + 4 + 16;
    let found = document.windows(6).position(|window| window == b"bcrypt");
    let place = found.unwrap() + options;
    assert_eq!(document[place..place + 4], 1_u32.to_be_bytes());
    document[place..place + 4].copy_from_slice(&rounds.to_be_bytes());
    pem::encode_config(
        &pem::Pem::new("OPENSSH PRIVATE KEY", document),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

fn fields(mut blob: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((length, rest)) = blob.split_first_chunk::<4>() {
        let (field, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        found.push(field);
        blob = rest;
    }
    found
}

/// What the algorithm's name says, judged by ring.
fn verifies(key: &LoginKey, public: &[u8], algorithm: &str) -> bool {
    let blob = key.sign_ssh(algorithm, b"bytes").unwrap();
    let [name, signature] = fields(&blob)[..] else {
        panic!("a name and a signature");
    };
    assert_eq!(name, algorithm.as_bytes());
    let public = PublicKey::from_bytes(public).unwrap();
    let by = |how: &'static dyn VerificationAlgorithm, key: &[u8], signature: &[u8]| {
        UnparsedPublicKey::new(how, key)
            .verify(b"bytes", signature)
            .is_ok()
    };
    match public.key_data() {
        ssh_key::public::KeyData::Ed25519(key) => by(&ED25519, &key.0, signature),
        ssh_key::public::KeyData::Ecdsa(key) => {
            let [r, s] = fields(signature)[..] else {
                panic!("two integers");
            };
            let der = |integer: &[u8]| [&[2, u8::try_from(integer.len()).unwrap()], integer].concat();
            let both = [der(r), der(s)].concat();
            let both = [&[0x30, u8::try_from(both.len()).unwrap()], both.as_slice()].concat();
            let how: &dyn VerificationAlgorithm = match algorithm {
                "ecdsa-sha2-nistp256" => &ECDSA_P256_SHA256_ASN1,
                _ => &ECDSA_P384_SHA384_ASN1,
            };
            by(how, key.as_sec1_bytes(), &both)
        }
        ssh_key::public::KeyData::Rsa(key) => {
            let components = PublicKeyComponents {
                n: key.n().as_positive_bytes().unwrap(),
                e: key.e().as_positive_bytes().unwrap(),
            };
            let how = match algorithm {
                "rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                _ => &RSA_PKCS1_2048_8192_SHA512,
            };
            components.verify(how, b"bytes", signature).is_ok()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_of_openssh_are_read_and_sign_as_their_public_half_verifies() {
    for (arguments, algorithms) in [
        (&["-t", "ed25519"][..], &["ssh-ed25519"][..]),
        (&["-t", "ecdsa", "-b", "256"], &["ecdsa-sha2-nistp256"]),
        (&["-t", "ecdsa", "-b", "384"], &["ecdsa-sha2-nistp384"]),
        (&["-t", "rsa", "-b", "2048"], &["rsa-sha2-256", "rsa-sha2-512"]),
        (&["-t", "rsa", "-b", "2048", "-m", "PKCS8"], &["rsa-sha2-512"]),
        (
            &["-t", "ecdsa", "-b", "256", "-m", "PKCS8"],
            &["ecdsa-sha2-nistp256"],
        ),
    ] {
        let (pem, public) = made(&[arguments, &["-N", ""]].concat());
        let key = LoginKey::read(&pem, None).unwrap();
        assert_eq!(key.ssh_public(), public, "{arguments:?}");
        for algorithm in algorithms {
            assert!(verifies(&key, &public, algorithm), "{algorithm}");
        }
        for other in ["ssh-rsa", "ssh-dss", "ecdsa-sha2-nistp521", ""] {
            assert!(key.sign_ssh(other, b"bytes").is_none(), "{other}");
        }
    }
}

#[test]
fn an_encrypted_key_opens_under_its_passphrase_alone() {
    let (pem, public) = made(&["-t", "ed25519", "-N", "a passphrase"]);
    let key = LoginKey::read(&pem, Some("a passphrase")).unwrap();
    assert_eq!(key.ssh_public(), public);
    for wrong in [Some("another"), Some(""), None] {
        let refused = LoginKey::read(&pem, wrong).unwrap_err();
        assert_eq!(refused, LoginKeyError::Passphrase, "{wrong:?}");
    }
    let (open, _) = made(&["-t", "ed25519", "-N", ""]);
    assert_eq!(
        LoginKey::read(&open, Some("a passphrase")).unwrap_err(),
        LoginKeyError::Passphrase
    );
}

#[test]
fn what_is_not_signed_with_is_refused() {
    let (small, _) = made(&["-t", "rsa", "-b", "1024", "-N", ""]);
    let (older, _) = made(&["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]);
    let (large, _) = made(&["-t", "ecdsa", "-b", "521", "-N", ""]);
    let (whole, _) = made(&["-t", "ed25519", "-N", ""]);
    let cut = &whole[..whole.len() / 2];
    let (locked, _) = made(&["-t", "ed25519", "-N", "a passphrase"]);
    let slow = with_rounds(&locked, ROUNDS + 1);
    for pem in [
        &small,
        &older,
        &large,
        cut,
        "",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ] {
        assert_eq!(LoginKey::read(pem, None).unwrap_err(), LoginKeyError::Unfit);
    }
    assert_eq!(
        LoginKey::read(&slow, Some("a passphrase")).unwrap_err(),
        LoginKeyError::Unfit,
        "whoever seals a key cannot keep the vault busy for minutes"
    );
}

#[test]
fn an_rsa_key_whose_parts_do_not_belong_together_is_refused() {
    let (pem, _) = made(&["-t", "rsa", "-b", "2048", "-N", ""]);
    let key = PrivateKey::from_openssh(&pem).unwrap();
    let KeypairData::Rsa(pair) = key.key_data() else {
        panic!("an RSA key");
    };
    assert!(rsa(pair).is_some());
    let private = pair.private();
    let swapped = ssh_key::private::RsaPrivateKey::new(
        private.d().clone(),
        private.d().clone(),
        private.p().clone(),
        private.q().clone(),
    );
    let swapped = RsaKeypair::new(pair.public().clone(), swapped.unwrap()).unwrap();
    assert!(rsa(&swapped).is_none());
}

#[test]
fn a_key_signs_for_tls_by_its_own_schemes() {
    for (arguments, how) in [
        (&["-t", "ed25519"][..], &ED25519 as &dyn VerificationAlgorithm),
        (&["-t", "ecdsa", "-b", "256"], &ECDSA_P256_SHA256_ASN1),
        (&["-t", "ecdsa", "-b", "384"], &ECDSA_P384_SHA384_ASN1),
        (
            &["-t", "rsa", "-b", "2048"],
            &ring::signature::RSA_PSS_2048_8192_SHA256,
        ),
    ] {
        let (pem, _) = made(&[arguments, &["-N", ""]].concat());
        let key = LoginKey::read(&pem, None).unwrap();
        let best = *key.tls_schemes().first().unwrap();
        let signature = key.sign_tls(best, b"bytes").unwrap();
        let public = match &*key.0 {
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ecdsa(_, pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        };
        let verifies = UnparsedPublicKey::new(how, public).verify(b"bytes", &signature);
        assert!(verifies.is_ok(), "{arguments:?}");
        assert!(
            key.sign_tls(SignatureScheme::ECDSA_NISTP521_SHA512, b"bytes")
                .is_none()
        );
    }
}

#[test]
fn debug_prints_nothing_of_a_key() {
    let (pem, _) = made(&["-t", "ed25519", "-N", ""]);
    assert_eq!(format!("{:?}", LoginKey::read(&pem, None).unwrap()), "LoginKey");
}
