//! The process of one job on the appliance. systemd starts it with vedetted's connection as descriptor 3.
#![forbid(unsafe_code)]

use std::{error::Error, io, process::ExitCode};

use tokio::net::UnixStream;
use tracing::error;
use vedette_protocol::keeper::KEEPER_SOCKET;
use vedette_scanner::{
    causes::one_line,
    worker::{Keeper, WorkerError, work},
};
use vedette_sys::memory::WipingAllocator;

// Credentials pass through here.
#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

/// The keeper runs as root.
const KEEPER_UID: u32 = 0;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{}", one_line(failure.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let vedetted = vedette_sys::inherit::sockets()?
        .into_iter()
        .next()
        .ok_or("no connection was passed")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended: Result<(), WorkerError> = runtime.block_on(async {
        let stream = std::os::unix::net::UnixStream::from(vedetted);
        stream
            .set_nonblocking(true)
            .map_err(|error| WorkerError::Vedetted(error.into()))?;
        let stream = UnixStream::from_std(stream).map_err(|error| WorkerError::Vedetted(error.into()))?;
        work(
            stream,
            &Keeper {
                socket: KEEPER_SOCKET.into(),
                uid: KEEPER_UID,
            },
        )
        .await
    });
    // A sweep may still be leaving its thread; it has nobody to tell any more.
    runtime.shutdown_background();
    Ok(ended?)
}
