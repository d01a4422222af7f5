//! Files that are encrypted one by one: chunks under AES-256-GCM whose order and end are authenticated.
//!
//! The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance, CRYPTO 2015). A file is a version byte, a salt, a tag of its key, and chunks of [`CHUNK`] bytes,
//! the last of them shorter or as long, each with its GCM tag. Key and tag of its key are HKDF-SHA256 (RFC 5869) of the
//! [`FileKey`], salted, for the file's name; a chunk's nonce is its number and whether it is the last. So a nonce
//! repeats only where a salt of 32 random bytes does, and a file opens under its key and name alone, whole and in order.
//!
//! Start with [`seal`] and [`open`], which go through a file of any length with one chunk in memory; [`Sealer`] and
//! [`Opener`] are one file's chunks, in place.

mod stream;

pub use stream::{OpenError, open, seal};

use std::fmt;

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
};

use crate::{Secret, share::Length};

/// Bytes of a chunk before it is sealed, and how many more it has then.
pub const CHUNK: usize = 64 << 10;
/// See [`CHUNK`].
pub const TAG: usize = 16;

/// Bytes before the first chunk.
pub const HEADER: usize = 1 + SALT + KEY_TAG;

/// The most chunks of a file: 256 TiB, 2^44 blocks of AES, which tell the cipher from a random one with 2^-41 at most.
const CHUNKS: u64 = 1 << 32;

const VERSION: u8 = 1;
const SALT: usize = 32;
const KEY_TAG: usize = 32;

/// A key for files. A secret; see [`crate::secret`].
pub struct FileKey(Secret<32>);

/// Why a file is not what was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileRefusal {
    /// It is of a version that is not known.
    #[error("a sealed file of version {0}, expected {VERSION}")]
    Version(u8),
    /// Name and key are not those that it was sealed with, or its header was altered.
    #[error("the file is another one, or sealed under another key")]
    Other,
    /// It ends before its end.
    #[error("the file is cut off")]
    CutOff,
    /// A chunk is not the one that was sealed in its place.
    #[error("chunk {0} of the file is not what was sealed there: altered, moved, cut, or of another file")]
    Chunk(u64),
    /// It has more chunks than a file may have, or more bytes than were asked for.
    #[error("the file is longer than it may be")]
    TooLong,
}

impl FileKey {
    /// A fresh key.
    pub fn random() -> Self {
        Self(Secret::random())
    }

    /// Takes over secret bytes as a key.
    pub fn from_secret(bytes: Secret<32>) -> Self {
        Self(bytes)
    }

    /// Lends the bytes, to hand the key over.
    pub fn with<R>(&self, use_key: impl FnOnce(&[u8; 32]) -> R) -> R {
        self.0.with(use_key)
    }

    /// Begins to seal the file of that name: its header, and what seals its chunks.
    pub fn sealer(&self, name: &[u8]) -> ([u8; HEADER], Sealer) {
        let salt: [u8; SALT] = crate::random();
        let (cipher, tag) = self.derive(&salt, name);
        let mut header = [VERSION; HEADER];
        header[1..=SALT].copy_from_slice(&salt);
        header[1 + SALT..].copy_from_slice(&tag);
        (header, Sealer(Chunks { cipher, next: 0 }))
    }

    /// Begins to open the file of that name with its header.
    ///
    /// # Errors
    /// When the header is of another version, name or key.
    pub fn opener(&self, name: &[u8], header: &[u8; HEADER]) -> Result<Opener, FileRefusal> {
        let [version, rest @ ..] = header;
        if *version != VERSION {
            return Err(FileRefusal::Version(*version));
        }
        let (salt, tag) = rest.split_at(SALT);
        let (cipher, expected) = self.derive(salt, name);
        // No secret: it stands in the file.
        if tag != expected {
            return Err(FileRefusal::Other);
        }
        Ok(Opener(Chunks { cipher, next: 0 }))
    }

    /// The cipher of one file, and the tag that commits to its key: GCM alone would open under more than one.
    fn derive(&self, salt: &[u8], name: &[u8]) -> (LessSafeKey, [u8; KEY_TAG]) {
        let both = Secret::<{ 32 + KEY_TAG }>::filled(|both| {
            self.0
                .with(|key| Salt::new(HKDF_SHA256, salt).extract(key))
                .expand(&[b"vedette/1 file\0", name], Length(both.len()))
                .and_then(|output| output.fill(both))
                .expect("64 bytes are within HKDF-SHA256's bound of 8160");
        });
        both.with(|both| {
            let mut tag = [0; KEY_TAG];
            tag.copy_from_slice(&both[32..]);
            let key = UnboundKey::new(&AES_256_GCM, &both[..32]).expect("the key has AES-256's length");
            (LessSafeKey::new(key), tag)
        })
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey")
    }
}

/// Seals the chunks of one file, in order.
#[derive(Debug)]
pub struct Sealer(Chunks);

impl Sealer {
    /// Seals a chunk that others follow, in place: its tag.
    ///
    /// # Errors
    /// When the file has as many chunks as it may have.
    pub fn seal(&mut self, chunk: &mut [u8; CHUNK]) -> Result<[u8; TAG], FileRefusal> {
        self.0.seal(chunk, Position::Within)
    }

    /// Seals the last chunk of at most [`CHUNK`] bytes, in place: its tag.
    ///
    /// # Errors
    /// When the chunk is longer, or the file has as many as it may have.
    pub fn seal_last(mut self, chunk: &mut [u8]) -> Result<[u8; TAG], FileRefusal> {
        self.0.seal(chunk, Position::Last)
    }
}

/// Opens the chunks of one file, in order.
#[derive(Debug)]
pub struct Opener(Chunks);

impl Opener {
    /// Opens a chunk that others follow, in place: what it says.
    ///
    /// # Errors
    /// When it is not the one that was sealed in this place.
    pub fn open<'a>(&mut self, sealed: &'a mut [u8; CHUNK + TAG]) -> Result<&'a [u8], FileRefusal> {
        self.0.open(sealed, Position::Within)
    }

    /// Opens the last chunk, in place: what it says. Only now is the file known to be whole.
    ///
    /// # Errors
    /// When it is not the one that was sealed in this place, or not the last.
    pub fn open_last(mut self, sealed: &mut [u8]) -> Result<&[u8], FileRefusal> {
        // What opens as one that others follow is where a file was cut between two chunks.
        let mut within = sealed.to_vec();
        let number = self.0.next;
        let opened = self.0.open(sealed, Position::Last);
        if let Err(FileRefusal::Chunk(_)) = opened {
            self.0.next = number;
            let cut = self.0.open(&mut within, Position::Within).is_ok();
            zeroize::Zeroize::zeroize(&mut within);
            if cut {
                return Err(FileRefusal::CutOff);
            }
        }
        opened
    }
}

/// Whether others follow a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Within,
    Last,
}

struct Chunks {
    cipher: LessSafeKey,
    next: u64,
}

impl Chunks {
    fn seal(&mut self, chunk: &mut [u8], position: Position) -> Result<[u8; TAG], FileRefusal> {
        if chunk.len() > CHUNK {
            return Err(FileRefusal::TooLong);
        }
        let (_, nonce) = self.advance(position)?;
        let tag = self
            .cipher
            .seal_in_place_separate_tag(nonce, Aad::empty(), chunk)
            .expect("a chunk is below AES-GCM's bound of 64 GiB");
        let mut bytes = [0; TAG];
        bytes.copy_from_slice(tag.as_ref());
        Ok(bytes)
    }

    fn open<'a>(&mut self, sealed: &'a mut [u8], position: Position) -> Result<&'a [u8], FileRefusal> {
        let (number, nonce) = self.advance(position)?;
        if sealed.len() > CHUNK + TAG {
            return Err(FileRefusal::Chunk(number));
        }
        let opened = self.cipher.open_in_place(nonce, Aad::empty(), sealed);
        opened
            .map(|content| &*content)
            .map_err(|_| FileRefusal::Chunk(number))
    }

    /// The number of the next chunk, and its nonce: seven zeros, the number, whether it is the last.
    fn advance(&mut self, position: Position) -> Result<(u64, Nonce), FileRefusal> {
        let number = self.next;
        let counter = u32::try_from(number).map_err(|_| FileRefusal::TooLong)?;
        self.next += 1;
        let mut nonce = [0; NONCE_LEN];
        nonce[7..11].copy_from_slice(&counter.to_be_bytes());
        nonce[11] = u8::from(position == Position::Last);
        Ok((number, Nonce::assume_unique_for_key(nonce)))
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chunk {} of at most {CHUNKS}", self.next)
    }
}

#[cfg(test)]
mod tests;
