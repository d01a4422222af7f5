//! The engine against real servers from Debian's packages: each is recognised, what is set up badly is found,
//! and its sound twin is accused of nothing.
#![cfg(test)]

use std::{collections::BTreeSet, process::Command, time::Duration};

use anyhow::{Context, Result};
use vedette_protocol::{
    Finding, Report, Scope,
    finding::{Evidence, FindingType, Kind, Outcome},
    job::{Check, Checks},
    scope::Resolved,
};
use vedette_scanner::Aids;
use vedette_tests::scan::{gather_here, scan_of};
use vedette_tests::{
    lab::{Lab, Target},
    servers::{self, Packages, Running, Server, Start},
};

/// Runs a scan where the lab's servers are.
fn scan(lab: &Lab, targets: &str, ports: &str, checks: &[Check]) -> Result<(Vec<Finding>, Report)> {
    let names = Target::ALL.into_iter().map(|target| {
        Ok(Resolved {
            name: target.host_name().parse()?,
            addresses: vec![lab.address(target).into()],
        })
    });
    let targets: Vec<_> = targets.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let scope = Scope::new(&targets, &[], &names.collect::<Result<Vec<_>>>()?, ports.parse()?);
    let scan = scan_of(
        scope,
        Checks::try_from(checks.to_vec())?,
        Duration::from_secs(120),
    );
    lab.inside(|| gather_here(scan, Aids::default()))?
}

fn weaknesses(findings: &[Finding], target: &str) -> BTreeSet<(FindingType, Option<u16>, String)> {
    let about = findings
        .iter()
        .filter(|finding| finding.kind == Kind::Weakness && finding.target.as_str() == target);
    about
        .map(|finding| {
            let detail = finding.parameter.as_ref().map(ToString::to_string);
            let detail = detail.or_else(|| finding.url.as_ref().map(ToString::to_string));
            (finding.type_, finding.port, detail.unwrap_or_default())
        })
        .collect()
}

/// What dpkg says that is installed: the truth that versions are held to.
fn installed(package: &str) -> Result<String> {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Version}", package])
        .output()?;
    String::from_utf8(output.stdout).context("reading dpkg's answer")
}

#[test]
fn each_server_is_recognised_and_its_version_is_what_dpkg_says() {
    let lab = Lab::start(&Target::ALL).unwrap();
    let address = |target: Target| lab.address(target).to_string();
    let targets = Target::ALL.map(address).join(",");
    let (findings, report) = scan(&lab, &targets, "1-10000", &[Check::Ports, Check::Services]).unwrap();
    assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");

    let on = |target: Target| target.ports().iter().map(move |port| (target, *port));
    let expected: BTreeSet<_> = Target::ALL
        .into_iter()
        .flat_map(on)
        .map(|(target, port)| (address(target), Some(port)))
        .collect();
    let ports = findings
        .iter()
        .filter(|finding| finding.type_ == FindingType::OpenPort);
    let open: BTreeSet<_> = ports
        .map(|finding| (finding.target.to_string(), finding.port))
        .collect();
    assert_eq!(open, expected);

    for (target, port, product, package) in [
        (Target::Ssh, 22, "OpenSSH", Some("openssh-server")),
        (Target::BadWeb, 80, "nginx", Some("nginx")),
        (Target::BadWeb, 443, "nginx", Some("nginx")),
        // It hides its version.
        (Target::GoodWeb, 80, "nginx", None),
        (Target::GoodWeb, 443, "nginx", None),
        (Target::Redis, 6379, "Redis", Some("redis-server")),
        (Target::Ftp, 21, "vsFTPd", Some("vsftpd")),
        // It tells its version to nobody who has not logged in.
        (Target::Postgres, 5432, "PostgreSQL", None),
        (Target::Mariadb, 3306, "MariaDB", Some("mariadb-server")),
        (Target::Smtp, 25, "aiosmtpd", Some("python3-aiosmtpd")),
    ] {
        let host = address(target);
        let here = |finding: &&Finding| finding.port == Some(port) && finding.target.as_str() == host;
        let mut services = findings
            .iter()
            .filter(|finding| finding.type_ == FindingType::Service)
            .filter(here);
        let service = services
            .next()
            .unwrap_or_else(|| panic!("{target:?} on port {port} was not recognised"));
        assert_eq!(
            service.product.as_ref().map(ToString::to_string).as_deref(),
            Some(product)
        );
        let version = service.version.as_ref().map(ToString::to_string);
        match package.map(|package| installed(package).unwrap()) {
            Some(truth) => {
                assert!(
                    version
                        .as_ref()
                        .is_some_and(|version| truth.contains(version.as_str())),
                    "{version:?}, {truth}"
                );
            }
            None => assert_eq!(version, None),
        }
    }
    let redis = weaknesses(&findings, &address(Target::Redis));
    assert!(redis.contains(&(FindingType::RedisNoAuthentication, Some(6379), String::new())));
    assert!(findings.iter().all(Finding::id_is_right));
}

#[test]
fn small_servers_are_recognised_and_their_versions_are_what_dpkg_says() {
    let quick: Vec<&Server> = servers::ALL
        .iter()
        .filter(|server| server.start == Start::Quick)
        .collect();
    let packages = Packages::installed(&quick).unwrap();
    let lab = Lab::start(&[]).unwrap();
    let running = servers::start(&lab, &quick, &packages).unwrap();
    let addresses: Vec<String> = running.iter().map(|server| server.address.to_string()).collect();
    let ports = "22,53,80,1883,4222,8888,11211";
    let (findings, report) = scan(
        &lab,
        &addresses.join(","),
        ports,
        &[Check::Ports, Check::Services],
    )
    .unwrap();
    assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
    for Running { server, address, .. } in &running {
        let services: Vec<&Finding> = findings
            .iter()
            .filter(|finding| finding.type_ == FindingType::Service)
            .filter(|finding| finding.target.as_str() == address.to_string())
            .collect();
        let [service] = services.as_slice() else {
            panic!("{}: {services:?}", server.package)
        };
        let product = service.product.as_ref().map(ToString::to_string);
        assert_eq!(product.as_deref(), Some(server.product));
        let version = service
            .version
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let truth = packages.version(server);
        assert!(
            !version.is_empty() && truth.contains(&version),
            "{}: {version:?}, {truth}",
            server.package
        );
        // And it has a name that vulnerabilities are looked up by, with that version in it.
        let named = service.evidence.iter().any(|fact| match fact {
            Evidence::Platform { cpe } => cpe.as_str().contains(&version),
            _ => false,
        });
        assert!(named, "{}: {:?}", server.package, service.evidence);
    }
}

#[test]
fn a_badly_kept_web_server_is_found_out() {
    let lab = Lab::start(&[Target::BadWeb]).unwrap();
    let name = Target::BadWeb.host_name();
    let checks = [Check::Ports, Check::Tls, Check::Http];
    let (findings, report) = scan(&lab, &name, "80,443", &checks).unwrap();
    assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
    let found = weaknesses(&findings, &name);
    for port in [80, 443] {
        for (type_, detail) in [
            (FindingType::HttpExposedGit, "/.git/HEAD"),
            (FindingType::HttpExposedEnv, "/.env"),
            (FindingType::HttpDirectoryListing, "/files/"),
            (FindingType::HttpServerVersion, "Server"),
            (FindingType::HttpHeaderMissing, "Content-Security-Policy"),
            (FindingType::HttpHeaderMissing, "X-Content-Type-Options"),
        ] {
            assert!(
                found.contains(&(type_, Some(port), detail.to_owned())),
                "{type_} {detail} on {port}: {found:?}"
            );
        }
    }
    for type_ in [
        FindingType::TlsCertificateExpired,
        FindingType::TlsCertificateSelfSigned,
        FindingType::TlsNoTls13,
    ] {
        assert!(
            found.contains(&(type_, Some(443), String::new())),
            "{type_}: {found:?}"
        );
    }
}

#[test]
fn a_well_kept_web_server_is_accused_of_nothing() {
    let lab = Lab::start(&[Target::GoodWeb]).unwrap();
    for target in [
        Target::GoodWeb.host_name(),
        lab.address(Target::GoodWeb).to_string(),
    ] {
        let (findings, report) = scan(&lab, &target, "80,443", &Check::ALL).unwrap();
        assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
        assert_eq!(weaknesses(&findings, &target), BTreeSet::new());
        assert!(
            findings
                .iter()
                .any(|finding| finding.type_ == FindingType::TlsVersions)
        );
    }
}
