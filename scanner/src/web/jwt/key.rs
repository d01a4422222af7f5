//! The public keys that a site tells of itself (RFC 7517), in the texts that its own code would read them from. Pure.

use std::fmt::Write as _;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

/// The public keys of RSA in the body of an answer: of a set in JSON each spelled in PEM as its SubjectPublicKeyInfo (RFC 5280,
/// section 4.1) and as PKCS #1 has it, with and without the last line's end; of a text in PEM as it stands.
pub fn public_keys(body: &[u8]) -> Vec<String> {
    if body.len() > LENGTH_LIMIT {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(body);
    if text.trim_start().starts_with("-----BEGIN") && text.contains("PUBLIC KEY-----") {
        return with_and_without_end(&text);
    }
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let keys = document.get("keys").and_then(Value::as_array);
    keys.into_iter()
        .flatten()
        .take(KEYS_LIMIT)
        .filter_map(rsa)
        .flatten()
        .collect()
}

/// A key of RSA in the spellings (RFC 7518, section 6.3.1).
fn rsa(key: &Value) -> Option<Vec<String>> {
    let number = |name: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok()?;
        let plain = bytes.iter().position(|byte| *byte != 0)?;
        Some(bytes[plain..].to_vec())
    };
    if key.get("kty")?.as_str()? != "RSA" {
        return None;
    }
    // RFC 8017, appendix A.1.1.
    let own = der(
        SEQUENCE,
        &[integer(&number("n")?), integer(&number("e")?)].concat(),
    );
    let info = der(
        SEQUENCE,
        &[
            RSA_ENCRYPTION.to_vec(),
            der(BIT_STRING, &[&[0][..], &own].concat()),
        ]
        .concat(),
    );
    let spelled = [pem("PUBLIC KEY", &info), pem("RSA PUBLIC KEY", &own)];
    Some(
        spelled
            .iter()
            .flat_map(|text| with_and_without_end(text))
            .collect(),
    )
}

fn with_and_without_end(text: &str) -> Vec<String> {
    let short = text.trim_end();
    vec![format!("{short}\n"), short.to_owned()]
}

/// RFC 7468.
fn pem(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let encoded = STANDARD.encode(bytes);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
        let _ = writeln!(text, "{line}");
        rest = after;
    }
    let _ = writeln!(text, "-----END {label}-----");
    text
}

/// An unsigned integer (X.690, section 8.3): one whose first bit is set would read as negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => der(INTEGER, &[&[0][..], bytes].concat()),
        _ => der(INTEGER, bytes),
    }
}

/// X.690, section 8.1; what is told of a key is far shorter than 65,536 bytes.
fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(contents.len()).unwrap_or(u16::MAX).to_be_bytes();
    let length = match (high, low) {
        (0, 0..0x80) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag][..], &length, contents].concat()
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// The algorithm's identifier with its parameter, which is nothing (RFC 3279, section 2.3.1).
const RSA_ENCRYPTION: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const PEM_LINE: usize = 64;
const KEYS_LIMIT: usize = 4;
const LENGTH_LIMIT: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_set_is_spelled_as_files_hold_it() {
        // Made by openssl: `rsa -pubin -RSAPublicKey_out` and `rsa -pubin -modulus` of the same key.
        let set =
            format!(r#"{{"keys": [{{"kty": "EC"}}, {{"kty": "RSA", "n": "{MODULUS}", "e": "AQAB"}}]}}"#);
        let keys = public_keys(set.as_bytes());
        assert_eq!(
            keys,
            [
                format!("{INFO}\n"),
                INFO.to_owned(),
                format!("{OWN}\n"),
                OWN.to_owned()
            ]
        );
    }

    #[test]
    fn what_holds_no_key_gives_none() {
        for other in [
            "",
            "{}",
            "[]",
            r#"{"keys": 7}"#,
            r#"{"keys": [{"kty": "RSA", "n": "", "e": "AQAB"}]}"#,
        ] {
            assert!(public_keys(other.as_bytes()).is_empty(), "{other}");
        }
        assert_eq!(public_keys(INFO.as_bytes()).len(), 2);
    }

    const MODULUS: &str = "uM2mrrLLgza4C2WW7KkDfGNRecXPK3QqcQCbTbBhj1rktsc8QxOU3Uo-bKvU2Z76Bh0T0fpTjFYZdR-1iEQZDxtDnQBF22TneNiEfGzS1xbO7qbkDG0rEdxBH0EbWw9ftO1SaDKsUJSsqjuVtsEHcsY7GaJZFSBFHSv0WSmESRc";
    const INFO: &str = "-----BEGIN PUBLIC KEY-----\n\
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC4zaaussuDNrgLZZbsqQN8Y1F5\n\
        xc8rdCpxAJtNsGGPWuS2xzxDE5TdSj5sq9TZnvoGHRPR+lOMVhl1H7WIRBkPG0Od\n\
        AEXbZOd42IR8bNLXFs7upuQMbSsR3EEfQRtbD1+07VJoMqxQlKyqO5W2wQdyxjsZ\n\
        olkVIEUdK/RZKYRJFwIDAQAB\n\
        -----END PUBLIC KEY-----";
    const OWN: &str = "-----BEGIN RSA PUBLIC KEY-----\n\
        MIGJAoGBALjNpq6yy4M2uAtlluypA3xjUXnFzyt0KnEAm02wYY9a5LbHPEMTlN1K\n\
        Pmyr1Nme+gYdE9H6U4xWGXUftYhEGQ8bQ50ARdtk53jYhHxs0tcWzu6m5AxtKxHc\n\
        QR9BG1sPX7TtUmgyrFCUrKo7lbbBB3LGOxmiWRUgRR0r9FkphEkXAgMBAAE=\n\
        -----END RSA PUBLIC KEY-----";
}
