//! Matchers: what a reply must hold, part by part. Pure.

use super::{
    dsl::{
        Names, Scene,
        syntax::{self, Expr},
        value::{Text, Value},
    },
    expression::{fill, fill_text},
    hex, xpath,
};

/// One matcher.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher {
    /// What it looks for.
    pub look: Look,
    /// Where: `body`, `header`, `all`, `body_2`, a header's name.
    pub part: String,
    /// As it is called in findings.
    pub name: Option<String>,
    /// Whether one or all of what it looks for must be there.
    pub condition: Condition,
    /// Whether it must not be there.
    pub negative: bool,
    /// Whether letters' case counts.
    pub case: Case,
    /// Whether its hit steers the flow alone and is no finding.
    pub internal: bool,
}

/// What a matcher looks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Texts, which may hold expressions.
    Words(Vec<String>),
    /// Bytes.
    Bytes(Vec<Vec<u8>>),
    /// Status codes.
    Status(Vec<i64>),
    /// Lengths in bytes.
    Size(Vec<i64>),
    /// Patterns.
    Regex(Vec<String>),
    /// Expressions.
    Dsl(Vec<Condense>),
    /// Paths in a page or document.
    XPath(Vec<xpath::XPath>),
}

/// An expression: parsed ahead, where nothing has to be filled in before.
#[derive(Debug, Clone, PartialEq)]
pub enum Condense {
    /// Parsed.
    Parsed(Expr),
    /// With `{{…}}` in it.
    Open(String),
}

/// How several things go together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Condition {
    /// One is enough.
    #[default]
    Or,
    /// It takes all.
    And,
}

/// Whether upper and lower case differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Case {
    /// They do.
    #[default]
    Counts,
    /// They do not.
    Ignored,
}

impl Matcher {
    /// Whether it is content with a reply.
    pub fn holds(&self, scene: &Scene<'_>) -> bool {
        let found = match &self.look {
            Look::Status(codes) => {
                let Some(code) = scene.names.value("status_code").and_then(|code| code.to_whole()) else {
                    return false;
                };
                codes.contains(&code)
            }
            Look::Dsl(expressions) => self.condition.of(expressions, |expression| {
                let computed = match expression {
                    Condense::Parsed(expr) => scene.compute(expr).ok(),
                    Condense::Open(text) => syntax::parse(&fill_text(text, scene))
                        .ok()
                        .and_then(|expr| scene.compute(&expr).ok()),
                };
                computed == Some(Value::Truth(true))
            }),
            // A part that is not there holds nothing, and lacks nothing.
            _ => match part(scene.names, &self.part) {
                Some(text) => self.is_in(&text, scene),
                None => return false,
            },
        };
        found != self.negative
    }

    fn is_in(&self, text: &Text, scene: &Scene<'_>) -> bool {
        match &self.look {
            Look::Words(words) => {
                let lowered = (self.case == Case::Ignored).then(|| lowercase(text));
                let text = lowered.as_deref().unwrap_or(text);
                self.condition.of(words, |word| {
                    let filled = fill(word.as_bytes(), scene);
                    // Who looks for something unknown cannot have found it.
                    if filled.unknown.is_some() && !text_contains(text, word.as_bytes()) {
                        return false;
                    }
                    match self.case {
                        Case::Counts => text_contains(text, &filled.text),
                        Case::Ignored => text_contains(text, &lowercase(&filled.text)),
                    }
                })
            }
            Look::Bytes(all) => self.condition.of(all, |bytes| text_contains(text, bytes)),
            Look::Size(sizes) => {
                let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
                sizes.contains(&length)
            }
            Look::Regex(patterns) => self.condition.of(patterns, |pattern| {
                let pattern = match self.case {
                    Case::Counts => filled_pattern(pattern, scene),
                    Case::Ignored => format!("(?i){}", filled_pattern(pattern, scene)),
                };
                scene.kit.regex(&pattern).is_some_and(|regex| regex.matches(text))
            }),
            Look::XPath(paths) => {
                let document = xpath::Tree::of(text);
                self.condition.of(paths, |path| path.is_in(&document))
            }
            Look::Status(_) | Look::Dsl(_) => false,
        }
    }
}

impl Condition {
    fn of<T>(self, all: &[T], mut holds: impl FnMut(&T) -> bool) -> bool {
        match self {
            Self::Or => all.iter().any(&mut holds),
            Self::And => !all.is_empty() && all.iter().all(&mut holds),
        }
    }
}

impl Condense {
    /// Parses what can be parsed ahead.
    ///
    /// # Errors
    /// When it is no expression, whatever is filled in.
    pub fn parse(text: &str) -> Result<Self, syntax::SyntaxError> {
        if text.contains("{{") {
            Ok(Self::Open(text.to_owned()))
        } else {
            syntax::parse(text).map(Self::Parsed)
        }
    }
}

/// A part of a reply as text.
pub fn part(names: &dyn Names, part: &str) -> Option<Text> {
    match part {
        "" => names.value("body").map(|value| value.to_text()),
        "all" => {
            let body = names.value("body")?.to_text();
            let headers = names
                .value("all_headers")
                .map(|headers| headers.to_text())
                .unwrap_or_default();
            Some([&*body, &*headers].concat().into())
        }
        _ => names.value(part).map(|value| value.to_text()),
    }
}

/// A pattern whose names are filled in where they are known; braces mean something else in patterns.
pub fn filled_pattern(pattern: &str, scene: &Scene<'_>) -> String {
    fill_text(pattern, scene)
}

/// Words in hexadecimal digits.
pub fn bytes_of(words: &[String]) -> Option<Vec<Vec<u8>>> {
    words
        .iter()
        .map(|word| hex::decode(&word.replace([' ', '\n'], "")))
        .collect()
}

fn text_contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

fn lowercase(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => text.to_ascii_lowercase(),
    }
}
