//! Secrets that come from outside: asked for on the terminal without showing them, from a file, or from an inherited
//! descriptor. Never from an argument, which every user of the machine can read.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The longest password or passphrase, in bytes.
pub(crate) const LONGEST: usize = 1024;

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Terminal,
    File(PathBuf),
    Descriptor(u32),
}

impl Source {
    /// What was given; the terminal when nothing was.
    pub(crate) fn given(file: Option<PathBuf>, descriptor: Option<u32>) -> Self {
        match (file, descriptor) {
            (Some(file), _) => Self::File(file),
            (None, Some(descriptor)) => Self::Descriptor(descriptor),
            (None, None) => Self::Terminal,
        }
    }

    /// The first line; on a terminal the answer to `question`. `instead` names the arguments that do without one.
    pub(crate) fn line(&self, question: &str, instead: &str, longest: usize) -> Result<Zeroizing<String>> {
        match self.open()? {
            Some(file) => {
                first_line(file, longest).with_context(|| format!("reading the first line of {self}"))
            }
            None => asked_for(question, instead, longest),
        }
    }

    /// All of a file or descriptor; none where only a terminal was left, on which nobody types a key.
    pub(crate) fn text(&self, longest: usize) -> Result<Option<Zeroizing<String>>> {
        self.open()?
            .map(|file| whole(file, longest).with_context(|| format!("reading {self}")))
            .transpose()
    }

    fn open(&self) -> Result<Option<File>> {
        let path = match self {
            Self::Terminal => return Ok(None),
            Self::File(path) => path.clone(),
            Self::Descriptor(number) => PathBuf::from(format!("/proc/self/fd/{number}")),
        };
        let file = File::open(path).with_context(|| format!("opening {self}"))?;
        Ok(Some(file))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal => f.write_str("the terminal"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Descriptor(number) => write!(f, "descriptor {number}"),
        }
    }
}

/// The password in a file's first line.
pub(crate) fn from_file(path: &Path) -> Result<Zeroizing<String>> {
    Source::File(path.to_owned()).line("", "", LONGEST)
}

/// Asks on the terminal, with its echo off meanwhile.
pub(crate) fn asked_for(question: &str, instead: &str, longest: usize) -> Result<Zeroizing<String>> {
    let terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .with_context(|| format!("no terminal to ask on; give {instead}"))?;
    // Before the question is seen: whoever answers at once is not shown either.
    let silence = Silence::on(&terminal).context("turning the terminal's echo off")?;
    (&terminal).write_all(question.as_bytes())?;
    let answer = first_line(&terminal, longest);
    drop(silence);
    // The line's end was not shown either.
    (&terminal).write_all(b"\n")?;
    answer.context("reading from the terminal")
}

fn first_line(from: impl Read, longest: usize) -> Result<Zeroizing<String>> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut line = Zeroizing::new(String::with_capacity(longest + 3));
    BufReader::new(from.take(longest as u64 + 2)).read_line(&mut line)?;
    let end = line.trim_end_matches(['\n', '\r']).len();
    ensure!(end <= longest, "it has more than {longest} bytes");
    ensure!(end > 0, "it is empty");
    line.truncate(end);
    Ok(line)
}

fn whole(from: impl Read, longest: usize) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(longest + 2));
    from.take(longest as u64 + 1).read_to_string(&mut text)?;
    ensure!(text.len() <= longest, "it has more than {longest} bytes");
    ensure!(!text.is_empty(), "it is empty");
    Ok(text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        let line = |bytes: &[u8]| first_line(bytes, LONGEST).unwrap().to_string();
        assert_eq!(line(b"pass word \r\nmore\n"), "pass word ");
        assert_eq!(line(b"last"), "last");
        assert_eq!(line(&[b'x'; LONGEST]).len(), LONGEST);
    }

    #[test]
    fn no_password_and_too_long_a_password_are_refused() {
        assert!(first_line(&b"\nsecond\n"[..], LONGEST).is_err());
        for length in [LONGEST + 1, LONGEST + 2, 2 * LONGEST] {
            let error = first_line(vec![b'x'; length].as_slice(), LONGEST).unwrap_err();
            assert!(error.to_string().contains("more than 1024"), "{length}");
        }
        assert!(whole(vec![b'x'; 11].as_slice(), 10).is_err());
        assert!(whole(&b""[..], 10).is_err());
        assert!(whole(&b"\xff"[..], 10).is_err());
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_named() {
        let error = Source::Descriptor(987).line("", "", LONGEST).unwrap_err();
        assert_eq!(error.to_string(), "opening descriptor 987");
    }
}
