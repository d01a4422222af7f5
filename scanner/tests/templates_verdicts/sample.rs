//! A text that a pattern matches, made from the pattern's own tree.

use regex_syntax::hir::{Class, Hir, HirKind};

/// A sample; `group` is what the group of that number is to hold, if it can.
pub(crate) fn sample(pattern: &str, group: Option<(u32, &str)>) -> Option<Vec<u8>> {
    // Go takes a brace that is no quantifier for itself, and ASCII for granted.
    let parsed = |pattern: &str| {
        let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
        parser.parse(pattern).ok()
    };
    let hir = parsed(pattern).or_else(|| parsed(&loosened(pattern)))?;
    let mut text = Vec::new();
    write(&hir, group, &mut text)?;
    Some(text)
}

fn loosened(pattern: &str) -> String {
    let mut loose = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\\' => loose.extend(['\\'].into_iter().chain(rest.next())),
            '{' if !rest.peek().is_some_and(char::is_ascii_digit) => loose.push_str("\\{"),
            other => loose.push(other),
        }
    }
    loose
}

fn write(hir: &Hir, group: Option<(u32, &str)>, text: &mut Vec<u8>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.extend_from_slice(&literal.0),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = || class.iter();
            let printable = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_punctuation();
            let chosen = ranges()
                .flat_map(|range| [range.start(), range.end()])
                .find(|c| c.is_ascii_alphanumeric())
                .or_else(|| {
                    ('!'..='~').find(|c| {
                        printable(*c) && ranges().any(|range| range.start() <= *c && *c <= range.end())
                    })
                })
                .or_else(|| ranges().next().map(|range| range.start()))?;
            text.extend_from_slice(chosen.encode_utf8(&mut [0; 4]).as_bytes());
        }
        HirKind::Class(Class::Bytes(class)) => {
            let range = class.iter().next()?;
            text.push(range.start().max(b'a').min(range.end()));
        }
        HirKind::Repetition(repetition) => {
            // Once, where that is allowed.
            let times = repetition.min.max(1).min(repetition.max.unwrap_or(u32::MAX));
            for _ in 0..times {
                write(&repetition.sub, group, text)?;
            }
        }
        HirKind::Capture(capture) => match group {
            Some((number, wanted)) if number == capture.index => text.extend_from_slice(wanted.as_bytes()),
            _ => write(&capture.sub, group, text)?,
        },
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, group, text))?,
        HirKind::Alternation(parts) => write(parts.first()?, group, text)?,
    }
    Some(())
}
