//! `vedette-image`: builds an image, renews its lock, flashes it.
#![forbid(unsafe_code)]

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use vedette_image::{
    build::{self, Build, Places, Stale, output},
    flash::{self, Flash, Owning},
};

/// Build and flash the Vedette appliance's image.
#[derive(Debug, Parser)]
#[command(name = "vedette-image", version)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build an image from a manifest.
    Build {
        /// The manifest; the shipped one is image/vedette.toml.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Folder for the image and its parts.
        #[arg(long, value_name = "DIR", default_value = "target/image-out")]
        out: PathBuf,
        /// Refuse a stale lock instead of renewing it beside the image.
        #[arg(long)]
        locked: bool,
        #[command(flatten)]
        places: PlaceArgs,
        /// Folder of the key that signs boot programs, made at first use [default: vedette/keys in the user's data].
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
    },
    /// Resolve the manifest's packages anew and write the lock beside it.
    Lock {
        /// Say that the lock is to be written.
        #[arg(long, required = true)]
        update: bool,
        #[arg(long, value_name = "FILE", default_value = "image/vedette.toml")]
        config: PathBuf,
        #[command(flatten)]
        places: PlaceArgs,
    },
    /// Write an image to a disk or a file, with an activation token if one is given.
    Flash {
        /// A block device, or a file that is written anew.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// The raw image, or one that ends in .zst.
        #[arg(long, value_name = "FILE", default_value_os_t = PathBuf::from("target/image-out").join(output::RAW))]
        image: PathBuf,
        /// File with the activation token, as `vedette token create` prints it.
        #[arg(long, value_name = "FILE")]
        activation_token_file: Option<PathBuf>,
        /// File with the owner's public key, as `vedette owner show --public` prints it: the appliance does nothing
        /// without that owner's grant from its first boot on.
        #[arg(long, value_name = "FILE", requires = "enrolment_out")]
        owner: Option<PathBuf>,
        /// New file for the secret by which the appliance proves itself to `vedette appliance confirm --enrolment`.
        #[arg(long, value_name = "FILE", requires = "owner")]
        enrolment_out: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// Folder that keeps packages between builds [default: vedette in the user's cache, else /var/cache/vedette].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// A sources.list(5) file to use instead of this machine's.
    #[arg(long, value_name = "FILE")]
    sources: Option<PathBuf>,
}

impl From<PlaceArgs> for Places {
    fn from(PlaceArgs { cache, sources }: PlaceArgs) -> Self {
        Self { cache, sources }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vedette-image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Verb::Build {
            config,
            out,
            locked,
            places,
            keys,
        } => {
            let stale = if locked { Stale::Refuse } else { Stale::Renew };
            Build {
                manifest: config,
                out,
                stale,
                places: places.into(),
                keys,
            }
            .run()
        }
        Verb::Lock {
            update: _,
            config,
            places,
        } => build::update_lock(&config, &places.into()),
        Verb::Flash {
            to,
            image,
            activation_token_file,
            owner,
            enrolment_out,
        } => {
            let token = activation_token_file
                .as_deref()
                .map(flash::read_token)
                .transpose()?;
            let owner = owner
                .zip(enrolment_out)
                .map(|(file, enrolment_out)| {
                    flash::read_owner(&file).map(|owner| Owning { owner, enrolment_out })
                })
                .transpose()?;
            Flash {
                image,
                to,
                token,
                owner,
            }
            .run()
        }
    }
}
