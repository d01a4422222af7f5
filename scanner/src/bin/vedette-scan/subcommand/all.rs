//! `all`: every check, on every port.

use vedette_protocol::{job::Check, target::PortSet};

use super::{Subcommand, no_flags};
use crate::scan::{Asked, scan};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "all",
    about: "Every check, on every open port (default: all TCP ports)",
    flags: no_flags,
    run: |what, _| scan(what, &Asked::of(&Check::ALL, PortSet::all())),
};
