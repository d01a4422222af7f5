//! Functions that look at texts and change them.

use super::{Function, MANY, Value, count, find, row, string, text};
use crate::template::dsl::{LARGEST, value::number};

pub(super) const FUNCTIONS: &[Function] = &[
    row("len", (1, 1), |_, a| match &a[0] {
        Value::List(items) => Some(number(items.len())),
        other => Some(number(other.to_text().len())),
    }),
    row("to_upper", (1, 1), |_, a| {
        cased(a, str::to_uppercase, <[u8]>::to_ascii_uppercase)
    }),
    row("to_lower", (1, 1), |_, a| {
        cased(a, str::to_lowercase, <[u8]>::to_ascii_lowercase)
    }),
    row("to_title", (1, 2), |_, a| Some(titled(&string(a, 0)?).into())),
    row("to_string", (1, 1), |_, a| Some(Value::Text(text(a, 0)?))),
    row("concat", (1, MANY), |_, a| {
        let parts: Vec<_> = a.iter().map(Value::to_text).collect();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        (length <= LARGEST).then(|| parts.concat().into())
    }),
    row("repeat", (2, 2), |_, a| {
        let (text, times) = (text(a, 0)?, count(a, 1)?);
        (text.len().checked_mul(times)? <= LARGEST).then(|| text.repeat(times).into())
    }),
    row("replace", (3, 3), |_, a| {
        replaced(&text(a, 0)?, &text(a, 1)?, &text(a, 2)?)
    }),
    row("replace_regex", (3, 3), |scene, a| {
        let regex = scene.kit.regex(&string(a, 1)?)?;
        Some(regex.replace_all(&text(a, 0)?, &text(a, 2)?).into())
    }),
    row("trim", (2, 2), |_, a| {
        Some(trimmed(&text(a, 0)?, &text(a, 1)?, true, true).into())
    }),
    row("trim_left", (2, 2), |_, a| {
        Some(trimmed(&text(a, 0)?, &text(a, 1)?, true, false).into())
    }),
    row("trim_right", (2, 2), |_, a| {
        Some(trimmed(&text(a, 0)?, &text(a, 1)?, false, true).into())
    }),
    row("trim_space", (1, 1), |_, a| {
        Some(trimmed(&text(a, 0)?, b" \t\n\x0b\x0c\r", true, true).into())
    }),
    row("trim_prefix", (2, 2), |_, a| {
        let (text, prefix) = (text(a, 0)?, text(a, 1)?);
        Some(Value::text(text.strip_prefix(&*prefix).unwrap_or(&text)))
    }),
    row("trim_suffix", (2, 2), |_, a| {
        let (text, suffix) = (text(a, 0)?, text(a, 1)?);
        Some(Value::text(text.strip_suffix(&*suffix).unwrap_or(&text)))
    }),
    row("remove_bad_chars", (2, 2), |_, a| {
        let (text, bad) = (text(a, 0)?, text(a, 1)?);
        let kept: Vec<u8> = text.iter().copied().filter(|byte| !bad.contains(byte)).collect();
        Some(kept.into())
    }),
    row("reverse", (1, 1), |_, a| {
        Some(string(a, 0)?.chars().rev().collect::<String>().into())
    }),
    row("substr", (2, 3), |_, a| {
        let (text, start) = (text(a, 0)?, count(a, 1)?);
        let end = if a.len() == 3 { count(a, 2)? } else { text.len() };
        text.get(start..end).map(Value::text)
    }),
    row("padding", (4, 4), |_, a| {
        let (text, pad, length) = (text(a, 0)?, text(a, 1)?, count(a, 2)?);
        if pad.is_empty() || length > LARGEST {
            return None;
        }
        let filling = || {
            pad.iter()
                .copied()
                .cycle()
                .take(length.saturating_sub(text.len()))
        };
        let padded: Vec<u8> = match &*self::text(a, 3)? {
            b"prefix" => filling().chain(text.iter().copied()).collect(),
            b"suffix" => text.iter().copied().chain(filling()).collect(),
            _ => return None,
        };
        Some(padded.into())
    }),
    row("contains", (2, 2), |_, a| {
        Some(find(&text(a, 0)?, &text(a, 1)?).is_some().into())
    }),
    row("contains_all", (1, MANY), |_, a| {
        let text = text(a, 0)?;
        Some(
            a[1..]
                .iter()
                .all(|part| find(&text, &part.to_text()).is_some())
                .into(),
        )
    }),
    row("contains_any", (1, MANY), |_, a| {
        let text = text(a, 0)?;
        Some(
            a[1..]
                .iter()
                .any(|part| find(&text, &part.to_text()).is_some())
                .into(),
        )
    }),
    row("starts_with", (2, MANY), |_, a| {
        let text = text(a, 0)?;
        Some(a[1..].iter().any(|part| text.starts_with(&part.to_text())).into())
    }),
    row("ends_with", (2, MANY), |_, a| {
        let text = text(a, 0)?;
        Some(a[1..].iter().any(|part| text.ends_with(&part.to_text())).into())
    }),
    row("line_starts_with", (2, MANY), |_, a| {
        let text = text(a, 0)?;
        let mut lines = text.split(|byte| *byte == b'\n');
        Some(
            lines
                .any(|line| a[1..].iter().any(|part| line.starts_with(&part.to_text())))
                .into(),
        )
    }),
    row("line_ends_with", (2, MANY), |_, a| {
        let text = text(a, 0)?;
        let mut lines = text.split(|byte| *byte == b'\n');
        Some(
            lines
                .any(|line| a[1..].iter().any(|part| line.ends_with(&part.to_text())))
                .into(),
        )
    }),
    row("count", (2, 2), |_, a| {
        let (text, part) = (text(a, 0)?, text(a, 1)?);
        Some(number(memchr::memmem::find_iter(&text, &*part).count()))
    }),
    row("regex", (2, 2), |scene, a| {
        Some(scene.kit.regex(&string(a, 0)?)?.matches(&text(a, 1)?).into())
    }),
    row("print_debug", (1, MANY), |_, _| Some(true.into())),
];

fn cased(a: &[Value], unicode: fn(&str) -> String, ascii: fn(&[u8]) -> Vec<u8>) -> Option<Value> {
    let text = text(a, 0)?;
    Some(match std::str::from_utf8(&text) {
        Ok(text) => unicode(text).into(),
        Err(_) => ascii(&text).into(),
    })
}

fn titled(text: &str) -> String {
    let mut inside = false;
    let mut titled = String::with_capacity(text.len());
    for c in text.chars() {
        if inside {
            titled.extend(c.to_lowercase());
        } else {
            titled.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || c == '\'';
    }
    titled
}

fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Option<Value> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut end = 0;
    for at in memchr::memmem::find_iter(text, old) {
        replaced.extend_from_slice(&text[end..at]);
        replaced.extend_from_slice(new);
        if replaced.len() > LARGEST {
            return None;
        }
        if old.is_empty() {
            replaced.extend(text.get(at));
            end = (at + 1).min(text.len());
        } else {
            end = at + old.len();
        }
    }
    replaced.extend_from_slice(&text[end..]);
    Some(replaced.into())
}

fn trimmed(text: &[u8], set: &[u8], left: bool, right: bool) -> Vec<u8> {
    let outside = |byte: &u8| !set.contains(byte);
    let start = if left {
        text.iter().position(outside)
    } else {
        Some(0)
    };
    let end = if right {
        text.iter().rposition(outside).map(|at| at + 1)
    } else {
        Some(text.len())
    };
    match (start, end) {
        (Some(start), Some(end)) => text.get(start..end).unwrap_or_default().to_vec(),
        _ => Vec::new(),
    }
}
