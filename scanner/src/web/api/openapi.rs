//! The operations of an API, as requests with example values: Swagger 2.0, OpenAPI 3.0 to 3.2.

use serde_json::{Map, Value};
use url::Url;

use super::{Description, example::Examples};
use crate::web::{
    input::{percent, spelled_cookie},
    page::{Lead, is_logout},
    request::{Body, FIELDS_LIMIT, Pair, Part, Request},
    site::{Reference, Site},
};

/// What a description leads to.
#[derive(Debug, Default)]
pub struct Operations {
    /// The requests, reading ones first and removing ones last.
    pub leads: Vec<Lead>,
    /// Operations that would end the session.
    pub logouts: u64,
    /// Operations that are described elsewhere, or that there are too many of.
    pub unread: u64,
}

impl Description {
    /// The operations on this site. Whatever server the description names, it is this one that is asked, under
    /// the path that it gives.
    pub fn operations(&self, site: &Site) -> Operations {
        let base = self.base(site);
        let mut operations = Operations::default();
        let mut found: Vec<(usize, Lead)> = Vec::new();
        let paths = self.field("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            let Some(item) = self.follow(item) else {
                operations.unread += 1;
                continue;
            };
            for (rank, method) in METHODS.iter().enumerate() {
                let Some(operation) = item.get(*method).filter(|operation| operation.is_object()) else {
                    continue;
                };
                let name = operation.get("operationId").and_then(Value::as_str);
                if is_logout(path, name.unwrap_or_default()) {
                    operations.logouts += 1;
                } else if found.len() >= OPERATIONS_LIMIT {
                    operations.unread += 1;
                } else {
                    let operation = Operation {
                        description: self,
                        path: format!("{base}{path}"),
                        method: method.to_ascii_uppercase(),
                        item,
                        operation,
                    };
                    let lead = |request| Lead { request, token: None };
                    found.extend(
                        operation
                            .requests()
                            .into_iter()
                            .map(|request| (rank, lead(request))),
                    );
                }
            }
        }
        found.sort_by_key(|(rank, _)| *rank);
        operations.leads = found.into_iter().map(|(_, lead)| lead).collect();
        operations
    }

    /// The path that all others begin with.
    fn base(&self, site: &Site) -> String {
        let given = if self.is_swagger() {
            self.field("basePath")
                .and_then(Value::as_str)
                .map(ToOwned::to_owned)
        } else {
            let servers = self.field("servers").and_then(Value::as_array);
            let mut urls = servers
                .into_iter()
                .flatten()
                .take(FIELDS_LIMIT)
                .filter_map(server_url);
            let first = urls.next();
            let here = |url: &String| matches!(site.resolve(site.start(), url), Reference::Here(_));
            match first {
                Some(first) if here(&first) => Some(first),
                first => urls.find(here).or(first),
            }
        };
        // Of a server elsewhere the path is taken; a relative one is a path below the site's.
        let base = given.and_then(|given| site.start().join(&given).ok());
        let base = base.as_ref().map_or("", Url::path);
        base.trim_end_matches('/').to_owned()
    }
}

/// A server's URL with its variables set to what they usually are.
fn server_url(server: &Value) -> Option<String> {
    let mut url = server.get("url")?.as_str()?.to_owned();
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten().take(FIELDS_LIMIT) {
        let usual = variable.get("default").map(plain).unwrap_or_default();
        if usual.len() <= VALUE_LIMIT {
            url = url.replace(&format!("{{{name}}}"), &usual);
        }
    }
    (url.len() <= VALUE_LIMIT).then_some(url)
}

/// One operation of a description.
struct Operation<'a> {
    description: &'a Description,
    path: String,
    method: String,
    item: &'a Value,
    operation: &'a Value,
}

impl<'a> Operation<'a> {
    /// Its requests: one for each kind of body that it takes.
    fn requests(&self) -> Vec<Request> {
        let mut examples = Examples::of(self.description);
        let mut request = Request {
            method: self.method.clone(),
            path: String::new(),
            segments: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            cookies: Vec::new(),
            body: Body::None,
        };
        let mut in_path: Vec<Pair> = Vec::new();
        // Before 3.0 bodies are parameters as well.
        let (mut fields, mut files, mut document) = (Vec::new(), Vec::new(), None);
        for (name, place, parameter) in self.parameters() {
            let pair = |value: Option<Value>| {
                let value = value.as_ref().map(plain).unwrap_or_default();
                (name.to_owned(), cut(value))
            };
            match place {
                "path" => in_path.push(pair(examples.value(parameter, name))),
                "query" => request.query.push(pair(examples.value(parameter, name))),
                "cookie" => {
                    let (name, value) = pair(examples.value(parameter, name));
                    request.cookies.push((name, spelled_cookie(&value)));
                }
                "header" if is_own_header(name) => {
                    request.headers.push(pair(examples.value(parameter, name)));
                }
                "formData" => {
                    if parameter.get("type").and_then(Value::as_str) == Some("file") {
                        files.push(name.to_owned());
                    }
                    fields.push(pair(examples.value(parameter, name)));
                }
                "body" => document = Some((parameter, examples.value(parameter, name))),
                _ => {}
            }
        }
        (request.path, request.segments) = filled(&self.path, &in_path);
        let mut bodies = self.bodies(&mut examples);
        if let Some((parameter, Some(value))) = document {
            let xml = self.takes("xml") && !self.takes("json");
            bodies.push(match xml {
                true => self.xml(parameter.get("schema").unwrap_or(&Value::Null), &value),
                false => Body::Json(value),
            });
        } else if !fields.is_empty() {
            let parts = !files.is_empty() || self.takes("multipart");
            bodies.push(match parts {
                true => Body::Multipart(fields.into_iter().map(|field| part(field, &files)).collect()),
                false => Body::Form(fields),
            });
        }
        if bodies.is_empty() {
            bodies.push(Body::None);
        }
        let with = |body| Request {
            body,
            ..request.clone()
        };
        bodies.into_iter().map(with).collect()
    }

    /// Its parameters and those of its path, whose place it takes: name, place, description.
    fn parameters(&self) -> Vec<(&'a str, &'a str, &'a Value)> {
        let mut parameters: Vec<(&str, &str, &Value)> = Vec::new();
        for holder in [self.operation, self.item] {
            let all = holder.get("parameters").and_then(Value::as_array);
            for parameter in all.into_iter().flatten().take(FIELDS_LIMIT) {
                let Some(parameter) = self.description.follow(parameter) else {
                    continue;
                };
                let text = |name: &str| parameter.get(name).and_then(Value::as_str);
                let (Some(name), Some(place)) = (text("name"), text("in")) else {
                    continue;
                };
                let known = parameters
                    .iter()
                    .any(|(other, at, _)| (*other, *at) == (name, place));
                // Since 3.0 a parameter may have a media type instead of a schema.
                let media = parameter.get("content").and_then(Value::as_object);
                let parameter = media.and_then(|media| media.values().next()).unwrap_or(parameter);
                if !known && name.len() <= VALUE_LIMIT {
                    parameters.push((name, place, parameter));
                }
            }
        }
        parameters
    }

    /// The bodies that it takes, since 3.0.
    fn bodies(&self, examples: &mut Examples<'a>) -> Vec<Body> {
        let body = self.operation.get("requestBody");
        let content = body
            .and_then(|body| self.description.follow(body))
            .and_then(|body| body.get("content"))
            .and_then(Value::as_object);
        let mut bodies = Vec::new();
        for (media, holder) in content.into_iter().flatten() {
            let media = media
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            let kind = if media.ends_with("json") || media == "*/*" {
                Kind::Json
            } else if media.ends_with("xml") {
                Kind::Xml
            } else if media == "application/x-www-form-urlencoded" {
                Kind::Form
            } else if media.starts_with("multipart/") {
                Kind::Multipart
            } else {
                continue;
            };
            let Some(value) = examples.value(holder, "") else {
                continue;
            };
            let schema = holder.get("schema").unwrap_or(&Value::Null);
            bodies.push(match kind {
                Kind::Json => Body::Json(value),
                Kind::Xml => self.xml(schema, &value),
                Kind::Form => Body::Form(pairs(&value)),
                Kind::Multipart => {
                    let files = self.files(schema);
                    Body::Multipart(
                        pairs(&value)
                            .into_iter()
                            .map(|field| part(field, &files))
                            .collect(),
                    )
                }
            });
            if bodies.len() >= BODIES_LIMIT {
                break;
            }
        }
        bodies
    }

    /// Whether it says, before 3.0, that it takes documents of a kind.
    fn takes(&self, kind: &str) -> bool {
        let own = self.operation.get("consumes").and_then(Value::as_array);
        let all = own.or_else(|| self.description.field("consumes").and_then(Value::as_array));
        all.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|media| media.contains(kind))
    }

    /// The fields of a form that are files.
    fn files(&self, schema: &Value) -> Vec<String> {
        let schema = self.description.follow(schema);
        let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
        let is_file = |property: &Value| {
            self.description.follow(property).is_some_and(|property| {
                property.get("format").and_then(Value::as_str) == Some("binary")
                    || property.get("contentMediaType").is_some()
            })
        };
        properties
            .into_iter()
            .flatten()
            .take(FIELDS_LIMIT)
            .filter(|(_, property)| is_file(property))
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn xml(&self, schema: &Value, value: &Value) -> Body {
        let referred = schema.get("$ref").and_then(Value::as_str);
        let last = referred.and_then(|reference| reference.rsplit('/').next());
        let said = self
            .description
            .follow(schema)
            .and_then(|schema| schema.get("xml")?.get("name")?.as_str());
        let root = said
            .or(last)
            .filter(|name| is_xml_name(name))
            .unwrap_or("request");
        Body::Text(
            "application/xml".to_owned(),
            format!("<?xml version=\"1.0\"?>{}", element(root, value)),
        )
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Json,
    Xml,
    Form,
    Multipart,
}

/// The path with its parameters filled in, and which of its segments are values as a whole.
fn filled(path: &str, values: &[Pair]) -> (String, Vec<usize>) {
    let mut segments = Vec::new();
    let mut whole = Vec::new();
    for (index, segment) in path.split('/').enumerate() {
        let mut text = segment.to_owned();
        for (name, value) in values {
            let mark = format!("{{{name}}}");
            if text == mark {
                whole.push(index);
            }
            // An empty segment would be another path.
            let value = if value.is_empty() { "1" } else { value };
            text = text.replace(&mark, &percent(value));
        }
        if text.contains(['{', '}']) {
            text = "1".to_owned();
            whole.push(index);
        }
        segments.push(sendable(&text));
    }
    (segments.join("/"), whole)
}

/// A path goes out as it stands, as long as it can stand in a request line.
fn sendable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_ascii_graphic() && c != '?' && c != '#' => c.to_string(),
            c => percent(&c.to_string()),
        })
        .collect()
}

/// Header fields that are parameters; these are none (OpenAPI 3.1, section 4.8.12.1), and some make the request.
fn is_own_header(name: &str) -> bool {
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_name
        && ![
            "accept",
            "authorization",
            "connection",
            "content-length",
            "content-type",
            "cookie",
            "host",
            "transfer-encoding",
        ]
        .contains(&name.to_ascii_lowercase().as_str())
}

fn pairs(value: &Value) -> Vec<Pair> {
    let fields = value.as_object();
    fields
        .into_iter()
        .flatten()
        .take(FIELDS_LIMIT)
        .map(|(name, value)| (name.clone(), cut(plain(value))))
        .collect()
}

fn part((name, value): Pair, files: &[String]) -> Part {
    let is_file = files.contains(&name);
    Part {
        file: is_file.then(|| "vedette.txt".to_owned()),
        media: is_file.then(|| "text/plain".to_owned()),
        name,
        value,
    }
}

/// A value as text; of a list its first.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.first().map(plain).unwrap_or_default(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn cut(text: String) -> String {
    text.chars().take(VALUE_LIMIT).collect()
}

/// A value as an element; a list as one element for each item.
fn element(name: &str, value: &Value) -> String {
    let inside = match value {
        Value::Array(items) => return items.iter().map(|item| element(name, item)).collect(),
        Value::Object(fields) => children(fields),
        _ => plain(value)
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;"),
    };
    format!("<{name}>{inside}</{name}>")
}

fn children(fields: &Map<String, Value>) -> String {
    fields
        .iter()
        .filter(|(name, _)| is_xml_name(name))
        .map(|(name, value)| element(name, value))
        .collect()
}

fn is_xml_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// What reads before what writes, and what removes at last: so that there still is something to be read.
const METHODS: &[&str] = &[
    "get", "head", "options", "query", "post", "put", "patch", "trace", "delete",
];
const OPERATIONS_LIMIT: usize = 2000;
const BODIES_LIMIT: usize = 3;
const VALUE_LIMIT: usize = 2048;

#[cfg(test)]
mod tests;
