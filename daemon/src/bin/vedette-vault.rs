//! vedette-vault: see `vedette_daemon::vault`.
#![forbid(unsafe_code)]

use std::{io, os::unix::net::UnixStream, process::ExitCode};

use vedette_daemon::{journal, notify, vault};
use vedette_protocol::keeper::KEEPER_SOCKET;
use vedette_sys::memory::{self, WipingAllocator};

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

fn main() -> ExitCode {
    journal::open();
    let Err(error) = keep();
    tracing::error!(error = journal::chain(&*error), "the vault is closed");
    ExitCode::FAILURE
}

fn keep() -> Result<std::convert::Infallible, Box<dyn std::error::Error>> {
    memory::lock_all()?;
    memory::forbid_dumps()?;
    let keeper = UnixStream::connect(KEEPER_SOCKET)?;
    notify::ready()?;
    vault::serve(keeper)?;
    Err(io::Error::other("the keeper hung up").into())
}
