//! Goes into test images only: tries from inside what must not be possible, and says how it went.
//!
//! `vedette-probe sandbox UNIT` runs under a copy of UNIT's sandbox and tries what its directives
//! forbid. `vedette-probe liar` stands in a worker's place: it takes its order and its grant like a
//! worker and then sends to targets that the job does not name. Each attempt is one line on standard
//! output: `probe WHO WHAT allowed` or `probe WHO WHAT denied ERROR`. `vedette-probe memory` tells what our
//! processes hold in memory, `vedette-probe crash` has workers crash. It judges nothing; the tests do.
#![forbid(unsafe_code)]

mod attempt;
mod crash;
mod frames;
mod liar;
mod memory;
mod sandbox;

use std::path::Path;
use std::process::ExitCode;

use vedette_protocol::image::IMAGE_CONFIG_PATH;

fn main() -> ExitCode {
    // What it tries, it does: on another machine it would set clocks and host names.
    if !Path::new(IMAGE_CONFIG_PATH).exists() {
        eprintln!(
            "vedette-probe: not in a test image, since there is no {IMAGE_CONFIG_PATH}: trying nothing"
        );
        return ExitCode::from(2);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["memory"] => memory::probe(),
        ["crash"] => crash::probe(),
        ["sandbox", unit] => sandbox::probe(unit),
        // A worker is started without arguments.
        ["liar"] | [] => liar::probe(),
        _ => {
            eprintln!("usage: vedette-probe sandbox UNIT | liar | memory | crash");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
