//! The operator's copy.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vedette_protocol::copy::CollectorAddress;
use vedette_protocol::target::HostName;

use super::owner::{Access, Out};

#[derive(Debug, Args)]
pub(crate) struct Copy {
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(subcommand)]
    pub(crate) command: CopyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CopyCommand {
    /// Has appliances send a copy of every message to a syslog server of yours, over TLS
    Set(Box<CopySet>),
    /// Ends the copy
    Off {
        /// Which confirmed appliance: its id, or the beginning of it, or its name; may be repeated
        #[arg(long = "appliance", required = true, value_name = "APPLIANCE")]
        appliances: Vec<String>,
        #[command(flatten)]
        out: Out,
    },
    /// Shows where appliances copy to, and what they say of it
    Show {
        /// Which confirmed appliance; all unless given
        #[arg(long = "appliance", value_name = "APPLIANCE")]
        appliances: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CopySet {
    /// Which confirmed appliance: its id, or the beginning of it, or its name; may be repeated
    #[arg(long = "appliance", required = true, value_name = "APPLIANCE")]
    pub(crate) appliances: Vec<String>,
    /// The syslog server, as HOST or HOST:PORT (6514 unless given); a name is resolved on the appliance
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) collector: CollectorAddress,
    /// The certificate, or certificates, of the CA that its certificate comes from, as PEM; may be repeated
    #[arg(long = "ca", required = true, value_name = "FILE")]
    pub(crate) roots: Vec<PathBuf>,
    /// The name in its certificate, unless that is HOST
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<HostName>,
    /// Sends findings to the platform all the same while the server cannot be reached; unless given they wait
    #[arg(long)]
    pub(crate) best_effort: bool,
    /// Has the appliance show the server a certificate, which the owner key signs, and writes the CA by which the server
    /// knows it into this new file, as PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) out: Out,
}
