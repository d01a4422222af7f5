//! Who is there on a network of /24 and of /16, by ARP, beside arp-scan: over the same cable, in turns.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::bench::amount::Amount;
use crate::bench::figure::Figure;
use crate::bench::median::median;
use crate::bench::progress::Progress;
use crate::programs::{Programs, output_of};
use crate::segment::Segment;

pub(super) fn measure(programs: &Programs, progress: &Progress) -> Result<Vec<Figure>> {
    let hosts = hosts();
    let addresses: Vec<String> = hosts.iter().map(|host| format!("{host}/16")).collect();
    let segment = Segment::start(
        &["198.18.0.1/16"],
        &addresses.iter().map(String::as_str).collect::<Vec<_>>(),
    )?;
    let mut figures = Vec::new();
    for network in NETWORKS {
        figures.extend(network.measure(programs, &segment, &hosts, progress)?);
    }
    Ok(figures)
}

/// One network, what it is to take at most, and how the peer is told to be as fast.
struct Network {
    targets: &'static str,
    prefix: u8,
    goal: Duration,
    peer: &'static [&'static str],
}

const NETWORKS: [Network; 2] = [
    Network {
        targets: "198.18.0.0/24",
        prefix: 24,
        goal: Duration::from_millis(600),
        peer: &[],
    },
    Network {
        targets: "198.18.0.0/16",
        prefix: 16,
        goal: Duration::from_secs(2),
        // One attempt for each address, as fast as we are.
        peer: &["--bandwidth=20000000", "--retry=1"],
    },
];

impl Network {
    fn measure(
        &self,
        programs: &Programs,
        segment: &Segment,
        hosts: &BTreeSet<Ipv4Addr>,
        progress: &Progress,
    ) -> Result<[Figure; 2]> {
        let inside: BTreeSet<Ipv4Addr> = hosts
            .iter()
            .copied()
            .filter(|host| self.contains(*host))
            .collect();
        let (mut our_times, mut their_times) = ([Duration::ZERO; RUNS], [Duration::ZERO; RUNS]);
        let (mut fewest, mut their_fewest) = (usize::MAX, usize::MAX);
        for (run, (our_time, their_time)) in our_times.iter_mut().zip(&mut their_times).enumerate() {
            let scan = programs.path("vedette-scan");
            let (took, found) = timed(segment.near_command(scan).args([
                "discover",
                "--by",
                "arp",
                "--json",
                "--targets",
                self.targets,
            ]))?;
            let ours = our_hosts(&found)?;
            *our_time = took;
            let (took, found) = timed(
                segment
                    .near_command("arp-scan")
                    .args(["--interface=near0", "--quiet", "--plain"])
                    .args(self.peer)
                    .arg(self.targets),
            )?;
            let theirs = their_hosts(&found);
            *their_time = took;
            (fewest, their_fewest) = (
                fewest.min(inside.intersection(&ours).count()),
                their_fewest.min(inside.intersection(&theirs).count()),
            );
            progress.step(format_args!(
                "/{}, run {} of {RUNS}: {our_time:.2?} and {fewest} hosts, arp-scan {their_time:.2?} and {their_fewest}",
                self.prefix,
                run + 1,
            ));
        }
        Ok([
            Figure::at_most(
                Amount::seconds(self.goal),
                &format!("ARP sweep of a /{} with {} hosts", self.prefix, inside.len()),
                Amount::seconds(median(our_times)),
            )
            .beside(Amount::seconds(median(their_times))),
            Figure::judged(
                &format!("hosts found in a /{}: all, each time", self.prefix),
                Amount::hosts(fewest),
                Amount::hosts(their_fewest),
                fewest == inside.len(),
            ),
        ])
    }

    fn contains(&self, host: Ipv4Addr) -> bool {
        self.prefix == 16 || host.octets()[2] == 0
    }
}

/// 505 hosts, 60 of them in the first /24, without a pattern that a sweep could have.
fn hosts() -> BTreeSet<Ipv4Addr> {
    let mut hosts = BTreeSet::new();
    let mut state = 1_u32;
    let mut next = |modulus: u32| {
        // A linear congruential generator (Numerical Recipes): the same hosts in each run.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from((state >> 16) % modulus).unwrap_or_default()
    };
    while hosts.len() < 60 {
        hosts.insert(Ipv4Addr::new(198, 18, 0, 2 + next(250)));
    }
    while hosts.len() < 505 {
        hosts.insert(Ipv4Addr::new(198, 18, 1 + next(250), next(256)));
    }
    hosts
}

fn timed(command: &mut Command) -> Result<(Duration, String)> {
    let begun = Instant::now();
    let output = output_of(command)?;
    Ok((begun.elapsed(), output))
}

/// A line of our output, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "type")]
    type_: Option<String>,
    target: Option<String>,
}

fn our_hosts(output: &str) -> Result<BTreeSet<Ipv4Addr>> {
    let mut hosts = BTreeSet::new();
    for line in output.lines() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("vedette-scan said {line:?}"))?;
        if line.type_.as_deref() == Some("device") {
            hosts.extend(line.target.and_then(|target| target.parse::<Ipv4Addr>().ok()));
        }
    }
    Ok(hosts)
}

/// Plain lines: address, adapter, maker.
fn their_hosts(output: &str) -> BTreeSet<Ipv4Addr> {
    output
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

/// Of each, in turns.
const RUNS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_of_both() {
        let expected = BTreeSet::from([Ipv4Addr::new(198, 18, 0, 7)]);
        let ours = "{\"type\":\"device\",\"target\":\"198.18.0.7\"}\n{\"type\":\"icmp-timestamp\",\"target\":\"198.18.0.8\"}\n{\"kind\":\"report\"}";
        assert_eq!(our_hosts(ours).unwrap(), expected);
        assert_eq!(their_hosts("198.18.0.7\t02:00:00:00:00:07\n"), expected);
    }

    #[test]
    fn the_hosts_are_as_many_as_the_goals_speak_of() {
        assert_eq!(hosts().len(), 505);
        let first = hosts().into_iter().filter(|host| NETWORKS[0].contains(*host));
        assert_eq!(first.count(), 60);
    }
}
