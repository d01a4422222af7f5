//! GraphQL (October 2021): what an endpoint says of its schema, and a request for each field of its queries and
//! mutations, whose arguments are variables.

use std::{collections::HashMap, fmt::Write as _};

use serde_json::{Map, Value, json};

use crate::web::{
    page::{guess, is_logout},
    request::{Body, Request},
};

/// The request by which an endpoint is asked for its schema (section 4).
pub fn introspection(path: &str) -> Request {
    post(path, json!({"query": INTROSPECTION}))
}

/// What a document says that is sent to an endpoint, by its operation's name; nothing if it is no such document.
pub fn operation(body: &Value) -> Option<&str> {
    let query = body.get("query")?.as_str()?.trim_start();
    let rest = match query.split_once(|c: char| !c.is_ascii_alphabetic()) {
        Some(("query" | "mutation" | "subscription" | "fragment", _)) => query
            .trim_start_matches(|c: char| c.is_ascii_alphabetic())
            .trim_start(),
        _ if query.starts_with('{') => "",
        _ => return None,
    };
    let end = rest.find(|c: char| !is_name_part(c)).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// The requests that the answer to [`introspection`] leads to, and how many fields would end the session.
pub fn requests(path: &str, answer: &Value) -> Option<(Vec<Request>, u64)> {
    let schema = answer.get("data")?.get("__schema")?;
    let types = Types::of(schema);
    let (mut requests, mut logouts) = (Vec::new(), 0);
    for (root, keyword) in [("queryType", "query"), ("mutationType", "mutation")] {
        let name = schema.get(root).and_then(|root| root.get("name")?.as_str());
        for field in name.and_then(|name| types.fields(name)).into_iter().flatten() {
            let Some(name) = name_of(field) else { continue };
            if is_logout(name, "") {
                logouts += 1;
            } else if requests.len() < FIELDS_LIMIT {
                requests.extend(types.document(keyword, name, field).map(|body| post(path, body)));
            }
        }
    }
    Some((requests, logouts))
}

fn post(path: &str, body: Value) -> Request {
    Request {
        method: "POST".to_owned(),
        path: path.to_owned(),
        segments: Vec::new(),
        query: Vec::new(),
        headers: Vec::new(),
        cookies: Vec::new(),
        body: Body::Json(body),
    }
}

/// The types of a schema by their names.
struct Types<'a>(HashMap<&'a str, &'a Value>);

impl<'a> Types<'a> {
    fn of(schema: &'a Value) -> Self {
        let types = schema.get("types").and_then(Value::as_array);
        let named = types
            .into_iter()
            .flatten()
            .take(TYPES_LIMIT)
            .filter_map(|type_| Some((name_of(type_)?, type_)));
        Self(named.collect())
    }

    fn fields(&self, name: &str) -> Option<&'a Vec<Value>> {
        self.0.get(name)?.get("fields")?.as_array()
    }

    /// A document that asks for one field, and its variables.
    fn document(&self, keyword: &str, name: &str, field: &'a Value) -> Option<Value> {
        let (mut declared, mut passed, mut variables) = (String::new(), String::new(), Map::new());
        let mut left = VALUES_LIMIT;
        for argument in arguments(field) {
            let (Some(argument_name), Some(type_)) = (name_of(argument), argument.get("type")) else {
                continue;
            };
            let spelled = spelled(type_, 0)?;
            let separator = if passed.is_empty() { "" } else { ", " };
            if let Some(choice) = self.choice(type_) {
                // No variable: an endpoint refuses any other value before the application sees it.
                let _ = write!(passed, "{separator}{argument_name}: {choice}");
                continue;
            }
            let Some(value) = self.value(type_, argument_name, 0, &mut left) else {
                // One that must be there cannot be left out.
                if spelled.ends_with('!') {
                    return None;
                }
                continue;
            };
            let comma = if declared.is_empty() { "" } else { ", " };
            let _ = write!(declared, "{comma}${argument_name}: {spelled}");
            let _ = write!(passed, "{separator}{argument_name}: ${argument_name}");
            variables.insert(argument_name.to_owned(), value);
        }
        let bracketed = |text: String| {
            if text.is_empty() {
                text
            } else {
                format!("({text})")
            }
        };
        let selection = self.selection(field.get("type")?, 0);
        let query = format!(
            "{keyword} {name}{} {{ {name}{}{selection} }}",
            bracketed(declared),
            bracketed(passed)
        );
        Some(json!({"query": query, "variables": variables}))
    }

    /// The first of an enumeration, if it is one.
    fn choice(&self, type_: &'a Value) -> Option<&'a str> {
        let type_ = match type_.get("kind")?.as_str()? {
            "NON_NULL" => type_.get("ofType")?,
            _ => type_,
        };
        if type_.get("kind")?.as_str()? != "ENUM" {
            return None;
        }
        name_of(
            self.0
                .get(name_of(type_)?)?
                .get("enumValues")?
                .as_array()?
                .first()?,
        )
    }

    /// A value of that type.
    fn value(&self, type_: &Value, name: &str, depth: usize, left: &mut usize) -> Option<Value> {
        if depth > DEPTH_LIMIT || *left == 0 {
            return None;
        }
        *left -= 1;
        let inner = || type_.get("ofType");
        Some(match type_.get("kind")?.as_str()? {
            "NON_NULL" => self.value(inner()?, name, depth + 1, left)?,
            "LIST" => Value::Array(self.value(inner()?, name, depth + 1, left).into_iter().collect()),
            "ENUM" => {
                let values = self.0.get(name_of(type_)?)?.get("enumValues")?.as_array()?;
                Value::from(name_of(values.first()?)?)
            }
            "INPUT_OBJECT" => {
                let fields = self.0.get(name_of(type_)?)?.get("inputFields")?.as_array()?;
                let mut object = Map::new();
                for field in fields.iter().take(ARGUMENTS_LIMIT) {
                    let (Some(name), Some(type_)) = (name_of(field), field.get("type")) else {
                        continue;
                    };
                    if let Some(value) = self.value(type_, name, depth + 1, left) {
                        object.insert(name.to_owned(), value);
                    }
                }
                Value::Object(object)
            }
            _ => match name_of(type_)? {
                "Int" => Value::from(1),
                "Float" => Value::from(1.5),
                "Boolean" => Value::Bool(true),
                "ID" => Value::from("1"),
                _ => Value::from(guess(name)),
            },
        })
    }

    /// What of an object is asked for: its scalars, and those of the objects in it.
    fn selection(&self, type_: &Value, depth: usize) -> String {
        let Some((kind, name)) = innermost(type_) else {
            return String::new();
        };
        if !matches!(kind, "OBJECT" | "INTERFACE" | "UNION") {
            return String::new();
        }
        let mut chosen = Vec::new();
        let (mut scalars, mut objects) = (0, 0);
        for field in self.fields(name).into_iter().flatten() {
            let (Some(field_name), Some((kind, _))) = (name_of(field), field.get("type").and_then(innermost))
            else {
                continue;
            };
            let needs = arguments(field).any(|argument| {
                let kind = argument.get("type").and_then(|type_| type_.get("kind")?.as_str());
                kind == Some("NON_NULL")
            });
            match kind {
                _ if needs => {}
                "SCALAR" | "ENUM" if scalars < SCALARS_LIMIT => {
                    scalars += 1;
                    chosen.push(field_name.to_owned());
                }
                "OBJECT" | "INTERFACE" | "UNION" if depth < SELECTION_DEPTH && objects < OBJECTS_LIMIT => {
                    objects += 1;
                    let inside = self.selection(field.get("type").unwrap_or(&Value::Null), depth + 1);
                    chosen.push(format!("{field_name}{inside}"));
                }
                _ => {}
            }
        }
        if chosen.is_empty() {
            chosen.push("__typename".to_owned());
        }
        format!(" {{ {} }}", chosen.join(" "))
    }
}

fn arguments(field: &Value) -> impl Iterator<Item = &Value> {
    let arguments = field.get("args").and_then(Value::as_array);
    arguments.into_iter().flatten().take(ARGUMENTS_LIMIT)
}

/// A name (section 2.1.9); what is none goes into no document.
fn name_of(value: &Value) -> Option<&str> {
    let name = value.get("name")?.as_str()?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(is_name_part)
        && name.len() <= NAME_LIMIT;
    is_name.then_some(name)
}

fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A type as documents spell it: `[String!]!`.
fn spelled(type_: &Value, depth: usize) -> Option<String> {
    let inner = || spelled(type_.get("ofType")?, depth + 1);
    match type_.get("kind")?.as_str()? {
        _ if depth > DEPTH_LIMIT => None,
        "NON_NULL" => inner().map(|inner| format!("{inner}!")),
        "LIST" => inner().map(|inner| format!("[{inner}]")),
        _ => name_of(type_).map(ToOwned::to_owned),
    }
}

/// The kind and name of a type without lists around it.
fn innermost(mut type_: &Value) -> Option<(&str, &str)> {
    for _ in 0..DEPTH_LIMIT {
        match type_.get("ofType").filter(|inner| inner.is_object()) {
            Some(inner) => type_ = inner,
            None => return Some((type_.get("kind")?.as_str()?, name_of(type_)?)),
        }
    }
    None
}

const INTROSPECTION: &str = "query schema { __schema { queryType { name } mutationType { name } types { kind name \
    fields { name args { name type { ...t } } type { ...t } } inputFields { name type { ...t } } enumValues { name } } } } \
    fragment t on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }";
const TYPES_LIMIT: usize = 4000;
const FIELDS_LIMIT: usize = 500;
const ARGUMENTS_LIMIT: usize = 32;
const VALUES_LIMIT: usize = 256;
const DEPTH_LIMIT: usize = 8;
const SELECTION_DEPTH: usize = 2;
const SCALARS_LIMIT: usize = 12;
const OBJECTS_LIMIT: usize = 3;
const NAME_LIMIT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::input::{Payload, inputs};

    fn schema() -> Value {
        let named = |kind: &str, name: &str| json!({"kind": kind, "name": name, "ofType": null});
        let must = |inner: Value| json!({"kind": "NON_NULL", "name": null, "ofType": inner});
        let list = |inner: Value| json!({"kind": "LIST", "name": null, "ofType": inner});
        let item = list(must(named("OBJECT", "Item")));
        json!({"data": {"__schema": {"queryType": {"name": "Query"}, "mutationType": {"name": "Mutation"}, "types": [
            {"kind": "OBJECT", "name": "Query", "fields": [
                {"name": "search", "type": item, "args": [
                    {"name": "term", "type": must(named("SCALAR", "String"))}, {"name": "first", "type": named("SCALAR", "Int")},
                    {"name": "order", "type": named("ENUM", "Order")}]},
                {"name": "bad name", "type": named("SCALAR", "String"), "args": []}]},
            {"kind": "OBJECT", "name": "Mutation", "fields": [
                {"name": "add", "type": named("SCALAR", "Boolean"), "args": [{"name": "item", "type": must(named("INPUT_OBJECT", "NewItem"))}]},
                {"name": "logout", "type": named("SCALAR", "Boolean"), "args": []}]},
            {"kind": "OBJECT", "name": "Item", "fields": [
                {"name": "name", "type": named("SCALAR", "String"), "args": []},
                {"name": "near", "type": item, "args": []},
                {"name": "of", "type": named("SCALAR", "String"), "args": [{"name": "id", "type": must(named("SCALAR", "ID"))}]}]},
            {"kind": "ENUM", "name": "Order", "enumValues": [{"name": "NAME"}]},
            {"kind": "INPUT_OBJECT", "name": "NewItem", "inputFields": [
                {"name": "mail", "type": named("SCALAR", "String")}, {"name": "parent", "type": named("INPUT_OBJECT", "NewItem")}]}
        ]}}})
    }

    #[test]
    fn every_field_is_asked_for_and_its_texts_are_inputs() {
        let (requests, logouts) = requests("/graphql", &schema()).unwrap();
        assert_eq!((requests.len(), logouts), (2, 1));
        let Body::Json(body) = &requests[0].body else {
            panic!("{requests:?}")
        };
        assert_eq!(
            body,
            &json!({"query": "query search($term: String!, $first: Int) \
                { search(term: $term, first: $first, order: NAME) { name near { name near { name } } } }",
                "variables": {"term": "vedette", "first": 1}})
        );
        let names: Vec<Vec<String>> = requests
            .iter()
            .map(|request| inputs(request).iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(names[0], ["variable:search/term"]);
        assert_eq!(names[1][0], "variable:add/item/mail");
        let term = &inputs(&requests[0])[0];
        assert_eq!(term.value(&requests[0]), "vedette");
        let sent = term.with(&requests[0], &Payload::Value("x".to_owned()));
        assert!(matches!(sent.body, Body::Json(body) if body["variables"]["term"] == "x"));
        assert_ne!(requests[0].shape(), requests[1].shape());
        assert!(inputs(&introspection("/graphql")).is_empty());
    }

    #[test]
    fn a_document_is_told_from_a_search() {
        let named = |query: &str| operation(&json!({"query": query})).map(ToOwned::to_owned);
        assert_eq!(named("query find($a: Int) { a }").as_deref(), Some("find"));
        assert_eq!(named(" { a }").as_deref(), Some(""));
        assert_eq!(named("mutation{a}").as_deref(), Some(""));
        assert_eq!(named("shoes"), None);
        assert_eq!(named("querying shoes"), None);
    }

    #[test]
    fn a_hostile_schema_ends() {
        let mut deep = json!({"kind": "SCALAR", "name": "String"});
        for _ in 0..40 {
            deep = json!({"kind": "LIST", "ofType": deep});
        }
        let fields: Vec<Value> = (0..FIELDS_LIMIT + 100)
            .map(|n| json!({"name": format!("f{n}"), "type": deep, "args": [{"name": "a", "type": deep}]}))
            .collect();
        let types = json!([{"kind": "OBJECT", "name": "Q", "fields": fields}]);
        let answer = json!({"data": {"__schema": {"queryType": {"name": "Q"}, "types": types}}});
        assert!(requests("/g", &answer).unwrap().0.len() <= FIELDS_LIMIT);
        assert!(
            requests("/g", &json!({"data": {"__schema": 7}}))
                .unwrap()
                .0
                .is_empty()
        );
        assert!(requests("/g", &json!([])).is_none());
    }
}
