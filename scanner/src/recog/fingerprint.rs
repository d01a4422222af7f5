//! One fingerprint: a pattern, and what it says of that which matches.

use std::collections::BTreeMap;

use super::pattern::Pattern;

/// A pattern with what follows from its match.
#[derive(Debug)]
pub struct Fingerprint {
    pub(super) line: usize,
    pub(super) description: String,
    pub(super) pattern: Pattern,
    pub(super) params: Vec<Param>,
    pub(super) examples: Vec<Example>,
}

/// What a fingerprint states: a name and where its value comes from.
#[derive(Debug)]
pub(super) struct Param {
    pub(super) name: String,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Stands in the file; names in braces are replaced with the values of other params.
    Fixed(String),
    /// The text that this group of the pattern matched.
    Captured(usize),
}

/// A text that a fingerprint says it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The line of the file that it begins on.
    pub line: usize,
    /// The text, decoded.
    pub text: Vec<u8>,
    /// What the match must state, by name.
    pub states: Vec<(String, String)>,
}

/// What is known of something by a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// What the fingerprint is for.
    pub description: String,
    values: BTreeMap<String, String>,
}

/// An example that its fingerprint does not match as it states.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// The pattern does not match.
    #[error("the pattern does not match")]
    NoMatch,
    /// It says something else.
    #[error("{name} is {found:?}, and must be {stated:?}")]
    Differs {
        /// Of what.
        name: String,
        /// What the example states.
        stated: String,
        /// What follows from the match.
        found: Option<String>,
    },
}

impl Match {
    /// The value under a name, as `service.version`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// All that is said, by name.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl Fingerprint {
    /// The line of the file that it begins on.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The texts that it says it matches, if they were kept.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// What follows from a text, if it matches. The protocol is the database's, unless a param says
    /// otherwise.
    pub fn recognise(&self, text: &[u8], protocol: Option<&str>) -> Option<Match> {
        let captures = self.pattern.captures(text)?;
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for param in &self.params {
            match &param.value {
                Value::Fixed(fixed) => drop(values.insert(param.name.clone(), fixed.clone())),
                Value::Captured(group) => {
                    // A group that took no part in the match says nothing.
                    if let Some(bytes) = captures.get(*group).copied().flatten() {
                        let bytes = &bytes[..bytes.len().min(VALUE_LIMIT)];
                        values.insert(param.name.clone(), String::from_utf8_lossy(bytes).into_owned());
                    }
                }
            }
        }
        if let Some(protocol) = protocol {
            values
                .entry("service.protocol".to_owned())
                .or_insert_with(|| protocol.to_owned());
        }
        self.interpolate(&mut values);
        // Names that begin so are for interpolation alone.
        values.retain(|name, _| !name.starts_with("_tmp."));
        Some(Match {
            description: self.description.clone(),
            values,
        })
    }

    /// Whether an example is matched as it states.
    ///
    /// # Errors
    /// The first thing that is not as it states.
    pub fn check(&self, example: &Example, protocol: Option<&str>) -> Result<(), MatchError> {
        let found = self
            .recognise(&example.text, protocol)
            .ok_or(MatchError::NoMatch)?;
        for (name, stated) in &example.states {
            if found.value(name) != Some(stated) {
                return Err(MatchError::Differs {
                    name: name.clone(),
                    stated: stated.clone(),
                    found: found.value(name).map(str::to_owned),
                });
            }
        }
        Ok(())
    }

    fn interpolate(&self, values: &mut BTreeMap<String, String>) {
        for param in &self.params {
            let Value::Fixed(template) = &param.value else {
                continue;
            };
            let mut filled = template.clone();
            for name in placeholders(template) {
                match values.get(name) {
                    Some(value) => filled = filled.replace(&format!("{{{name}}}"), value),
                    // A CPE says so of what is not known; anything else with a hole in it is not said.
                    None if param.name.ends_with(".cpe23") => {
                        filled = filled.replace(&format!("{{{name}}}"), "-");
                    }
                    None => {
                        filled.clear();
                        break;
                    }
                }
            }
            if filled.is_empty() && !template.is_empty() {
                values.remove(&param.name);
            } else if filled != *template {
                filled.truncate(filled.floor_char_boundary(VALUE_LIMIT));
                values.insert(param.name.clone(), filled);
            }
        }
    }
}

/// The names in braces of a template.
fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        (!name.is_empty() && !name.contains(char::is_whitespace)).then_some(name)
    })
}

/// Of one value, in bytes: what a match says may be no larger than what a service says.
const VALUE_LIMIT: usize = 1024;
