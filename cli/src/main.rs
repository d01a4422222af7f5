//! Parse, run, exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, setrlimit};
use vedette_cli::Arguments;

/// Passwords and tokens pass through parsers and buffers here: no block goes back to the heap with one in it.
#[global_allocator]
static WIPING: vedette_sys::memory::WipingAllocator = vedette_sys::memory::WipingAllocator;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A core dump would keep what the allocator wipes.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        eprintln!("vedette: forbidding core dumps: {error}");
        return ExitCode::FAILURE;
    }
    let arguments = Arguments::parse();
    match vedette_cli::run(arguments).await {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            // One line for each cause: the chain is what to look at, and no backtrace is.
            eprintln!("vedette: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("    because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}
