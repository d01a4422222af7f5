//! `http`: web servers.

use vedette_protocol::job::Check;

use super::{Subcommand, no_flags};
use crate::scan::{Asked, scan};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "http",
    about: "Web servers: headers, versions, listings, exposed files",
    flags: no_flags,
    run: |what, _| scan(what, &Asked::on(&[Check::Ports, Check::Http], PORTS)),
};

const PORTS: &str = "80,81,443,591,3000,5000,5601,7080,8000-8100,8443,8888,9000,9090,9200,9443";
