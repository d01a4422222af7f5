//! Functions that hash, sign and encrypt.

use std::fmt::Write as _;

use aes::{
    Aes128, Aes192, Aes256,
    cipher::{Array, BlockCipherEncrypt, KeyInit},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use ring::{aead, digest, hmac};

use super::{Function, Scene, Value, row, string, text};
use crate::template::hex;

pub(super) const FUNCTIONS: &[Function] = &[
    row("md5", (1, 1), |_, a| {
        Some(hex::encode(&Md5::digest(&text(a, 0)?)).into())
    }),
    row("sha1", (1, 1), |_, a| {
        hashed(&digest::SHA1_FOR_LEGACY_USE_ONLY, a)
    }),
    row("sha256", (1, 1), |_, a| hashed(&digest::SHA256, a)),
    row("sha512", (1, 1), |_, a| hashed(&digest::SHA512, a)),
    row("mmh3", (1, 1), |_, a| {
        Some(murmur3(&text(a, 0)?).to_string().into())
    }),
    row("hmac", (3, 3), |_, a| {
        let algorithm = match string(a, 0)?.as_str() {
            "sha1" | "sha-1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            "sha256" | "sha-256" => hmac::HMAC_SHA256,
            "sha512" | "sha-512" => hmac::HMAC_SHA512,
            _ => return None,
        };
        let key = hmac::Key::new(algorithm, &text(a, 2)?);
        Some(hex::encode(hmac::sign(&key, &text(a, 1)?).as_ref()).into())
    }),
    row("aes_gcm", (2, 2), sealed),
    row("aes_cbc", (3, 3), |_, a| {
        let (key, vector) = (text(a, 1)?, text(a, 2)?);
        let vector: [u8; BLOCK] = (&*vector).try_into().ok()?;
        let plain = text(a, 0)?;
        match key.len() {
            16 => chained(&Aes128::new_from_slice(&key).ok()?, vector, &plain),
            24 => chained(&Aes192::new_from_slice(&key).ok()?, vector, &plain),
            32 => chained(&Aes256::new_from_slice(&key).ok()?, vector, &plain),
            _ => None,
        }
    }),
    row("generate_jwt", (2, 4), token),
];

fn hashed(algorithm: &'static digest::Algorithm, a: &[Value]) -> Option<Value> {
    Some(hex::encode(digest::digest(algorithm, &text(a, 0)?).as_ref()).into())
}

/// Appleby's MurmurHash3 for 32 bits with seed 0, as a signed number: how icons of sites are told apart.
fn murmur3(bytes: &[u8]) -> i32 {
    let mix = |word: u32| {
        word.wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593)
    };
    let mut hash = 0_u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        hash ^= mix(u32::from_le_bytes(*word));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let mut tail = [0; 4];
    tail[..rest.len()].copy_from_slice(rest);
    hash ^= mix(u32::from_le_bytes(tail));
    hash ^= u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)).cast_signed()
}

/// The nonce, and behind it what AES-GCM seals.
fn sealed(scene: &Scene<'_>, a: &[Value]) -> Option<Value> {
    let key = text(a, 0)?;
    let algorithm = match key.len() {
        16 => &aead::AES_128_GCM,
        32 => &aead::AES_256_GCM,
        _ => return None,
    };
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, &key).ok()?);
    let mut nonce = [0; 12];
    for byte in &mut nonce {
        *byte = scene.kit.chance.draw().to_le_bytes()[0];
    }
    let mut text = text(a, 1)?.to_vec();
    let nonce_used = aead::Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce_used, aead::Aad::empty(), &mut text)
        .ok()?;
    Some([nonce.as_slice(), &text].concat().into())
}

/// AES in CBC mode with the padding of PKCS #7 (NIST SP 800-38A; RFC 5652, section 6.3).
fn chained(cipher: &impl BlockCipherEncrypt, vector: [u8; BLOCK], plain: &[u8]) -> Option<Value> {
    let padding = BLOCK - plain.len() % BLOCK;
    let mut padded = plain.to_vec();
    padded.resize(plain.len() + padding, u8::try_from(padding).ok()?);
    let mut before = vector;
    for block in padded.as_chunks_mut::<BLOCK>().0 {
        for (byte, before) in block.iter_mut().zip(before) {
            *byte ^= before;
        }
        let mut place = Array::try_from(block.as_slice()).ok()?;
        cipher.encrypt_block(&mut place);
        block.copy_from_slice(&place);
        before = *block;
    }
    Some(padded.into())
}

/// A JSON Web Token (RFC 7519), unsigned or signed with a shared key.
fn token(scene: &Scene<'_>, a: &[Value]) -> Option<Value> {
    let mut claims: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&string(a, 0)?).ok()?;
    let name = string(a, 1)?;
    let algorithm = match name.to_ascii_uppercase().as_str() {
        "" | "NONE" => None,
        "HS256" => Some(hmac::HMAC_SHA256),
        "HS384" => Some(hmac::HMAC_SHA384),
        "HS512" => Some(hmac::HMAC_SHA512),
        _ => return None,
    };
    if let Some(until) = a.get(3) {
        claims.insert("iat".to_owned(), scene.now.into());
        claims.insert("exp".to_owned(), until.to_whole()?.into());
    }
    let shown = match (&algorithm, name.as_str()) {
        (None, "") => "none".to_owned(),
        (None, spelled) => spelled.to_owned(),
        (Some(_), spelled) => spelled.to_ascii_uppercase(),
    };
    let header = serde_json::json!({"alg": shown, "typ": "JWT"}).to_string();
    let claims = serde_json::Value::Object(claims).to_string();
    let mut token = URL_SAFE_NO_PAD.encode(header);
    let _ = write!(token, ".{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = match algorithm {
        Some(algorithm) => {
            let key = hmac::Key::new(algorithm, &text(a, 2).unwrap_or_default());
            URL_SAFE_NO_PAD.encode(hmac::sign(&key, token.as_bytes()))
        }
        None => String::new(),
    };
    let _ = write!(token, ".{signature}");
    Some(token.into())
}

const BLOCK: usize = 16;
