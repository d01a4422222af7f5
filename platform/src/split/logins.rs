//! The logins of a scan: for each place of a credential that is a target, a part of its own.

use std::collections::BTreeSet;

use vedette_protocol::{
    Target, Targets,
    credential::{Header, Place},
    job::Checks,
    target::{Ports, Span},
};

use super::{LOGINS_LIMIT, Run, SplitError, names, only_names, runs};
use crate::store::jobs::Part;

/// The parts that log in with a credential, each for those of the scan's checks that its kind is for. A place's port need
/// not be one that is scanned.
///
/// # Errors
/// When there is nowhere to log in, or too much of it.
pub fn logins(
    targets: &Targets,
    exclude: &[Target],
    checks: &Checks,
    credential: &Header,
) -> Result<Vec<Part>, SplitError> {
    let Header {
        credential,
        kind,
        places,
        ..
    } = credential;
    let (runs, names) = (runs(targets, exclude), names(targets, exclude));
    let common = |place: &Place| -> Vec<Run> {
        let of_place = place.host.span().map(Run::of);
        let both = |run: &Run| of_place.as_ref().and_then(|place| place.common(run));
        runs.iter().filter_map(both).collect()
    };
    let count: u128 = places.iter().flat_map(common).map(|run| run.len()).sum();
    if count > LOGINS_LIMIT {
        return Err(SplitError::TooManyLogins(count));
    }
    // Places may overlap.
    let mut at: BTreeSet<(Target, u16)> = BTreeSet::new();
    for place in places {
        let addresses = common(place).into_iter().flat_map(|run| run.span().addresses());
        at.extend(addresses.map(|address| (Target::Span(Span::one(address)), place.port)));
        if names
            .iter()
            .any(|name| place.host == Target::Name((*name).clone()))
        {
            at.insert((place.host.clone(), place.port));
        }
    }
    if at.is_empty() {
        return Err(SplitError::NowhereToLogIn(*credential));
    }
    let checks = checks.behind(*kind);
    let part = |(target, port): (Target, u16)| {
        let exclude = match target {
            Target::Span(_) => only_names(exclude),
            Target::Name(_) => exclude.to_vec(),
        };
        Some(Part {
            targets: vec![target].try_into().ok()?,
            exclude,
            hosts: 1,
            checks: checks.clone(),
            ports: Some(Ports::one(kind.transport(), port)?),
            login: Some(*credential),
        })
    };
    Ok(at.into_iter().filter_map(part).collect())
}

#[cfg(test)]
mod tests {
    use vedette_protocol::{
        CredentialId, OrgId,
        credential::{CredentialKind, HEADER_VERSION, Trust},
        job::Check,
    };

    use super::*;

    const CREDENTIAL: CredentialId = CredentialId([7; 16]);

    fn all() -> Checks {
        Check::ALL.to_vec().try_into().unwrap()
    }

    fn header(kind: CredentialKind, places: Vec<Place>) -> Header {
        Header {
            vedette: HEADER_VERSION,
            org: OrgId([1; 16]),
            credential: CREDENTIAL,
            version: 1,
            kind,
            places,
            appliances: vec![],
        }
    }

    fn list(texts: &[&str]) -> Vec<Target> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn at(
        targets: &[&str],
        exclude: &[&str],
        places: &[(&str, u16)],
    ) -> Result<Vec<(String, String)>, SplitError> {
        let place = |&(host, port): &(&str, u16)| Place {
            host: host.parse().unwrap(),
            port,
            trust: Trust::FirstSeen,
        };
        let parts = logins(
            &list(targets).try_into().unwrap(),
            &list(exclude),
            &all(),
            &header(CredentialKind::SshKey, places.iter().map(place).collect()),
        )?;
        Ok(parts
            .iter()
            .map(|part| {
                let [target] = part.targets.as_slice() else {
                    panic!("{part:?}")
                };
                assert_eq!(part.login, Some(CREDENTIAL));
                let ports = part.ports.as_ref().unwrap();
                (target.to_string(), ports.to_string())
            })
            .collect())
    }

    #[test]
    fn each_place_that_is_a_target_is_a_part_of_its_own() {
        let places = [
            ("192.0.2.0/30", 22),
            ("192.0.2.2-9", 22),
            ("198.51.100.1", 22),
            ("web.lan", 2222),
        ];
        let parts = at(&["192.0.2.1-4", "web.lan", "old.lan"], &["192.0.2.3"], &places).unwrap();
        let texts: Vec<_> = parts
            .iter()
            .map(|(host, port)| format!("{host} {port}"))
            .collect();
        assert_eq!(
            texts,
            ["192.0.2.1 22", "192.0.2.2 22", "192.0.2.4 22", "web.lan 2222"]
        );
    }

    #[test]
    fn what_is_checked_behind_a_login_is_what_was_asked_for_and_its_kind_is_for() {
        let place = Place {
            host: "192.0.2.1".parse().unwrap(),
            port: 443,
            trust: Trust::FirstSeen,
        };
        let checked = |kind, asked: &Checks| {
            let targets = list(&["192.0.2.1"]).try_into().unwrap();
            let parts = logins(&targets, &[], asked, &header(kind, vec![place.clone()])).unwrap();
            let [part] = parts.as_slice() else {
                panic!("{parts:?}")
            };
            part.checks.iter().collect::<Vec<_>>()
        };
        let inventory = Checks::try_from(vec![Check::Inventory]).unwrap();
        for (kind, behind) in [
            (
                CredentialKind::Form,
                vec![Check::Http, Check::Inventory, Check::Web],
            ),
            (CredentialKind::SshPassword, vec![Check::Inventory]),
        ] {
            assert_eq!(checked(kind, &all()), behind);
            assert_eq!(checked(kind, &inventory), [Check::Inventory]);
        }
    }

    #[test]
    fn a_credential_for_other_hosts_is_refused() {
        let nowhere = Err(SplitError::NowhereToLogIn(CREDENTIAL));
        assert_eq!(at(&["192.0.2.1"], &[], &[("192.0.2.2", 22)]), nowhere);
        assert_eq!(
            at(&["192.0.2.1"], &["192.0.2.0/24"], &[("192.0.2.1", 22)]),
            nowhere
        );
        assert_eq!(at(&["a.lan", "b.lan"], &["a.lan"], &[("a.lan", 22)]), nowhere);
        assert_eq!(at(&["192.0.2.1"], &[], &[("2001:db8::1", 22)]), nowhere);
    }

    #[test]
    fn there_is_an_end_to_logins() {
        let all = at(&["10.0.0.0/20"], &[], &[("10.0.0.0/20", 22)]).unwrap();
        assert_eq!(all.len(), 4096);
        assert_eq!(
            at(&["10.0.0.0/16"], &[], &[("10.0.0.0/16", 22)]),
            Err(SplitError::TooManyLogins(65_536))
        );
    }
}
