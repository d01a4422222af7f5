//! The JSON that YAML stands for (1.2, core schema), as descriptions of APIs are written in either.

use std::sync::Arc;

use serde_json::{Number, Value};

use super::{Bounds, Node, NodeKind, Spelling, YamlError};

/// Reads the first document.
///
/// # Errors
/// When it is not YAML or not within bounds.
pub fn parse(text: &str) -> Result<Value, YamlError> {
    super::parse(text, BOUNDS).map(value)
}

/// What is named once moves; what several aliases name is copied, as it was counted.
fn value(node: Arc<Node>) -> Value {
    let node = Arc::try_unwrap(node).unwrap_or_else(|shared| (*shared).clone());
    match node.kind {
        NodeKind::Scalar(text, Spelling::Plain) => plain(text),
        NodeKind::Scalar(text, Spelling::Quoted) => Value::String(text),
        NodeKind::List(nodes) => nodes.into_iter().map(value).collect(),
        NodeKind::Map(fields) => fields
            .into_iter()
            .map(|(name, node)| (name, value(node)))
            .collect(),
    }
}

/// A scalar without quotes (YAML 1.2, section 10.3.2).
fn plain(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'))
    {
        if let Ok(number) = text.strip_prefix('+').unwrap_or(&text).parse::<i64>() {
            return Value::from(number);
        }
        if let Some(number) = text.parse().ok().and_then(Number::from_f64) {
            return Value::Number(number);
        }
    }
    Value::String(text)
}

/// As deep as serde_json reads JSON; as long as any description that is read.
const BOUNDS: Bounds = Bounds {
    length: 16 << 20,
    depth: 127,
    weight: 4_000_000,
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn yaml_is_read_as_the_json_that_it_stands_for() {
        let text = "a: &x {n: 1, f: 1.5, t: true, z: ~, s: '1', v: 3.1.0, d: 2026-01-01}\nb: [*x, -7, text]\n\
            200: ok\nc:\n  <<: *x\n  n: 2\nm: {<<: [*x, {n: 3, o: 4}]}\nlong: |\n  one\n  two\n";
        let x = json!({"n": 1, "f": 1.5, "t": true, "z": null, "s": "1", "v": "3.1.0", "d": "2026-01-01"});
        let (mut c, mut m) = (x.clone(), x.clone());
        c["n"] = json!(2);
        m["o"] = json!(4);
        assert_eq!(
            parse(text).unwrap(),
            json!({"a": x, "b": [x, -7, "text"], "200": "ok", "c": c, "m": m, "long": "one\ntwo\n"})
        );
    }

    #[test]
    fn a_few_lines_do_not_become_a_million_values() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let of = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{of}]\n"));
        }
        assert!(matches!(parse(&text), Err(YamlError::TooMany { .. })));
    }

    #[test]
    fn what_is_broken_is_said_with_its_line() {
        assert!(matches!(
            parse("a: 1\nb: [1, 2\n"),
            Err(YamlError::Syntax { line: 2.., .. })
        ));
        assert!(matches!(
            parse("? [a]\n: b\n"),
            Err(YamlError::NameIsNoText { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a1:&*<{}\\[\\],'\"|>%!?# \n]{0,80}") {
            let _ = parse(&text);
        }
    }
}
