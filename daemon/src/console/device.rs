//! A terminal that is written to and never read.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rustix::fs::OFlags;

/// How long a terminal may take; a serial port without a reader takes for ever.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// A terminal, there or not.
#[derive(Debug)]
pub struct Device {
    path: PathBuf,
    file: Option<File>,
}

impl Device {
    /// The terminal of this path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            file: None,
        }
    }

    /// Writes, if it is there and takes it. One that fails is opened anew the next time.
    pub fn write(&mut self, bytes: &[u8]) {
        let written = match self.file.take() {
            Some(file) => Ok(file),
            None => self.open(),
        }
        .and_then(|mut file| write_all(&mut file, bytes).map(|()| file));
        match written {
            Ok(file) => self.file = Some(file),
            Err(error) => tracing::debug!(path = %self.path.display(), %error, "not shown"),
        }
    }

    fn open(&self) -> io::Result<File> {
        // NOCTTY: no key of this terminal may ever send this process a signal.
        let flags = OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        OpenOptions::new()
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&self.path)
    }
}

fn write_all(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    let end = Instant::now() + WRITE_LIMIT;
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_device_is_no_failure_and_is_found_when_it_comes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tty");
        let mut device = Device::at(&path);
        device.write(b"lost");
        std::fs::write(&path, "").unwrap();
        device.write(b"shown");
        assert_eq!(std::fs::read(&path).unwrap(), b"shown");
        Device::at("/dev/full").write(b"x");
    }
}
