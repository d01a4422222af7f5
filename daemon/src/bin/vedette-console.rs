//! vedette-console: see `vedette_daemon::console`.
#![forbid(unsafe_code)]

use std::path::Path;

use vedette_daemon::{
    console::{self, device::Device},
    journal,
};
use vedette_protocol::status::STATUS_PATH;

fn main() {
    journal::open();
    console::show(
        Path::new(STATUS_PATH),
        Device::at("/dev/tty1"),
        Device::at("/dev/ttyS0"),
    )
}
