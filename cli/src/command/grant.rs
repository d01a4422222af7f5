//! Grants.

use anyhow::{Context, Result};
use vedette_protocol::grant::Envelopes;
use vedette_protocol::job::Checks;
use vedette_protocol::target::Span;
use vedette_protocol::{Grant, GrantId, Target, Timestamp};

use super::{Outcome, Show, owner, pool};
use crate::arguments::{Grant as Asked, GrantCommand, GrantSign};
use crate::granting::{self, Wish};
use crate::names::resolve;
use crate::owner::{Confirmed, Owner};
use crate::table::Table;

pub(super) async fn run(asked: Asked, show: Show) -> Result<Outcome> {
    let access = asked.access;
    match asked.command {
        GrantCommand::Sign(asked) => {
            let platform = asked.out.platform()?;
            let (targets, names) = resolve(&asked.targets).await.context("resolving the targets")?;
            let (exclude, excluded) = resolve(&asked.exclude)
                .await
                .context("resolving the exclusions")?;
            let remarks = granting::remarks(&targets, &exclude);
            let pools = pool::named(platform.as_ref(), &asked.pools).await?;
            let held = access.hold()?;
            let appliances = pool::members(&held.owner, &asked.appliances, &pools, show)?;
            let grant = wished(&held.owner, &asked, appliances, targets, exclude)?;
            let signatory = access.unlock(held)?;
            let change = signatory.grant(&grant);
            let owner = owner::make(signatory, change, &asked.out, platform.as_ref()).await?;
            show.value(&grant, || {
                let mut table = record(&grant, &owner, Timestamp::now());
                for resolved in names.iter().chain(&excluded) {
                    let addresses: Vec<String> = resolved.addresses.iter().map(ToString::to_string).collect();
                    table.note(&format!(
                        "{} is {} in this grant, whatever it stands for later",
                        resolved.name.as_str(),
                        addresses.join(", ")
                    ));
                }
                for remark in &remarks {
                    table.note(remark);
                }
                asked.out.note(&mut table);
                table
            })?;
        }
        GrantCommand::List => {
            let owner = access.read()?;
            show.value(&owner.grants, || table(&owner, Timestamp::now()))?;
        }
        GrantCommand::Show { grant } => {
            let owner = access.read()?;
            let grant = owner.grant(&grant)?;
            show.value(grant, || record(grant, &owner, Timestamp::now()))?;
        }
        GrantCommand::Revoke { grants, out } => {
            let platform = out.platform()?;
            let held = access.hold()?;
            let revoked = grants
                .iter()
                .map(|given| held.owner.grant(given).map(|grant| grant.id))
                .collect::<Result<Vec<GrantId>>>()?;
            let signatory = access.unlock(held)?;
            let change = signatory.revoke(&revoked, Timestamp::now())?;
            let owner = owner::make(signatory, change, &out, platform.as_ref()).await?;
            show.value(&owner.grants, || {
                let mut table = Table::record();
                for id in &revoked {
                    table.row(["revoked", &id.to_string()]);
                }
                table.row(["epoch", &owner.standing.epoch.0.to_string()]);
                table.row(["grants that remain", &owner.grants.len().to_string()]);
                out.note(&mut table);
                table
            })?;
        }
    }
    Ok(Outcome::Done)
}

fn wished(
    owner: &Owner,
    asked: &GrantSign,
    appliances: Vec<&Confirmed>,
    targets: Vec<Span>,
    exclude: Vec<Span>,
) -> Result<Grant> {
    let wish = Wish {
        appliances,
        targets,
        exclude,
        ports: asked.ports.clone(),
        checks: Checks::try_from(asked.checks.clone())?,
        rate: asked.rate,
        windows: asked.windows.clone(),
        from: asked.from,
        until: asked.until,
        credentials: asked
            .credentials
            .iter()
            .map(|given| owner.credential(given))
            .collect::<Result<_>>()?,
        envelopes: if asked.accept_browser_sealed {
            Envelopes::AlsoUnsigned
        } else {
            Envelopes::Signed
        },
    };
    granting::make(&wish, GrantId::random(), owner.standing, Timestamp::now()).context("signing the grant")
}

fn table(owner: &Owner, now: Timestamp) -> Table {
    let mut table = Table::list(["ID", "STATE", "TARGETS", "PORTS", "CHECKS", "UNTIL"]);
    for grant in &owner.grants {
        table.row([
            &grant.id.to_string(),
            state(grant, owner, now),
            &shortened(&grant.targets),
            &grant.ports.to_string(),
            &checks(grant),
            &grant.until.to_string(),
        ]);
    }
    table.when_empty("no grants; `vedette grant sign` makes one");
    table
}

fn record(grant: &Grant, owner: &Owner, now: Timestamp) -> Table {
    let mut table = Table::record();
    table.row(["id", &grant.id.to_string()]);
    table.row(["state", state(grant, owner, now)]);
    for fingerprint in &grant.appliances {
        let known = owner
            .appliances
            .iter()
            .find(|one| one.fingerprint() == *fingerprint);
        let name = known.map_or_else(
            || fingerprint.to_string(),
            |one| format!("{} ({})", one.name, one.appliance),
        );
        table.row(["appliance", &name]);
    }
    for span in &grant.targets {
        table.row(["target", &Target::Span(*span).to_string()]);
    }
    for span in &grant.exclude {
        table.row(["but not", &Target::Span(*span).to_string()]);
    }
    table.row(["addresses", &granting::count(grant).to_string()]);
    table.row(["ports", &grant.ports.to_string()]);
    table.row(["checks", &checks(grant)]);
    table.row([
        "rate",
        &grant.rate.map_or_else(
            || "the appliance's own".to_owned(),
            |rate| format!("{rate} packets a second at most"),
        ),
    ]);
    for window in &grant.windows {
        table.row(["window", &window.to_string()]);
    }
    table.row(["from", &grant.from.to_string()]);
    table.row(["until", &grant.until.to_string()]);
    for used in &grant.credentials {
        let kept = owner
            .credentials
            .iter()
            .find(|kept| kept.name().is_ok_and(|name| name.id == used.id));
        let label = kept.map_or("", |kept| &kept.label);
        table.row([
            "credential",
            &format!("{label} ({}), version {} or later", used.id, used.version),
        ]);
    }
    if grant.envelopes == Envelopes::AlsoUnsigned {
        table.row(["credentials", "sealed in a browser count too"]);
    }
    table.row(["epoch", &grant.epoch.0.to_string()]);
    table
}

fn state(grant: &Grant, owner: &Owner, now: Timestamp) -> &'static str {
    if grant.epoch < owner.standing.epoch {
        // Only what a crash left: with the next epoch it is signed anew.
        "of an older epoch"
    } else if now >= grant.until {
        "expired"
    } else if now < grant.from {
        "not yet"
    } else {
        "holds"
    }
}

fn checks(grant: &Grant) -> String {
    let names: Vec<&str> = grant.checks.iter().map(|check| check.name()).collect();
    names.join(",")
}

fn shortened(spans: &[Span]) -> String {
    let mut shown: Vec<String> = spans
        .iter()
        .take(2)
        .map(|span| Target::Span(*span).to_string())
        .collect();
    if spans.len() > 2 {
        shown.push(format!("and {} more", spans.len() - 2));
    }
    shown.join(", ")
}
