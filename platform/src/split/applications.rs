//! The web applications of a scan: a part for each, either where its operator says that they are, or where its services
//! were found to be web servers.

use vedette_protocol::{
    Finding, Ports, Target, Targets,
    finding::{Evidence, FindingType, Transport},
    job::{Check, Checks},
    target::{HostName, Span},
};

use super::{Run, SplitError, only_names};
use crate::store::jobs::Part;

/// A scan tests this many web applications at most: each may take hours.
pub const APPLICATIONS_LIMIT: usize = 256;

/// Where web applications are that nobody has looked for.
///
/// # Panics
/// Never: a test parses it.
pub(super) fn usual_ports() -> Ports {
    "80,443".parse().expect("two ports")
}

/// Whether web applications are tested where web servers are found, instead of wherever they might be.
pub(super) fn follow(checks: &Checks) -> bool {
    checks.contains(Check::Services)
}

/// One part for each port of each host.
pub(super) fn applications(
    runs: &[Run],
    names: &[&HostName],
    exclude: &[Target],
    ports: &Ports,
) -> Result<Vec<Part>, SplitError> {
    let over_tcp: Vec<u16> = ports
        .over(Transport::Tcp)
        .map(|ports| ports.iter().collect())
        .unwrap_or_default();
    let hosts = runs.iter().map(Run::len).sum::<u128>() + names.len() as u128;
    let count = hosts.saturating_mul(over_tcp.len() as u128);
    if count > APPLICATIONS_LIMIT as u128 {
        return Err(SplitError::TooManyApplications(count));
    }
    let addresses = runs.iter().flat_map(|run| run.span().addresses());
    let addresses = addresses.map(|address| Target::Span(Span::one(address)));
    let names = names.iter().map(|name| Target::Name((*name).clone()));
    Ok(addresses
        .chain(names)
        .flat_map(|target| {
            over_tcp
                .iter()
                .filter_map(move |port| part(target.clone(), exclude, *port))
        })
        .collect())
}

/// The part that tests the web application behind a service, if that is a web server.
pub fn application(found: &Finding, exclude: &[Target]) -> Option<Part> {
    let is_web = found.evidence.iter().any(
        |evidence| matches!(evidence, Evidence::Product { protocol, .. } if matches!(protocol.as_str(), "http" | "tls/http")),
    );
    if found.type_ != FindingType::Service || found.transport != Transport::Tcp || !is_web {
        return None;
    }
    part(found.target.as_str().parse().ok()?, exclude, found.port?)
}

fn part(target: Target, exclude: &[Target], port: u16) -> Option<Part> {
    Some(Part {
        exclude: match target {
            // A name may stand for an excluded address, and an excluded name for this one.
            Target::Span(_) => only_names(exclude),
            Target::Name(_) => exclude.to_vec(),
        },
        targets: Targets::try_from(vec![target]).ok()?,
        hosts: 1,
        checks: vec![Check::Web].try_into().ok()?,
        ports: Some(Ports::one(Transport::Tcp, port)?),
        login: None,
    })
}

#[cfg(test)]
mod tests {
    use vedette_protocol::finding::{Confidence, FindingPlace, Label};

    use super::*;
    use crate::split::{split, usual_ports};

    fn checks(checks: &[Check]) -> Checks {
        checks.to_vec().try_into().unwrap()
    }

    fn targets(texts: &[&str]) -> Vec<Target> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn parts(
        wanted: &[&str],
        exclude: &[&str],
        ports: &str,
        of: &[Check],
    ) -> Result<Vec<String>, SplitError> {
        let wanted = targets(wanted).try_into().unwrap();
        let parts = split(&wanted, &targets(exclude), &ports.parse().unwrap(), &checks(of))?;
        let web = parts.iter().filter(|part| part.checks.contains(Check::Web));
        Ok(web
            .map(|part| {
                assert_eq!(part.checks, checks(&[Check::Web]));
                format!("{} {}", part.targets.as_slice()[0], part.ports.as_ref().unwrap())
            })
            .collect())
    }

    #[test]
    fn each_port_of_each_host_is_an_application_of_its_own() {
        let web = [Check::Web];
        assert_eq!(
            parts(
                &["192.0.2.0/30", "shop.lan"],
                &["192.0.2.1-3"],
                "80,8443,U:53",
                &web
            )
            .unwrap(),
            ["192.0.2.0 80", "192.0.2.0 8443", "shop.lan 80", "shop.lan 8443"]
        );
        assert_eq!(usual_ports(&checks(&web)).to_string(), "80,443");
        assert_eq!(
            parts(&["192.0.2.0/24"], &[], "80,443", &web),
            Err(SplitError::TooManyApplications(512))
        );
        assert_eq!(
            parts(&["192.0.2.1"], &[], "U:53", &web),
            Err(SplitError::NothingLeft)
        );
    }

    #[test]
    fn where_services_are_looked_for_applications_follow_them() {
        let of = [Check::Ports, Check::Services, Check::Web];
        assert!(parts(&["192.0.2.0/24"], &[], "1-65535", &of).unwrap().is_empty());
        let found = |type_, protocol: &str| {
            let place = FindingPlace::port("192.0.2.7".parse().unwrap(), 8080);
            let mut found = Finding::new(type_, place, Confidence::Certain);
            found.evidence.push(Evidence::Product {
                protocol: Label::cut(protocol).unwrap(),
                product: None,
                version: None,
            });
            application(&found, &targets(&["192.0.2.1", "b.lan"]))
        };
        let part = found(FindingType::Service, "http").unwrap();
        assert_eq!(part.targets.as_slice(), targets(&["192.0.2.7"]));
        assert_eq!(part.exclude, targets(&["b.lan"]));
        assert_eq!(
            (&part.ports, &part.checks),
            (&"8080".parse().ok(), &checks(&[Check::Web]))
        );
        assert_eq!(found(FindingType::Service, "tls/http"), Some(part));
        assert_eq!(found(FindingType::Service, "ssh"), None);
        assert_eq!(found(FindingType::OpenPort, "http"), None);
    }
}
