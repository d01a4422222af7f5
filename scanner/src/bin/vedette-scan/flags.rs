//! The command line.

use std::{num::NonZeroU32, time::Duration};

use clap::{Args, Parser, Subcommand};
use vedette_protocol::{
    job::{Check, Checks},
    target::{PortSet, Target},
};
use vedette_scanner::Bounds;

/// Scans the network from here: ports, services, TLS, web servers. Sends nothing outside of --targets.
#[derive(Debug, Parser)]
#[command(name = "vedette-scan", version, after_help = EXIT_CODES)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to look for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Which TCP ports are open (default: all of them)
    #[command(after_help = EXIT_CODES)]
    Ports(What),
    /// What answers on open ports: service, product, version
    #[command(after_help = EXIT_CODES)]
    Services(What),
    /// Certificates and TLS versions
    #[command(after_help = EXIT_CODES)]
    Tls(What),
    /// Web servers: headers, versions, listings, exposed files
    #[command(after_help = EXIT_CODES)]
    Http(What),
}

/// What may be touched, and how.
#[derive(Debug, Args)]
pub(crate) struct What {
    /// Addresses, networks (192.0.2.0/24), ranges (192.0.2.1-9) and names; separated by commas
    #[arg(long, required = true, value_name = "TARGETS", value_delimiter = ',', num_args = 1..)]
    pub(crate) targets: Vec<Target>,
    /// What not to touch, although the targets span it; always wins
    #[arg(long, value_name = "TARGETS", value_delimiter = ',', num_args = 1..)]
    pub(crate) exclude: Vec<Target>,
    /// Ports and ranges of ports, as in 22,80,8000-8100
    #[arg(long, value_name = "PORTS")]
    pub(crate) ports: Option<PortSet>,
    /// Print one JSON object a line, the report as the last line
    #[arg(long)]
    pub(crate) json: bool,
    /// The most connection attempts of the port scan in a second
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Stop after this many seconds with what is known by then
    #[arg(long, value_name = "SECONDS", default_value = "86400", value_parser = seconds)]
    pub(crate) time: Duration,
}

impl Command {
    pub(crate) fn parts(&self) -> (&Self, &What) {
        match self {
            Self::Ports(what) | Self::Services(what) | Self::Tls(what) | Self::Http(what) => (self, what),
        }
    }

    /// The checks that it runs: each builds on the port scan.
    pub(crate) fn checks(&self) -> Checks {
        let checks = match self {
            Self::Ports(_) => vec![Check::Ports],
            Self::Services(_) => vec![Check::Ports, Check::Services],
            Self::Tls(_) => vec![Check::Ports, Check::Tls],
            Self::Http(_) => vec![Check::Ports, Check::Http],
        };
        checks.try_into().expect("a list that is not empty")
    }

    /// The ports that it looks at unless told otherwise.
    pub(crate) fn ports(&self) -> PortSet {
        let ports = match self {
            Self::Ports(_) => return PortSet::all(),
            Self::Services(_) => SERVICE_PORTS,
            Self::Tls(_) => TLS_PORTS,
            Self::Http(_) => HTTP_PORTS,
        };
        ports.parse().expect("a literal list of ports")
    }
}

impl What {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            rate: self.rate.map(NonZeroU32::get),
            ..Bounds::of_this_process()
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.into())),
        _ => Err(format!(
            "{text:?} is no time; write a whole number of seconds, 1 or more"
        )),
    }
}

const SERVICE_PORTS: &str = "1-1024,1433,1521,1883,2049,2121,2222,2375,2376,3000,3306,3389,4433,5000,5432,5433,5601,\
    5672,5900,5985,5986,6379,6380,6443,7080,8000-8100,8443,8888,9000,9090,9200,9443,10250,11211,27017";
const TLS_PORTS: &str = "443,465,563,636,853,989,990,992-995,2376,4433,5061,5986,6443,6697,8443,9443,10250";
const HTTP_PORTS: &str = "80,81,443,591,3000,5000,5601,7080,8000-8100,8443,8888,9000,9090,9200,9443";

const EXIT_CODES: &str = "\
Exit codes:
  0  complete: all that was planned is known
  2  wrong usage
  3  partial: some of it went unanswered, as the report says
  4  failed: the scan could not be run";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Flags::command().debug_assert();
        for name in ["ports", "services", "tls", "http"] {
            let flags = Flags::parse_from(["vedette-scan", name, "--targets", "192.0.2.1,192.0.2.8-9"]);
            assert_eq!(flags.command.parts().1.targets.len(), 2);
            assert!(!flags.command.ports().is_empty());
            assert!(flags.command.checks().contains(Check::Ports));
        }
    }

    #[test]
    fn a_wrong_target_is_named_with_its_cure() {
        let error = Flags::try_parse_from(["vedette-scan", "ports", "--targets", "192.0.2.1,192.0.2.9/24"])
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("--targets") && text.contains("192.0.2.9/24"),
            "{text}"
        );
        assert!(text.contains("did you mean 192.0.2.0/24"), "{text}");
        assert_eq!(error.exit_code(), 2);
    }
}
