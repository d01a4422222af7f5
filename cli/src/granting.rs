//! Making a grant of what was asked for: what it spans, what it leaves out, how long it holds. Names are resolved
//! before; here is no I/O.

use std::num::NonZeroU32;
use std::time::Duration;

use vedette_protocol::credential::CredentialUse;
use vedette_protocol::grant::{Envelopes, GRANT_LIST_LIMIT, Window};
use vedette_protocol::job::{Check, Checks};
use vedette_protocol::scope::{Area, Run};
use vedette_protocol::target::{Ports, Span};
use vedette_protocol::{Grant, GrantId, Target, Timestamp};

use crate::moment::Moment;
use crate::owner::{Confirmed, Kept, Standing};

/// How long a grant holds unless another time is asked for.
pub(crate) const USUAL: Duration = Duration::from_hours(30 * 24);

/// The longest that may be asked for.
pub(crate) const LONGEST: Duration = Duration::from_hours(366 * 24);

/// An appliance's clock may be behind the operator's: a grant holds from a little before it was signed.
const SLACK: Duration = Duration::from_hours(1);

/// What was asked for, with names resolved.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) appliances: Vec<&'a Confirmed>,
    pub(crate) targets: Vec<Span>,
    pub(crate) exclude: Vec<Span>,
    pub(crate) ports: Ports,
    pub(crate) checks: Checks,
    pub(crate) rate: Option<NonZeroU32>,
    pub(crate) windows: Vec<Window>,
    pub(crate) from: Option<Moment>,
    pub(crate) until: Option<Moment>,
    pub(crate) credentials: Vec<&'a Kept>,
    pub(crate) envelopes: Envelopes,
}

/// Why no such grant is signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrantError {
    #[error(
        "no appliance is confirmed yet; compare the fingerprint of one, and run `vedette appliance confirm`"
    )]
    NoOrganisation,
    #[error("the grant would have ended before it is signed, at {0}; give a later --until")]
    Past(Timestamp),
    #[error(
        "the grant would end at {until}, before it begins at {from}; give a later --until or an earlier --from"
    )]
    Backwards { from: Timestamp, until: Timestamp },
    #[error("a grant holds for {} days at most; give an earlier --until, and sign it again before then", LONGEST.as_secs() / 86_400)]
    TooLong,
    #[error("{count} {what} given, and a grant has {GRANT_LIST_LIMIT} at most; sign several grants")]
    TooMany { what: &'static str, count: usize },
    #[error("the exclusions leave nothing of the targets")]
    Nothing,
    #[error(
        "a job logs in for the check `inventory` alone, and does its others there; add it to --checks, or leave --credential out"
    )]
    NoInventory,
    #[error("credential {label} is disabled; `vedette credential enable` lets it be granted again")]
    Disabled { label: String },
    #[error(
        "credential {label} is not sealed to appliance {appliance}, which could not open it; seal it again"
    )]
    NotSealedTo { label: String, appliance: String },
    #[error("credential {label} may be used at {places} alone, and the grant spans none of it on that port")]
    Elsewhere { label: String, places: String },
    #[error("reading credential {label}, which was kept")]
    Unreadable { label: String },
}

/// Makes the grant.
pub(crate) fn make(
    wish: &Wish<'_>,
    id: GrantId,
    standing: Standing,
    now: Timestamp,
) -> Result<Grant, GrantError> {
    let org = standing.org.ok_or(GrantError::NoOrganisation)?;
    let (from, until) = times(wish, now)?;
    for (what, count) in [
        ("appliances", wish.appliances.len()),
        ("targets", wish.targets.len()),
        ("exclusions", wish.exclude.len()),
        ("windows", wish.windows.len()),
        ("credentials", wish.credentials.len()),
    ] {
        if count > GRANT_LIST_LIMIT {
            return Err(GrantError::TooMany { what, count });
        }
    }
    let area = area(&wish.targets, &wish.exclude);
    if area.runs().is_empty() {
        return Err(GrantError::Nothing);
    }
    let credentials = wish
        .credentials
        .iter()
        .map(|kept| usable(kept, wish, &area))
        .collect::<Result<_, _>>()?;
    Ok(Grant {
        id,
        org,
        appliances: wish.appliances.iter().map(|one| one.fingerprint()).collect(),
        epoch: standing.epoch,
        targets: wish.targets.clone(),
        exclude: wish.exclude.clone(),
        ports: wish.ports.clone(),
        checks: wish.checks.clone(),
        rate: wish.rate,
        windows: wish.windows.clone(),
        from,
        until,
        credentials,
        envelopes: wish.envelopes,
    })
}

/// What there is to say of exclusions: where they cut into each other or into nothing. They win all the same.
pub(crate) fn remarks(targets: &[Span], exclude: &[Span]) -> Vec<String> {
    let shown = |span: &Span| Target::Span(*span).to_string();
    let mut remarks = Vec::new();
    for (index, cut) in exclude.iter().enumerate() {
        if !targets.iter().any(|target| overlap(target, cut)) {
            remarks.push(format!(
                "exclusion {} lies outside all targets, and changes nothing",
                shown(cut)
            ));
        }
        for other in &exclude[index + 1..] {
            if overlap(cut, other) {
                remarks.push(format!("exclusions {} and {} overlap", shown(cut), shown(other)));
            }
        }
    }
    remarks
}

/// How many addresses are left.
pub(crate) fn count(grant: &Grant) -> u128 {
    let number = |address| match address {
        std::net::IpAddr::V4(v4) => u128::from(u32::from(v4)),
        std::net::IpAddr::V6(v6) => u128::from(v6),
    };
    let runs = area(&grant.targets, &grant.exclude).runs();
    runs.iter()
        .map(|&(first, last)| number(last) - number(first) + 1)
        .sum()
}

fn times(wish: &Wish<'_>, now: Timestamp) -> Result<(Timestamp, Timestamp), GrantError> {
    let earliest = Timestamp(now.0.saturating_sub(SLACK.as_secs()));
    let from = wish.from.map_or(earliest, |from| from.from(now));
    let until = wish
        .until
        .map_or_else(|| from.max(now).after(USUAL), |until| until.from(now));
    if until <= now {
        Err(GrantError::Past(until))
    } else if until <= from {
        Err(GrantError::Backwards { from, until })
    } else if until.since(from.max(now)) > LONGEST {
        Err(GrantError::TooLong)
    } else {
        Ok((from, until))
    }
}

fn usable(kept: &Kept, wish: &Wish<'_>, area: &Area) -> Result<CredentialUse, GrantError> {
    let label = || kept.label.clone();
    if !wish.checks.contains(Check::Inventory) {
        return Err(GrantError::NoInventory);
    }
    if kept.disabled {
        return Err(GrantError::Disabled { label: label() });
    }
    let header = kept
        .header()
        .map_err(|_| GrantError::Unreadable { label: label() })?;
    let foreign = |one: &&&Confirmed| !header.appliances.contains(&one.fingerprint());
    if let Some(appliance) = wish.appliances.iter().find(foreign) {
        return Err(GrantError::NotSealedTo {
            label: label(),
            appliance: appliance.name.clone(),
        });
    }
    // A name is resolved on the appliance: what it stands for is not known here.
    let reached = |host: &Target| {
        host.span().is_none_or(|span| {
            area.runs()
                .iter()
                .any(|&(first, last)| overlap_bounds((first, last), span.bounds()))
        })
    };
    if header
        .places
        .iter()
        .any(|place| wish.ports.contains(header.kind.transport(), place.port) && reached(&place.host))
    {
        Ok(CredentialUse {
            id: header.credential,
            version: header.version,
        })
    } else {
        let places: Vec<String> = header
            .places
            .iter()
            .map(|place| format!("{} port {}", place.host, place.port))
            .collect();
        Err(GrantError::Elsewhere {
            label: label(),
            places: places.join(", "),
        })
    }
}

fn area(targets: &[Span], exclude: &[Span]) -> Area {
    let targets: Vec<Target> = targets.iter().copied().map(Target::Span).collect();
    Area::new(&targets, &[], &[]).without(exclude.iter().copied())
}

fn overlap(one: &Span, other: &Span) -> bool {
    overlap_bounds(one.bounds(), other.bounds())
}

fn overlap_bounds(one: Run, other: Run) -> bool {
    one.0.is_ipv4() == other.0.is_ipv4() && one.0 <= other.1 && other.0 <= one.1
}

#[cfg(test)]
mod tests;
