//! How bytes are spelled where a text must stand.

use base64::{
    Engine,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
    },
};

/// A way to spell bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As they are.
    Plain,
    /// RFC 4648, section 8.
    Hex,
    /// RFC 4648, sections 4 and 5, with or without what fills the end.
    Base64(Alphabet, Filling),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    Usual,
    ForUrls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    Filled,
    Bare,
}

/// What a text may be the spelling of.
pub(super) fn decoded(text: &str) -> Vec<(Encoding, Vec<u8>)> {
    let mut found = vec![(Encoding::Plain, text.as_bytes().to_vec())];
    if text.len() < SHORTEST {
        return found;
    }
    if let Some(bytes) = hex(text) {
        found.push((Encoding::Hex, bytes));
    }
    let alphabet = match text.contains(['-', '_']) {
        true => Alphabet::ForUrls,
        false => Alphabet::Usual,
    };
    let filling = match text.ends_with('=') || text.len().is_multiple_of(4) {
        true => Filling::Filled,
        false => Filling::Bare,
    };
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = match alphabet {
        Alphabet::Usual => GeneralPurpose::new(&base64::alphabet::STANDARD, lenient),
        Alphabet::ForUrls => GeneralPurpose::new(&base64::alphabet::URL_SAFE, lenient),
    };
    if let Ok(bytes) = engine.decode(text) {
        found.push((Encoding::Base64(alphabet, filling), bytes));
    }
    found
}

impl Encoding {
    /// Spells bytes; what is no text stays none.
    pub(super) fn encoded(self, bytes: &[u8]) -> String {
        match self {
            Self::Plain => String::from_utf8_lossy(bytes).into_owned(),
            Self::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Base64(alphabet, filling) => {
                let engine = match (alphabet, filling) {
                    (Alphabet::Usual, Filling::Filled) => STANDARD,
                    (Alphabet::Usual, Filling::Bare) => STANDARD_NO_PAD,
                    (Alphabet::ForUrls, Filling::Filled) => URL_SAFE,
                    (Alphabet::ForUrls, Filling::Bare) => URL_SAFE_NO_PAD,
                };
                engine.encode(bytes)
            }
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let [high, low] = pair else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        u8::try_from(digit(high)? * 16 + digit(low)?).ok()
    };
    pairs.map(byte).collect()
}

/// Shorter ones hold no object.
const SHORTEST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spelled_one_way_is_spelled_so_again() {
        for text in [
            "aced0005",
            "gASVEgAAAAAAAAB9lIwF",
            "gASV-gAAAAAAAAB9lI_F",
            "YTowOnt9Og==",
            "YTowOnt9Og",
        ] {
            let (encoding, bytes) = decoded(text).pop().unwrap();
            assert_eq!(encoding.encoded(&bytes), text, "{encoding:?}");
            assert_ne!(encoding, Encoding::Plain);
        }
    }
}
