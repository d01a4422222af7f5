//! The initramfs's init. It has no shell to fall back to: when it cannot boot it says why, and the machine goes off.
#![forbid(unsafe_code)]

use std::{error::Error, fmt::Write as _, fs::OpenOptions, io::Write as _, thread, time::Duration};

use rustix::system::{RebootCommand, reboot};
use vedette_image::init;

/// Long enough to read one line on a screen.
const READING: Duration = Duration::from_secs(10);

fn main() {
    match init::boot() {
        Err(error) => refuse(&error),
        Ok(never) => match never {},
    }
}

/// Never returns where it matters: an init that ends makes the kernel panic, which turns the machine off or on too.
fn refuse(error: &init::InitError) {
    let mut line = format!("vedette-init: not booting: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(line, ": {error}").expect("a String takes any text");
        cause = error.source();
    }
    for console in ["/dev/console", "/dev/tty1"] {
        // A console that is not there cannot be told.
        if let Ok(mut console) = OpenOptions::new().write(true).open(console) {
            drop(writeln!(console, "\n{line}"));
        }
    }
    thread::sleep(READING);
    reboot(RebootCommand::PowerOff).expect("the first process may turn the machine off");
}
