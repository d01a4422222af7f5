//! Signed bytes as text (PEM, RFC 7468): what is kept in the owner's folder, and what travels between machines.

use pem::{EncodeConfig, LineEnding, Pem};

/// Text is not what it should hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArmourError {
    #[error("it holds no {0}, or only a part of one")]
    Missing(&'static str),
    #[error("it holds a {found} where a {expected} should be")]
    Other { expected: &'static str, found: String },
}

pub(crate) fn put_on(tag: &'static str, bytes: &[u8]) -> String {
    let unix = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(tag, bytes), unix)
}

/// The one block of a text.
pub(crate) fn take_off(tag: &'static str, text: &str) -> Result<Vec<u8>, ArmourError> {
    let mut blocks = take_all_off(tag, text)?;
    match (blocks.pop(), blocks.is_empty()) {
        (Some(block), true) => Ok(block),
        _ => Err(ArmourError::Missing(tag)),
    }
}

/// Every block of a text, which are all of this kind.
pub(crate) fn take_all_off(tag: &'static str, text: &str) -> Result<Vec<Vec<u8>>, ArmourError> {
    let blocks = pem::parse_many(text).map_err(|_| ArmourError::Missing(tag))?;
    if let Some(other) = blocks.iter().find(|block| block.tag() != tag) {
        return Err(ArmourError::Other {
            expected: tag,
            found: other.tag().chars().take(64).collect(),
        });
    }
    let blocks: Vec<Vec<u8>> = blocks.into_iter().map(Pem::into_contents).collect();
    // A reader of PEM leaves out what is no whole block, without a word: a file that broke off would pass.
    let whole: String = blocks.iter().map(|block| put_on(tag, block)).collect();
    if whole.trim_end() == text.replace('\r', "").trim_end() {
        Ok(blocks)
    } else {
        Err(ArmourError::Missing(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_on_is_taken_off() {
        let text = [put_on("ONE", b"first"), put_on("ONE", &[7; 200])].concat();
        assert_eq!(
            take_all_off("ONE", &text).unwrap(),
            [b"first".to_vec(), vec![7; 200]]
        );
        assert_eq!(take_all_off("ONE", "").unwrap(), Vec::<Vec<u8>>::new());
        assert!(take_off("ONE", &text).is_err(), "two are not one");
    }

    #[test]
    fn a_text_that_broke_off_anywhere_is_refused() {
        let first = put_on("ONE", b"first");
        let text = [first.clone(), put_on("ONE", &[7; 200])].concat();
        for length in 1..text.trim_end().len() {
            let seam = text[..length].trim_end() == first.trim_end();
            assert_eq!(take_all_off("ONE", &text[..length]).is_ok(), seam, "{length}");
        }
    }

    #[test]
    fn another_kind_is_named() {
        let error = take_off("ONE", &put_on("TWO", b"x")).unwrap_err();
        assert_eq!(error.to_string(), "it holds a TWO where a ONE should be");
    }
}
