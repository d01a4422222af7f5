//! vedette-console: shows the status on the screen and, line by line, on the serial port.
//!
//! It reads one file and writes to two devices, either of which may be absent. It reads no key: there is
//! nothing to answer and nobody to let in.

pub mod device;
pub mod screen;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    thread,
    time::Duration,
};

use vedette_protocol::status::{STATUS_LIMIT, Status};

use self::device::Device;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Shows the status until the machine ends.
pub fn show(status: &Path, mut screen: Device, mut serial: Device) -> ! {
    let mut shown: Option<Status> = None;
    screen.write(screen::starting().as_bytes());
    loop {
        // A file that is not there yet, or is none of ours, changes nothing on the screen.
        if let Ok(now) = read(status)
            && shown.as_ref() != Some(&now)
        {
            screen.write(screen::draw(&now).as_bytes());
            serial.write(format!("{now}\r\n").as_bytes());
            shown = Some(now);
        }
        thread::sleep(LOOK);
    }
}

fn read(path: &Path) -> io::Result<Status> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(STATUS_LIMIT).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Status::from_json(&bytes).map_err(io::Error::other)
}
