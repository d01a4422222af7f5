//! Credentials.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use vedette_crypto::hpke;
use vedette_protocol::credential::CredentialKind;

use super::owner::{Access, Out};
use crate::places::{KeyPin, Where};

#[derive(Debug, Args)]
pub(crate) struct Credential {
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(subcommand)]
    pub(crate) command: CredentialCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Seals a credential to the appliances that may use it; nobody else can open it, the platform neither
    Seal(Box<CredentialSeal>),
    /// Lists what was sealed
    List,
    /// Shows one: what it is, where it may be used, by whom; never the secret
    Show {
        /// Its id, or the beginning of it, or its label
        credential: String,
    },
    /// Seals a new secret in the place of the old one; older versions count no more
    Rotate {
        /// Its id, or the beginning of it, or its label
        credential: String,
        /// Which confirmed appliances may open it from now on; those of before unless given; may be repeated
        #[arg(long = "appliance", value_name = "APPLIANCE")]
        appliances: Vec<String>,
        /// The same, for each appliance that is in this pool now; may be repeated
        #[arg(long = "pool", value_name = "POOL")]
        pools: Vec<String>,
        #[command(flatten)]
        secret: Secret,
        #[command(flatten)]
        out: Out,
    },
    /// Takes a credential out of all grants, and has the platform hold it back
    Disable {
        /// Its id, or the beginning of it, or its label
        credential: String,
        #[command(flatten)]
        out: Out,
    },
    /// Lets a disabled credential be granted again
    Enable {
        /// Its id, or the beginning of it, or its label
        credential: String,
        #[command(flatten)]
        out: Out,
    },
    /// Takes a credential out of all grants, and away for good
    Remove {
        /// Its id, or the beginning of it, or its label
        credential: String,
        #[command(flatten)]
        out: Out,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CredentialSeal {
    /// What it is: ssh-password, ssh-key, http-basic, bearer, form, cookie, client-certificate, snmp-community, database
    #[arg(long)]
    pub(crate) kind: CredentialKind,
    /// Where it may be used, as HOST or HOST:PORT; may be repeated
    #[arg(long = "target", required = true, value_name = "HOST[:PORT]")]
    pub(crate) targets: Vec<Where>,
    /// The SSH host key of each target, in their order, as `ssh-keygen -lf` prints it
    #[arg(long = "host-key", value_name = "SHA256:…")]
    pub(crate) host_keys: Vec<KeyPin>,
    /// The SHA-256 of the public key in each target's TLS certificate, in their order, as sha256//BASE64
    #[arg(long, value_name = "SHA256")]
    pub(crate) spki: Vec<KeyPin>,
    /// Takes each target by the key that it shows first
    #[arg(long, conflicts_with_all = ["host_keys", "spki"])]
    pub(crate) accept_first_seen: bool,
    /// Takes each target without any key, over connections that anybody on the way can read
    #[arg(long, conflicts_with_all = ["host_keys", "spki", "accept_first_seen"])]
    pub(crate) cleartext_ok: bool,
    /// Which confirmed appliance may open it: its id, or the beginning of it, or its name; may be repeated
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
    /// A label, to know it by in lists
    #[arg(long)]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) secret: Secret,
    #[command(flatten)]
    pub(crate) out: Out,
}

/// The secret itself: never an argument.
#[derive(Debug, Args)]
pub(crate) struct Secret {
    /// The user to log in as, for the kinds that have one
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Reads the secret from a file: its first line, or the whole private key; otherwise it is asked for
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Reads the secret from an inherited descriptor
    #[arg(long, value_name = "NUMBER", conflicts_with = "secret_file")]
    pub(crate) secret_fd: Option<u32>,
    /// Reads an SSH key's passphrase from the first line of a file; otherwise it is asked for, if the key has one
    #[arg(long, value_name = "FILE")]
    pub(crate) key_passphrase_file: Option<PathBuf>,
    /// Reads an SSH key's passphrase from the first line of an inherited descriptor
    #[arg(long, value_name = "NUMBER", conflicts_with = "key_passphrase_file")]
    pub(crate) key_passphrase_fd: Option<u32>,
    /// A client certificate's file, as PEM; its private key is the secret
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// How it is sealed
    #[arg(long, value_enum, default_value = "x-wing")]
    pub(crate) suite: Suite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// ML-KEM-768 and X25519 together: holds as long as one of them does
    XWing,
    /// X25519 alone
    #[value(name = "x25519")]
    X25519,
}

impl From<Suite> for hpke::Suite {
    fn from(suite: Suite) -> Self {
        match suite {
            Suite::XWing => Self::XWing,
            Suite::X25519 => Self::X25519,
        }
    }
}
