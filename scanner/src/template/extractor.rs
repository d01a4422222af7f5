//! Extractors: what is read out of a reply, for later requests or to show that something is there. Pure.
//! What is extracted never leaves the run: a finding says that there was something, not what.

use super::{
    dsl::{
        Scene,
        value::{Text, Value},
    },
    jq::Jq,
    matcher::{Case, Condense, filled_pattern, part},
    xpath,
};
use crate::template::{dsl::syntax, expression::fill_text};

/// One extractor.
#[derive(Debug, Clone, PartialEq)]
pub struct Extractor {
    /// What it reads.
    pub read: Read,
    /// Where.
    pub part: String,
    /// The name under which later requests know it.
    pub name: Option<String>,
    /// Whether it is for later requests alone.
    pub internal: bool,
    /// Whether letters' case counts.
    pub case: Case,
}

/// What an extractor reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// A group of patterns.
    Regex(Vec<String>, usize),
    /// Header fields and cookies by name.
    Fields(Vec<String>),
    /// Queries of a JSON document.
    Json(Vec<Jq>),
    /// Paths in a page or document, and an attribute there instead of the text.
    XPath(Vec<xpath::XPath>, Option<String>),
    /// Expressions.
    Dsl(Vec<Condense>),
}

impl Extractor {
    /// What it reads out of a reply, each once, in order.
    pub fn read(&self, scene: &Scene<'_>) -> Vec<Text> {
        let mut found: Vec<Text> = Vec::new();
        let mut add = |text: Text| {
            if found.len() < RESULTS && text.len() <= RESULT_LENGTH && !found.contains(&text) {
                found.push(text);
            }
        };
        match &self.read {
            Read::Fields(names) => {
                for name in names {
                    if let Some(value) = field(scene, name) {
                        add(value.to_text());
                    }
                }
            }
            Read::Dsl(expressions) => {
                for expression in expressions {
                    let computed = match expression {
                        Condense::Parsed(expr) => scene.compute(expr).ok(),
                        Condense::Open(text) => syntax::parse(&fill_text(text, scene))
                            .ok()
                            .and_then(|expr| scene.compute(&expr).ok()),
                    };
                    // Nothing and "no" are no results.
                    match computed {
                        Some(Value::List(items)) => items.into_iter().for_each(&mut add),
                        Some(value) if !value.to_text().is_empty() => add(value.to_text()),
                        Some(_) | None => {}
                    }
                }
            }
            Read::Regex(patterns, group) => {
                let Some(text) = part(scene.names, &self.part) else {
                    return found;
                };
                for pattern in patterns {
                    let pattern = match self.case {
                        Case::Counts => filled_pattern(pattern, scene),
                        Case::Ignored => format!("(?i){}", filled_pattern(pattern, scene)),
                    };
                    if let Some(regex) = scene.kit.regex(&pattern) {
                        let all = regex.find_all(&text, *group, RESULTS);
                        all.into_iter().for_each(|text| add(text.into()));
                    }
                }
            }
            Read::Json(queries) => {
                let text = part(scene.names, &self.part).unwrap_or_default();
                for query in queries {
                    query
                        .results(&text, RESULTS)
                        .into_iter()
                        .for_each(|text| add(text.into_bytes().into()));
                }
            }
            Read::XPath(paths, attribute) => {
                let text = part(scene.names, &self.part).unwrap_or_default();
                let document = xpath::Tree::of(&text);
                for path in paths {
                    let all = path.texts(&document, attribute.as_deref(), RESULTS);
                    all.into_iter().for_each(|text| add(text.into_bytes().into()));
                }
            }
        }
        found
    }
}

/// A header field or cookie, as it stands or as headers are called here.
fn field(scene: &Scene<'_>, name: &str) -> Option<Value> {
    scene
        .names
        .value(name)
        .or_else(|| scene.names.value(&name.to_ascii_lowercase().replace('-', "_")))
        .filter(|value| !value.to_text().is_empty())
}

const RESULTS: usize = 256;
const RESULT_LENGTH: usize = 64 * 1024;
