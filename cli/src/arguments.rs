//! What can be asked for, as clap reads it.

mod copy;
mod credential;
mod grant;
mod owner;

pub(crate) use copy::{Copy, CopyCommand, CopySet};
pub(crate) use credential::{Credential, CredentialCommand, CredentialSeal, Secret};
pub(crate) use grant::{Grant, GrantCommand, GrantSign};
pub(crate) use owner::{Access, Out, Owner, OwnerCommand};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use vedette_protocol::api::TokenKind;
use vedette_protocol::finding::{FindingType, Host, Severity};
use vedette_protocol::image::PlatformUrl;
use vedette_protocol::job::Check;
use vedette_protocol::target::{Ports, Target};
use vedette_protocol::web::{ClassName, StartPath, WebTest, WebTestError};

use crate::confirm::Typed;
use crate::moment::Moment;
use crate::validity::Validity;

/// Uses a Vedette platform: appliances, scans, findings.
#[derive(Debug, Parser)]
#[command(name = "vedette", version, after_help = AFTER)]
pub struct Arguments {
    /// Prints the API's JSON instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Logs in, and keeps a token for what follows
    Login(Login),
    /// Forgets the token
    Logout,
    /// Tokens: for scripts, and for the activation of appliances
    #[command(subcommand)]
    Token(Token),
    /// Appliances of the account
    #[command(subcommand)]
    Appliance(Appliance),
    /// The owner key: your own authority over appliances, past the platform
    Owner(Owner),
    /// Grants: what appliances may do, signed by the owner key
    Grant(Grant),
    /// Credentials, sealed to the appliances that may use them
    Credential(Credential),
    /// Your copy of every message that leaves an appliance, sent to a syslog server of yours
    Copy(Copy),
    /// Pools: appliances that reach the same network and share a queue
    #[command(subcommand)]
    Pool(Pool),
    /// Scans
    #[command(subcommand)]
    Scan(Scan),
    /// Scans that begin by themselves, again and again
    #[command(subcommand)]
    Schedule(Schedule),
    /// What scans found
    #[command(subcommand)]
    Finding(Finding),
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Where the platform is, as https://HOST:PORT
    #[arg(long)]
    pub(crate) url: PlatformUrl,
    /// The certificate of the only CA to trust, as PEM; `vedette-platform init` names the file
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: PathBuf,
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(crate) account: String,
    /// Reads the password from the first line of a file; otherwise it is asked for
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Changes the password to the first line of a file; the first login of an account demands a change
    #[arg(long, value_name = "FILE")]
    pub(crate) new_password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Makes a token; its secret is shown this once
    Create {
        kind: Kind,
        /// A name, to know it by in lists
        #[arg(long)]
        name: String,
        /// How long it is valid, as in 30m, 24h or 7d: unless given 24h for an activation (30d at most), and 90d for
        /// scripts (366d at most)
        #[arg(long, value_name = "DURATION")]
        valid_for: Option<Validity>,
        /// Writes the secret to a new file that only you can read, instead of showing it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Lists tokens, without their secrets
    List,
    /// Makes a token worthless
    Revoke {
        /// Its id, or the beginning of it, or its name
        token: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// For scripts that use the API
    Api,
    /// For one appliance to activate itself with, once
    Activation,
}

impl From<Kind> for TokenKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Api => Self::Api,
            Kind::Activation => Self::Activation,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Appliance {
    /// Lists appliances
    List,
    /// Shows one
    Show {
        /// Its id, or the beginning of it, or its name
        appliance: String,
    },
    /// Takes an appliance into the account that shows this code on its console
    Activate {
        code: String,
        /// A name for it
        #[arg(long)]
        name: Option<String>,
    },
    /// Prints an appliance's keys, to be carried to the machine with the owner key (`confirm --from`)
    Keys {
        /// Its id, or the beginning of it, or its name
        appliance: String,
    },
    /// Compares an appliance's keys, and makes it the owner's: from then on it does nothing without a grant
    Confirm(ApplianceConfirm),
    /// Lets an appliance go: it does what the platform says again
    Release {
        #[command(flatten)]
        access: Access,
        /// Its id, or the beginning of it, or its name
        appliance: String,
        #[command(flatten)]
        out: Out,
    },
    /// Removes one for good: its key share is destroyed, and what it has stored is lost
    Remove {
        /// Its id, or the beginning of it, or its name
        appliance: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ApplianceConfirm {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Its id, or the beginning of it, or its name; with --from the name to keep it under
    pub(crate) appliance: String,
    /// The fingerprint that the appliance's console shows: type it off, do not copy it from the platform
    #[arg(long, value_name = "XXXX-XXXX-…", required_unless_present = "enrolment")]
    pub(crate) fingerprint: Option<Typed>,
    /// The file with the secret that it was flashed with (`vedette-image flash --enrolment-out`)
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    pub(crate) enrolment: Option<PathBuf>,
    /// Reads its keys from a file that `vedette appliance keys` printed, instead of asking the platform
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pool {
    /// Makes a pool
    Create {
        /// A name for it
        name: String,
        /// Which appliance is in it: its id, or the beginning of it, or its name; may be repeated
        #[arg(long = "appliance", value_name = "APPLIANCE")]
        appliances: Vec<String>,
    },
    /// Lists pools
    List,
    /// Puts an appliance in; it is given jobs under grants that name it
    Add {
        /// Its id, or the beginning of it, or its name
        pool: String,
        /// Its id, or the beginning of it, or its name
        appliance: String,
    },
    /// Takes an appliance out: the others do what it had
    TakeOut {
        /// Its id, or the beginning of it, or its name
        pool: String,
        /// Its id, or the beginning of it, or its name
        appliance: String,
    },
    /// Removes a pool: its appliances stay, what it has not done yet has failed
    Remove {
        /// Its id, or the beginning of it, or its name
        pool: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Scan {
    /// Starts a scan
    Start(Box<ScanStart>),
    /// Lists scans
    List,
    /// Shows one
    Show {
        /// Its id, or the beginning of it
        scan: String,
    },
    /// Lists the parts of one, and which appliance does which
    Jobs {
        /// Its id, or the beginning of it
        scan: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ScanStart {
    #[command(flatten)]
    pub(crate) wish: ScanWish,
    /// Waits until it has ended, and shows how far it is
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Has a scan begin again and again; where the appliance has an owner, under a grant that stands then
    Add {
        /// A name for it
        name: String,
        #[command(flatten)]
        wish: Box<ScanWish>,
        /// The time from one beginning to the next, as in 24h or 7d; at least 1h
        #[arg(long, value_name = "TIME", default_value = "7d")]
        every: Validity,
        /// When it begins first, as in 2026-12-31T18:00:00Z, 2026-12-31 or 2h (from now); now unless given
        #[arg(long, value_name = "TIME")]
        first: Option<Moment>,
    },
    /// Lists schedules, with what came of each the last time
    List,
    /// Removes one; a scan that has begun goes on
    Remove {
        /// Its id, or the beginning of it, or its name
        schedule: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ScanWish {
    /// Which appliance scans: its id, or the beginning of it, or its name
    #[arg(long, required_unless_present = "pool")]
    pub(crate) appliance: Option<String>,
    /// Which pool scans, each part by whichever of its appliances takes it: its id, or the beginning of it, or its name
    #[arg(long, conflicts_with = "appliance")]
    pub(crate) pool: Option<String>,
    /// What to scan: an address, a network (192.0.2.0/24), a range (192.0.2.1-9) or a name; may be repeated
    #[arg(long = "target", required = true)]
    pub(crate) targets: Vec<Target>,
    /// What to leave out, although a target spans it; may be repeated
    #[arg(long)]
    pub(crate) exclude: Vec<Target>,
    /// Which ports, as in 22,80,8000-8100,U:53,161 (those after U: are UDP's); the platform's list of TCP's unless
    /// given
    #[arg(long)]
    pub(crate) ports: Option<Ports>,
    /// Which check (discovery, topology, ports, services, tls, http, web, inventory); may be repeated; unless given, those
    /// of ports up to http, and with credentials inventory too. Discovery and topology ask by ARP and ICMP as well; web
    /// sends payloads to every input of web applications: with services of each web server that they find, else on each
    /// of --ports (80 and 443 unless given)
    #[arg(long = "check", visible_alias = "checks", value_delimiter = ',')]
    pub(crate) checks: Vec<Check>,
    /// A sealed credential to log in with at those of its places that are targets: its id, or the beginning of it, or
    /// its label; may be repeated
    #[arg(long = "credential", value_name = "CREDENTIAL")]
    pub(crate) credentials: Vec<String>,
    #[command(flatten)]
    pub(crate) web: WebWish,
}

/// How web applications are tested, with the check web. Which host they are is the target: a name is asked for as such.
#[derive(Debug, Args)]
pub(crate) struct WebWish {
    /// Where a web application begins, as in /shop/; may be repeated; / unless given
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<StartPath>,
    /// Test web applications for these classes alone, as in sql,xss (`vedette-scan web --help` lists them)
    #[arg(long, value_delimiter = ',', value_name = "CLASSES")]
    classes: Vec<ClassName>,
    /// The most requests to one web application; 100000 unless given
    #[arg(long, value_name = "N")]
    requests: Option<u32>,
    /// The longest time for one web application, in seconds; two hours unless given
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u32>,
}

impl WebWish {
    /// What is asked for, if anything is.
    ///
    /// # Errors
    /// When it is out of bounds.
    pub(crate) fn test(self) -> Result<Option<WebTest>, WebTestError> {
        let Self {
            paths,
            classes,
            requests,
            seconds,
        } = self;
        if paths.is_empty() && classes.is_empty() && requests.is_none() && seconds.is_none() {
            return Ok(None);
        }
        let usual = WebTest::default();
        let test = WebTest {
            paths,
            classes,
            requests: requests.unwrap_or(usual.requests),
            seconds: seconds.unwrap_or(usual.seconds),
        };
        test.bounded().map(Some)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Finding {
    /// Lists findings, the worst first
    List {
        /// Only those that this scan saw: its id, or the beginning of it
        #[arg(long)]
        scan: Option<String>,
        /// Only those of this appliance: its id, or the beginning of it, or its name
        #[arg(long)]
        appliance: Option<String>,
        /// Only this severity (info, low, medium, high, critical)
        #[arg(long)]
        severity: Option<Severity>,
        /// Only those of this host: its address, or the name that it was scanned by
        #[arg(long)]
        target: Option<Host>,
        /// Only those of this type, as `device` for hosts that are there
        #[arg(long = "type", value_name = "TYPE")]
        type_: Option<FindingType>,
    },
}

const AFTER: &str = "\
The login is kept in $XDG_CONFIG_HOME/vedette/login.toml (~/.config if unset), readable by you alone.
These override it:
  VEDETTE_URL    where the platform is
  VEDETTE_CA     file with the certificate of the only CA to trust
  VEDETTE_TOKEN  a token, as made by `vedette token create api`

Exit codes:
  0  done; with `scan start --wait`: complete
  1  an error, which is printed
  2  wrong usage
  3  `scan start --wait`: partial, not everything answered
  4  `scan start --wait`: failed";
