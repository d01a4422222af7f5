//! Functions that make lists and look into them.

use super::{Function, MANY, Scene, Value, count, find, row, string, text};
use crate::template::dsl::value::Text;

pub(super) const FUNCTIONS: &[Function] = &[
    row("index", (2, 2), |_, a| {
        let at = count(a, 1)?;
        match &a[0] {
            Value::List(items) => items.get(at).cloned().map(Value::Text),
            other => other.to_text().get(at).map(|byte| Value::text([*byte])),
        }
    }),
    row("split", (2, 3), |_, a| {
        let (whole, separator) = (text(a, 0)?, text(a, 1)?);
        if a.len() == 3 {
            return Some(Value::List(split(&whole, &separator, count(a, 2)?)));
        }
        match a[1].to_whole().and_then(|size| usize::try_from(size).ok()) {
            Some(size) if size > 0 => Some(Value::List(whole.chunks(size).map(Into::into).collect())),
            Some(_) => None,
            None => Some(Value::List(split(&whole, &separator, usize::MAX))),
        }
    }),
    row("join", (2, MANY), |_, a| {
        let separator = text(a, 0)?;
        let items: Vec<Text> = match a {
            [_, Value::List(items)] => items.clone(),
            [_, _] => return None,
            _ => a[1..].iter().map(Value::to_text).collect(),
        };
        Some(items.join(&*separator).into())
    }),
    row("sort", (1, MANY), |_, a| {
        if let [only] = a {
            let mut characters: Vec<char> = String::from_utf8_lossy(&only.to_text()).chars().collect();
            characters.sort_unstable();
            return Some(characters.into_iter().collect::<String>().into());
        }
        let mut items: Vec<Text> = a.iter().map(Value::to_text).collect();
        items.sort_unstable();
        Some(Value::List(items))
    }),
    row("uniq", (1, MANY), |_, a| {
        if let [only] = a {
            let mut kept = String::new();
            for c in String::from_utf8_lossy(&only.to_text()).chars() {
                if !kept.contains(c) {
                    kept.push(c);
                }
            }
            return Some(kept.into());
        }
        let mut items: Vec<Text> = Vec::new();
        for item in a.iter().map(Value::to_text) {
            if !items.contains(&item) {
                items.push(item);
            }
        }
        Some(Value::List(items))
    }),
    row("equals_any", (2, MANY), |_, a| {
        let wanted = text(a, 0)?;
        Some(several(&a[1..]).contains(&wanted).into())
    }),
    row("regex_all", (2, MANY), |scene, a| {
        regexes(scene, a, |found| !found.contains(&false))
    }),
    row("regex_any", (2, MANY), |scene, a| {
        regexes(scene, a, |found| found.contains(&true))
    }),
    row("cookie_unsplit", (1, 1), |_, a| {
        let text = string(a, 0)?;
        Some(
            text.split(';')
                .map(str::trim)
                .collect::<Vec<_>>()
                .join("; ")
                .into(),
        )
    }),
];

fn several(values: &[Value]) -> Vec<Text> {
    values
        .iter()
        .flat_map(|value| match value {
            Value::List(items) => items.clone(),
            other => vec![other.to_text()],
        })
        .collect()
}

fn regexes(scene: &Scene<'_>, a: &[Value], judge: fn(&[bool]) -> bool) -> Option<Value> {
    let text = text(a, 0)?;
    let patterns = several(&a[1..]);
    let found = patterns
        .iter()
        .map(|pattern| {
            let regex = scene.kit.regex(&String::from_utf8_lossy(pattern))?;
            Some(regex.matches(&text))
        })
        .collect::<Option<Vec<bool>>>()?;
    Some(judge(&found).into())
}

fn split(text: &[u8], separator: &[u8], most: usize) -> Vec<Text> {
    let mut items: Vec<Text> = Vec::new();
    let mut rest = text;
    while items.len() + 1 < most && items.len() < PARTS {
        let at = match separator {
            [] if rest.len() < 2 => None,
            [] => Some(1),
            _ => find(rest, separator),
        };
        let Some(at) = at else { break };
        items.push(rest[..at].into());
        rest = &rest[at + separator.len()..];
    }
    if most > 0 {
        items.push(rest.into());
    }
    items
}

const PARTS: usize = 10_000;
