//! Passwords: from a file's first line, or from the terminal without showing them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The first line of a file.
pub(crate) fn from_file(path: &Path) -> Result<Zeroizing<String>> {
    let file = File::open(path).with_context(|| format!("opening the password file {}", path.display()))?;
    first_line(file).with_context(|| format!("reading a password from {}", path.display()))
}

/// Asks on the terminal, with its echo off meanwhile.
pub(crate) fn asked_for(question: &str) -> Result<Zeroizing<String>> {
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .context("no terminal to ask for the password on; give --password-file FILE")?;
    terminal.write_all(question.as_bytes())?;
    let silence = Silence::on(&terminal).context("turning the terminal's echo off")?;
    let password = first_line(&terminal);
    drop(silence);
    // The line's end was not shown either.
    terminal.write_all(b"\n")?;
    password.context("reading the password from the terminal")
}

fn first_line(from: impl Read) -> Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(LONGEST));
    BufReader::new(from.take(LONGEST as u64)).read_line(&mut line)?;
    ensure!(
        line.len() < LONGEST,
        "a password has at most {} bytes",
        LONGEST - 1
    );
    let password = Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned());
    ensure!(!password.is_empty(), "the password is empty");
    Ok(password)
}

/// Echo comes back when dropped.
struct Silence<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn on(terminal: &'a File) -> Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        let _gone_terminal = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

const LONGEST: usize = 1025;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        assert_eq!(
            first_line(&b"pass word \r\nmore\n"[..]).unwrap().as_str(),
            "pass word "
        );
        assert_eq!(first_line(&b"last"[..]).unwrap().as_str(), "last");
    }

    #[test]
    fn no_password_and_too_long_a_password_are_refused() {
        assert!(first_line(&b"\nsecond\n"[..]).is_err());
        assert!(
            first_line(vec![b'x'; 2000].as_slice())
                .unwrap_err()
                .to_string()
                .contains("at most 1024")
        );
    }
}
