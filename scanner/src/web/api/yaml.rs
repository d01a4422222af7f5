//! YAML (1.2, core schema) as the JSON that it stands for, read within bounds.
//!
//! What an alias stands for counts each time, so that a few lines cannot become a million values.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use serde_json::{Map, Number, Value};

/// Why text is not read as YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It breaks the syntax.
    #[error("line {line}: this is not YAML: {problem}")]
    Syntax {
        /// Where.
        line: usize,
        /// In the parser's words.
        problem: String,
    },
    /// It is nested too deeply.
    #[error("line {line}: values are nested deeper than {DEPTH_LIMIT} levels")]
    TooDeep {
        /// Where.
        line: usize,
    },
    /// It stands for more than it may.
    #[error("line {line}: with its aliases this stands for more than can be read")]
    TooMuch {
        /// Where.
        line: usize,
    },
    /// The name of a field is no scalar.
    #[error("line {line}: the name of a field must be text")]
    NameIsNoText {
        /// Where.
        line: usize,
    },
    /// An alias names itself or nothing.
    #[error("line {line}: this alias stands for nothing that is complete")]
    Alias {
        /// Where.
        line: usize,
    },
    /// There is nothing.
    #[error("there is no document")]
    Empty,
}

/// Reads the first document.
///
/// # Errors
/// When it is not YAML or not within bounds.
pub fn parse(text: &str) -> Result<Value, YamlError> {
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        if let Some(root) = tree.take(event, span.start.line())? {
            return Ok(root);
        }
    }
    Err(YamlError::Empty)
}

/// A tree under construction.
#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    /// What anchors stand for and how much it is, by the parser's numbers.
    anchors: Vec<Option<(Value, usize)>>,
    /// How much there is in all.
    weight: usize,
}

struct Open {
    anchor: usize,
    /// How much there was before.
    before: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

impl Tree {
    /// Takes the next event in; the root, when it is complete.
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Option<Value>, YamlError> {
        let before = self.weight;
        match event {
            Event::Scalar(text, style, anchor, _) => {
                self.weigh(1 + text.len() / TEXT_WEIGHT, line)?;
                let value = match style {
                    ScalarStyle::Plain => plain(&text),
                    _ => Value::String(text.into_owned()),
                };
                self.put(value, anchor, before, line)
            }
            Event::SequenceStart(anchor, _) => self.start(OpenKind::List(Vec::new()), anchor, line),
            Event::MappingStart(anchor, _) => self.start(OpenKind::Map(Map::new(), None), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Ok(None);
                };
                let value = match open.kind {
                    OpenKind::List(items) => Value::Array(items),
                    OpenKind::Map(fields, _) => Value::Object(fields),
                };
                self.put(value, open.anchor, open.before, line)
            }
            Event::Alias(anchor) => {
                let known = self.anchors.get(anchor).and_then(Option::as_ref);
                let weight = known
                    .map(|(_, weight)| *weight)
                    .ok_or(YamlError::Alias { line })?;
                self.weigh(weight, line)?;
                // Cloned only when there is room for it.
                let value = self.anchors[anchor].as_ref().map(|(value, _)| value.clone());
                self.put(value.unwrap_or_default(), 0, before, line)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(None),
        }
    }

    fn weigh(&mut self, weight: usize, line: usize) -> Result<(), YamlError> {
        self.weight += weight;
        match self.weight > WEIGHT_LIMIT {
            true => Err(YamlError::TooMuch { line }),
            false => Ok(()),
        }
    }

    fn start(&mut self, kind: OpenKind, anchor: usize, line: usize) -> Result<Option<Value>, YamlError> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(YamlError::TooDeep { line });
        }
        let before = self.weight;
        self.weigh(1, line)?;
        self.open.push(Open { anchor, before, kind });
        Ok(None)
    }

    fn put(
        &mut self,
        value: Value,
        anchor: usize,
        before: usize,
        line: usize,
    ) -> Result<Option<Value>, YamlError> {
        if anchor > 0 {
            let weight = self.weight - before;
            // What an anchor keeps is a copy.
            self.weigh(weight, line)?;
            if self.anchors.len() <= anchor {
                self.anchors.resize(anchor + 1, None);
            }
            self.anchors[anchor] = Some((value.clone(), weight));
        }
        let Some(open) = self.open.last_mut() else {
            return Ok(Some(value));
        };
        match &mut open.kind {
            OpenKind::List(items) => items.push(value),
            OpenKind::Map(fields, name) => match name.take() {
                Some(name) if name == "<<" => merge(fields, value),
                Some(name) => {
                    fields.insert(name, value);
                }
                None => *name = Some(key(value).ok_or(YamlError::NameIsNoText { line })?),
            },
        }
        Ok(None)
    }
}

/// The name of a field; a number as its digits (`200:` of a table of statuses).
fn key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// What `<<` brings (YAML's merge key); the map's own fields win.
fn merge(fields: &mut Map<String, Value>, brought: Value) {
    match brought {
        Value::Object(brought) => {
            for (name, value) in brought {
                fields.entry(name).or_insert(value);
            }
        }
        Value::Array(all) => {
            for brought in all.into_iter().filter(Value::is_object) {
                merge(fields, brought);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A scalar without quotes (YAML 1.2, section 10.3.2).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '-' | '+'))
    {
        if let Ok(number) = text.strip_prefix('+').unwrap_or(text).parse::<i64>() {
            return Value::from(number);
        }
        if let Some(number) = text.parse().ok().and_then(Number::from_f64) {
            return Value::Number(number);
        }
    }
    Value::String(text.to_owned())
}

fn syntax(error: &ScanError) -> YamlError {
    YamlError::Syntax {
        line: error.marker().line(),
        problem: error.info().chars().take(200).collect(),
    }
}

/// As deep as serde_json reads JSON.
const DEPTH_LIMIT: usize = 127;
/// A value counts one, and so do so many bytes of text.
const TEXT_WEIGHT: usize = 32;
const WEIGHT_LIMIT: usize = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn yaml_is_read_as_the_json_that_it_stands_for() {
        let text = "a: &x {n: 1, f: 1.5, t: true, z: ~, s: '1', v: 3.1.0, d: 2026-01-01}\nb: [*x, -7, text]\n\
            200: ok\nc:\n  <<: *x\n  n: 2\nlong: |\n  one\n  two\n";
        let x = json!({"n": 1, "f": 1.5, "t": true, "z": null, "s": "1", "v": "3.1.0", "d": "2026-01-01"});
        let mut c = x.clone();
        c["n"] = json!(2);
        assert_eq!(
            parse(text).unwrap(),
            json!({"a": x, "b": [x, -7, "text"], "200": "ok", "c": c, "long": "one\ntwo\n"})
        );
    }

    #[test]
    fn a_few_lines_do_not_become_a_million_values() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let of = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{of}]\n"));
        }
        assert!(matches!(parse(&text), Err(YamlError::TooMuch { .. })));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(10_000));
        assert!(matches!(parse(&long), Err(YamlError::TooMuch { .. })));
    }

    #[test]
    fn what_is_broken_or_too_deep_is_said_with_its_line() {
        assert!(matches!(
            parse("a: 1\nb: [1, 2\n"),
            Err(YamlError::Syntax { line: 2.., .. })
        ));
        assert!(matches!(
            parse(&"[".repeat(5000)),
            Err(YamlError::TooDeep { .. } | YamlError::Syntax { .. })
        ));
        assert!(matches!(
            parse("? [a]\n: b\n"),
            Err(YamlError::NameIsNoText { .. })
        ));
        assert!(matches!(
            parse("a: *b\n"),
            Err(YamlError::Alias { .. } | YamlError::Syntax { .. })
        ));
        assert_eq!(parse(""), Err(YamlError::Empty));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a1:&*<{}\\[\\],'\"|>%!?# \n]{0,80}") {
            let _ = parse(&text);
        }
    }
}
