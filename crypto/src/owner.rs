//! The owner key as it is kept on the operator's machine: an Ed25519 key behind a passphrase.
//!
//! The file is PEM (RFC 7468) around a header and the wrapped key. The wrapping key is Argon2id (RFC 9106) of the
//! passphrase; its cost stands in the header and is bounded when read, so that no file can ask for all memory. The
//! header, in which the public key stands too, is the associated data of AES-256-GCM: whoever alters it makes a file
//! that does not open. A passphrase that is wrong and a file that was altered cannot be told apart.

use std::{fmt, str::FromStr};

use argon2::{Algorithm, Argon2, Params};
use pem::{EncodeConfig, LineEnding, Pem};
use zeroize::Zeroizing;

use crate::{
    secret::Secret,
    sign::{Pkcs8, Signer, SigningKey, VerifyingKey},
    wrap::WrappingKey,
};

/// Version of the file's format.
pub const OWNER_KEY_VERSION: u8 = 1;

/// An owner key file is no longer than this, in bytes.
pub const OWNER_KEY_FILE_LIMIT: usize = 4096;

/// What the key is kept behind.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes over text.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// An owner key, wrapped. Prints as the file's text, and parses back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerKeyFile {
    cost: Cost,
    salt: [u8; SALT],
    public: VerifyingKey,
    wrapped: Vec<u8>,
}

/// Text that is no owner key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadOwnerKeyError {
    /// It is something else, or broken off.
    #[error("this is no owner key file, or only a part of one: take it from a backup")]
    Form,
    /// It was written by another version of this program.
    #[error(
        "the owner key file is of version {0}, and this program knows {OWNER_KEY_VERSION}: use the program that wrote it"
    )]
    Version(u8),
    /// It asks for a cost outside the bounds.
    #[error(
        "the owner key file asks for {memory} KiB, {passes} passes and {lanes} lanes of Argon2id, which no owner key file does: it was altered, take it from a backup"
    )]
    Cost {
        /// Memory in KiB.
        memory: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes in it.
        lanes: u32,
    },
}

/// The key does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the passphrase is wrong, or the owner key file was altered")]
pub struct OpenOwnerKeyError;

impl OwnerKeyFile {
    /// A fresh key behind a passphrase.
    pub fn generate(passphrase: &Passphrase) -> (Self, SigningKey) {
        let document = Pkcs8::generate();
        let key = SigningKey::from_pkcs8(&document).expect("a generated document is a valid one");
        (
            Self::seal(&document, key.verifying_key(), passphrase, Cost::USUAL),
            key,
        )
    }

    /// Opens it.
    ///
    /// # Errors
    /// When the passphrase is another one, or the file was altered.
    pub fn open(&self, passphrase: &Passphrase) -> Result<SigningKey, OpenOwnerKeyError> {
        let key = self.cost.key(passphrase, &self.salt);
        let document = key
            .unwrap(&self.header(), &self.wrapped)
            .map_err(|_| OpenOwnerKeyError)?;
        let key = SigningKey::from_pkcs8(&Pkcs8::from_bytes(document)).map_err(|_| OpenOwnerKeyError)?;
        if key.verifying_key() == self.public {
            Ok(key)
        } else {
            Err(OpenOwnerKeyError)
        }
    }

    /// The public key, as the header says it. That it is the right one shows when the key is opened.
    pub fn public(&self) -> VerifyingKey {
        self.public
    }

    fn seal(document: &Pkcs8, public: VerifyingKey, passphrase: &Passphrase, cost: Cost) -> Self {
        let mut file = Self {
            cost,
            salt: crate::random(),
            public,
            wrapped: vec![],
        };
        let key = cost.key(passphrase, &file.salt);
        file.wrapped = document.with(|document| key.wrap(&file.header(), document));
        file
    }

    fn header(&self) -> Vec<u8> {
        let Cost {
            memory,
            passes,
            lanes,
        } = self.cost;
        [
            &[OWNER_KEY_VERSION][..],
            &memory.to_le_bytes(),
            &passes.to_le_bytes(),
            &lanes.to_le_bytes(),
            &self.salt,
            self.public.as_bytes(),
        ]
        .concat()
    }
}

impl fmt::Display for OwnerKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.header(), self.wrapped.clone()].concat();
        let unix = EncodeConfig::new().set_line_ending(LineEnding::LF);
        f.write_str(&pem::encode_config(&Pem::new(TAG, bytes), unix))
    }
}

impl FromStr for OwnerKeyFile {
    type Err = ReadOwnerKeyError;

    fn from_str(text: &str) -> Result<Self, ReadOwnerKeyError> {
        let form = ReadOwnerKeyError::Form;
        if text.len() > OWNER_KEY_FILE_LIMIT {
            return Err(form);
        }
        let pem = pem::parse(text).map_err(|_| form)?;
        let (version, rest) = pem.contents().split_first().ok_or(form)?;
        if pem.tag() != TAG {
            return Err(form);
        }
        if *version != OWNER_KEY_VERSION {
            return Err(ReadOwnerKeyError::Version(*version));
        }
        let number = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        let (memory, rest) = rest.split_first_chunk().ok_or(form)?;
        let (passes, rest) = rest.split_first_chunk().ok_or(form)?;
        let (lanes, rest) = rest.split_first_chunk().ok_or(form)?;
        let (salt, rest) = rest.split_first_chunk().ok_or(form)?;
        let (public, wrapped) = rest.split_first_chunk().ok_or(form)?;
        // Ed25519 keys have one length, so that a file that broke off is not taken for a wrong passphrase.
        if wrapped.len() != WRAPPED {
            return Err(form);
        }
        Ok(Self {
            cost: Cost::bounded(number(memory), number(passes), number(lanes))?,
            salt: *salt,
            public: VerifyingKey::from_bytes(*public),
            wrapped: wrapped.to_vec(),
        })
    }
}

/// What one guess costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// RFC 9106, section 4: the second recommended option.
    const USUAL: Self = Self {
        memory: 64 * 1024,
        passes: 3,
        lanes: 4,
    };

    fn bounded(memory: u32, passes: u32, lanes: u32) -> Result<Self, ReadOwnerKeyError> {
        let sane = (LEAST_MEMORY..=MOST_MEMORY).contains(&memory)
            && (1..=16).contains(&passes)
            && (1..=16).contains(&lanes);
        if sane {
            Ok(Self {
                memory,
                passes,
                lanes,
            })
        } else {
            Err(ReadOwnerKeyError::Cost {
                memory,
                passes,
                lanes,
            })
        }
    }

    fn key(self, passphrase: &Passphrase, salt: &[u8; SALT]) -> WrappingKey {
        let params = Params::new(self.memory, self.passes, self.lanes, Some(32))
            .expect("the bounds of a cost are within Argon2's");
        let argon = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params);
        WrappingKey::from_secret(Secret::filled(|key| {
            argon
                .hash_password_into(passphrase.0.as_bytes(), salt, key)
                .expect("a passphrase in memory and a salt of 16 bytes are within Argon2's bounds");
        }))
    }
}

const TAG: &str = "VEDETTE OWNER KEY";
const SALT: usize = 16;
/// In KiB: less would be cheap to guess at (OWASP's least for Argon2id is 7 MiB).
const LEAST_MEMORY: u32 = 7 * 1024;
const MOST_MEMORY: u32 = 1024 * 1024;
/// Nonce, the document of PKCS #8 with both halves as ring writes it, tag.
const WRAPPED: usize = 12 + 83 + 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned()))
    }

    /// At the least cost that is read, to keep the tests quick.
    fn cheap() -> (OwnerKeyFile, VerifyingKey) {
        let document = Pkcs8::generate();
        let public = SigningKey::from_pkcs8(&document).unwrap().verifying_key();
        let cost = Cost {
            memory: LEAST_MEMORY,
            passes: 1,
            lanes: 1,
        };
        let file = OwnerKeyFile::seal(&document, public, &passphrase("right"), cost);
        (file, public)
    }

    fn armoured(bytes: &[u8]) -> String {
        pem::encode(&Pem::new(TAG, bytes))
    }

    #[test]
    fn a_kept_owner_key_opens_under_its_passphrase_alone() {
        let (file, key) = OwnerKeyFile::generate(&passphrase("right"));
        let read: OwnerKeyFile = file.to_string().parse().unwrap();
        assert_eq!((read.cost, read.public()), (Cost::USUAL, key.verifying_key()));
        assert_eq!(
            read.open(&passphrase("right")).unwrap().verifying_key(),
            key.verifying_key()
        );
        assert_eq!(read.open(&passphrase("wrong")).unwrap_err(), OpenOwnerKeyError);
    }

    #[test]
    fn a_file_that_broke_off_anywhere_is_said_to_be_one() {
        let (file, _) = cheap();
        let text = file.to_string();
        let end = text.trim_end().len();
        for length in 0..end {
            assert_eq!(
                text[..length].parse::<OwnerKeyFile>(),
                Err(ReadOwnerKeyError::Form),
                "{length}"
            );
        }
        let bytes = [file.header(), file.wrapped].concat();
        for length in 0..bytes.len() {
            assert_eq!(
                armoured(&bytes[..length]).parse::<OwnerKeyFile>(),
                Err(ReadOwnerKeyError::Form),
                "{length}"
            );
        }
        let longer = armoured(&[&bytes[..], b"x"].concat());
        assert_eq!(longer.parse::<OwnerKeyFile>(), Err(ReadOwnerKeyError::Form));
    }

    #[test]
    fn another_version_and_an_absurd_cost_are_named() {
        let (file, _) = cheap();
        let bytes = [file.header(), file.wrapped].concat();
        let altered = |at: usize, value: [u8; 4]| {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&value);
            armoured(&bytes).parse::<OwnerKeyFile>().unwrap_err()
        };
        assert_eq!(altered(0, [2, 0, 0, 0]), ReadOwnerKeyError::Version(2));
        for (at, value) in [
            (1, u32::MAX),
            (1, MOST_MEMORY + 1),
            (1, 8),
            (5, 0),
            (5, 17),
            (9, 0),
            (9, 1 << 20),
        ] {
            let error = altered(at, value.to_le_bytes());
            assert!(
                matches!(error, ReadOwnerKeyError::Cost { .. }),
                "{at} {value}: {error}"
            );
            assert!(error.to_string().contains("backup"));
        }
    }

    #[test]
    fn no_altered_byte_of_a_file_opens() {
        let (file, _) = cheap();
        let bytes = [file.header(), file.wrapped].concat();
        // One of each field: cost within its bounds, salt, public key, nonce, key, tag.
        for at in [1, 13, 29, 61, 80, bytes.len() - 1] {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let read: OwnerKeyFile = armoured(&altered).parse().unwrap();
            assert_eq!(
                read.open(&passphrase("right")).unwrap_err(),
                OpenOwnerKeyError,
                "{at}"
            );
        }
    }

    #[test]
    fn debug_prints_no_passphrase() {
        assert_eq!(format!("{:?}", passphrase("hunter2")), "Passphrase");
    }
}
