//! YAML with the tags of PyYAML: a function of arithmetic that there is, and one that there is not. Readers of plain YAML know
//! neither tag.

use super::{Connecting, Place, Twins};

pub(super) fn twins(value: &[u8], word: &str) -> Option<Twins> {
    let text = std::str::from_utf8(value).ok()?;
    if !is_mapping(text) {
        return None;
    }
    let with = |function: &str| {
        let text = text.trim_end();
        format!("{text}\nvedette: !!python/object/apply:operator.{function} [7]\n").into_bytes()
    };
    Some(Twins {
        load: [with("neg"), with("pos")],
        fail: [with(word), with(&format!("{word}x"))],
    })
}

/// A call of `socket.create_connection`, and its arguments by themselves.
pub(super) fn connecting(value: &[u8], place: Place) -> Option<Connecting> {
    let text = std::str::from_utf8(value).ok()?.trim_end();
    let with = |tag: &str| {
        let arguments = format!("[[\"{}\", {}], 2]", place.address(), place.port());
        format!("{text}\nvedette: {tag}{arguments}\n").into_bytes()
    };
    is_mapping(text).then(|| Connecting {
        connects: with("!!python/object/apply:socket.create_connection "),
        names: with(""),
    })
}

/// Whether every line is one of a mapping in blocks; a text of one line may be a sentence.
fn is_mapping(text: &str) -> bool {
    let of_mapping = |line: &str| {
        let line = line.trim_end();
        let named = line.split_once(':').is_some_and(|(name, rest)| {
            let is_name = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            is_name && (rest.is_empty() || rest.starts_with(' '))
        });
        named || line.starts_with([' ', '#', '-']) || line.is_empty()
    };
    let first = text.lines().next().unwrap_or_default();
    let begins = first.starts_with("---") || first.contains(": ") || first.ends_with(':');
    begins && text.trim_end().contains('\n') && text.lines().all(of_mapping)
}
