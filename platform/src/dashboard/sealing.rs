//! Sealing in the browser: the page brings the appliances' keys, its script seals, and what comes back is sealed. The
//! fields of the secret have no name, so that no form can send them, whatever the script does.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use vedette_crypto::hpke::Suite;
use vedette_protocol::{
    Fingerprint, Signed,
    api::{Appliance, ApplianceState, KnownKeys, NewCredential, SealedParts},
    credential::CredentialKind,
    owner::ApplianceKeys,
};

use super::{
    credentials::parse,
    page::{Frame, PageError, shown},
    visitor::{Posted, Visitor},
};
use crate::{
    api::{ApiError, appliances, credentials, keys},
    platform::{Platform, Shared},
};

#[derive(Template)]
#[template(path = "credential_new.html")]
struct FormPage {
    frame: Frame,
    org: String,
    /// The credential to seal a new version of; empty: a new one.
    id: String,
    version: u32,
    label: String,
    kinds: [CredentialKind; 9],
    recipients: Vec<Recipient>,
    problem: Option<String>,
}

/// An appliance that can be sealed to.
struct Recipient {
    name: String,
    shown: String,
    fingerprint: String,
    key: String,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    /// The credential to seal a new version of.
    #[serde(default)]
    of: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SealedForm {
    id: String,
    #[serde(default)]
    label: String,
    parts: String,
}

pub(super) async fn form(
    State(platform): State<Shared>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    Ok(shown(
        &page(&platform, &visitor, asked.of.as_deref(), None).await?,
    ))
}

pub(super) async fn keep(
    State(platform): State<Shared>,
    Posted { visitor, form }: Posted<SealedForm>,
) -> Result<Response, PageError> {
    let kept = async {
        let id = parse(&form.id)?;
        let parts: SealedParts = serde_json::from_str(&form.parts).map_err(|_| {
            ApiError::BadRequest("what the page sealed did not arrive whole: open it anew".to_owned())
        })?;
        let new = NewCredential {
            parts: Some(parts),
            label: Some(form.label.clone()),
            ..NewCredential::default()
        };
        credentials::keep(&platform, &visitor.caller, id, &new).await?;
        Ok(id)
    };
    match kept.await {
        Ok(id) => Ok(Redirect::to(&format!("/credentials/{id}")).into_response()),
        Err(error @ ApiError::Internal(_)) => Err(error.into()),
        Err(error) => {
            let page = page(&platform, &visitor, None, Some(error.to_string())).await?;
            Ok((StatusCode::BAD_REQUEST, shown(&page)).into_response())
        }
    }
}

async fn page(
    platform: &Platform,
    visitor: &Visitor,
    of: Option<&str>,
    problem: Option<String>,
) -> Result<FormPage, ApiError> {
    let (id, version, label) = match of {
        None => (String::new(), 1, String::new()),
        Some(id) => {
            let kept = credentials::one(platform, &visitor.caller, parse(id)?).await?;
            (kept.id.to_string(), kept.version.saturating_add(1), kept.label)
        }
    };
    let mut recipients = Vec::new();
    for appliance in appliances::all(platform, &visitor.caller).await? {
        if appliance.state != ApplianceState::Removed && recipients.len() < RECIPIENTS_SHOWN {
            let known = keys::one(platform, &visitor.caller, appliance.id).await?;
            recipients.extend(recipient(&appliance, &known));
        }
    }
    Ok(FormPage {
        frame: visitor.frame("credentials"),
        org: visitor.caller.org().to_string(),
        id,
        version,
        label,
        kinds: CredentialKind::ALL,
        recipients,
        problem,
    })
}

/// What the page needs of an appliance that has said its keys.
fn recipient(appliance: &Appliance, known: &KnownKeys) -> Option<Recipient> {
    let signed = STANDARD.decode(known.keys.as_ref()?).ok()?;
    let signed = Signed::<ApplianceKeys>::from_bytes(&signed).ok()?;
    let said = signed.verify(&known.identity).ok()?;
    Some(Recipient {
        name: appliance.name.clone(),
        shown: appliance.fingerprint.clone(),
        fingerprint: Fingerprint::of(&known.identity).to_string(),
        key: STANDARD.encode(said.credential.of(Suite::XWing).as_bytes()),
    })
}

/// As many as an envelope is sealed to.
const RECIPIENTS_SHOWN: usize = vedette_protocol::envelope::RECIPIENTS_LIMIT;
