//! The operator's copy.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use vedette_crypto::roots::{PinnedRoot, PinnedRoots};
use vedette_protocol::api::KnownCopy;
use vedette_protocol::copy::{COPY_ORDER_LIMIT, Collector, CopyOrder, CopyStanding, CopyState, Delivery};
use vedette_protocol::{ApplianceId, Signed, Timestamp};

use super::{Outcome, Show, owner, platform};
use crate::arguments::{Copy as Asked, CopyCommand, CopySet, Out};
use crate::file;
use crate::owner::{Confirmed, Owner};
use crate::platform::Platform;
use crate::table::Table;

pub(super) async fn run(asked: Asked, show: Show) -> Result<Outcome> {
    let access = asked.access;
    match asked.command {
        CopyCommand::Set(asked) => {
            let collector = collector(&asked)?;
            let client_ca = asked.client_ca.as_deref();
            order(
                &access,
                &asked.appliances,
                Some(collector),
                client_ca,
                &asked.out,
                show,
            )
            .await?;
        }
        CopyCommand::Off { appliances, out } => order(&access, &appliances, None, None, &out, show).await?,
        CopyCommand::Show { appliances } => {
            let owner = access.read()?;
            let chosen = chosen(&owner, &appliances)?;
            let reached = platform();
            let mut copies = Vec::new();
            for confirmed in chosen {
                copies.push(look(&owner, confirmed, reached.as_ref().ok()).await?);
            }
            show.value(&copies, || {
                let mut table = table(&copies);
                if let Err(error) = &reached {
                    table.note(&format!("what the appliances say of it is not known: {error:#}"));
                }
                for copy in &copies {
                    if let Some(why) = &copy.doubt {
                        table.note(&format!("{}: {why}", copy.name));
                    }
                }
                table
            })?;
        }
    }
    Ok(Outcome::Done)
}

/// What is known of one appliance's copy.
#[derive(Debug, Serialize)]
struct Known {
    name: String,
    appliance: ApplianceId,
    /// What the owner ordered last.
    order: Option<CopyOrder>,
    /// What the appliance says, by the platform's word.
    said: Option<CopyStanding>,
    /// Why the platform is not to be believed here, or not yet.
    doubt: Option<String>,
}

async fn order(
    access: &crate::arguments::Access,
    appliances: &[String],
    collector: Option<Collector>,
    client_ca: Option<&Path>,
    out: &Out,
    show: Show,
) -> Result<()> {
    let platform = out.platform()?;
    let held = access.hold()?;
    let mut orders = chosen(&held.owner, appliances)?
        .into_iter()
        .map(|confirmed| ordered(&held.owner, confirmed, collector.clone(), Timestamp::now()))
        .collect::<Result<Vec<_>>>()?;
    let signatory = access.unlock(held)?;
    if let Some(path) = client_ca {
        for order in &mut orders {
            signatory.certify(order)?;
        }
        file::create(path, &signatory.client_authority()?)?;
    }
    let change = signatory.order_copies(&orders);
    let owner = owner::make(signatory, change, out, platform.as_ref()).await?;
    let copies: Vec<Known> = orders
        .into_iter()
        .map(|order| Known {
            name: name_of(&owner, order.appliance),
            appliance: order.appliance,
            order: Some(order),
            said: None,
            doubt: None,
        })
        .collect();
    show.value(&copies, || {
        let mut table = table(&copies);
        table.note(
            "`vedette copy show` says when the appliance has taken it; your collector shows what comes",
        );
        out.note(&mut table);
        table
    })
}

/// An order that follows on the last one. Numbers are no earlier than the clock, so that they rise on every machine
/// from which an owner signs.
fn ordered(
    owner: &Owner,
    confirmed: &Confirmed,
    collector: Option<Collector>,
    now: Timestamp,
) -> Result<CopyOrder> {
    let last = owner.copy(confirmed.appliance).map_or(0, |order| order.number);
    Ok(CopyOrder {
        org: confirmed.org,
        appliance: confirmed.appliance,
        identity: confirmed.fingerprint(),
        epoch: owner.standing.epoch,
        number: last
            .checked_add(1)
            .context("there is no number after this one")?
            .max(now.0),
        collector,
    })
}

fn collector(asked: &CopySet) -> Result<Collector> {
    let mut roots = Vec::new();
    for path in &asked.roots {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        roots.extend(PinnedRoot::all_from_pem(&text).with_context(|| told(path))?);
    }
    let collector = Collector {
        at: asked.collector.clone(),
        name: asked.name.clone(),
        roots: PinnedRoots::new(roots)?,
        delivery: if asked.best_effort {
            Delivery::BestEffort
        } else {
            Delivery::Required
        },
        certificate: None,
    };
    // Room for what stands around it, and for a certificate.
    ensure!(
        vedette_protocol::codec::encode(&collector).len() <= COPY_ORDER_LIMIT - 1024,
        "the CAs come to more than an order for a copy holds; give the one alone that the collector's certificate \
         comes from"
    );
    Ok(collector)
}

fn told(path: &Path) -> String {
    format!(
        "{} is not the CA that a collector's certificate comes from",
        path.display()
    )
}

fn chosen<'a>(owner: &'a Owner, given: &[String]) -> Result<Vec<&'a Confirmed>> {
    if given.is_empty() {
        return Ok(owner.appliances.iter().collect());
    }
    given.iter().map(|given| owner.appliance(given)).collect()
}

async fn look(owner: &Owner, confirmed: &Confirmed, platform: Option<&Platform>) -> Result<Known> {
    let order = owner.copy(confirmed.appliance).cloned();
    let known: Option<KnownCopy> = match platform {
        Some(platform) => Some(
            platform
                .find(&format!("/appliances/{}/copy", confirmed.appliance))
                .await?,
        ),
        None => None,
    };
    let doubt = known
        .as_ref()
        .and_then(|known| doubt(owner, order.as_ref(), known));
    Ok(Known {
        name: confirmed.name.clone(),
        appliance: confirmed.appliance,
        order,
        said: known.map(|known| known.said),
        doubt,
    })
}

fn doubt(owner: &Owner, order: Option<&CopyOrder>, known: &KnownCopy) -> Option<String> {
    let carried = known
        .order
        .as_ref()
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| Signed::<CopyOrder>::from_bytes(&bytes).ok())
        .and_then(|signed| signed.verify(&owner.key()).ok());
    let number = order.map_or(0, |order| order.number);
    if carried.as_ref() != order {
        Some(
            "the platform does not carry your last order; `vedette owner deliver` sends what waits"
                .to_owned(),
        )
    } else if let Some(why) = known.said.refused {
        Some(format!("the appliance refuses an order: {why}"))
    } else if known.said.number < number {
        Some("the appliance has not taken your last order yet".to_owned())
    } else {
        None
    }
}

fn name_of(owner: &Owner, appliance: ApplianceId) -> String {
    owner
        .appliances
        .iter()
        .find(|confirmed| confirmed.appliance == appliance)
        .map_or_else(|| appliance.to_string(), |confirmed| confirmed.name.clone())
}

fn table(copies: &[Known]) -> Table {
    let mut table = Table::list(["APPLIANCE", "COLLECTOR", "CA", "DELIVERY", "ORDER", "STATE"]);
    for copy in copies {
        let order = copy.order.as_ref();
        let collector = order.and_then(|order| order.collector.as_ref());
        let roots = collector.map_or_else(String::new, |collector| {
            let names: Vec<&str> = collector.roots.iter().map(|root| root.name.as_str()).collect();
            names.join(", ")
        });
        table.row([
            &copy.name,
            &collector.map_or_else(|| "none".to_owned(), |collector| collector.at.to_string()),
            &roots,
            collector.map_or("", |collector| match collector.delivery {
                Delivery::Required => "required",
                Delivery::BestEffort => "best effort",
            }),
            &order.map_or_else(String::new, |order| order.number.to_string()),
            &copy.said.map_or_else(|| "unknown".to_owned(), state),
        ]);
    }
    table.when_empty("no confirmed appliances; `vedette appliance confirm` takes one in");
    table
}

fn state(said: CopyStanding) -> String {
    let state = match said.state {
        CopyState::Off => "off".to_owned(),
        CopyState::Connecting => "connecting".to_owned(),
        CopyState::Flowing => "flowing".to_owned(),
        CopyState::Stuck(trouble) => format!("stuck: {trouble}"),
    };
    match said.missed {
        0 => state,
        missed => format!("{state}; {missed} messages are not in it"),
    }
}
