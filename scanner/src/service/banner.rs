//! Reading the one line of text with which many services greet.

use vedette_protocol::finding::Confidence;

use super::{Heard, Identity};

/// How a protocol greets whose replies begin with three digits. FTP and SMTP do so alike: a greeting that
/// does not name its protocol is tentative, and counts on that protocol's ports alone.
pub(super) struct Greeting {
    /// As findings name it.
    pub(super) protocol: &'static str,
    /// Where it is at home.
    pub(super) ports: &'static [u16],
    /// The codes that it greets with.
    pub(super) codes: &'static [&'static str],
    /// What names it, in upper case.
    pub(super) names: &'static [&'static str],
    /// What names the other protocol, in upper case.
    pub(super) not: &'static str,
    /// Products, and what stands before their version.
    pub(super) products: &'static [(&'static str, &'static str)],
}

impl Greeting {
    /// What greets so on this port.
    pub(super) fn recognise(&self, heard: &Heard<'_>) -> Option<Identity> {
        let at_home = self.ports.contains(&heard.port);
        self.parse(heard.bytes)
            .filter(|identity| identity.confidence > Confidence::Tentative || at_home)
    }

    /// What greets so on any port.
    pub(super) fn parse(&self, bytes: &[u8]) -> Option<Identity> {
        let line = self.codes.iter().find_map(|code| line(bytes, code))?;
        let upper = line.to_ascii_uppercase();
        let named = self.names.iter().any(|name| upper.contains(name));
        let of_the_other = !named && upper.contains(self.not);
        if !line[3..].starts_with([' ', '-']) || of_the_other {
            return None;
        }
        let confidence = if named {
            Confidence::Certain
        } else {
            Confidence::Tentative
        };
        let identity = Identity {
            confidence,
            ..Identity::certain(self.protocol)
        };
        let known = self.products.iter().find(|(_, sign)| line.contains(sign));
        Some(match known {
            Some((product, sign)) => identity.product(product, version_after(&line, sign)),
            None => identity,
        })
    }
}

/// The first line that starts with `start`, as text without what is not ASCII.
pub(super) fn line(bytes: &[u8], start: &str) -> Option<String> {
    bytes
        .split(|byte| *byte == b'\n')
        .take(LINES)
        .find(|line| line.starts_with(start.as_bytes()))
        .map(|line| {
            line.iter()
                .take(LINE_LENGTH)
                .filter(|byte| (b' '..=b'~').contains(byte))
                .map(|byte| char::from(*byte))
                .collect()
        })
}

/// The word behind a product's name, if it looks like a version: it starts with a digit, perhaps behind a
/// `v` or an opening bracket.
pub(super) fn version_after<'a>(text: &'a str, product: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(product)?;
    let word = rest
        .trim_start_matches([' ', '/', '-', '_', ',', ':', '(', '['])
        .split([' ', ';', ')', ']', '/', ','])
        .next()?;
    let word = word.strip_prefix('v').unwrap_or(word);
    word.starts_with(|c: char| c.is_ascii_digit()).then_some(word)
}

const LINES: usize = 32;
const LINE_LENGTH: usize = 512;
