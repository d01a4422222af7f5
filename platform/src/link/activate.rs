//! `activate`: a new identity becomes an appliance, by a token that was flashed or by an operator's word.
//!
//! The answer may get lost, so the same identity may ask again; but an enrolment holds a live ticket, so
//! it is repeated only until the first boot has used it.

use std::{net::IpAddr, time::Duration};

use axum::extract::{Extension, State};
use vedette_protocol::{
    Digest, Signed, Timestamp,
    link::{ActivateOutcome, ActivateRefusal, ActivateRequest, Activation, ActivationToken, CODE_ALPHABET},
};

use super::{
    enrolment::{self, NewIdentity},
    request::{Body, LinkError, Reply},
};
use crate::{
    listener::From,
    origin::Origin,
    platform::{Platform, Shared},
    store::{
        appliances::{self, Appliance, FIRST_TICKET},
        audit::Actor,
        codes::{self, Admission, Waiting},
        tokens::{self, Spent},
    },
};

/// How long a code may wait for its approval.
const CODE_TIME: Duration = Duration::from_mins(15);

/// Seconds between two questions.
const CODE_INTERVAL: u32 = 5;

pub(super) async fn activate(
    State(platform): State<Shared>,
    Extension(From(from)): Extension<From>,
    body: Body,
) -> Result<Reply, LinkError> {
    let signed: Signed<ActivateRequest> =
        Signed::from_bytes(&body.bytes).map_err(|_| LinkError::Malformed)?;
    let request = signed.verify_self_signed(|request| request.identity)?;
    let now = Timestamp::now();
    let outcome = if platform.policy.admits(request.kind) {
        match &request.by {
            Activation::Token(token) => by_token(&platform, &request, token, now).await?,
            Activation::DeviceCode => by_code(&platform, &request, from.ip(), now).await?,
        }
    } else {
        ActivateOutcome::Refused(ActivateRefusal::TestImage)
    };
    if let ActivateOutcome::Refused(refusal) = &outcome {
        tracing::info!(fingerprint = request.identity.fingerprint(), %refusal, "refused an activation");
    }
    Ok(platform.reply::<ActivateRequest>(body.digest, now, outcome))
}

async fn by_token(
    platform: &Platform,
    request: &ActivateRequest,
    token: &ActivationToken,
    now: Timestamp,
) -> Result<ActivateOutcome, LinkError> {
    let hash = Digest::of(token.expose().as_bytes());
    let mut writing = platform.store.write().await?;
    if let Some(known) = appliances::with_identity(&mut writing, &request.identity).await? {
        return again(platform, &known, known.token == Some(hash));
    }
    let refusal = match tokens::spend(&mut writing, hash, now).await? {
        Spent::Now(org) => {
            let identity = NewIdentity {
                org,
                key: request.identity,
                image: request.image,
                token: Some(hash),
                name: None,
            };
            let actor = Actor("activation token".to_owned());
            let appliance = enrolment::enrol(platform, &mut writing, &identity, &actor, now).await?;
            writing.commit().await?;
            return Ok(ActivateOutcome::Enrolled(enrolment::certify(
                platform,
                org,
                appliance,
                &request.identity,
            )?));
        }
        Spent::Before => ActivateRefusal::UsedToken,
        Spent::Expired => ActivateRefusal::ExpiredToken,
        Spent::Unknown => ActivateRefusal::UnknownToken,
    };
    Ok(ActivateOutcome::Refused(refusal))
}

async fn by_code(
    platform: &Platform,
    request: &ActivateRequest,
    from: IpAddr,
    now: Timestamp,
) -> Result<ActivateOutcome, LinkError> {
    let mut writing = platform.store.write().await?;
    if let Some(known) = appliances::with_identity(&mut writing, &request.identity).await? {
        return again(platform, &known, known.token.is_none());
    }
    let fresh = Waiting {
        identity: request.identity,
        image: request.image,
        address: Origin::of(from).to_string(),
        code: random_code(),
        expires: now.after(CODE_TIME),
    };
    let admission = codes::admit(&mut writing, fresh, now).await?;
    writing.commit().await?;
    Ok(match admission {
        Admission::Under(waiting) => ActivateOutcome::Pending {
            code: format!(
                "{}-{}",
                &waiting.code[..CODE_LENGTH / 2],
                &waiting.code[CODE_LENGTH / 2..]
            ),
            expires: waiting.expires,
            interval: CODE_INTERVAL,
        },
        Admission::Full => ActivateOutcome::Refused(ActivateRefusal::TooMany),
    })
}

/// The answer to an identity that is an appliance already.
fn again(platform: &Platform, known: &Appliance, same_way: bool) -> Result<ActivateOutcome, LinkError> {
    let unused = known.ticket == FIRST_TICKET && known.boots == 0;
    Ok(if known.removed.is_some() {
        ActivateOutcome::Refused(ActivateRefusal::Removed)
    } else if same_way && unused {
        ActivateOutcome::Enrolled(enrolment::certify(
            platform,
            known.org,
            known.id,
            &known.identity,
        )?)
    } else {
        ActivateOutcome::Refused(ActivateRefusal::UsedToken)
    })
}

/// Reads a code as people type it: any case, with or without hyphen or spaces.
pub fn parse_code(text: &str) -> Option<String> {
    let letters = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let code: String = letters
        .take(CODE_LENGTH + 1)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let known = |byte: u8| CODE_ALPHABET.contains(&byte);
    (code.len() == CODE_LENGTH && code.bytes().all(known)).then_some(code)
}

fn random_code() -> String {
    // 240 is the largest multiple of 20 in a byte: what lies above would favour some letters.
    let letters = std::iter::repeat_with(|| vedette_crypto::random::<1>()[0])
        .filter(|byte| *byte < 240)
        .map(|byte| char::from(CODE_ALPHABET[usize::from(byte) % CODE_ALPHABET.len()]));
    letters.take(CODE_LENGTH).collect()
}

const CODE_LENGTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = random_code();
        assert_eq!(parse_code(&code), Some(code.clone()));
        assert_eq!(parse_code(" bcdf-ghjk\n").as_deref(), Some("BCDFGHJK"));
        for wrong in ["", "BCDF", "BCDF-GHJA", "BCDFGHJKL", "BCDFGHJ\u{e9}"] {
            assert_eq!(parse_code(wrong), None, "{wrong}");
        }
    }
}
