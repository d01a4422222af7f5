//! Appliances.

mod keys;

use anyhow::Result;
use vedette_protocol::api::{ActivateCode, Appliance, ApplianceState, RemovalReceipt};

use super::{Outcome, Show, platform};
use crate::arguments;
use crate::choice::choose;
use crate::platform::Platform;
use crate::table::Table;

pub(super) async fn run(asked: arguments::Appliance, show: Show) -> Result<Outcome> {
    match asked {
        arguments::Appliance::List => {
            let appliances: Vec<Appliance> = platform()?.list("/appliances").await?;
            show.value(&appliances, || table(&appliances))?;
        }
        arguments::Appliance::Show { appliance } => {
            let appliance = find(&platform()?, &appliance).await?;
            show.value(&appliance, || record(&appliance))?;
        }
        arguments::Appliance::Activate { code, name } => {
            let appliance: Appliance = platform()?
                .post("/appliances/activate", &ActivateCode { code, name })
                .await?;
            show.value(&appliance, || {
                let mut table = record(&appliance);
                table.note("compare the fingerprint with the one on the appliance's console");
                table
            })?;
        }
        arguments::Appliance::Keys { appliance } => {
            keys::show(&platform()?, &appliance).await?;
        }
        arguments::Appliance::Confirm(asked) => keys::confirm(asked, show).await?,
        arguments::Appliance::Release {
            access,
            appliance,
            out,
        } => keys::release(&access, &appliance, &out, show).await?,
        arguments::Appliance::Remove { appliance } => {
            let platform = platform()?;
            let appliance = find(&platform, &appliance).await?;
            let receipt: RemovalReceipt = platform
                .delete_for(&format!("/appliances/{}", appliance.id))
                .await?;
            show.value(&receipt, || {
                let mut table = Table::record();
                table.row(["removed", &appliance.name]);
                table.row(["id", &receipt.appliance.to_string()]);
                table.row(["key destroyed", &receipt.destroyed.to_string()]);
                table.row(["backups expired by", &receipt.backups_expired_by.to_string()]);
                table
            })?;
        }
    }
    Ok(Outcome::Done)
}

/// The appliance that is meant.
pub(super) async fn find(platform: &Platform, given: &str) -> Result<Appliance> {
    let appliances: Vec<Appliance> = platform.list("/appliances").await?;
    choose(
        "appliance",
        given,
        &appliances,
        |appliance| appliance.id.to_string(),
        |appliance| Some(&appliance.name),
    )
    .cloned()
}

fn table(appliances: &[Appliance]) -> Table {
    let mut table = Table::list(["ID", "NAME", "STATE", "SEEN", "BOOTS", "ALARM"]);
    for appliance in appliances {
        table.row([
            &appliance.id.to_string(),
            &appliance.name,
            state(appliance.state),
            &appliance
                .seen
                .map_or_else(|| "never".to_owned(), |seen| seen.to_string()),
            &appliance.boots.to_string(),
            if appliance.clone_alarm.is_some() {
                "clone"
            } else {
                ""
            },
        ]);
    }
    table
        .when_empty("no appliances; flash one with an activation token, or activate the code on its console");
    table
}

fn record(appliance: &Appliance) -> Table {
    let mut table = Table::record();
    table.row(["id", &appliance.id.to_string()]);
    table.row(["name", &appliance.name]);
    table.row(["state", state(appliance.state)]);
    table.row(["fingerprint", &appliance.fingerprint]);
    table.row(["activated", &appliance.activated.to_string()]);
    table.row([
        "seen",
        &appliance
            .seen
            .map_or_else(|| "never".to_owned(), |seen| seen.to_string()),
    ]);
    table.row(["boots", &appliance.boots.to_string()]);
    table.row(["image", appliance.image.as_deref().unwrap_or("unknown")]);
    if let Some(alarm) = appliance.clone_alarm {
        table.row(["clone alarm", &format!("a second copy tried to boot at {alarm}")]);
    }
    table
}

fn state(state: ApplianceState) -> &'static str {
    match state {
        ApplianceState::Activated => "activated",
        ApplianceState::Online => "online",
        ApplianceState::Offline => "offline",
        ApplianceState::Removed => "removed",
    }
}
