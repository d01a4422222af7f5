//! Records as a client seals them (RFC 5246, section 6.2.3; RFC 5288): it only ever writes.

use aes::{
    Aes128, Aes256,
    cipher::{Array, BlockCipherEncrypt, KeyInit},
};
use ring::{aead, hmac};
use vedette_protocol::finding::TlsVersion;

/// How records are sealed; keys of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cipher {
    Gcm {
        key: usize,
    },
    /// With HMAC-SHA-1.
    Cbc {
        key: usize,
    },
}

/// Seals one record after the other.
pub(super) struct Seal {
    lock: Lock,
    version: TlsVersion,
    sequence: u64,
}

enum Lock {
    Gcm {
        key: Box<aead::LessSafeKey>,
        salt: [u8; 4],
    },
    Cbc {
        key: Block,
        mac: hmac::Key,
        /// Of TLS 1.0, where a record continues the one before.
        vector: [u8; BLOCK],
    },
}

enum Block {
    Of128(Box<Aes128>),
    Of256(Box<Aes256>),
}

impl Cipher {
    /// How many bytes its keys take, of both sides.
    pub(super) fn keys(self) -> usize {
        match self {
            Self::Gcm { key } => 2 * (key + SALT),
            Self::Cbc { key } => 2 * (MAC + key + BLOCK),
        }
    }
}

impl Seal {
    /// The client's keys, out of all (RFC 5246, section 6.3).
    pub(super) fn new(cipher: Cipher, version: TlsVersion, keys: &[u8]) -> Option<Self> {
        let lock = match cipher {
            Cipher::Gcm { key } => {
                let algorithm = if key == 16 {
                    &aead::AES_128_GCM
                } else {
                    &aead::AES_256_GCM
                };
                let unbound = aead::UnboundKey::new(algorithm, keys.get(..key)?).ok()?;
                Lock::Gcm {
                    key: Box::new(aead::LessSafeKey::new(unbound)),
                    salt: keys.get(2 * key..2 * key + SALT)?.try_into().ok()?,
                }
            }
            Cipher::Cbc { key } => {
                let (own, vectors) = (keys.get(2 * MAC..2 * MAC + key)?, 2 * (MAC + key));
                Lock::Cbc {
                    mac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, keys.get(..MAC)?),
                    key: match key {
                        16 => Block::Of128(Box::new(Aes128::new_from_slice(own).ok()?)),
                        _ => Block::Of256(Box::new(Aes256::new_from_slice(own).ok()?)),
                    },
                    vector: keys.get(vectors..vectors + BLOCK)?.try_into().ok()?,
                }
            }
        };
        Some(Self {
            lock,
            version,
            sequence: 0,
        })
    }

    /// The record of a message.
    pub(super) fn record(&mut self, kind: u8, message: &[u8]) -> Option<Vec<u8>> {
        let sequence = self.sequence.to_be_bytes();
        self.sequence += 1;
        let version = self.version.number().to_be_bytes();
        let length = u16::try_from(message.len()).ok()?.to_be_bytes();
        let about = [&sequence[..], &[kind], &version, &length].concat();
        let body = match &mut self.lock {
            Lock::Gcm { key, salt } => {
                let nonce = [&salt[..], &sequence].concat().try_into().ok()?;
                let mut sealed = message.to_vec();
                let nonce = aead::Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_append_tag(nonce, aead::Aad::from(about), &mut sealed)
                    .ok()?;
                [&sequence[..], &sealed].concat()
            }
            Lock::Cbc { key, mac, vector } => {
                let tag = hmac::sign(mac, &[&about, message].concat());
                let mut plain = [message, tag.as_ref()].concat();
                let padding = BLOCK - plain.len() % BLOCK;
                let filling = u8::try_from(padding - 1).ok()?;
                plain.extend(std::iter::repeat_n(filling, padding));
                if self.version == TlsVersion::Tls10 {
                    key.chain(vector, &plain)
                } else {
                    // Whatever it is: nothing under these keys is a secret.
                    let mut explicit = [0x5a; BLOCK];
                    let begin = explicit;
                    [&begin[..], &key.chain(&mut explicit, &plain)].concat()
                }
            }
        };
        let length = u16::try_from(body.len()).ok()?.to_be_bytes();
        Some([&[kind][..], &version, &length, &body].concat())
    }
}

impl Block {
    /// Encrypts whole blocks, each mixed with the one before, and leaves the last one in `vector`.
    fn chain(&self, vector: &mut [u8; BLOCK], plain: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let (blocks, _) = plain.as_chunks::<BLOCK>();
        for plain in blocks {
            let mut block = Array(std::array::from_fn(|at| plain[at] ^ vector[at]));
            match self {
                Self::Of128(key) => key.encrypt_block(&mut block),
                Self::Of256(key) => key.encrypt_block(&mut block),
            }
            vector.copy_from_slice(&block);
            all.extend_from_slice(&block);
        }
        all
    }
}

const SALT: usize = 4;
const MAC: usize = 20;
const BLOCK: usize = 16;
