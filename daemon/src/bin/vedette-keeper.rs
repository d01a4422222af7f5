//! vedette-keeper: see `vedette_daemon::keeper`.
#![forbid(unsafe_code)]

use std::{io, os::unix::net::UnixListener, process::ExitCode};

use vedette_daemon::{
    journal,
    keeper::{
        server::{self, Desk},
        start,
    },
    notify,
};
use vedette_sys::{
    inherit,
    memory::{self, WipingAllocator},
};

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

fn main() -> ExitCode {
    journal::open();
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the keeper cannot serve");
            ExitCode::FAILURE
        }
    }
}

fn keep() -> io::Result<()> {
    memory::lock_all()?;
    memory::forbid_dumps()?;
    let socket = inherit::sockets()?.into_iter().next();
    let listener = UnixListener::from(socket.ok_or_else(|| io::Error::other("no socket passed"))?);
    let desk = start::of_machine().map_or_else(Desk::Closed, |keeper| Desk::Open(Box::new(keeper.into())));
    notify::ready()?;
    server::serve(&listener, desk)
}
