//! `all`: every check, on every port.

use vedette_protocol::{job::Check, target::PortSet};

use super::Subcommand;
use crate::{
    fingerprints,
    scan::{Asked, scan},
    udp,
};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "all",
    about: "Every check, on every open port (default: all TCP ports)",
    flags: |command| udp::flag(fingerprints::flag(command)),
    run: |what, matches| {
        scan(
            what,
            &Asked::of(&Check::ALL, PortSet::all())
                .thorough(fingerprints::load(matches)?)
                .over_udp(udp::asked(matches)),
        )
    },
};
