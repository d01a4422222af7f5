//! `ports`: which ports are open.

use vedette_protocol::{job::Check, target::PortSet};

use super::Subcommand;
use crate::{
    scan::{Asked, scan},
    udp,
};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "ports",
    about: "Which ports are open (default: all of TCP, none of UDP)",
    flags: udp::flag,
    run: |what, matches| {
        scan(
            what,
            &Asked::of(&[Check::Ports], PortSet::all()).over_udp(udp::asked(matches)),
        )
    },
};
