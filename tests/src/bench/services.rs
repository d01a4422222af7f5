//! Thirty real services, beside `nmap -sV`: is each product recognised, is its version what dpkg says, and how long does
//! it take for all of them together? Both stand in the same network, one after the other.

mod nmap;
mod ours;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::Result;

use super::amount::Amount;
use super::figure::Figure;
use super::progress::Progress;
use crate::lab::{Lab, Target};
use crate::programs::Programs;
use crate::servers::{self, Packages, Server, Version};

/// What was said of each endpoint.
type Told = BTreeMap<SocketAddrV4, Said>;

/// What one scanner says of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    product: String,
    version: String,
}

/// What is to be said of an endpoint.
#[derive(Debug)]
struct Truth {
    endpoint: SocketAddrV4,
    product: &'static str,
    /// dpkg's, where the service tells it.
    version: Option<String>,
}

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building vedette-scan");
    let programs = Programs::release("vedette-scan")?;
    progress.step("providing the servers, from Debian");
    let servers: Vec<&'static Server> = servers::ALL.iter().collect();
    let packages = Packages::provide(&servers)?;
    progress.step("starting them");
    let lab = Lab::start(&LAB.map(|(target, ..)| target))?;
    let running = servers::start(&lab, &servers, &packages)?;

    let mut truths = Vec::new();
    for server in &running {
        let version = match server.server.version {
            Version::Told => Some(packages.version(server.server).to_owned()),
            Version::Kept => None,
        };
        truths.extend(server.server.ports.iter().map(|port| Truth {
            endpoint: SocketAddrV4::new(server.address, *port),
            product: server.server.product,
            version: version.clone(),
        }));
    }
    for (target, product, package) in LAB {
        let version = package.map(servers::version).transpose()?;
        truths.extend(target.ports().iter().map(|port| Truth {
            endpoint: SocketAddrV4::new(lab.address(target), *port),
            product,
            version: version.clone(),
        }));
    }

    let (our_time, ours) = ours::scan(&lab, &programs, &truths)?;
    progress.step(format_args!("vedette-scan: {our_time:.2?}"));
    let (their_time, theirs) = nmap::scan(&lab, &truths)?;
    progress.step(format_args!("nmap: {their_time:.2?}"));
    for truth in &truths {
        for (who, told) in [("vedette-scan", &ours), ("nmap", &theirs)] {
            if !(truth.product_is_in(told) && truth.version_is_in(told)) {
                let said = told.get(&truth.endpoint);
                progress.step(format_args!("{who} on {}: {said:?} of {truth:?}", truth.endpoint));
            }
        }
    }
    Ok(figures(&truths, (our_time, &ours), (their_time, &theirs)))
}

fn figures(
    truths: &[Truth],
    (our_time, ours): (Duration, &Told),
    (their_time, theirs): (Duration, &Told),
) -> Vec<Figure> {
    let products = |told| truths.iter().filter(|truth| truth.product_is_in(told)).count();
    let telling: Vec<&Truth> = truths.iter().filter(|truth| truth.version.is_some()).collect();
    let versions = |told| telling.iter().filter(|truth| truth.version_is_in(told)).count();
    let (right, exact) = (products(ours), versions(ours));
    vec![
        Figure::judged(
            &format!("products right, of {} endpoints: 95 % or more", truths.len()),
            Amount::ports(right),
            Amount::ports(products(theirs)),
            right * 100 >= truths.len() * 95,
        ),
        Figure::judged(
            &format!("versions as dpkg says, of {} that tell them: all", telling.len()),
            Amount::ports(exact),
            Amount::ports(versions(theirs)),
            exact == telling.len(),
        ),
        Figure::at_most(
            Amount::seconds(GOAL),
            "all of them recognised",
            Amount::seconds(our_time),
        )
        .beside(Amount::seconds(their_time)),
    ]
}

impl Truth {
    fn product_is_in(&self, told: &Told) -> bool {
        let wanted = self.product.to_ascii_lowercase();
        told.get(&self.endpoint)
            .is_some_and(|said| said.product.to_ascii_lowercase().contains(&wanted))
    }

    /// What is told is part of dpkg's version, which has Debian's own numbers around it.
    fn version_is_in(&self, told: &Told) -> bool {
        let Some(truth) = &self.version else { return true };
        told.get(&self.endpoint).is_some_and(|said| {
            let number = said.version.split(' ').next().unwrap_or_default();
            !number.is_empty() && truth.contains(number)
        })
    }
}

/// The hosts of all endpoints, with commas between them.
fn hosts(truths: &[Truth]) -> Vec<Ipv4Addr> {
    let mut hosts: Vec<Ipv4Addr> = truths.iter().map(|truth| *truth.endpoint.ip()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// The ports of all endpoints, as a list with commas.
fn ports(truths: &[Truth]) -> String {
    let mut ports: Vec<u16> = truths.iter().map(|truth| truth.endpoint.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    ports.join(",")
}

/// The lab's own targets, their products, and the packages of those that tell their version.
const LAB: [(Target, &str, Option<&str>); 6] = [
    (Target::BadWeb, "nginx", Some("nginx")),
    (Target::Ssh, "OpenSSH", Some("openssh-server")),
    (Target::Redis, "Redis", Some("redis-server")),
    (Target::Ftp, "vsFTPd", Some("vsftpd")),
    (Target::Postgres, "PostgreSQL", None),
    (Target::Mariadb, "MariaDB", Some("mariadb-server")),
];

const GOAL: Duration = Duration::from_secs(3);
