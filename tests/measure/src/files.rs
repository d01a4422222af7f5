//! How fast a file is sealed, beside ring's AES-256-GCM alone on the same chunks.

use std::{fs::File, hint::black_box, path::Path};

use anyhow::{Context, Result};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use vedette_crypto::file::{self, CHUNK, FileKey};

use crate::pace::{in_turn, per_second};

/// Bytes in a second.
#[derive(Debug, Clone, Copy)]
pub struct Speeds {
    /// A file in chunks.
    pub ours: f64,
    /// The cipher alone.
    pub ring: f64,
}

/// Measures both in turn, on chunks in memory.
///
/// # Errors
/// When ring takes no key.
pub fn measure() -> Result<Speeds> {
    let key = FileKey::random();
    let raw = key.with(|bytes| UnboundKey::new(&AES_256_GCM, bytes));
    let raw = LessSafeKey::new(raw.ok().context("a key of AES-256")?);
    let mut ours = Box::new([b'x'; CHUNK]);
    let mut theirs = ours.clone();
    let (ours, ring) = in_turn(
        || per_second(|| seal_file(&key, &mut ours)),
        || per_second(|| seal_chunks(&raw, &mut theirs)),
    );
    let bytes = (CHUNKS * CHUNK) as f64;
    Ok(Speeds {
        ours: ours * bytes,
        ring: ring * bytes,
    })
}

/// Seals a file into another.
///
/// # Errors
/// When they cannot be read and written.
pub fn seal(from: &Path, to: &Path) -> Result<()> {
    let mut content = File::open(from).with_context(|| format!("opening {}", from.display()))?;
    let mut sealed = File::create(to).with_context(|| format!("making {}", to.display()))?;
    file::seal(&FileKey::random(), NAME, &mut content, &mut sealed).context("sealing it")?;
    Ok(())
}

fn seal_file(key: &FileKey, chunk: &mut Box<[u8; CHUNK]>) {
    let (_, mut sealer) = key.sealer(NAME);
    for _ in 1..CHUNKS {
        let _ = black_box(sealer.seal(chunk));
    }
    let _ = black_box(sealer.seal_last(chunk.as_mut_slice()));
}

fn seal_chunks(key: &LessSafeKey, chunk: &mut Box<[u8; CHUNK]>) {
    for number in 0..CHUNKS as u64 {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = key.seal_in_place_separate_tag(nonce, Aad::empty(), chunk.as_mut_slice());
        let _ = black_box(sealed);
    }
}

/// Of a file of 16 MiB.
const CHUNKS: usize = 256;
const NAME: &[u8] = b"event-7";
