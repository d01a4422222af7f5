//! `tls`: certificates, versions, suites, groups and known flaws of TLS.

use vedette_protocol::job::Check;

use super::{Subcommand, no_flags};
use crate::scan::{Asked, scan};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "tls",
    about: "TLS: versions, suites, groups, certificates, known flaws, a grade",
    flags: no_flags,
    run: |what, _| scan(what, &Asked::on(&[Check::Ports, Check::Tls], PORTS)),
};

const PORTS: &str = "21,25,110,143,389,443,465,563,587,636,853,989,990,992-995,2376,3268,3306,4433,5061,5222,5269,5432,5986,6443,6697,8443,9443,10250";
