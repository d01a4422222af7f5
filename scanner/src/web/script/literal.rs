//! Object literals of scripts, as the JSON that they are sent as.

use serde_json::{Map, Value};

use super::{string_end, unescaped};

/// An object literal with plain values; what is computed stands as `1`.
pub(super) fn literal(source: &str) -> Option<Value> {
    let mut reader = Literal { rest: source };
    reader.value(0)
}

struct Literal<'a> {
    rest: &'a str,
}

impl Literal<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        match first {
            '{' | '[' if depth >= DEPTH_LIMIT => None,
            '{' => {
                let mut fields = Map::new();
                self.rest = &self.rest[1..];
                while !self.eat('}') {
                    let name = match self.rest.chars().next()? {
                        '"' | '\'' => self.string()?,
                        _ => self.word()?,
                    };
                    let value = if self.eat(':') {
                        self.value(depth + 1)?
                    } else {
                        Value::from("1")
                    };
                    fields.insert(name, value);
                    self.eat(',');
                }
                Some(Value::Object(fields))
            }
            '[' => {
                let mut items = Vec::new();
                self.rest = &self.rest[1..];
                while !self.eat(']') {
                    items.push(self.value(depth + 1)?);
                    self.eat(',');
                }
                Some(Value::Array(items))
            }
            '"' | '\'' => self.string().map(Value::String),
            _ => {
                let end = self.rest.find([',', '}', ']']).unwrap_or(self.rest.len());
                let word = self.rest[..end].trim();
                self.rest = &self.rest[end..];
                (!word.is_empty()).then(|| serde_json::from_str(word).unwrap_or_else(|_| Value::from("1")))
            }
        }
    }

    fn eat(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn string(&mut self) -> Option<String> {
        let quote = *self.rest.as_bytes().first()?;
        let end = string_end(self.rest.as_bytes(), 1, quote);
        let text = unescaped(self.rest.get(1..end)?);
        self.rest = self.rest.get(end + 1..)?;
        Some(text)
    }

    fn word(&mut self) -> Option<String> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let word = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        (!word.is_empty()).then_some(word)
    }
}

const DEPTH_LIMIT: usize = 16;
