//! Pools.

use anyhow::{Context, Result};
use vedette_protocol::PoolId;
use vedette_protocol::api::{Appliance, NewPool, Pool};

use super::{Outcome, Show, appliance};
use crate::arguments;
use crate::choice::choose;
use crate::membership;
use crate::owner::{Confirmed, Owner};
use crate::platform::Platform;
use crate::table::Table;

pub(super) async fn run(platform: &Platform, asked: arguments::Pool, show: Show) -> Result<Outcome> {
    match asked {
        arguments::Pool::Create { name, appliances } => {
            let mut members = Vec::new();
            for given in &appliances {
                members.push(appliance::find(platform, given).await?.id);
            }
            let path = format!("/pools/{}", PoolId::random());
            platform.put(&path, &NewPool { name }).await?;
            for member in members {
                platform.put(&format!("{path}/appliances/{member}"), &()).await?;
            }
            let pool: Pool = platform.find(&path).await?;
            let known = platform.list("/appliances").await?;
            show.value(&pool, || table(std::slice::from_ref(&pool), &known))?;
        }
        arguments::Pool::List => {
            let pools: Vec<Pool> = platform.list("/pools").await?;
            let known = platform.list("/appliances").await?;
            show.value(&pools, || table(&pools, &known))?;
        }
        arguments::Pool::Add { pool, appliance } => {
            let pool = find(platform, &pool).await?;
            let appliance = appliance::find(platform, &appliance).await?;
            platform
                .put(&format!("/pools/{}/appliances/{}", pool.id, appliance.id), &())
                .await?;
            show.note(&format!(
                "{} is in {}; where it has an owner, it is given jobs under grants that name it: `vedette grant sign --pool`",
                appliance.name, pool.name
            ))?;
        }
        arguments::Pool::TakeOut { pool, appliance } => {
            let pool = find(platform, &pool).await?;
            let appliance = appliance::find(platform, &appliance).await?;
            platform
                .delete(&format!("/pools/{}/appliances/{}", pool.id, appliance.id))
                .await?;
            show.note(&format!(
                "{} is not in {} any more; the grants that name it hold for it until you revoke them",
                appliance.name, pool.name
            ))?;
        }
        arguments::Pool::Remove { pool } => {
            let pool = find(platform, &pool).await?;
            platform.delete(&format!("/pools/{}", pool.id)).await?;
            show.note(&format!("removed {}", pool.name))?;
        }
    }
    Ok(Outcome::Done)
}

/// The pool that is meant.
pub(super) async fn find(platform: &Platform, given: &str) -> Result<Pool> {
    let pools: Vec<Pool> = platform.list("/pools").await?;
    choose(
        "pool",
        given,
        &pools,
        |pool| pool.id.to_string(),
        |pool| Some(&pool.name),
    )
    .cloned()
}

/// The pools that are meant, as the platform tells them.
pub(super) async fn named(platform: Option<&Platform>, given: &[String]) -> Result<Vec<Pool>> {
    let mut pools = Vec::new();
    for given in given {
        let platform = platform.context(
            "who is in a pool is asked of the platform, which --out does not speak to; name the appliances with --appliance",
        )?;
        pools.push(find(platform, given).await?);
    }
    Ok(pools)
}

/// The confirmed appliances that are named, one by one and as members of pools; shown, since the platform says who the
/// members are.
pub(super) fn members<'a>(
    owner: &'a Owner,
    appliances: &[String],
    pools: &[Pool],
    show: Show,
) -> Result<Vec<&'a Confirmed>> {
    let mut all = appliances
        .iter()
        .map(|given| owner.appliance(given))
        .collect::<Result<Vec<_>>>()?;
    for pool in pools {
        let confirmed = membership::confirmed(pool, &owner.appliances)?;
        for one in &confirmed {
            show.note(&format!(
                "in {}: {} ({}), fingerprint {}",
                pool.name,
                one.name,
                one.appliance,
                one.identity.fingerprint()
            ))?;
        }
        all.extend(confirmed);
    }
    all.sort_by_key(|one| one.fingerprint());
    all.dedup_by_key(|one| one.fingerprint());
    Ok(all)
}

fn table(pools: &[Pool], known: &[Appliance]) -> Table {
    let mut table = Table::list(["ID", "NAME", "APPLIANCES", "CREATED"]);
    for pool in pools {
        let names: Vec<String> = pool
            .appliances
            .iter()
            .map(|id| {
                let one = known.iter().find(|one| one.id == *id);
                one.map_or_else(|| id.to_string(), |one| one.name.clone())
            })
            .collect();
        table.row([
            &pool.id.to_string(),
            &pool.name,
            &names.join(", "),
            &pool.created.to_string(),
        ]);
    }
    table.when_empty("no pools; make one with `vedette pool create`");
    table
}
