//! The platform's own library in a program that writes the keys of its TLS connections to the file that `SSLKEYLOGFILE`
//! names, so that a test can read what was on the wire. No program that is shipped can.
#![forbid(unsafe_code)]

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use rustls::{KeyLog, KeyLogFile, ServerConfig};
use tokio::net::TcpListener;
use vedette_platform::{
    directory::Directory,
    limits::Limits,
    listener,
    platform::{Policy, TestImages},
    serve::{self, Opened},
};

#[derive(Debug, Parser)]
struct Arguments {
    /// The data directory
    #[arg(long)]
    data: PathBuf,
    /// Address and port to listen on
    #[arg(long)]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { data, listen } = Arguments::parse();
    let policy = Policy {
        test_images: TestImages::Refused,
        keystore_backups: Duration::from_hours(24),
    };
    let Opened {
        platform,
        mut house,
        shown: _shown,
    } = serve::open(Directory::open(&data)?, policy).await?;
    let log: Arc<dyn KeyLog> = Arc::new(KeyLogFile::new());
    for config in [&mut house.tls.link, &mut house.tls.web] {
        let mut logged = ServerConfig::clone(config);
        logged.key_log = log.clone();
        *config = Arc::new(logged);
    }
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listening on {listen}"))?;
    listener::listen(listener, house, Limits::default(), platform.stopping.subscribe()).await;
    Ok(())
}
