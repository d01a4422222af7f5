//! Measures one thing, for `vedette-bench`, with the allocator of the processes that it stands for.
#![forbid(unsafe_code)]

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Result;
use clap::Parser;
use serde_json::json;
use vedette_measure::{files, login, opens};
use vedette_sys::memory::WipingAllocator;

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

/// Prints an object in JSON.
#[derive(Debug, Parser)]
#[command(name = "vedette-measure")]
enum Command {
    /// Openings of HPKE in a second
    Opens,
    /// Bytes in a second that are sealed as chunks of files, and by ring alone
    Files,
    /// Seals a file into another
    Seal { from: PathBuf, to: PathBuf },
    /// Seconds from a job's order to its login
    Login {
        endpoint: SocketAddr,
        key: String,
        log: PathBuf,
        user: String,
        password: String,
    },
}

fn main() -> Result<()> {
    let told = match Command::parse() {
        Command::Opens => {
            let opens::Opens { x25519, xwing } = opens::measure()?;
            json!({"x25519": x25519, "xwing": xwing})
        }
        Command::Files => {
            let files::Speeds { ours, ring } = files::measure()?;
            json!({"ours": ours, "ring": ring})
        }
        Command::Seal { from, to } => {
            files::seal(&from, &to)?;
            json!({})
        }
        Command::Login {
            endpoint,
            key,
            log,
            user,
            password,
        } => {
            let took = login::measure(&login::Host {
                endpoint,
                key,
                log,
                user,
                password,
            })?;
            json!({"seconds": took.as_secs_f64()})
        }
    };
    println!("{told}");
    Ok(())
}
