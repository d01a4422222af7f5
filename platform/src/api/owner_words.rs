//! Words of owners, on their way to appliances.
//!
//! Each is verified as far as the platform can, so that nobody who may use the API plants one in its owner's way.
//! Saying a word again changes nothing, so that it needs no Idempotency-Key.

use axum::{Json, extract::State, http::StatusCode};
use vedette_crypto::VerifyingKey;
use vedette_protocol::{
    ApplianceId, Fingerprint, KeyId, Message, Signed, Timestamp,
    api::{KeptWord, NewOwnerWord, WordKind},
    copy::{COPY_ORDER_LIMIT, CopyOrder},
    owner::{Epoch, NewEpoch, OwnerWord, Pin, Release, Rotation},
    signed::key_id,
};

use super::{
    body::Body,
    caller::Caller,
    encoded,
    problem::{ApiError, Refusals},
};
use crate::{
    platform::Shared,
    store::{
        Writing,
        appliances::{self, Appliance},
        audit, jobs,
        owner::{self, OrgWord, OrgWordKind},
    },
};

/// A word is no longer than this, encoded: the longest is an order for a copy.
const WORD_LIMIT: usize = COPY_ORDER_LIMIT + 8;

#[utoipa::path(
    post,
    path = "/api/v1/owner-words",
    operation_id = "say_owner_word", tag = "Owner", summary = "Have a word of the owner told to appliances",
    request_body = NewOwnerWord,
    security(("bearer" = [])),
    responses((status = 201, description = "It is kept, and told as soon as they ask", body = KeptWord), Refusals),
)]
pub(super) async fn say(
    State(platform): State<Shared>,
    caller: Caller,
    Body(asked): Body<NewOwnerWord>,
) -> Result<(StatusCode, Json<KeptWord>), ApiError> {
    let word: OwnerWord = encoded::read("word", &asked.word, WORD_LIMIT)?;
    let now = Timestamp::now();
    let mut writing = platform.store.write().await?;
    let kept = match &word {
        OwnerWord::Pin(signed) => pin(&mut writing, &caller, &word, signed).await?,
        OwnerWord::Release(signed) => release(&mut writing, &caller, &word, signed).await?,
        OwnerWord::NewEpoch(signed) => new_epoch(&mut writing, &caller, &word, signed).await?,
        OwnerWord::Rotation(signed) => rotation(&mut writing, &caller, &word, signed).await?,
        OwnerWord::Copy(signed) => copy(&mut writing, &caller, signed).await?,
    };
    let (action, object) = match (kept.kind, kept.appliance) {
        (WordKind::Pin, Some(appliance)) => ("owner.pin", appliance.to_string()),
        (WordKind::Release, Some(appliance)) => ("owner.release", appliance.to_string()),
        (WordKind::Copy, Some(appliance)) => ("owner.copy", appliance.to_string()),
        (WordKind::Rotation, _) => ("owner.rotate", epoch_text(&kept)),
        (WordKind::NewEpoch | WordKind::Pin | WordKind::Release | WordKind::Copy, _) => {
            ("owner.new-epoch", epoch_text(&kept))
        }
    };
    audit::record(&mut writing, caller.org(), caller.actor(), action, &object, now).await?;
    jobs::look_again(&mut writing, caller.org()).await?;
    writing.commit().await?;
    match kept.appliance {
        Some(appliance) => platform.desks.stir(appliance),
        None => platform.desks.stir_all_of(caller.org()),
    }
    Ok((StatusCode::CREATED, Json(kept)))
}

fn epoch_text(kept: &KeptWord) -> String {
    format!("epoch {}", kept.epoch.unwrap_or_default())
}

async fn pin(
    writing: &mut Writing,
    caller: &Caller,
    word: &OwnerWord,
    signed: &Signed<Pin>,
) -> Result<KeptWord, ApiError> {
    let pin = signed
        .verify_self_signed(|pin| pin.owner)
        .map_err(|_| unsigned("a pin is signed by the key that it names"))?;
    if pin.org != caller.org() {
        return Err(elsewhere());
    }
    let appliance = appliance(writing, caller, pin.appliance, pin.identity).await?;
    if appliance.owner.is_some_and(|said| said != pin.owner) {
        return Err(ApiError::Conflict(format!(
            "the appliance {} has another owner key pinned: have it released by that one first, or flash it again",
            appliance.name
        )));
    }
    let before = owner::carried(writing, &appliance).await?.own;
    if let Some(OwnerWord::Pin(before)) = &before
        && let Ok(before) = before.verify_self_signed(|before| before.owner)
        && before.owner == pin.owner
        && before.epoch > pin.epoch
    {
        return Err(older(before.epoch));
    }
    owner::keep_word(writing, caller.org(), pin.appliance, word, Some(&pin.owner)).await?;
    Ok(KeptWord {
        kind: WordKind::Pin,
        appliance: Some(pin.appliance),
        epoch: Some(pin.epoch.0),
    })
}

async fn release(
    writing: &mut Writing,
    caller: &Caller,
    word: &OwnerWord,
    signed: &Signed<Release>,
) -> Result<KeptWord, ApiError> {
    let release = by_known_key(writing, caller, signed).await?.1;
    let appliance = appliance(writing, caller, release.appliance, release.identity).await?;
    let stands = owner::carried(writing, &appliance).await?.ownership();
    if stands.owner.is_none_or(|owner| signed.verify(&owner).is_err()) {
        return Err(ApiError::Conflict(format!(
            "the appliance {} does not have this owner key pinned: there is nothing to release",
            appliance.name
        )));
    }
    owner::keep_word(writing, caller.org(), release.appliance, word, None).await?;
    Ok(KeptWord {
        kind: WordKind::Release,
        appliance: Some(release.appliance),
        epoch: None,
    })
}

async fn new_epoch(
    writing: &mut Writing,
    caller: &Caller,
    word: &OwnerWord,
    signed: &Signed<NewEpoch>,
) -> Result<KeptWord, ApiError> {
    let (_, new) = by_known_key(writing, caller, signed).await?;
    if new.org != caller.org() {
        return Err(elsewhere());
    }
    let kept = OrgWord {
        kind: OrgWordKind::Epoch,
        signer: signed.key(),
        epoch: new.epoch,
        next: None,
        word,
    };
    replace(writing, caller, &kept).await?;
    Ok(KeptWord {
        kind: WordKind::NewEpoch,
        appliance: None,
        epoch: Some(new.epoch.0),
    })
}

async fn rotation(
    writing: &mut Writing,
    caller: &Caller,
    word: &OwnerWord,
    signed: &Signed<Rotation>,
) -> Result<KeptWord, ApiError> {
    let (old, new) = by_known_key(writing, caller, signed).await?;
    if new.org != caller.org() {
        return Err(elsewhere());
    }
    if new.new == old {
        return Err(ApiError::BadRequest(
            "`word` rotates a key to itself: make a new one with `vedette owner rotate`".to_owned(),
        ));
    }
    let kept = OrgWord {
        kind: OrgWordKind::Rotation,
        signer: signed.key(),
        epoch: new.epoch,
        next: Some(&new.new),
        word,
    };
    replace(writing, caller, &kept).await?;
    Ok(KeptWord {
        kind: WordKind::Rotation,
        appliance: None,
        epoch: Some(new.epoch.0),
    })
}

async fn copy(
    writing: &mut Writing,
    caller: &Caller,
    signed: &Signed<CopyOrder>,
) -> Result<KeptWord, ApiError> {
    let (key, order) = by_known_key(writing, caller, signed).await?;
    if order.org != caller.org() {
        return Err(elsewhere());
    }
    let appliance = appliance(writing, caller, order.appliance, order.identity).await?;
    let stands = owner::carried(writing, &appliance).await?.ownership();
    if stands.owner != Some(key) {
        return Err(ApiError::Conflict(format!(
            "the appliance {} does not have this owner key pinned: pin it first, with `vedette appliance confirm`",
            appliance.name
        )));
    }
    let before = match &appliance.copy_order {
        Some(before) if before == signed => None,
        Some(before) => before.danger_read_unverified().ok(),
        None => None,
    };
    if let Some(before) = before.filter(|before| before.number >= order.number) {
        return Err(ApiError::Conflict(format!(
            "order {} for a copy from the appliance {} is kept already: sign this one under a later number",
            before.number, appliance.name
        )));
    }
    appliances::keep_copy_order(writing, caller.org(), order.appliance, signed).await?;
    Ok(KeptWord {
        kind: WordKind::Copy,
        appliance: Some(order.appliance),
        epoch: Some(order.epoch.0),
    })
}

/// Keeps a word to all appliances, unless there is a newer one.
async fn replace(writing: &mut Writing, caller: &Caller, new: &OrgWord<'_>) -> Result<(), ApiError> {
    match owner::org_word(writing, caller.org(), new.kind, new.signer).await? {
        Some((_, before)) if before == *new.word => Ok(()),
        Some((epoch, _)) if epoch >= new.epoch => Err(older(epoch)),
        Some(_) | None => Ok(owner::keep_org_word(writing, caller.org(), new).await?),
    }
}

/// Opens what an owner key of this organisation has signed.
async fn by_known_key<T: Message>(
    writing: &mut Writing,
    caller: &Caller,
    signed: &Signed<T>,
) -> Result<(VerifyingKey, T), ApiError> {
    let known = owner::known_keys(writing, caller.org()).await?;
    let key = known.into_iter().find(|key| key_id(key) == signed.key());
    let key = key.ok_or_else(|| unknown(signed.key()))?;
    let said = signed
        .verify(&key)
        .map_err(|_| unsigned("the signature does not fit"))?;
    Ok((key, said))
}

async fn appliance(
    writing: &mut Writing,
    caller: &Caller,
    id: ApplianceId,
    identity: Fingerprint,
) -> Result<Appliance, ApiError> {
    let appliance = appliances::in_org(writing, caller.org(), id).await?;
    let appliance = appliance
        .filter(|appliance| appliance.removed.is_none())
        .ok_or_else(|| ApiError::NotFound("appliance of the id in `word`".to_owned()))?;
    if Fingerprint::of(&appliance.identity) != identity {
        return Err(ApiError::Conflict(format!(
            "`word` names another identity key than the appliance {} has: compare the fingerprint on its console",
            appliance.name
        )));
    }
    Ok(appliance)
}

fn elsewhere() -> ApiError {
    ApiError::BadRequest("`word` is for another organisation's appliances".to_owned())
}

fn unsigned(why: &str) -> ApiError {
    ApiError::BadRequest(format!("`word` is not signed as it must be: {why}"))
}

fn unknown(key: KeyId) -> ApiError {
    ApiError::Conflict(format!(
        "no appliance has the owner key {key} pinned, by which `word` is signed: pin it first, with `vedette \
         appliance confirm`"
    ))
}

fn older(kept: Epoch) -> ApiError {
    ApiError::Conflict(format!(
        "a word of epoch {} is kept already: sign this one under a later epoch",
        kept.0
    ))
}
