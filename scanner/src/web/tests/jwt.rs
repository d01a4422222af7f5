//! Signed tokens: by a secret that everybody knows, by tokens of ours that the site takes.
//!
//! A secret is tried here alone and costs no request. A token of ours has the claims of the site's own and another
//! signature, and is tried only where something that is no token is answered apart. It counts when it is answered as
//! the site's own is, twice, and what is no token still is not.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, nothing_afterwards};
use crate::web::{
    jwt::Jwt,
    trial::{Proof, Stop, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "jwt",
    of: Of::Token,
    budget: 24,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    let Some(jwt) = Jwt::read(trial.value()) else {
        return Ok(None);
    };
    if jwt.has_known_secret() {
        return Ok(Some(Proof {
            type_: FindingType::WebTokenKnownSecret,
            confidence: Confidence::Certain,
            shown_by: ShownBy::KnownSecret,
            detail: "HMAC",
        }));
    }
    let nonsense = jwt.replaced_by(&trial.token(0));
    if !trial.is_stable() || trial.view(&nonsense)? == trial.base_view() {
        return Ok(None);
    }
    let forged = forgeries(&jwt, &trial.subject.facts.keys);
    for (detail, tokens) in forged {
        let mut taken = true;
        for token in &tokens {
            taken = taken && is_taken(trial, token)?;
        }
        if taken && trial.view_again(&nonsense, 1)? != trial.base_view() {
            return Ok(Some(Proof {
                type_: FindingType::WebTokenNotVerified,
                confidence: Confidence::Certain,
                shown_by: ShownBy::ForgedToken,
                detail,
            }));
        }
    }
    Ok(None)
}

/// Whether a token is answered as the site's own is, twice.
fn is_taken(trial: &Trial<'_>, token: &str) -> Result<bool, Stop> {
    Ok(trial.view(token)? == trial.base_view() && trial.view_again(token, 1)? == trial.base_view())
}

/// What a verifier must not take, each way with the tokens that must all be taken.
fn forgeries(jwt: &Jwt, keys: &[String]) -> Vec<(&'static str, Vec<String>)> {
    if jwt.is_unsigned() {
        // What the site itself hands out: nothing is left to forge.
        return vec![("issued without a signature", vec![jwt.unsigned(jwt.algorithm())])];
    }
    let mut ways = vec![(
        "signature not looked at",
        vec![jwt.with_signature_changed(0x5a), jwt.with_signature_changed(0xa5)],
    )];
    ways.extend(
        NONE.iter()
            .map(|none| ("algorithm none", vec![jwt.unsigned(none)])),
    );
    ways.push(("signature left out", vec![jwt.unsigned(jwt.algorithm())]));
    if ["RS", "PS"].iter().any(|kind| jwt.algorithm().starts_with(kind)) {
        let confused = keys.iter().take(KEYS).map(|key| {
            (
                "public key taken for a secret",
                vec![jwt.signed_with(key.as_bytes())],
            )
        });
        ways.extend(confused);
    }
    ways
}

/// As verifiers compare it, and as those do not that refuse it by name.
const NONE: &[&str] = &["none", "None", "nOnE"];
/// Two keys in their four spellings.
const KEYS: usize = 8;
