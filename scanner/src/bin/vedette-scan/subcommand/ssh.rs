//! `ssh`: algorithms, host keys and known flaws of SSH.

use vedette_protocol::job::Check;

use super::{Subcommand, no_flags};
use crate::scan::{Asked, scan};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "ssh",
    about: "SSH: algorithms, host keys, known flaws",
    flags: no_flags,
    run: |what, _| scan(what, &Asked::on(&[Check::Ports, Check::Services], PORTS)),
};

const PORTS: &str = "22,222,2022,2222,22222";
