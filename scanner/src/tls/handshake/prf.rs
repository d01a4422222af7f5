//! The pseudorandom functions of TLS 1.0 to 1.2 (RFC 2246, section 5; RFC 5246, section 5), and the hash of what was
//! said.

use md5::{Digest as _, Md5};
use ring::{digest, hmac};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prf {
    /// MD5 and SHA-1 together, before TLS 1.2.
    Old,
    Sha256,
    Sha384,
}

/// A keyed hash.
type Mac = fn(&[u8], &[u8]) -> Vec<u8>;

impl Prf {
    /// So many bytes of a secret.
    pub(super) fn expand(self, secret: &[u8], label: &str, seed: &[u8], length: usize) -> Vec<u8> {
        let seed = [label.as_bytes(), seed].concat();
        match self {
            Self::Sha256 => expand(sha256, secret, &seed, length),
            Self::Sha384 => expand(sha384, secret, &seed, length),
            Self::Old => {
                // The halves share the middle byte of a secret of odd length.
                let half = secret.len().div_ceil(2);
                let first = expand(md5, &secret[..half], &seed, length);
                let second = expand(sha1, &secret[secret.len() - half..], &seed, length);
                first.iter().zip(second).map(|(one, other)| one ^ other).collect()
            }
        }
    }

    /// The hash of all messages.
    pub(super) fn digest(self, messages: &[u8]) -> Vec<u8> {
        let hash = |algorithm| digest::digest(algorithm, messages).as_ref().to_vec();
        match self {
            Self::Sha256 => hash(&digest::SHA256),
            Self::Sha384 => hash(&digest::SHA384),
            Self::Old => [
                Md5::digest(messages).to_vec(),
                hash(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            ]
            .concat(),
        }
    }
}

fn expand(mac: Mac, secret: &[u8], seed: &[u8], length: usize) -> Vec<u8> {
    let (mut all, mut a) = (Vec::new(), seed.to_vec());
    while all.len() < length {
        a = mac(secret, &a);
        all.extend(mac(secret, &[&a, seed].concat()));
    }
    all.truncate(length);
    all
}

fn sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().to_vec()
}

fn sha384(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA384, key);
    hmac::sign(&key, message).as_ref().to_vec()
}

fn sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::sign(&key, message).as_ref().to_vec()
}

/// HMAC (RFC 2104); the keys here are halves of secrets, never longer than a block.
fn md5(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    let length = key.len().min(block.len());
    block[..length].copy_from_slice(&key[..length]);
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Md5::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    Md5::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_md5_is_that_of_its_specification() {
        // RFC 2202, section 2, case 2.
        let expected = [
            0x75, 0x0c, 0x78, 0x3e, 0x6a, 0xb0, 0xb5, 0x03, 0xea, 0xa8, 0x6e, 0x31, 0x0a, 0x5d, 0xb7, 0x38,
        ];
        assert_eq!(md5(b"Jefe", b"what do ya want for nothing?"), expected);
    }

    #[test]
    fn the_function_of_tls_1_2_is_the_one_that_others_have() {
        // The vector of the working group's list, "Test vectors for TLS 1.2 PRF", which libraries test against.
        let secret = 0x9bbe_436b_a940_f017_b176_5284_9a71_db35_u128.to_be_bytes();
        let seed = 0xa0ba_9f93_6cda_3118_27a6_f796_ffd5_198c_u128.to_be_bytes();
        let made = Prf::Sha256.expand(&secret, "test label", &seed, 100);
        let expected = 0xe3f2_29ba_727b_e17b_8d12_2620_557c_d453_u128.to_be_bytes();
        assert_eq!((made.len(), &made[..16]), (100, &expected[..]));
    }

    #[test]
    fn an_empty_secret_gives_keys_too() {
        for prf in [Prf::Old, Prf::Sha256, Prf::Sha384] {
            assert_eq!(prf.expand(&[], "key expansion", &[7; 64], 136).len(), 136);
        }
    }
}
