//! Credentials.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use vedette_crypto::credential::CredentialPublicKey;
use vedette_crypto::hpke::Suite;
use vedette_protocol::credential::{HEADER_VERSION, Header, Login};
use vedette_protocol::{CredentialId, Envelope, Fingerprint, Timestamp};

use super::{Outcome, Show, owner, pool};
use crate::arguments::{Credential as Asked, CredentialCommand, CredentialSeal};
use crate::owner::{Confirmed, Kept, Owner};
use crate::places::{Shown, Trusting, places};
use crate::sealing::login;
use crate::table::Table;

pub(super) async fn run(asked: Asked, show: Show) -> Result<Outcome> {
    let access = asked.access;
    match asked.command {
        CredentialCommand::Seal(asked) => {
            let platform = asked.out.platform()?;
            let pools = pool::named(platform.as_ref(), &asked.pools).await?;
            let held = access.hold()?;
            let CredentialSeal {
                kind,
                targets,
                secret,
                out,
                label,
                ..
            } = *asked;
            let trusting = Trusting {
                host_keys: asked.host_keys,
                spki: asked.spki,
                first_seen: asked.accept_first_seen,
                cleartext: asked.cleartext_ok,
            };
            let places = places(kind, &targets, &trusting)?;
            let header = Header {
                vedette: HEADER_VERSION,
                org: held
                    .owner
                    .standing
                    .org
                    .context("no appliance is confirmed yet; compare the fingerprint of one, and run `vedette appliance confirm`")?,
                credential: CredentialId::random(),
                version: 1,
                kind,
                appliances: recipients(&pool::members(&held.owner, &asked.appliances, &pools, show)?),
                places,
            };
            let suite = secret.suite.into();
            let kept = Kept {
                label: label.unwrap_or_else(|| format!("{kind} at {}", header.places[0].host)),
                envelope: sealed(&held.owner, &header, &login(kind, secret)?, suite)?,
                disabled: false,
            };
            let signatory = access.unlock(held)?;
            let change = signatory.keep(&kept)?;
            let owner = owner::make(signatory, change, &out, platform.as_ref()).await?;
            show.value(&as_json(&kept, &header), || {
                let mut table = record(&kept, &header, &owner);
                table.note("`vedette grant sign --credential` lets a grant use it");
                out.note(&mut table);
                table
            })?;
        }
        CredentialCommand::List => {
            let owner = access.read()?;
            let mut all = Vec::new();
            for kept in &owner.credentials {
                all.push((kept, kept.header()?));
            }
            let values: Vec<_> = all.iter().map(|(kept, header)| as_json(kept, header)).collect();
            show.value(&values, || table(&all))?;
        }
        CredentialCommand::Show { credential } => {
            let owner = access.read()?;
            let kept = owner.credential(&credential)?;
            let header = kept.header()?;
            show.value(&as_json(kept, &header), || record(kept, &header, &owner))?;
        }
        CredentialCommand::Rotate {
            credential,
            appliances,
            pools,
            secret,
            out,
        } => {
            let platform = out.platform()?;
            let pools = pool::named(platform.as_ref(), &pools).await?;
            let held = access.hold()?;
            let kept = held.owner.credential(&credential)?.clone();
            let mut header = kept.header()?;
            let meant = pool::members(&held.owner, &appliances, &pools, show)?;
            if !meant.is_empty() {
                header.appliances = recipients(&meant);
            }
            header.version = header
                .version
                .checked_add(1)
                .context("there is no version after this one")?;
            let suite = secret.suite.into();
            let kept = Kept {
                envelope: sealed(&held.owner, &header, &login(header.kind, secret)?, suite)?,
                ..kept
            };
            let signatory = access.unlock(held)?;
            let change = signatory.renew(&kept, Timestamp::now())?;
            let owner = owner::make(signatory, change, &out, platform.as_ref()).await?;
            show.value(&as_json(&kept, &header), || {
                let mut table = record(&kept, &header, &owner);
                out.note(&mut table);
                table
            })?;
        }
        CredentialCommand::Disable { credential, out } => {
            let platform = out.platform()?;
            let held = access.hold()?;
            let kept = held.owner.credential(&credential)?.clone();
            let signatory = access.unlock(held)?;
            let change = signatory.disable(&kept, Timestamp::now())?;
            let owner = owner::make(signatory, change, &out, platform.as_ref()).await?;
            done(&kept, "disabled", "no grant names it", &owner, &out, show)?;
        }
        CredentialCommand::Enable { credential, out } => {
            let platform = out.platform()?;
            let held = access.hold()?;
            let kept = held.owner.credential(&credential)?.clone();
            ensure!(kept.disabled, "{} is not disabled", kept.label);
            let signatory = access.unlock(held)?;
            let change = signatory.enable(&kept)?;
            let owner = owner::make(signatory, change, &out, platform.as_ref()).await?;
            let what = "no grant names it yet; `vedette grant sign --credential` does";
            done(&kept, "enabled", what, &owner, &out, show)?;
        }
        CredentialCommand::Remove { credential, out } => {
            let platform = out.platform()?;
            let held = access.hold()?;
            let kept = held.owner.credential(&credential)?.clone();
            let signatory = access.unlock(held)?;
            let change = signatory.remove(&kept, Timestamp::now())?;
            let owner = owner::make(signatory, change, &out, platform.as_ref()).await?;
            let what = "no grant names it; change the secret itself where it was used, if it may be known";
            done(&kept, "removed", what, &owner, &out, show)?;
        }
    }
    Ok(Outcome::Done)
}

fn recipients(appliances: &[&Confirmed]) -> Vec<Fingerprint> {
    let mut recipients: Vec<_> = appliances.iter().map(|one| one.fingerprint()).collect();
    recipients.sort_unstable();
    recipients.dedup();
    recipients
}

fn sealed(owner: &Owner, header: &Header, login: &Login, suite: Suite) -> Result<Envelope> {
    let keys = header
        .appliances
        .iter()
        .map(|fingerprint| {
            owner
                .appliances
                .iter()
                .find(|one| one.fingerprint() == *fingerprint)
                .map(|one| one.credential.clone())
                .with_context(|| {
                    format!("the appliance with the fingerprint {fingerprint} is not confirmed any more; seal the credential anew with `vedette credential seal`")
                })
        })
        .collect::<Result<Vec<CredentialPublicKey>>>()?;
    Ok(Envelope::seal(header, login, suite, &keys)?)
}

fn done(
    kept: &Kept,
    did: &str,
    what: &str,
    owner: &Owner,
    out: &crate::arguments::Out,
    show: Show,
) -> Result<()> {
    let id = kept.name()?.id;
    show.value(
        &json!({ "id": id, "done": did, "epoch": owner.standing.epoch }),
        || {
            let mut table = Table::record();
            table.row([did, &format!("{} ({id})", kept.label)]);
            table.row(["epoch", &owner.standing.epoch.0.to_string()]);
            table.note(what);
            out.note(&mut table);
            table
        },
    )
}

fn as_json(kept: &Kept, header: &Header) -> serde_json::Value {
    json!({
        "id": header.credential,
        "label": kept.label,
        "disabled": kept.disabled,
        "header": header,
        "suites": kept.envelope.sealed().iter().map(|one| one.suite).collect::<Vec<_>>(),
    })
}

fn table(all: &[(&Kept, Header)]) -> Table {
    let mut table = Table::list(["ID", "LABEL", "KIND", "VERSION", "PLACES", "STATE"]);
    for (kept, header) in all {
        let places: Vec<String> = header
            .places
            .iter()
            .map(|place| format!("{} port {}", place.host, place.port))
            .collect();
        table.row([
            &header.credential.to_string(),
            &kept.label,
            header.kind.name(),
            &header.version.to_string(),
            &places.join(", "),
            if kept.disabled { "disabled" } else { "" },
        ]);
    }
    table.when_empty("no credentials; `vedette credential seal` makes one");
    table
}

fn record(kept: &Kept, header: &Header, owner: &Owner) -> Table {
    let mut table = Table::record();
    table.row(["id", &header.credential.to_string()]);
    table.row(["label", &kept.label]);
    table.row(["kind", header.kind.name()]);
    table.row(["version", &header.version.to_string()]);
    table.row(["state", if kept.disabled { "disabled" } else { "sealed" }]);
    for place in &header.places {
        table.row(["place", &Shown(place).to_string()]);
    }
    for one in kept.envelope.sealed() {
        let known = owner
            .appliances
            .iter()
            .find(|known| known.fingerprint() == one.appliance);
        let name = known.map_or_else(
            || one.appliance.to_string(),
            |known| format!("{} ({})", known.name, known.appliance),
        );
        let suite = match one.suite {
            Suite::XWing => "X-Wing",
            Suite::X25519 => "X25519",
        };
        table.row(["sealed to", &format!("{name}, {suite}")]);
    }
    let named =
        |grant: &&vedette_protocol::Grant| grant.credentials.iter().any(|used| used.id == header.credential);
    for grant in owner.grants.iter().filter(named) {
        table.row(["in grant", &grant.id.to_string()]);
    }
    table
}
