//! What `vedette-platform` can be told.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use vedette_protocol::image::PlatformUrl;

use crate::{
    directory::Directory,
    init,
    limits::Limits,
    pins,
    platform::{Policy, TestImages},
    serve,
};

/// The Vedette platform.
#[derive(Debug, Parser)]
#[command(
    name = "vedette-platform",
    version,
    about = "The Vedette platform: activates appliances, keeps their key shares, plans scans, keeps findings",
    propagate_version = true
)]
pub struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a data directory: keys, CAs, database, and the password of the first login
    Init {
        /// Where; must not exist
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Where appliances and people will reach the platform: https://HOST or https://HOST:PORT
        #[arg(long)]
        url: PlatformUrl,
    },
    /// Print what an image must know of this platform, as the [platform] section of its manifest
    Pins {
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Pin a public root CA by its common name instead of tls/root.pem (may be repeated)
        #[arg(long = "root", value_name = "COMMON NAME")]
        roots: Vec<String>,
    },
    /// Serve appliances, the API and the dashboard on one port, until SIGTERM
    ///
    /// The server shows tls/chain.pem with tls/key.pem of the data directory. `init` makes them from a
    /// root of its own, and `serve` renews them while it owns that root. To use a certificate of
    /// another CA, replace both files and remove keystore/tls-root; changed files are taken up within a
    /// minute.
    Serve {
        /// The data directory
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Address and port to listen on; all addresses and the URL's port unless given
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// Days after which no backup of keystore/ exists any more; removal receipts name the date
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        keystore_backup_days: u16,
        /// Connections at a time from one address (of IPv6: from one /64); raise it for a proxy or a load balancer
        /// in front, which all connections come from
        #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
        connections_per_address: u32,
        /// Accept images that carry probes for tests: never outside of a laboratory
        #[arg(long)]
        danger_accept_test_images: bool,
    },
}

impl Command {
    /// Does what it says.
    ///
    /// # Errors
    /// When it cannot be done: what, where, and what to do.
    pub fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
        match self.what {
            What::Init { data, url } => {
                runtime.block_on(init::init(&data, &url))?;
                let directory = Directory::open(&data)?;
                println!("made {}", data.display());
                println!(
                    "  for the first login: account admin, password in {}",
                    directory.first_login().display()
                );
                println!(
                    "  to trust it as a client: {}",
                    directory.tls().join(crate::tls::ROOT).display()
                );
                println!("  next: vedette-platform serve --data {}", data.display());
                Ok(())
            }
            What::Pins { data, roots } => {
                print!("{}", pins::pins(&Directory::open(&data)?, &roots)?);
                Ok(())
            }
            What::Serve {
                data,
                listen,
                keystore_backup_days,
                connections_per_address,
                danger_accept_test_images,
            } => {
                let limits = Limits {
                    connections_of_origin: connections_per_address as usize,
                    ..Limits::default()
                };
                let policy = Policy {
                    test_images: if danger_accept_test_images {
                        TestImages::Accepted
                    } else {
                        TestImages::Refused
                    },
                    keystore_backups: Duration::from_hours(24 * u64::from(keystore_backup_days)),
                };
                runtime.block_on(serve::serve(Directory::open(&data)?, listen, policy, limits))
            }
        }
    }
}
