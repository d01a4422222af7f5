//! The owner key, and who opens it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Where the owner's things are, and what opens the key.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Where the owner key and what it signed are kept [default: vedette/owner in the user's data]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) owner_dir: Option<PathBuf>,
    /// Reads the owner key's passphrase from the first line of a file; otherwise it is asked for
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Reads the owner key's passphrase from the first line of an inherited descriptor
    #[arg(
        long,
        global = true,
        value_name = "NUMBER",
        conflicts_with = "passphrase_file"
    )]
    pub(crate) passphrase_fd: Option<u32>,
}

/// Where signed things go.
#[derive(Debug, Args)]
pub(crate) struct Out {
    /// Writes what is signed to a new file instead of sending it; `vedette owner deliver FILE` sends it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Owner {
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(subcommand)]
    pub(crate) command: OwnerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OwnerCommand {
    /// Makes an owner key behind a passphrase
    Init,
    /// Shows the key's fingerprint, the epoch and the confirmed appliances
    Show {
        /// Prints the public key alone, as `vedette-image flash --owner` reads it
        #[arg(long)]
        public: bool,
    },
    /// Replaces the key by a new one, which the old one signs, and signs everything anew
    Rotate {
        /// Reads the new key's passphrase from the first line of a file; otherwise it is asked for
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        /// Reads the new key's passphrase from the first line of an inherited descriptor
        #[arg(long, value_name = "NUMBER", conflicts_with = "new_passphrase_file")]
        new_passphrase_fd: Option<u32>,
        #[command(flatten)]
        out: Out,
    },
    /// Sends what was signed and did not reach the platform, or what a file from --out holds
    Deliver {
        file: Option<PathBuf>,
        /// Forgets what waits instead of sending it
        #[arg(long, conflicts_with = "file")]
        forget: bool,
    },
}
