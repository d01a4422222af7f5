//! `--udp`: UDP ports, beside TCP's or instead of them.

use clap::{Arg, ArgMatches, Command};
use vedette_protocol::target::PortSet;
use vedette_scanner::payload::known_ports;

/// Adds `--udp`.
pub(crate) fn flag(command: Command) -> Command {
    command
        .arg(
            Arg::new(NAME)
                .long(NAME)
                .value_name("PORTS")
                .num_args(0..=1)
                .default_missing_value(KNOWN)
                .value_parser(ports)
                .help("Ask these UDP ports, as in 53,161 (alone: those where a protocol is at home that we know the words of); without --ports no TCP port is asked"),
        )
        .after_long_help(STATES)
}

/// The UDP ports that were asked for.
pub(crate) fn asked(matches: &ArgMatches) -> Option<PortSet> {
    matches.get_one::<PortSet>(NAME).cloned()
}

fn ports(text: &str) -> Result<PortSet, String> {
    if text == KNOWN {
        return PortSet::from_ports(known_ports()).ok_or_else(|| "no protocol is known".to_owned());
    }
    text.parse()
        .map_err(|error: vedette_protocol::target::ParsePortsError| error.to_string())
}

const NAME: &str = "udp";
const KNOWN: &str = "known";

const STATES: &str = "\
UDP ports:
  open       something answered
  closed     the host says that nobody listens
  filtered   the network says that it may not be reached
  no-answer  silent although the host does say so of closed ports, or although it was asked several times:
             a filter, or a service that our words say nothing to
  unknown    not asked, or silent while the host spared its answers
Hosts tell of few closed ports in a second (Linux: of six, then of one a second). Open ports are told at once;
what is silent is asked again at the host's own pace, as long as --time lasts.";

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(arguments: &[&str]) -> Result<Option<PortSet>, clap::Error> {
        let matches = flag(Command::new("ports")).try_get_matches_from([&["ports"], arguments].concat())?;
        Ok(asked(&matches))
    }

    #[test]
    fn ports_are_as_typed_or_those_that_are_known() {
        assert_eq!(typed(&[]).unwrap(), None);
        assert_eq!(
            typed(&["--udp", "53,161"]).unwrap(),
            Some("53,161".parse().unwrap())
        );
        let known = typed(&["--udp"]).unwrap().unwrap();
        assert!([53, 123, 161, 5353].iter().all(|port| known.contains(*port)));
        assert!(!known.contains(40_000));
        assert!(typed(&["--udp", "0"]).is_err());
    }
}
