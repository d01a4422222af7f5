//! What an answer leads a user to: links, and identifiers in JSON that a known request takes. Pure.

use serde_json::Value;

use crate::web::{
    input::{Input, Payload, Place, inputs},
    page::Page,
    request::Request,
    response::Response,
    tests::speaks_of_change,
};

/// An object that somebody is led to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reference {
    /// The request that reads it.
    pub(crate) request: Request,
    /// Which input says which it is.
    pub(crate) input: Input,
    pub(crate) value: String,
    /// The number of the page that leads there.
    pub(crate) page: usize,
}

impl Reference {
    /// What it is one of: objects of one place differ in the value alone.
    pub(super) fn place(&self) -> String {
        format!("{} {}", self.request.shape(), self.input)
    }
}

/// What an answer to a request leads to. `known` are requests that read something; `page` is what was read of the answer.
pub(crate) fn references(
    request: &Request,
    response: &Response,
    page: &Page,
    known: &[Request],
) -> Vec<Reference> {
    let mut found = Vec::new();
    let links = page.leads.iter().map(|lead| &lead.request);
    for link in links.filter(|link| link.method == "GET" && !speaks_of_change(link)) {
        for input in inputs(link).into_iter().filter(says_which) {
            let value = input.value(link);
            if is_identifier(&value) && found.len() < REFERENCES_LIMIT {
                found.push(Reference {
                    request: link.clone(),
                    input,
                    value,
                    page: 0,
                });
            }
        }
    }
    if let Ok(document) = serde_json::from_slice::<Value>(&response.body) {
        let slots: Vec<(&Request, Input)> = known
            .iter()
            .filter(|known| known.method == "GET" && !speaks_of_change(known))
            .flat_map(|known| {
                inputs(known)
                    .into_iter()
                    .filter(says_which)
                    .map(move |input| (known, input))
            })
            .collect();
        for (names, value) in identifiers(&document, &nouns(&request.path)) {
            for (known, input) in &slots {
                if leads_to(&names, known, input) && found.len() < REFERENCES_LIMIT {
                    found.push(Reference {
                        request: input.with(known, &Payload::Value(value.clone())),
                        input: input.clone(),
                        value: value.clone(),
                        page: 0,
                    });
                }
            }
        }
    }
    found
}

/// Whether an input may say which object is read.
fn says_which(input: &Input) -> bool {
    matches!(input.place, Place::Path | Place::Query)
}

fn is_identifier(value: &str) -> bool {
    (1..=64).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte))
}

/// The identifiers in a document, each with what it may be the identifier of: by its own name, else by that which it stands
/// under, else by those of the page.
fn identifiers(document: &Value, of_page: &[String]) -> Vec<(Names, String)> {
    let mut found = Vec::new();
    let mut todo = vec![(document, of_page.to_vec())];
    while let Some((value, under)) = todo.pop() {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let text = match value {
                        Value::Object(_) | Value::Array(_) => {
                            let noun = Some(singular(name)).filter(|noun| !WRAPPERS.contains(&noun.as_str()));
                            todo.push((value, noun.map_or_else(|| under.clone(), |noun| vec![noun])));
                            continue;
                        }
                        Value::String(text) => text.clone(),
                        Value::Number(number) => number.to_string(),
                        Value::Null | Value::Bool(_) => continue,
                    };
                    if is_identifier(&text) && names_identifiers(name) {
                        let nouns = noun_of(name).map_or_else(|| under.clone(), |noun| vec![noun]);
                        let name = squeezed(name);
                        found.push((Names { nouns, name }, text));
                    }
                }
            }
            Value::Array(items) => todo.extend(items.iter().map(|item| (item, under.clone()))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        if found.len() >= REFERENCES_LIMIT {
            break;
        }
    }
    found
}

/// What a value is called.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names {
    nouns: Vec<String>,
    name: String,
}

/// Whether an identifier is one of what a request reads by this input.
fn leads_to(names: &Names, known: &Request, input: &Input) -> bool {
    match (input.place, noun_of(&input.name)) {
        (Place::Path, _) => {
            let index: usize = input.name.parse().unwrap_or_default();
            let before: Vec<&str> = known.path.split('/').take(index).collect();
            let last = nouns(&before.join("/")).pop();
            last.is_some_and(|last| names.nouns.contains(&last))
        }
        (_, Some(noun)) => names.nouns.contains(&noun),
        (_, None) if names_identifiers(&input.name) => {
            nouns(&known.path).iter().any(|noun| names.nouns.contains(noun))
        }
        (_, None) => squeezed(&input.name) == names.name,
    }
}

/// The names of a path, each in the singular: what is no name is a value.
fn nouns(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| segment.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(singular)
        .collect()
}

/// Whether values of that name tell which one of several something is.
fn names_identifiers(name: &str) -> bool {
    let name = squeezed(name);
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Of `order_id` or `orderId` the `order`.
fn noun_of(name: &str) -> Option<String> {
    let name = squeezed(name);
    let noun = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))?;
    (noun.len() > 1).then(|| singular(noun))
}

fn squeezed(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase()
}

fn singular(name: &str) -> String {
    let name = squeezed(name);
    match (name.strip_suffix("ies"), name.strip_suffix('s')) {
        (Some(stem), _) => format!("{stem}y"),
        (None, Some(stem)) if !stem.ends_with('s') => stem.to_owned(),
        _ => name,
    }
}

/// How names of identifiers end; those that end in another come first.
const ENDINGS: &[&str] = &[
    "uuid", "guid", "slug", "number", "hash", "code", "key", "ref", "id", "no",
];
/// What says nothing of what stands in it.
const WRAPPERS: &[&str] = &[
    "data", "item", "result", "content", "row", "record", "entry", "list", "value", "embedded", "link",
];
const REFERENCES_LIMIT: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::{page, response::Whole};
    use std::time::Duration;

    fn leads(target: &str, body: &str, known: &[&str]) -> Vec<String> {
        let get = |target: &str| Request::get(&format!("http://192.0.2.1{target}").parse().unwrap());
        let response = Response {
            status: 200,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
            whole: Whole::Yes,
            took: Duration::ZERO,
        };
        let known: Vec<Request> = known.iter().map(|target| get(target)).collect();
        let page = page::read_alone(body.as_bytes());
        references(&get(target), &response, &page, &known)
            .iter()
            .map(|reference| format!("{} {}", reference.request.target(), reference.input))
            .collect()
    }

    #[test]
    fn identifiers_lead_to_what_takes_them() {
        let known = [
            "/orders/1",
            "/orders/1/delete",
            "/order?id=1",
            "/users/1",
            "/x?order_id=1",
        ];
        let found = [
            "/orders/17 path:2",
            "/order?id=17 query:id",
            "/x?order_id=17 query:order_id",
        ];
        for (target, body) in [
            ("/orders", r#"[{"id": 17, "total": 3}]"#),
            ("/orders", r#"{"items": [{"id": "17"}]}"#),
            ("/me", r#"{"orders": [{"id": 17}]}"#),
            ("/me", r#"{"data": {"orderId": 17}}"#),
        ] {
            assert_eq!(leads(target, body, &known), found, "{body}");
        }
        assert_eq!(leads("/users", r#"[{"id": 7}]"#, &known), ["/users/7 path:2"]);
        assert_eq!(leads("/users/all", r#"[{"id": 7}]"#, &known), ["/users/7 path:2"]);
        assert!(leads("/cart", r#"[{"id": 7, "total": 17}]"#, &known).is_empty());
    }

    #[test]
    fn links_lead_to_what_they_say() {
        let page = "<a href=/orders/17>1</a><a href='/show?id=a-7'>2</a><a href=/orders/17/cancel>3</a><a href=/help>4</a>";
        assert_eq!(
            leads("/", page, &[]),
            ["/orders/17 path:2", "/show?id=a-7 query:id"]
        );
    }
}
