//! The serial console: QEMU writes it to a file, a thread reads it, and each line gets the time at which it came.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A line of the console.
#[derive(Debug, Clone)]
pub struct Line {
    /// Since the machine was switched on.
    pub at: Duration,
    /// Printable ASCII: control characters are gone.
    pub text: String,
}

/// All lines so far.
#[derive(Debug)]
pub struct Console {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Line>,
    closed: bool,
}

impl Console {
    pub(super) fn of(file: PathBuf) -> Self {
        let shared = Arc::new(Shared::default());
        let begun = Instant::now();
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || follow(&file, begun, &of_thread));
        Self { shared }
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<Line> {
        self.shared.lock().lines.clone()
    }

    /// The lines from this one on; waits this long for the first of them.
    pub fn lines_from(&self, first: usize, patience: Duration) -> Vec<Line> {
        let state = self.shared.lock();
        let (state, _) = self
            .shared
            .grown
            .wait_timeout_while(state, patience, |state| state.lines.len() <= first)
            .unwrap_or_else(PoisonError::into_inner);
        state.lines.get(first..).unwrap_or_default().to_vec()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
    }
}

/// The end of it, for an error message.
impl fmt::Display for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        writeln!(
            f,
            "the last {} of {} lines on its console:",
            lines.len().min(TAIL),
            lines.len()
        )?;
        for line in lines.iter().skip(lines.len().saturating_sub(TAIL)) {
            writeln!(f, "{:>8.2}  {}", line.at.as_secs_f64(), line.text)?;
        }
        Ok(())
    }
}

impl Shared {
    /// A panic of another thread leaves whole lines behind: they are still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn follow(path: &PathBuf, begun: Instant, shared: &Shared) {
    let Ok(mut file) = File::open(path) else { return };
    let mut unfinished = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => {
                if shared.lock().closed {
                    return;
                }
                thread::sleep(POLL);
            }
            Ok(length) => {
                for &byte in chunk.get(..length).unwrap_or_default() {
                    if byte == b'\n' || unfinished.len() == LONGEST {
                        let text = plain(&unfinished);
                        unfinished.clear();
                        shared.lock().lines.push(Line {
                            at: begun.elapsed(),
                            text,
                        });
                    } else {
                        unfinished.push(byte);
                    }
                }
                shared.grown.notify_all();
            }
            Err(_) => return,
        }
    }
}

/// Without terminal sequences and control characters.
fn plain(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut bytes = bytes.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            // CSI: up to its final byte.
            0x1b if bytes.next() == Some(b'[') => {
                let _final = bytes.find(|byte| (0x40..=0x7e).contains(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            b'\t' => text.push(' '),
            _ => {}
        }
    }
    text
}

const POLL: Duration = Duration::from_millis(20);
const TAIL: usize = 60;
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn terminal_sequences_are_taken_out() {
        assert_eq!(
            plain(b"\x1b[2J\x1b[01;01Hvedette\r \x07state\tx"),
            "vedette state x"
        );
    }

    #[test]
    fn lines_come_as_they_are_written_and_in_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let console = Console::of(file.path().to_owned());
        file.write_all(b"one\r\ntw").unwrap();
        assert_eq!(console.lines_from(0, Duration::from_secs(5))[0].text, "one");
        assert!(console.lines_from(1, Duration::from_millis(50)).is_empty());
        file.write_all(b"o\n").unwrap();
        assert_eq!(console.lines_from(1, Duration::from_secs(5))[0].text, "two");
    }
}
