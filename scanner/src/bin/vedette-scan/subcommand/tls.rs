//! `tls`: certificates and versions of TLS.

use vedette_protocol::job::Check;

use super::{Subcommand, no_flags};
use crate::scan::{Asked, scan};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "tls",
    about: "Certificates and TLS versions",
    flags: no_flags,
    run: |what, _| scan(what, &Asked::on(&[Check::Ports, Check::Tls], PORTS)),
};

const PORTS: &str = "443,465,563,636,853,989,990,992-995,2376,4433,5061,5986,6443,6697,8443,9443,10250";
