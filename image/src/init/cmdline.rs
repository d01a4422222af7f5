//! What the kernel command line says of the root: `vedette.slot`, `vedette.root_hash`, `vedette.root_salt`,
//! `vedette.root_blocks`. The builder writes these words and init reads them, both from here.

use std::fmt;

/// Which of the two root partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    A,
    B,
}

impl Slot {
    /// The partition's name.
    pub fn partition(self) -> &'static str {
        match self {
            Self::A => "root-a",
            Self::B => "root-b",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// What pins the root file system: nothing else is booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootPins {
    pub slot: Slot,
    /// Root of the hash tree, 32 bytes in hex.
    pub hash: Hex,
    /// Salt of the hash tree, 32 bytes in hex.
    pub salt: Hex,
    /// Blocks of data of 4096 bytes; the hash tree follows them.
    pub blocks: u64,
}

/// 32 bytes, in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex(String);

impl Hex {
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 64 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmdlineError {
    #[error("the kernel command line has no {0}=; boot the signed image's own kernel")]
    Missing(&'static str),
    #[error("the kernel command line has {0}= twice")]
    Twice(&'static str),
    #[error("the kernel command line's {word}={value} is not {wanted}")]
    Malformed {
        word: &'static str,
        value: String,
        wanted: &'static str,
    },
}

/// A tebibyte of root would be an error, and the table counts in sectors of 512 bytes.
const MOST_BLOCKS: u64 = 1 << 28;

impl RootPins {
    pub fn parse(cmdline: &str) -> Result<Self, CmdlineError> {
        let slot = word(cmdline, "vedette.slot", "a or b", |value| match value {
            "a" => Some(Slot::A),
            "b" => Some(Slot::B),
            _ => None,
        })?;
        let hash = word(cmdline, "vedette.root_hash", "64 hex digits", Hex::parse)?;
        let salt = word(cmdline, "vedette.root_salt", "64 hex digits", Hex::parse)?;
        let blocks = word(cmdline, "vedette.root_blocks", "a number of blocks", |value| {
            value
                .parse()
                .ok()
                .filter(|blocks| (1..=MOST_BLOCKS).contains(blocks))
        })?;
        Ok(Self {
            slot,
            hash,
            salt,
            blocks,
        })
    }
}

impl fmt::Display for RootPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            slot,
            hash,
            salt,
            blocks,
        } = self;
        write!(
            f,
            "vedette.slot={slot} vedette.root_hash={hash} vedette.root_salt={salt} vedette.root_blocks={blocks}"
        )
    }
}

/// Reads the one occurrence of `name=`; a second one could be an attacker's, so it is an error and not a choice.
fn word<T>(
    cmdline: &str,
    name: &'static str,
    wanted: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, CmdlineError> {
    let mut found = cmdline
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let value = found.next().ok_or(CmdlineError::Missing(name))?;
    if found.next().is_some() {
        return Err(CmdlineError::Twice(name));
    }
    read(value).ok_or_else(|| CmdlineError::Malformed {
        word: name,
        value: value
            .chars()
            .take(80)
            .filter(|shown| !shown.is_control())
            .collect(),
        wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins() -> RootPins {
        RootPins {
            slot: Slot::B,
            hash: Hex::parse(&"0a".repeat(32)).unwrap(),
            salt: Hex::parse(&"f0".repeat(32)).unwrap(),
            blocks: 4711,
        }
    }

    #[test]
    fn what_the_builder_writes_init_reads() {
        let cmdline = format!("BOOT_IMAGE=x quiet {} panic=-1\n", pins());
        assert_eq!(RootPins::parse(&cmdline), Ok(pins()));
    }

    #[test]
    fn a_missing_word_is_named() {
        let cmdline = pins().to_string().replace("vedette.root_salt=", "x=");
        assert_eq!(
            RootPins::parse(&cmdline),
            Err(CmdlineError::Missing("vedette.root_salt"))
        );
    }

    #[test]
    fn a_word_given_twice_is_refused() {
        let cmdline = format!("{} vedette.slot=a", pins());
        assert_eq!(
            RootPins::parse(&cmdline),
            Err(CmdlineError::Twice("vedette.slot"))
        );
    }

    #[test]
    fn malformed_words_are_refused() {
        for (from, to) in [
            ("slot=b", "slot=c"),
            ("root_hash=0a", "root_hash=0A"),
            ("root_salt=f0", "root_salt=f"),
            ("blocks=4711", "blocks=0"),
            ("blocks=4711", "blocks=99999999999"),
        ] {
            let cmdline = pins().to_string().replace(from, to);
            assert!(
                matches!(RootPins::parse(&cmdline), Err(CmdlineError::Malformed { .. })),
                "{to}"
            );
        }
    }
}
