//! Authorisation of objects: whether one user is shown what is another's. Pure; the engine asks.
//!
//! The site itself says whose an object is: what it lists for one of two users and, on the same page, not for the other,
//! is the one's. It counts when each of the two is shown the other's as the owner is, twice, and a stranger is not: an
//! object for everybody, one that both are led to, and a user who may see everything accuse nobody. Only reading is tried.

mod reference;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

pub(crate) use self::reference::{Reference, references};
use super::{
    input::{Input, Payload},
    request::Request,
    response::Response,
};

/// Its name on command lines.
pub(crate) const NAME: &str = "access";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Visitor {
    First,
    Second,
    /// Who is not logged in.
    Stranger,
}

/// Whose object is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    OfFirst,
    OfSecond,
    /// One that there is not.
    Missing,
}

/// Something to ask the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) by: Visitor,
    pub(crate) of: Object,
    /// How often the same was asked before.
    pub(crate) nth: u8,
}

/// The answers so far.
pub(crate) type Answers = HashMap<Question, Response>;

/// What was seen of the site by two users: where both were led from the same pages.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    first: Vec<Reference>,
    second: Vec<Reference>,
    /// How many pages were seen.
    pages: usize,
    /// What stands on every page of a user, as his name: seen on the site's first page.
    frames: [BTreeSet<String>; 2],
}

/// An object of each of two users, at the same place.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) request: Request,
    pub(crate) input: Input,
    first: String,
    second: String,
}

impl Sights {
    /// Takes in what one page leads both to.
    pub(crate) fn add(&mut self, first: Vec<Reference>, second: Vec<Reference>) {
        let of_page = |mut references: Vec<Reference>, page| {
            for reference in &mut references {
                reference.page = page;
            }
            references
        };
        self.first.extend(of_page(first, self.pages));
        self.second.extend(of_page(second, self.pages));
        self.pages += 1;
    }

    /// Takes in the site's first page.
    pub(crate) fn frame(&mut self, first: &Response, second: &Response) {
        self.frames = [parts(first), parts(second)];
    }

    /// Objects of one user each: what one page leads one of the two to, and no page the other; a pair for each place.
    pub(crate) fn pairs(&self) -> Vec<Pair> {
        let values = |references: &[Reference]| -> BTreeSet<(String, String)> {
            references
                .iter()
                .map(|reference| (reference.place(), reference.value.clone()))
                .collect()
        };
        let (of_first, of_second) = (values(&self.first), values(&self.second));
        let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
        for mine in &self.first {
            let place = mine.place();
            if pairs.contains_key(&place) || of_second.contains(&(place.clone(), mine.value.clone())) {
                continue;
            }
            let theirs = self.second.iter().find(|theirs| {
                theirs.page == mine.page
                    && theirs.place() == place
                    && !of_first.contains(&(place.clone(), theirs.value.clone()))
            });
            if let Some(theirs) = theirs {
                let pair = Pair {
                    request: mine.request.clone(),
                    input: mine.input.clone(),
                    first: mine.value.clone(),
                    second: theirs.value.clone(),
                };
                pairs.insert(place, pair);
            }
        }
        pairs.into_values().take(PLACES_LIMIT).collect()
    }

    /// Whether each of the two is shown the other's.
    ///
    /// # Errors
    /// What must be asked first.
    pub(crate) fn judge(&self, pair: &Pair, answers: &Answers) -> Result<bool, Question> {
        let ask = |by, of, nth| {
            let question = Question { by, of, nth };
            answers.get(&question).ok_or(question)
        };
        let shown = |by, of, nth| -> Result<Option<BTreeSet<String>>, Question> {
            let answer = ask(by, of, nth)?;
            Ok((answer.status == 200).then(|| parts(answer)))
        };
        use {Object::*, Visitor::*};
        // What is shown of an object to its owner alone, each time.
        let own = |by, of, value: &str, other_of, frame: usize| -> Result<BTreeSet<String>, Question> {
            let (Some(own), Some(again)) = (shown(by, of, 0)?, shown(by, of, 1)?) else {
                return Ok(BTreeSet::new());
            };
            let other_by = if by == First { Second } else { First };
            let other = shown(other_by, other_of, 0)?.unwrap_or_default();
            let of_it = |part: &&String| {
                again.contains(*part)
                    && !other.contains(*part)
                    && !self.frames[frame].contains(*part)
                    && !part.contains(value)
            };
            Ok(own.iter().filter(of_it).cloned().collect())
        };
        let without = |mut parts: BTreeSet<String>, by, of| -> Result<BTreeSet<String>, Question> {
            // What is not there and what is refused are told of in other words than what is shown.
            let other = self::parts(ask(by, of, 0)?);
            parts.retain(|part| !other.contains(part));
            Ok(parts)
        };
        let mut theirs = own(Second, OfSecond, &pair.second, OfFirst, 1)?;
        if theirs.is_empty() {
            return Ok(false);
        }
        let Some(seen) = shown(First, OfSecond, 0)? else {
            return Ok(false);
        };
        theirs = without(theirs, Second, Missing)?;
        // Where the answer names who asks, it names the first.
        let asker = shown(First, OfFirst, 0)?.unwrap_or_default();
        theirs.retain(|part| !is_replaced(part, &seen, &asker));
        if theirs.is_empty() || !theirs.is_subset(&seen) {
            return Ok(false);
        }
        theirs = without(without(theirs, Stranger, OfSecond)?, First, Missing)?;
        if theirs.is_empty() {
            return Ok(false);
        }
        let mut mine = own(First, OfFirst, &pair.first, OfSecond, 0)?;
        mine = without(without(mine, First, Missing)?, Stranger, OfFirst)?;
        let back = shown(Second, OfFirst, 0)?.unwrap_or_default();
        let again = shown(First, OfSecond, 1)?.unwrap_or_default();
        let asker = shown(Second, OfSecond, 0)?.unwrap_or_default();
        mine.retain(|part| !is_replaced(part, &back, &asker));
        Ok(!mine.is_empty() && mine.is_subset(&back) && theirs.is_subset(&again))
    }
}

impl Pair {
    /// The request for an object.
    pub(crate) fn request_for(&self, of: Object) -> Request {
        let value = match of {
            Object::OfFirst => self.first.clone(),
            Object::OfSecond => self.second.clone(),
            Object::Missing => unused(&self.second),
        };
        self.input.with(&self.request, &Payload::Value(value))
    }
}

/// A value of the same form that nothing has.
fn unused(value: &str) -> String {
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("9{value}7");
    }
    let next = |c: char| match c {
        '0'..='8' | 'a'..='e' | 'A'..='E' => char::from_u32(u32::from(c) + 1).unwrap_or(c),
        '9' => '0',
        'f' => 'a',
        'F' => 'A',
        c => c,
    };
    value.chars().map(next).collect()
}

/// Whether a value of JSON stands in an answer as it does where the asker's own is shown.
fn is_replaced(part: &str, answer: &BTreeSet<String>, own: &BTreeSet<String>) -> bool {
    let place = part.split_inclusive('=').next().unwrap_or_default();
    place.starts_with('/')
        && place.ends_with('=')
        && !answer.contains(part)
        && answer
            .iter()
            .any(|other| other.starts_with(place) && own.contains(other))
}

/// What an answer consists of: of JSON its values with their names, of a page the texts between its tags.
fn parts(response: &Response) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    if let Ok(document) = serde_json::from_slice::<Value>(&response.body) {
        let mut todo = vec![(String::new(), &document)];
        while let Some((place, value)) = todo.pop() {
            match value {
                Value::Object(fields) => todo.extend(
                    fields
                        .iter()
                        .map(|(name, value)| (format!("{place}/{name}"), value)),
                ),
                Value::Array(items) => todo.extend(items.iter().map(|item| (format!("{place}/"), item))),
                Value::Null => {}
                Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    parts.insert(format!("{place}={value}"));
                }
            }
            if parts.len() >= PARTS_LIMIT {
                break;
            }
        }
        return parts;
    }
    let text = response.text();
    let pieces = text.split(['<', '>', '\n']).map(str::trim);
    parts.extend(
        pieces
            .filter(|piece| !piece.is_empty())
            .take(PARTS_LIMIT)
            .map(ToOwned::to_owned),
    );
    parts
}

const PLACES_LIMIT: usize = 200;
const PARTS_LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::input::inputs;

    fn answer(status: u16, body: &str) -> Response {
        Response::answering(status, &[], body)
    }

    fn pair() -> Pair {
        let request = Request::get(&"http://192.0.2.7/orders/11".parse().unwrap());
        Pair {
            input: inputs(&request).remove(0),
            request,
            first: "11".to_owned(),
            second: "22".to_owned(),
        }
    }

    /// The verdict on a site that answers so, and how often it was asked.
    fn judged(site: impl Fn(Visitor, &str) -> Response) -> (bool, usize) {
        let (pair, mut answers) = (pair(), Answers::new());
        let mut sights = Sights::default();
        sights.frame(&answer(200, "<b>ann</b>"), &answer(200, "<b>bert</b>"));
        loop {
            match sights.judge(&pair, &answers) {
                Ok(verdict) => return (verdict, answers.len()),
                Err(question) => {
                    let path = pair.request_for(question.of).path;
                    let id = path.rsplit('/').next().unwrap().to_owned();
                    assert!(answers.insert(question, site(question.by, &id)).is_none());
                }
            }
        }
    }

    fn order(by: Visitor, id: &str) -> Response {
        let user = match by {
            Visitor::First => "ann",
            Visitor::Second => "bert",
            Visitor::Stranger => return answer(401, "<p>Log in"),
        };
        match id {
            "11" => answer(200, &format!("<b>{user}</b><p>1 pear to Elm Street")),
            "22" => answer(200, &format!("<b>{user}</b><p>3 plums to Oak Lane")),
            _ => answer(404, "<p>There is none"),
        }
    }

    fn owned(by: Visitor, id: &str) -> bool {
        matches!((by, id), (Visitor::First, "11") | (Visitor::Second, "22"))
    }

    #[test]
    fn who_sees_the_others_object_is_told_of_and_nobody_else() {
        let (verdict, asked) = judged(order);
        assert!(verdict && asked <= 11, "{asked}");
        let refused = |by, id: &str| match owned(by, id) || id.len() > 2 {
            true => order(by, id),
            false => answer(403, "<p>Not yours"),
        };
        assert_eq!(judged(refused), (false, 4));
        let public = |by, id: &str| match by {
            Visitor::Stranger => order(Visitor::First, id),
            _ => order(by, id),
        };
        assert!(!judged(public).0);
        let staff = |by, id: &str| match by {
            Visitor::First => order(by, id),
            _ => refused(by, id),
        };
        assert!(!judged(staff).0);
        let in_words = |by, id: &str| match owned(by, id) || id.len() > 2 {
            true => order(by, id),
            false => answer(200, &format!("<b>x</b><p>Order {id} is not yours")),
        };
        assert!(!judged(in_words).0);
        let redacted = |by, id: &str| match (owned(by, id), id) {
            (true, _) | (_, "9227") => order(by, id),
            (false, _) => answer(200, "<p>An order, not shown"),
        };
        assert!(!judged(redacted).0);
        let own_whatever = |by, _: &str| match by {
            Visitor::First => order(by, "11"),
            _ => order(by, "22"),
        };
        assert!(!judged(own_whatever).0);
    }

    #[test]
    fn what_both_are_led_to_is_nobodys() {
        let reference = |value: &str| {
            let request = Request::get(&format!("http://192.0.2.7/orders/{value}").parse().unwrap());
            Reference {
                input: inputs(&request).remove(0),
                request,
                value: value.to_owned(),
                page: 0,
            }
        };
        let mut sights = Sights::default();
        sights.add(
            vec![reference("11"), reference("7")],
            vec![reference("7"), reference("22")],
        );
        sights.add(vec![reference("8")], vec![reference("22")]);
        let pairs = sights.pairs();
        let values: Vec<_> = pairs
            .iter()
            .map(|pair| (pair.first.as_str(), pair.second.as_str()))
            .collect();
        assert_eq!(values, [("11", "22")]);
        // Each is led to nothing but what the other is led to as well.
        let mut sights = Sights::default();
        sights.add(vec![reference("11")], vec![reference("22")]);
        sights.add(vec![reference("22")], vec![reference("11")]);
        assert!(sights.pairs().is_empty());
    }

    #[test]
    fn a_value_that_nothing_has_keeps_its_form() {
        assert_eq!(unused("22"), "9227");
        assert_eq!(unused("0f9e-aF"), "1a0f-bA");
    }
}
