//! Reading the one line of text with which many services greet.

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

/// The first of these products that is named, and its version.
pub(super) fn known_product<'a>(
    text: &'a str,
    products: &[&'static str],
) -> Option<(&'static str, Option<&'a str>)> {
    let product = products.iter().copied().find(|product| text.contains(product))?;
    Some((product, version_after(text, product)))
}

const LINES: usize = 32;
const LINE_LENGTH: usize = 512;
