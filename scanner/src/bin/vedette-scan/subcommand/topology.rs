//! `topology`: how the hosts that are there hang together.

use clap::{ArgMatches, Args, FromArgMatches};
use vedette_protocol::finding::Kind;
use vedette_scanner::discover::Depth;

use super::{Ended, Subcommand, discover::run_to};
use crate::flags::What;

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "topology",
    about: "How hosts hang together: networks, routers, paths, neighbours, VLANs (needs root or CAP_NET_RAW)",
    flags: Own::augment_args,
    run,
};

/// Flags of this subcommand alone.
#[derive(Debug, Args)]
struct Own {
    /// Listen at least so many seconds for what neighbours say of themselves; most do twice a minute
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    listen: u32,
}

fn run(what: &What, matches: &ArgMatches) -> Ended {
    let Own { listen } = Own::from_arg_matches(matches)?;
    run_to(what, Depth::Network, &[], listen, |finding| {
        finding.kind == Kind::Link
    })
}
