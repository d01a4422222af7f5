//! The TLS audit against real servers, and against peers made by hand where no server of today can be had:
//! each weakness with a server that has it and a sound twin.
#![cfg(test)]

mod by_hand;
mod certificates;
mod flaws;
mod hostile;
mod openssl;
mod starttls;
mod suites;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use vedette_protocol::{
    Finding, PortSet, Report, Scope,
    finding::{Evidence, FindingType, Kind, TlsVersion},
    job::{Check, Checks},
};
use vedette_scanner::Aids;
use vedette_tests::scan::{gather_here, scan_of};

/// What an audit brought.
struct Audited {
    findings: Vec<Finding>,
    report: Report,
}

/// Audits one endpoint on this machine.
fn audit(endpoint: SocketAddr) -> Audited {
    assert_eq!(endpoint.ip(), Ipv4Addr::LOCALHOST);
    let ports = PortSet::from_ports([endpoint.port()]).unwrap();
    let scope = Scope::new(&["127.0.0.1".parse().unwrap()], &[], &[], ports);
    let checks = Checks::try_from(vec![Check::Ports, Check::Tls]).unwrap();
    let scan = scan_of(scope, checks, Duration::from_secs(120));
    let (findings, report) = gather_here(scan, Aids::default()).unwrap();
    Audited { findings, report }
}

impl Audited {
    /// The weaknesses, but for those of the test certificate itself.
    fn weaknesses(&self) -> BTreeSet<FindingType> {
        let found = self
            .findings
            .iter()
            .filter(|finding| finding.kind == Kind::Weakness);
        found
            .map(|finding| finding.type_)
            .filter(|type_| *type_ != FindingType::TlsCertificateSelfSigned)
            .collect()
    }

    fn evidence(&self, type_: FindingType) -> Vec<Evidence> {
        let found = self.findings.iter().filter(|finding| finding.type_ == type_);
        found.flat_map(|finding| finding.evidence.clone()).collect()
    }

    fn versions(&self) -> BTreeSet<TlsVersion> {
        let evidence = self.evidence(FindingType::TlsVersions).into_iter();
        let offered = evidence.filter_map(|evidence| match evidence {
            Evidence::TlsVersion {
                version,
                offered: true,
            } => Some(version),
            _ => None,
        });
        offered.collect()
    }

    fn suites(&self, of: TlsVersion) -> Vec<String> {
        let evidence = self.evidence(FindingType::TlsSuites).into_iter();
        let suites = evidence.filter_map(|evidence| match evidence {
            Evidence::TlsSuite { version, suite } if version == of => Some(suite.to_string()),
            _ => None,
        });
        suites.collect()
    }

    fn groups(&self) -> Vec<String> {
        let evidence = self.evidence(FindingType::TlsGroups).into_iter();
        let groups = evidence.filter_map(|evidence| match evidence {
            Evidence::TlsGroup { group } => Some(group.to_string()),
            _ => None,
        });
        groups.collect()
    }

    fn features(&self) -> BTreeSet<String> {
        let evidence = self.evidence(FindingType::TlsFeatures).into_iter();
        let features = evidence.filter_map(|evidence| match evidence {
            Evidence::Feature { name, value } => Some(format!("{name}: {value}")),
            _ => None,
        });
        features.collect()
    }

    fn grade(&self) -> Option<String> {
        self.evidence(FindingType::TlsGrade)
            .pop()
            .and_then(|evidence| match evidence {
                Evidence::Grade { grade } => Some(grade.to_string()),
                _ => None,
            })
    }
}
