//! How many envelopes a vault opens in a second: HPKE in each suite, with a credential of usual length.

use anyhow::{Context, Result};
use vedette_crypto::{credential::CredentialKey, hpke::Suite};

use crate::pace::{in_turn, per_second};

/// Opens in a second.
#[derive(Debug, Clone, Copy)]
pub struct Opens {
    /// In the suite of X25519.
    pub x25519: f64,
    /// In the hybrid one.
    pub xwing: f64,
}

/// Measures.
///
/// # Errors
/// When what was sealed does not open.
pub fn measure() -> Result<Opens> {
    let key = CredentialKey::generate();
    let sealed = |suite: Suite| suite.seal(key.public().of(suite), INFO, AAD, &[b'x'; LENGTH]);
    let envelopes = (
        sealed(Suite::X25519).context("sealing")?,
        sealed(Suite::XWing).context("sealing")?,
    );
    let open = |suite, envelope| key.open(suite, INFO, AAD, envelope);
    open(Suite::X25519, &envelopes.0).context("opening what was sealed")?;
    open(Suite::XWing, &envelopes.1).context("opening what was sealed")?;
    let (x25519, xwing) = in_turn(
        || per_second(|| drop(open(Suite::X25519, &envelopes.0))),
        || per_second(|| drop(open(Suite::XWing, &envelopes.1))),
    );
    Ok(Opens { x25519, xwing })
}

const INFO: &[u8] = b"measured";
const AAD: &[u8] = &[b'a'; 300];
const LENGTH: usize = 200;
