//! `vedette-platform`: parse, run, exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use vedette_platform::command::Command;
use vedette_sys::memory::WipingAllocator;

/// Passwords, tokens and key shares pass through buffers that no type of ours owns.
#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vedette-platform: {error:#}");
            ExitCode::FAILURE
        }
    }
}
