//! `services`: what answers on open ports.

use vedette_protocol::job::Check;

use super::Subcommand;
use crate::{
    fingerprints,
    scan::{Asked, scan},
    udp,
};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "services",
    about: "What answers on open ports: service, product, version",
    flags: |command| udp::flag(fingerprints::flag(command)),
    run: |what, matches| {
        scan(
            what,
            &Asked::on(&[Check::Ports, Check::Services], PORTS)
                .thorough(fingerprints::load(matches)?)
                .over_udp(udp::asked(matches)),
        )
    },
};

const PORTS: &str = "1-1024,1433,1521,1883,2049,2121,2222,2375,2376,3000,3128,3306,3389,4222,4433,5000,5432,5433,\
    5601,5671,5672,5900,5985,5986,6379,6380,6443,7080,8000-8100,8443,8883,8888,9000,9090,9100,9200,9443,10250,11211,27017";
