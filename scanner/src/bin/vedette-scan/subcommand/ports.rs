//! `ports`: which ports are open.

use vedette_protocol::{job::Check, target::PortSet};

use super::{Subcommand, no_flags};
use crate::scan::{Asked, scan};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "ports",
    about: "Which TCP ports are open (default: all of them)",
    flags: no_flags,
    run: |what, _| scan(what, &Asked::of(&[Check::Ports], PortSet::all())),
};
