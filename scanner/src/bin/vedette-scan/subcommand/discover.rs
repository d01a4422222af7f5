//! `discover`: which hosts are there, and what they are.

use std::{error::Error, io, num::NonZeroU32, time::Duration};

use clap::{ArgMatches, Args, FromArgMatches};
use vedette_protocol::{Finding, JobScope, scope::Area, target::Ports};
use vedette_scanner::discover::{Depth, Discovery, Going, Method, Methods, Rate, Sockets, discover};

use super::{Ended, Subcommand};
use crate::{flags::What, output::Output, progress::Meter, resolve};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "discover",
    about: "Which hosts are there: addresses, adapters, names, kinds, systems (needs root or CAP_NET_RAW)",
    flags: Own::augment_args,
    run,
};

/// Flags of this subcommand alone.
#[derive(Debug, Args)]
#[command(after_long_help = GROUPS)]
struct Own {
    /// How to ask: arp (with IPv6 neighbour discovery), icmp, tcp, udp [default: all]
    #[arg(long, value_name = "METHODS", value_delimiter = ',', num_args = 1..)]
    by: Vec<Method>,
    /// Listen at least so many seconds for what hosts say of themselves
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    listen: u32,
}

fn run(what: &What, matches: &ArgMatches) -> Ended {
    let Own { by, listen } = Own::from_arg_matches(matches)?;
    let findings = |_: &Finding| true;
    run_to(what, Depth::Hosts, &by, listen, findings)
}

/// Discovers to a depth, and prints the findings that are wanted.
pub(super) fn run_to(
    what: &What,
    depth: Depth,
    by: &[Method],
    listen: u32,
    wanted: impl Fn(&Finding) -> bool,
) -> Ended {
    let discovery = Discovery {
        scope: scope(what)?,
        sockets: Sockets::Own,
        methods: Methods::of(by),
        rate: Rate {
            packets: what.rate.map(NonZeroU32::get),
            ..Rate::default()
        },
        time: what.time,
        depth,
        listen: Duration::from_secs(listen.into()),
    };
    let mut meter = Meter::new();
    let discovered = discover(discovery, |progress| {
        meter.show(progress);
        Going::On
    })?;
    meter.clear();
    for (hindrance, count) in &discovered.hindrances {
        eprintln!(
            "vedette-scan: {count} not asked or not heard: {}",
            hindrance.text()
        );
    }
    let mut output = Output::new(what.json, io::stdout().lock());
    for finding in discovered.findings.into_iter().filter(wanted) {
        output.finding(finding)?;
    }
    output.close(&discovered.report)?;
    Ok(discovered.report)
}

/// The scope of the flags; names are resolved by this machine's resolver.
fn scope(what: &What) -> Result<JobScope, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let names = runtime.block_on(resolve::names(what.targets.iter().chain(&what.exclude)));
    runtime.shutdown_background();
    Ok(JobScope {
        area: Area::new(&what.targets, &what.exclude, &names?),
        ports: what.ports.clone().unwrap_or_else(Ports::of_discovery),
    })
}

const GROUPS: &str = "\
Whoever is to be asked by multicast is in scope by the group's own address:
  ff02::1      every IPv6 host on our links (ICMP echo)
  224.0.0.251  every host that speaks multicast DNS (its services)";
