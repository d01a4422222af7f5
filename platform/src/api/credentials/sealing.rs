//! Sealings as they come in: whole, or in parts from a browser; and what they say of themselves.

use vedette_crypto::hpke::Sealed;
use vedette_protocol::{
    Envelope, VerifyError,
    api::{NewCredential, SealedPart, SealedParts},
    credential::Header,
    envelope::{ENVELOPE_LIMIT, EnvelopeRefusal, RECIPIENTS_LIMIT, SealedFor, Sealing},
};

use crate::api::{encoded, problem::ApiError};

/// The sealing that is asked to be kept.
pub(super) fn of(asked: &NewCredential) -> Result<Sealing, ApiError> {
    match (&asked.sealing, &asked.parts) {
        (Some(sealing), None) => encoded::read("sealing", sealing, ENVELOPE_LIMIT),
        (None, Some(parts)) => put_together(parts).map(Sealing::Unsigned),
        (Some(_), Some(_)) | (None, None) => Err(ApiError::BadRequest(
            "give one of `sealing` (of `vedette credential seal`) and `parts` (of a browser)".to_owned(),
        )),
    }
}

fn put_together(parts: &SealedParts) -> Result<Envelope, ApiError> {
    if parts.sealed.len() > RECIPIENTS_LIMIT || parts.header.len() > ENVELOPE_LIMIT {
        return Err(ApiError::BadRequest(format!(
            "`parts` are sealed to more than {RECIPIENTS_LIMIT} appliances, or their header is too long"
        )));
    }
    let sealed = |part: &SealedPart| {
        let encapsulated = encoded::bytes("encapsulated", &part.encapsulated, ENCAPSULATED_LIMIT)?;
        let ciphertext = encoded::bytes("ciphertext", &part.ciphertext, ENVELOPE_LIMIT)?;
        Ok(SealedFor {
            appliance: part.appliance,
            suite: part.suite,
            sealed: Sealed::new(encapsulated, ciphertext),
        })
    };
    let sealed = parts.sealed.iter().map(sealed).collect::<Result<_, ApiError>>()?;
    Ok(Envelope::from_parts(parts.header.clone().into_bytes(), sealed))
}

/// Longer than the encapsulated key of any suite.
const ENCAPSULATED_LIMIT: usize = 4096;

/// Why a header cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The envelope is not in order.
    #[error(transparent)]
    Envelope(EnvelopeRefusal),
    /// There is none.
    #[error("the envelope cannot be read")]
    Signed(#[source] VerifyError),
}

/// What a sealing says of its content, by its own word: the appliance verifies it, when it opens.
pub(crate) fn header(sealing: &Sealing) -> Result<Header, Unreadable> {
    let header = match sealing {
        // Shown and chosen from by what it says. The vault believes its owner's signature, not us.
        Sealing::Owned(signed) => signed
            .danger_read_unverified()
            .map_err(Unreadable::Signed)?
            .header(),
        Sealing::Unsigned(envelope) => envelope.header(),
    };
    header.map_err(Unreadable::Envelope)
}
