//! Grants.

use std::num::NonZeroU32;

use clap::{Args, Subcommand};
use vedette_protocol::Target;
use vedette_protocol::grant::Window;
use vedette_protocol::job::Check;
use vedette_protocol::target::Ports;

use super::owner::{Access, Out};
use crate::moment::Moment;

#[derive(Debug, Args)]
pub(crate) struct Grant {
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(subcommand)]
    pub(crate) command: GrantCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Signs what appliances may do
    Sign(Box<GrantSign>),
    /// Lists what was granted
    List,
    /// Shows one
    Show {
        /// Its id, or the beginning of it
        grant: String,
    },
    /// Makes grants worthless: the epoch rises, and what remains is signed anew
    Revoke {
        /// Their ids, or the beginnings of them
        #[arg(required = true)]
        grants: Vec<String>,
        #[command(flatten)]
        out: Out,
    },
}

#[derive(Debug, Args)]
pub(crate) struct GrantSign {
    /// Which confirmed appliance: its id, or the beginning of it, or its name; may be repeated
    #[arg(
        long = "appliance",
        required_unless_present = "pools",
        value_name = "APPLIANCE"
    )]
    pub(crate) appliances: Vec<String>,
    /// Each appliance that is in this pool now, if you confirmed them all: its id, or the beginning of it, or its name; may
    /// be repeated
    #[arg(long = "pool", value_name = "POOL")]
    pub(crate) pools: Vec<String>,
    /// What may be scanned: addresses, networks, ranges, and names, which are resolved now; may be repeated
    #[arg(long, required = true, value_delimiter = ',', value_name = "TARGET")]
    pub(crate) targets: Vec<Target>,
    /// What may not, although a target spans it; may be repeated
    #[arg(long, value_delimiter = ',', value_name = "TARGET")]
    pub(crate) exclude: Vec<Target>,
    /// Which ports, as in 22,80,8000-8100,U:53,161 (those after U: are UDP's)
    #[arg(long)]
    pub(crate) ports: Ports,
    /// Which checks (discovery, topology, ports, services, tls, http, web, inventory); may be repeated. The first two ask
    /// the targets by ARP and ICMP as well; web sends payloads to every input of a web application
    #[arg(long, required = true, value_delimiter = ',', value_name = "CHECK")]
    pub(crate) checks: Vec<Check>,
    /// The most packets in a second that a worker may send; the kernel sees to it
    #[arg(long, value_name = "PACKETS")]
    pub(crate) rate: Option<NonZeroU32>,
    /// When, in UTC, as in 'mon-fri 22:00-05:00'; may be repeated; at any time unless given
    #[arg(long = "window", value_name = "WINDOW")]
    pub(crate) windows: Vec<Window>,
    /// Not before this, as in 2026-12-31T18:00:00Z, 2026-12-31 or 2h (from now); now unless given
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<Moment>,
    /// Not from this on; 30d unless given, 366d at most
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
    /// A sealed credential that may be used: its id, or the beginning of it, or its label; may be repeated
    #[arg(long = "credential", value_name = "CREDENTIAL")]
    pub(crate) credentials: Vec<String>,
    /// Lets credentials count too that were sealed in a browser, without the owner key
    #[arg(long)]
    pub(crate) accept_browser_sealed: bool,
    #[command(flatten)]
    pub(crate) out: Out,
}
