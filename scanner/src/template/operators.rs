//! The matchers and extractors of one block, and what they make of a reply together. Pure.

use super::{
    dsl::{Scene, value::Text},
    extractor::Extractor,
    matcher::{Condition, Matcher},
};

/// What judges the replies to one block's requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Operators {
    /// Matchers.
    pub matchers: Vec<Matcher>,
    /// How they go together.
    pub condition: Condition,
    /// Extractors.
    pub extractors: Vec<Extractor>,
}

/// What a reply came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Whether this is a hit.
    pub hit: bool,
    /// Whether a hit is one for the flow alone.
    pub internal: bool,
    /// The names of the matchers that make it one; none when it has no name.
    pub names: Vec<String>,
    /// What later requests know.
    pub learned: Vec<(String, Vec<Text>)>,
    /// Whether anything was extracted at all.
    pub extracted: bool,
}

impl Operators {
    /// Whether there is nothing to judge by.
    pub fn is_empty(&self) -> bool {
        self.matchers.is_empty() && self.extractors.is_empty()
    }

    /// Reads out of a reply what later requests, and the matchers themselves, may name.
    pub fn extract(&self, scene: &Scene<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        for extractor in &self.extractors {
            let found = extractor.read(scene);
            if found.is_empty() {
                continue;
            }
            judgement.extracted = true;
            if !extractor.internal && self.matchers.is_empty() {
                judgement.hit = true;
                judgement.names.extend(extractor.name.clone());
            }
            if let Some(name) = &extractor.name {
                judgement.learned.push((name.clone(), found));
            }
        }
        judgement
    }

    /// Judges a reply by the matchers, when `extract` has been used.
    pub fn judge(&self, scene: &Scene<'_>, mut judgement: Judgement) -> Judgement {
        if self.matchers.is_empty() {
            return judgement;
        }
        let (mut shown, mut hidden) = (false, false);
        for matcher in &self.matchers {
            match (matcher.holds(scene), self.condition) {
                (true, Condition::Or) => {
                    judgement.hit = true;
                    shown |= !matcher.internal;
                    if !matcher.internal {
                        judgement.names.extend(matcher.name.clone());
                    }
                }
                (true, Condition::And) => {
                    judgement.hit = true;
                    hidden |= matcher.internal;
                }
                (false, Condition::Or) => {}
                (false, Condition::And) => {
                    judgement.hit = false;
                    judgement.names.clear();
                    return judgement;
                }
            }
        }
        judgement.internal = match self.condition {
            Condition::Or => judgement.hit && !shown,
            Condition::And => hidden,
        };
        judgement
    }
}
