//! vedetted: see `vedette_daemon::link`.
#![forbid(unsafe_code)]

use std::{future::pending, process::ExitCode};

use vedette_daemon::{
    image, journal,
    link::{House, boot},
};
use vedette_protocol::status::State;
use vedette_sys::memory::WipingAllocator;

// The activation token passes through here, on its way from keeper to platform; the keys of a job's files are here
// while it runs.
#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    journal::open();
    let config = match image::config() {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(error = journal::chain(&error), "vedetted cannot start");
            return ExitCode::FAILURE;
        }
    };
    let house = House::of_appliance(config);
    let Err(stopped) = boot::boot(house.clone()).await;
    tracing::error!(%stopped, "no way on in this boot");
    house.board.show_reason(State::Refused, &stopped.to_string());
    // Ending would start it again, to no other end.
    pending().await
}
