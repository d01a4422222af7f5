//! An appliance's keys, and whose it is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use vedette_crypto::Secret;
use vedette_protocol::api::KnownKeys;
use zeroize::Zeroizing;

use super::super::{Show, owner, platform, print};
use super::find;
use crate::arguments::{Access, ApplianceConfirm, Out};
use crate::confirm::{self, Proof};
use crate::password::Source;
use crate::platform::Platform;
use crate::table::Table;

/// Prints the keys as a document that can be carried elsewhere. It is JSON in any case.
pub(super) async fn show(platform: &Platform, given: &str) -> Result<()> {
    let (_, known) = asked_for(platform, given).await?;
    print(&format!("{}\n", serde_json::to_string_pretty(&known)?))
}

/// Compares the keys, and pins the owner key.
pub(super) async fn confirm(asked: ApplianceConfirm, show: Show) -> Result<()> {
    // The file of a confirmation may be all that leaves this machine: then no platform is needed at all.
    let reached = asked.out.platform()?;
    let (name, known) = match (&asked.from, &reached) {
        (Some(file), _) => (asked.appliance.clone(), from_file(file)?),
        (None, Some(platform)) => asked_for(platform, &asked.appliance).await?,
        (None, None) => asked_for(&platform()?, &asked.appliance).await?,
    };
    let proof = match (asked.fingerprint, asked.enrolment) {
        (Some(typed), _) => Proof::Fingerprint(typed),
        (None, Some(file)) => Proof::Enrolment(enrolment_secret(&file)?),
        (None, None) => anyhow::bail!("give --fingerprint or --enrolment"),
    };
    let held = asked.access.hold()?;
    let key = held.owner.key();
    let confirmed = confirm::confirm(&known, &name, &proof, &key)
        .with_context(|| format!("confirming {name} ({})", known.appliance))?;
    let signatory = asked.access.unlock(held)?;
    let change = signatory.confirm(&confirmed)?;
    owner::make(signatory, change, &asked.out, reached.as_ref()).await?;
    let value = json!({
        "id": confirmed.appliance,
        "name": confirmed.name,
        "fingerprint": confirmed.identity.fingerprint(),
        "owner": key.fingerprint(),
    });
    show.value(&value, || {
        let mut table = Table::record();
        table.row(["confirmed", &confirmed.name]);
        table.row(["id", &confirmed.appliance.to_string()]);
        table.row(["fingerprint", &confirmed.identity.fingerprint()]);
        table.row(["owner", &key.fingerprint()]);
        table
            .note("once its console shows this owner, it does nothing without a grant: `vedette grant sign`");
        asked.out.note(&mut table);
        table
    })
}

/// Lets an appliance go.
pub(super) async fn release(access: &Access, given: &str, out: &Out, show: Show) -> Result<()> {
    let platform = out.platform()?;
    let held = access.hold()?;
    let confirmed = held.owner.appliance(given)?.clone();
    let signatory = access.unlock(held)?;
    let change = signatory.release(&confirmed);
    owner::make(signatory, change, out, platform.as_ref()).await?;
    let value = json!({ "id": confirmed.appliance, "name": confirmed.name });
    show.value(&value, || {
        let mut table = Table::record();
        table.row([
            "released",
            &format!("{} ({})", confirmed.name, confirmed.appliance),
        ]);
        table.note("it does what the platform says again; what was sealed to it stays sealed to it");
        out.note(&mut table);
        table
    })
}

/// What the platform calls it, and what it says of its keys.
async fn asked_for(platform: &Platform, given: &str) -> Result<(String, KnownKeys)> {
    let appliance = find(platform, given).await?;
    let known: KnownKeys = platform
        .find(&format!("/appliances/{}/keys", appliance.id))
        .await
        .with_context(|| format!("asking for the keys of {}", appliance.name))?;
    ensure!(
        known.appliance == appliance.id,
        "the platform was asked for the keys of {}, and answered with those of {}",
        appliance.id,
        known.appliance
    );
    Ok((appliance.name, known))
}

fn from_file(file: &Path) -> Result<KnownKeys> {
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(DOCUMENT).read_to_string(&mut text))
        .with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not what `vedette appliance keys` printed", file.display()))
}

/// As `vedette-image flash --enrolment-out` writes it: 32 bytes in base64.
fn enrolment_secret(file: &Path) -> Result<Secret<32>> {
    let text = Source::File(file.to_owned()).line("", "", 64)?;
    let bytes = STANDARD.decode(text.as_bytes()).map(Zeroizing::new).ok();
    bytes.and_then(|bytes| Secret::copied(&bytes)).with_context(|| {
        format!(
            "{} is not what `vedette-image flash --enrolment-out` wrote",
            file.display()
        )
    })
}

/// A document is some kilobytes.
const DOCUMENT: u64 = 64 * 1024;
