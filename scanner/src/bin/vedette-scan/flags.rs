//! The command line: what all subcommands share.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use clap::{ArgMatches, Args, Command};
use vedette_protocol::target::{Ports, Target};
use vedette_scanner::{Bounds, Means};

use crate::subcommand::{SUBCOMMANDS, Subcommand};

/// What may be touched, and how.
#[derive(Debug, Args)]
pub(crate) struct What {
    /// Addresses, networks (192.0.2.0/24), ranges (192.0.2.1-9) and names; separated by commas
    #[arg(long, required = true, value_name = "TARGETS", value_delimiter = ',', num_args = 1..)]
    pub(crate) targets: Vec<Target>,
    /// What not to touch, although the targets span it; always wins
    #[arg(long, value_name = "TARGETS", value_delimiter = ',', num_args = 1..)]
    pub(crate) exclude: Vec<Target>,
    /// Ports and ranges of ports, as in 22,80,8000-8100,U:53,161 (those after U: are UDP's)
    #[arg(long, value_name = "PORTS")]
    pub(crate) ports: Option<Ports>,
    /// Print one JSON object a line, the report as the last line
    #[arg(long)]
    pub(crate) json: bool,
    /// The most packets or connection attempts of the scan in a second
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<NonZeroU32>,
    /// Ask ports by connecting, as any program may, also where frames could be sent (as root)
    #[arg(long)]
    pub(crate) connect: bool,
    /// An address on the targets' network that is free, to scan from; not needed, and kept from any other traffic
    #[arg(long, value_name = "ADDRESS", conflicts_with = "connect")]
    pub(crate) source: Option<IpAddr>,
    /// Stop after this many seconds with what is known by then
    #[arg(long, value_name = "SECONDS", default_value = "86400", value_parser = seconds)]
    pub(crate) time: Duration,
}

/// The subcommand that was typed, with its flags. Who typed something else is told, and the process ends.
pub(crate) fn typed() -> (&'static Subcommand, ArgMatches) {
    let typed = command().get_matches().remove_subcommand();
    typed
        .and_then(|(name, matches)| Some((Subcommand::named(&name)?, matches)))
        .unwrap_or_else(|| {
            command()
                .error(clap::error::ErrorKind::MissingSubcommand, USAGE)
                .exit()
        })
}

fn command() -> Command {
    let subcommands = SUBCOMMANDS.iter().map(|subcommand| {
        let usage = subcommand.usage().after_help(EXIT_CODES);
        // What a subcommand has to explain takes the place of the short text there, and so brings it along.
        match usage.get_after_long_help().map(ToString::to_string) {
            Some(own) => usage.after_long_help(format!("{own}\n\n{EXIT_CODES}")),
            None => usage,
        }
    });
    Command::new("vedette-scan")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Scans the network from here: ports, services, TLS, web servers. Sends nothing outside of --targets.")
        .after_help(EXIT_CODES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(subcommands)
}

impl What {
    pub(crate) fn means(&self) -> Means {
        if self.connect {
            Means::Connect
        } else {
            Means::Raw { source: self.source }
        }
    }

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

const USAGE: &str = "no such subcommand; see vedette-scan --help";

const EXIT_CODES: &str = "\
Exit codes:
  0  complete: all that was planned is known
  2  wrong usage
  3  partial: some of it went unanswered, as the report says
  4  failed: the scan could not be run";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;

    fn what(arguments: &[&str]) -> Result<What, clap::Error> {
        let matches = command().try_get_matches_from([&["vedette-scan"], arguments].concat())?;
        What::from_arg_matches(matches.subcommand().unwrap().1)
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
        let help = command().render_help().to_string();
        for subcommand in SUBCOMMANDS {
            let all = [subcommand.name, "--targets", "192.0.2.1,192.0.2.8-9"];
            let rest: &[&str] = match subcommand.name {
                "templates" => &["--dir", ".", "--url", "https://192.0.2.1/"],
                _ => &[],
            };
            let what = what(&[&all, rest].concat()).unwrap();
            assert_eq!(what.targets.len(), 2);
            assert_eq!(Subcommand::named(subcommand.name).unwrap().name, subcommand.name);
            assert!(help.contains(subcommand.about), "{} in {help}", subcommand.name);
        }
        for mut subcommand in command().get_subcommands().cloned() {
            for help in [subcommand.render_help(), subcommand.render_long_help()] {
                assert!(help.to_string().contains("Exit codes:"), "{help}");
            }
        }
    }

    #[test]
    fn a_wrong_target_is_named_with_its_cure() {
        let error = what(&["ports", "--targets", "192.0.2.1,192.0.2.9/24"]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("--targets") && text.contains("192.0.2.9/24"),
            "{text}"
        );
        assert!(text.contains("did you mean 192.0.2.0/24"), "{text}");
        assert_eq!(error.exit_code(), 2);
    }
}
