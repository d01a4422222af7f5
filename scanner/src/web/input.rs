//! Where a request takes a value: found in it, read from it, and replaced in it. Pure.

use std::fmt;

use serde_json::Value;

use super::{
    api::graphql,
    request::{Body, FIELDS_LIMIT, Pair, Request},
    tests::cache::APART,
};

/// One input of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Input {
    /// Where it is.
    pub place: Place,
    /// Its name there; for JSON a pointer (RFC 6901), for a path the number of the segment, for a variable of
    /// GraphQL a pointer behind the operation's name.
    pub name: String,
    index: usize,
}

/// The kinds of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A field of the query.
    Query,
    /// A segment of the path.
    Path,
    /// A field of a form.
    Form,
    /// A value in a JSON document.
    Json,
    /// A variable of a GraphQL operation.
    Variable,
    /// A text or attribute of an XML document.
    Xml,
    /// A field of a form in parts.
    Multipart,
    /// The name of a file in such a form.
    FileName,
    /// A cookie.
    Cookie,
    /// A header field.
    Header,
}

/// What is put in an input's place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Payload {
    /// A value, encoded as its place demands.
    Value(String),
    /// Text that is spelled already: it goes into a path or query as it stands, elsewhere like a value.
    Spelled(String),
    /// In a form, a query or JSON an object of one member, in brackets behind the name where there are no objects;
    /// elsewhere like a value.
    Member(&'static str, String),
    /// The same with a list of one text as the member.
    Members(&'static str, String),
    /// Instead of the whole body, a document of this media type.
    Document(&'static str, String),
    /// A field in the query besides, by which the request is like no other, and a value, or none, for a header field.
    Apart(String, Option<String>),
}

impl Place {
    /// Its name in findings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Path => "path",
            Self::Form => "form",
            Self::Json => "json",
            Self::Variable => "variable",
            Self::Xml => "xml",
            Self::Multipart => "multipart",
            Self::FileName => "filename",
            Self::Cookie => "cookie",
            Self::Header => "header",
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.place.name(), self.name)
    }
}

/// The inputs of a request, at most [`FIELDS_LIMIT`].
pub fn inputs(request: &Request) -> Vec<Input> {
    let named = |place: Place, pairs: &[Pair]| {
        let input = |(index, (name, _)): (usize, &Pair)| Input {
            place,
            name: name.clone(),
            index,
        };
        pairs.iter().enumerate().map(input).collect::<Vec<_>>()
    };
    let mut inputs = named(Place::Query, &request.query);
    for (index, segment) in request.path.split('/').enumerate() {
        if request.is_value(index, segment) {
            inputs.push(Input {
                place: Place::Path,
                name: index.to_string(),
                index,
            });
        }
    }
    match &request.body {
        Body::None => {}
        Body::Form(pairs) => inputs.extend(named(Place::Form, pairs)),
        Body::Multipart(parts) => {
            for (index, part) in parts.iter().enumerate() {
                let input = |place| Input {
                    place,
                    name: part.name.clone(),
                    index,
                };
                inputs.push(input(Place::Multipart));
                if part.file.is_some() {
                    inputs.push(input(Place::FileName));
                }
            }
        }
        Body::Json(value) if graphql::operation(value).is_some() => inputs.extend(variables(value)),
        Body::Json(value) => {
            for (index, name) in leaves(value).into_iter().enumerate() {
                inputs.push(Input {
                    place: Place::Json,
                    name,
                    index,
                });
            }
        }
        Body::Text(media, text) if media.contains("xml") => {
            for (index, slot) in slots(text).into_iter().enumerate() {
                inputs.push(Input {
                    place: Place::Xml,
                    name: slot.name,
                    index,
                });
            }
        }
        Body::Text(..) => {}
    }
    inputs.extend(named(Place::Cookie, &request.cookies));
    inputs.extend(named(Place::Header, &request.headers));
    inputs.truncate(FIELDS_LIMIT);
    inputs
}

impl Input {
    /// A header field that the request is given: the request with it, and the input that it is.
    pub fn in_header(request: &Request, name: &str, value: &str) -> (Request, Self) {
        let mut request = request.clone();
        let input = Self::put(Place::Header, &mut request.headers, name, value);
        (request, input)
    }

    /// A cookie that the request is given, spelled as it is sent: the request with it, and the input that it is.
    pub fn in_cookie(request: &Request, name: &str, value: &str) -> (Request, Self) {
        let mut request = request.clone();
        let input = Self::put(Place::Cookie, &mut request.cookies, name, value);
        (request, input)
    }

    fn put(place: Place, pairs: &mut Vec<Pair>, name: &str, value: &str) -> Self {
        pairs.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        pairs.push((name.to_owned(), value.to_owned()));
        Self {
            place,
            name: name.to_owned(),
            index: pairs.len() - 1,
        }
    }

    /// Its value in a request.
    pub fn value(&self, request: &Request) -> String {
        let at = |pairs: &[Pair]| pairs.get(self.index).map(|(_, value)| value.clone());
        let value = match (self.place, &request.body) {
            (Place::Query, _) => at(&request.query),
            (Place::Cookie, _) => at(&request.cookies).map(|value| read_cookie(&value)),
            (Place::Header, _) => at(&request.headers),
            (Place::Path, _) => request.path.split('/').nth(self.index).map(ToOwned::to_owned),
            (Place::Form, Body::Form(pairs)) => at(pairs),
            (Place::Multipart, Body::Multipart(parts)) => {
                parts.get(self.index).map(|part| part.value.clone())
            }
            (Place::FileName, Body::Multipart(parts)) => {
                parts.get(self.index).and_then(|part| part.file.clone())
            }
            (Place::Json, Body::Json(value)) => value.pointer(&self.name).map(plain),
            (Place::Variable, Body::Json(value)) => value.pointer(&self.variable()).map(plain),
            (Place::Xml, Body::Text(_, text)) => slots(text)
                .get(self.index)
                .map(|slot| text[slot.start..slot.end].to_owned()),
            _ => None,
        };
        value.unwrap_or_default()
    }

    /// The request with another value here.
    pub fn with(&self, request: &Request, payload: &Payload) -> Request {
        let mut request = request.clone();
        let (text, spelled) = match payload {
            Payload::Value(text) => (text, false),
            Payload::Spelled(text) => (text, true),
            Payload::Member(member, text) | Payload::Members(member, text) => {
                let many = matches!(payload, Payload::Members(..));
                if self.put_member(&mut request, member, text, many) {
                    return request;
                }
                (text, false)
            }
            Payload::Document(media, text) => {
                request.body = Body::Text((*media).to_owned(), text.clone());
                request
                    .headers
                    .retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
                return request;
            }
            Payload::Apart(query, value) => {
                request.query.push((APART.to_owned(), query.clone()));
                match (value, self.index < request.headers.len()) {
                    (Some(value), true) => request.headers[self.index].1.clone_from(value),
                    (None, true) => {
                        request.headers.remove(self.index);
                    }
                    (_, false) => {}
                }
                return request;
            }
        };
        let put_text = |pairs: &mut Vec<Pair>, text: &str| {
            if let Some((_, value)) = pairs.get_mut(self.index) {
                text.clone_into(value);
            }
        };
        let put = |pairs: &mut Vec<Pair>| put_text(pairs, text);
        match (self.place, &mut request.body) {
            (Place::Query, _) if spelled => {
                // What is spelled already must not be encoded again: the query becomes part of the path.
                let name = std::mem::take(&mut request.query[self.index].0);
                request.query.remove(self.index);
                let rest = request.target();
                let mark = if request.query.is_empty() { '?' } else { '&' };
                request.path = format!("{rest}{mark}{name}={}", safe_target(text));
                request.query.clear();
            }
            (Place::Query, _) => put(&mut request.query),
            (Place::Cookie, _) => put_text(&mut request.cookies, &spelled_cookie(text)),
            (Place::Header, _) => put(&mut request.headers),
            (Place::Path, _) => {
                let value = if spelled { safe_target(text) } else { percent(text) };
                let mut segments: Vec<&str> = request.path.split('/').collect();
                if let Some(segment) = segments.get_mut(self.index) {
                    *segment = &value;
                }
                request.path = segments.join("/");
            }
            (Place::Form, Body::Form(pairs)) => put(pairs),
            (Place::Multipart, Body::Multipart(parts)) => {
                if let Some(part) = parts.get_mut(self.index) {
                    part.value.clone_from(text);
                }
            }
            (Place::FileName, Body::Multipart(parts)) => {
                if let Some(part) = parts.get_mut(self.index) {
                    part.file = Some(text.clone());
                }
            }
            (Place::Json, Body::Json(value)) => {
                if let Some(place) = value.pointer_mut(&self.name) {
                    // A document takes a document's place.
                    *place = match place {
                        Value::Object(_) => {
                            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()))
                        }
                        _ => Value::String(text.clone()),
                    };
                }
            }
            (Place::Variable, Body::Json(value)) => {
                if let Some(place) = value.pointer_mut(&self.variable()) {
                    *place = Value::String(text.clone());
                }
            }
            (Place::Xml, Body::Text(_, document)) => {
                if let Some(slot) = slots(document).get(self.index) {
                    document.replace_range(slot.start..slot.end, &escaped(text));
                }
            }
            _ => {}
        }
        request
    }
}

impl Input {
    /// Puts an object of one member into the input's place, where there can be one.
    fn put_member(&self, request: &mut Request, member: &str, text: &str, many: bool) -> bool {
        let list = if many { "[]" } else { "" };
        let pairs = match (self.place, &mut request.body) {
            (Place::Query, _) => &mut request.query,
            (Place::Form, Body::Form(pairs)) => pairs,
            (Place::Json, Body::Json(value)) => {
                let Some(place) = value.pointer_mut(&self.name) else {
                    return false;
                };
                let text = match text.parse::<i64>() {
                    Ok(number) if place.is_number() => Value::from(number),
                    _ => Value::from(text),
                };
                let held = if many { Value::Array(vec![text]) } else { text };
                *place = Value::Object([(member.to_owned(), held)].into_iter().collect());
                return true;
            }
            _ => return false,
        };
        let Some((name, value)) = pairs.get_mut(self.index) else {
            return false;
        };
        *name = format!("{name}[{member}]{list}");
        text.clone_into(value);
        true
    }

    /// Where a variable stands in the document that is sent.
    fn variable(&self) -> String {
        let pointer = self.name.find('/').map_or("", |at| &self.name[at..]);
        format!("/variables{pointer}")
    }
}

impl Input {
    /// The whole of a JSON object that is a request's body; GraphQL has a language of its own.
    pub(super) fn document(request: &Request) -> Option<Self> {
        match &request.body {
            Body::Json(value) if value.is_object() && graphql::operation(value).is_none() => Some(Self {
                place: Place::Json,
                name: String::new(),
                index: 0,
            }),
            _ => None,
        }
    }
}

/// The variables of a GraphQL operation that are texts: an endpoint judges the others' types itself.
fn variables(body: &Value) -> Vec<Input> {
    let operation = graphql::operation(body).unwrap_or_default();
    let Some(variables) = body.get("variables") else {
        return Vec::new();
    };
    let texts = leaves(variables)
        .into_iter()
        .enumerate()
        .filter(|(_, name)| variables.pointer(name).is_some_and(Value::is_string));
    texts
        .map(|(index, name)| Input {
            place: Place::Variable,
            name: format!("{operation}{name}"),
            index,
        })
        .collect()
}

/// The scalars of a JSON document, as pointers.
fn leaves(value: &Value) -> Vec<String> {
    let mut leaves = Vec::new();
    let mut todo = vec![(String::new(), value)];
    while let Some((place, value)) = todo.pop() {
        let step = |name: &str| format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        match value {
            Value::Object(fields) => todo.extend(
                fields
                    .iter()
                    .take(FIELDS_LIMIT)
                    .map(|(name, value)| (step(name), value)),
            ),
            Value::Array(items) => todo.extend(items.first().map(|value| (step("0"), value))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => leaves.push(place),
        }
        if leaves.len() >= FIELDS_LIMIT {
            break;
        }
    }
    leaves.sort_unstable();
    leaves
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A place in an XML document that takes a value.
#[derive(Debug)]
struct Slot {
    name: String,
    start: usize,
    end: usize,
}

/// The texts between a start tag and its end tag, and the attributes' values. Not an XML parser: it reads
/// documents of which we are the sender.
fn slots(text: &str) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('<').map(|found| at + found) {
        let Some(close) = text[open..].find('>').map(|found| open + found) else {
            break;
        };
        at = close + 1;
        let tag = &text[open + 1..close];
        if tag.starts_with(['/', '?', '!']) {
            continue;
        }
        let name: String = tag
            .chars()
            .take_while(|c| !c.is_whitespace() && *c != '/')
            .collect();
        for quote in ['"', '\''] {
            let mark = format!("={quote}");
            for (found, _) in tag.match_indices(&mark) {
                let start = open + 1 + found + 2;
                let attribute = tag[..found]
                    .rsplit(char::is_whitespace)
                    .next()
                    .unwrap_or_default();
                if let Some(length) = text[start..=close].find(quote)
                    && !attribute.starts_with("xmlns")
                {
                    slots.push(Slot {
                        name: format!("{name}/@{attribute}"),
                        start,
                        end: start + length,
                    });
                }
            }
        }
        let end = text[at..].find('<').map_or(text.len(), |found| at + found);
        if !tag.ends_with('/') && text[end..].starts_with("</") {
            slots.push(Slot { name, start: at, end });
        }
        if slots.len() >= FIELDS_LIMIT {
            break;
        }
    }
    slots
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Percent encoding of everything but what RFC 3986 leaves unreserved.
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A cookie's value as it is sent. RFC 6265 has no escapes; what would end the value is spelled in percent
/// encoding, as frameworks read it.
pub(super) fn spelled_cookie(value: &str) -> String {
    value
        .chars()
        .map(|c| match c {
            ';' | '%' | ',' | ' ' | '"' | '\\' | '\0'..' ' | '\x7f' => percent(c.encode_utf8(&mut [0; 4])),
            c => c.to_string(),
        })
        .collect()
}

/// What frameworks read where a cookie was spelled so; where it was not, what stands there.
fn read_cookie(value: &str) -> String {
    percent_decoded(value).unwrap_or_else(|| value.to_owned())
}

/// What was spelled in percent encoding; none where what follows a sign is no byte, or the bytes are no text.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// What may stand in a request line: anything but what ends it.
fn safe_target(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' ' => "%20".to_owned(),
            c if c.is_ascii_control() || !c.is_ascii() || c == '#' => percent(&c.to_string()),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(body: Body) -> Request {
        Request {
            method: "POST".to_owned(),
            path: "/user/17".to_owned(),
            segments: Vec::new(),
            query: vec![("q".to_owned(), "1".to_owned())],
            headers: vec![("Referer".to_owned(), "r".to_owned())],
            cookies: vec![("lang".to_owned(), "en".to_owned())],
            body,
        }
    }

    fn names(request: &Request) -> Vec<String> {
        inputs(request).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_place_is_an_input_and_can_be_replaced() {
        let json = serde_json::json!({"a": {"b/c": [1, 2]}, "d": "x"});
        let xml = "<?xml version=\"1.0\"?><r k=\"v\"><a>t</a><b/></r>".to_owned();
        for (body, expected) in [
            (Body::Form(vec![("f".to_owned(), "v".to_owned())]), vec!["form:f"]),
            (Body::Json(json), vec!["json:/a/b~1c/0", "json:/d"]),
            (Body::Text("text/xml".to_owned(), xml), vec!["xml:r/@k", "xml:a"]),
        ] {
            let request = request(body);
            let mut all = vec!["query:q", "path:2"];
            all.extend(expected);
            all.extend(["cookie:lang", "header:Referer"]);
            assert_eq!(names(&request), all);
            for input in inputs(&request) {
                let changed = input.with(&request, &Payload::Value("p%<".to_owned()));
                let back = input.value(&changed);
                assert!(
                    ["p%<", "p%25%3C", "p%&lt;"].contains(&back.as_str()),
                    "{input} {back}"
                );
            }
        }
    }

    #[test]
    fn a_cookie_goes_out_as_it_came_and_is_spelled_when_it_is_replaced() {
        let mut request = request(Body::None);
        request.cookies[0].1 = "a%20b%3Bc".to_owned();
        let input = inputs(&request)
            .into_iter()
            .find(|input| input.place == Place::Cookie)
            .unwrap();
        assert_eq!(input.value(&request), "a b;c");
        let sent = |text: &str| {
            input.with(&request, &Payload::Value(text.to_owned())).cookies[0]
                .1
                .clone()
        };
        assert_eq!(
            (sent("a b;c"), sent("100%'")),
            ("a%20b%3Bc".to_owned(), "100%25'".to_owned())
        );
        request.cookies[0].1 = "100%".to_owned();
        assert_eq!(input.value(&request), "100%");
    }

    #[test]
    fn what_is_spelled_stays_so() {
        let request = request(Body::None);
        let query = &inputs(&request)[0];
        let sent = query.with(&request, &Payload::Spelled("..%252f/x y".to_owned()));
        assert_eq!(sent.target(), "/user/17?q=..%252f/x%20y");
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(text: String) {
            for slot in slots(&text) { let _ = &text[slot.start..slot.end]; }
        }
    }
}
