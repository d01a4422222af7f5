//! `keys`: what an appliance says of its keys, to whoever seals to it. Kept as it signed it. That it seals to another
//! key than before is an alarm: its vault was lost, or somebody wants to read what was not meant for him.

use axum::extract::State;
use vedette_crypto::{credential::CredentialPublicKey, hpke::Suite};
use vedette_protocol::{
    Signed, Timestamp,
    link::{KeysOutcome, KeysRequest},
    owner::ApplianceKeys,
};

use super::{
    boot, poll,
    request::{FromAppliance, LinkError, Reply},
};
use crate::{
    platform::{Platform, Shared},
    store::{
        appliances::{self, Appliance},
        audit::{self, Actor},
        jobs,
        owner::{self, CredentialKey},
    },
};

pub(super) async fn keys(
    State(platform): State<Shared>,
    FromAppliance {
        peer,
        request,
        digest,
    }: FromAppliance<KeysRequest>,
) -> Result<Reply, LinkError> {
    let said = request.keys.verify(&peer.identity)?;
    if said.appliance != peer.appliance {
        return Err(LinkError::Unauthenticated);
    }
    let sized = |suite: Suite, length| said.credential.of(suite).as_bytes().len() == length;
    if !sized(Suite::X25519, 32) || !sized(Suite::XWing, 1216) {
        return Err(LinkError::Malformed);
    }
    let now = Timestamp::now();
    let outcome = match poll::attend(&platform, peer.appliance, request.boot).await? {
        Err(refusal) => {
            boot::note(&platform, peer.appliance, refusal, now).await?;
            KeysOutcome::Refused(refusal)
        }
        Ok(desk) if said.org != desk.org => return Err(LinkError::Malformed),
        Ok(desk) => {
            if keep(&platform, &request.keys, &said, now).await? == News::Some {
                desk.stir();
            }
            KeysOutcome::Kept
        }
    };
    Ok(platform.reply::<KeysRequest>(digest, now, outcome))
}

/// Whether something was said that was not known.
#[derive(PartialEq, Eq)]
enum News {
    Some,
    None,
}

async fn keep(
    platform: &Platform,
    signed: &Signed<ApplianceKeys>,
    said: &ApplianceKeys,
    now: Timestamp,
) -> Result<News, LinkError> {
    let mut reading = platform.store.read().await?;
    let known = appliances::with_id(&mut reading, said.appliance).await?;
    drop(reading);
    // Each boot says the same: that is no reason to wait for the writer.
    if known.is_some_and(|known| known.keys == Some(signed.to_bytes()) && known.word.is_none()) {
        return Ok(News::None);
    }
    let mut writing = platform.store.write().await?;
    let Some(before) = appliances::with_id(&mut writing, said.appliance).await? else {
        return Ok(News::None);
    };
    let credential = match credential_key(&before) {
        Some(key) if key != said.credential => CredentialKey::Changed,
        Some(_) | None => CredentialKey::Same,
    };
    owner::keep_keys(
        &mut writing,
        &before,
        signed,
        said.owner.as_ref(),
        credential,
        now,
    )
    .await?;
    let actor = Actor(said.appliance.to_string());
    let mut events = Vec::new();
    if credential == CredentialKey::Changed {
        tracing::warn!(appliance = %said.appliance, "credentials are sealed to another key of this appliance from now on");
        events.push("appliance.credential-key-changed");
    }
    if before.owner != said.owner {
        events.push(match said.owner {
            Some(_) => "appliance.owner-pinned",
            None => "appliance.owner-released",
        });
    }
    let object = match &said.owner {
        Some(key) => format!("{} owner {}", said.appliance, key.fingerprint()),
        None => said.appliance.to_string(),
    };
    for event in events {
        audit::record(&mut writing, before.org, &actor, event, &object, now).await?;
    }
    jobs::look_again(&mut writing, before.org).await?;
    writing.commit().await?;
    Ok(News::Some)
}

/// The key that it said before. Its signature was verified when it came in.
fn credential_key(appliance: &Appliance) -> Option<CredentialPublicKey> {
    let signed = Signed::<ApplianceKeys>::from_bytes(appliance.keys.as_ref()?).ok()?;
    Some(signed.danger_read_unverified().ok()?.credential)
}
