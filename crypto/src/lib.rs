//! Keys, sealing, secret memory and pinned roots. No I/O beyond memory, no policy.
//!
//! Secrets are types of their own ([`secret`]): boxed, wiped on drop, readable only inside a closure.
//! Public counterparts are other types. Start with [`share`] for the keys of the workspace, [`sign`]
//! for identities, [`owner`] for how the operator's own key is kept, [`hpke`] for sealing to a key, [`file`] for files, [`login_key`] for
//! keys that log in elsewhere, [`roots`] for whom TLS trusts.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod credential;
pub mod file;
pub mod hpke;
pub mod login_key;
pub mod owner;
pub mod roots;
pub mod secret;
pub mod share;
pub mod sign;
mod text;
pub mod wrap;

pub use secret::Secret;
pub use sign::{Signer, SigningKey, VerifyingKey};

use ring::rand::{SecureRandom, SystemRandom};

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    digest
}

/// HMAC-SHA256 (RFC 2104) over `bytes`.
pub fn authenticate(secret: &Secret<32>, bytes: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    let key = secret.with(|secret| ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret));
    tag.copy_from_slice(ring::hmac::sign(&key, bytes).as_ref());
    tag
}

/// Public random bytes, for names and nonces; a secret is made by [`Secret::random`].
///
/// # Panics
/// When the kernel gives no random numbers, which getrandom(2) does not do once it is seeded.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill_random(&mut bytes);
    bytes
}

fn fill_random(bytes: &mut [u8]) {
    SystemRandom::new()
        .fill(bytes)
        .expect("getrandom(2) works once the kernel's generator is seeded");
}
