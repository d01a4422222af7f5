//! A request as a value: what may be varied in it is apart, how it is spelled on the wire follows from it.
//!
//! It names no server: the wire has one. Nothing here normalises; a path goes out as it stands.

use std::fmt::Write as _;

use serde_json::Value;
use url::Url;

use super::api::graphql;

/// A name and a value, decoded.
pub type Pair = (String, String);

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, spelled as it is sent.
    pub path: String,
    /// Segments of the path that are values although they do not look it.
    pub segments: Vec<usize>,
    /// The query's fields, decoded.
    pub query: Vec<Pair>,
    /// Header fields beside those that the session brings.
    pub headers: Vec<Pair>,
    /// Cookies in place of those that the session has under the same name, spelled as they are sent.
    pub cookies: Vec<Pair>,
    /// The body.
    pub body: Body,
}

/// What is sent in the body.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Nothing.
    None,
    /// `application/x-www-form-urlencoded`.
    Form(Vec<Pair>),
    /// `multipart/form-data` (RFC 7578).
    Multipart(Vec<Part>),
    /// `application/json`.
    Json(Value),
    /// A document of this media type, as it stands.
    Text(String, String),
}

/// A part of a form in several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The field.
    pub name: String,
    /// The file's name, if it is one.
    pub file: Option<String>,
    /// The media type, if it is a file.
    pub media: Option<String>,
    /// The contents.
    pub value: String,
}

impl Request {
    /// A request for a URL of the site.
    pub fn get(url: &Url) -> Self {
        Self {
            method: "GET".to_owned(),
            path: url.path().to_owned(),
            segments: Vec::new(),
            query: url.query_pairs().into_owned().take(FIELDS_LIMIT).collect(),
            headers: Vec::new(),
            cookies: Vec::new(),
            body: Body::None,
        }
    }

    /// The request target as it is sent (RFC 9112, section 3.2).
    pub fn target(&self) -> String {
        match self.query.is_empty() {
            true => self.path.clone(),
            false => format!("{}?{}", self.path, form(&self.query)),
        }
    }

    /// About how many bytes it takes to remember it.
    pub fn weight(&self) -> usize {
        2 * self.bytes("", &[]).len()
    }

    /// The bytes on the wire. `session` are the header fields that every request of the session has.
    pub fn bytes(&self, authority: &str, session: &[Pair]) -> Vec<u8> {
        let given = |name: &str| {
            self.headers
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name))
        };
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target());
        if !given("host") {
            let _ = write!(head, "Host: {authority}\r\n");
        }
        for (name, value) in DEFAULTS {
            if !given(name) && !session.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        for (name, value) in session.iter().filter(|(name, _)| !given(name)) {
            let _ = write!(head, "{name}: {}\r\n", one_line(value));
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {}\r\n", one_line(value));
        }
        let (media, body) = self.body.bytes();
        if let Some(media) = media.filter(|_| !given("content-type")) {
            let _ = write!(head, "Content-Type: {}\r\n", one_line(&media));
        }
        if !body.is_empty() || !matches!(self.method.as_str(), "GET" | "HEAD") {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        [head.into_bytes(), body].concat()
    }

    /// What it is one of, whatever the values: requests of one shape are tested once. Path segments that
    /// are numbers or identifiers count as values.
    pub fn shape(&self) -> String {
        let mut names: Vec<String> = self.query.iter().map(|(name, _)| format!("?{name}")).collect();
        match &self.body {
            Body::None => {}
            Body::Form(pairs) => names.extend(pairs.iter().map(|(name, _)| format!("&{name}"))),
            Body::Multipart(parts) => names.extend(parts.iter().map(|part| format!("/{}", part.name))),
            Body::Json(value) => {
                names.extend(json_names(value));
                // Operations of GraphQL differ in their documents alone.
                if graphql::operation(value).is_some() {
                    names.extend(value["query"].as_str().map(ToOwned::to_owned));
                }
            }
            Body::Text(media, text) => names.push(format!("{media} {}", root_element(text))),
        }
        names.sort_unstable();
        names.dedup();
        format!("{} {} {}", self.method, self.template(), names.join(" "))
    }

    /// The path, in which what is a value stands as `*`.
    pub fn template(&self) -> String {
        let segments: Vec<&str> = self
            .path
            .split('/')
            .enumerate()
            .map(|(index, segment)| {
                if self.is_value(index, segment) {
                    "*"
                } else {
                    segment
                }
            })
            .collect();
        segments.join("/")
    }

    /// Whether a segment of the path is a value.
    pub(super) fn is_value(&self, index: usize, segment: &str) -> bool {
        is_identifier(segment) || self.segments.contains(&index)
    }
}

impl Body {
    /// The media type and the bytes.
    fn bytes(&self) -> (Option<String>, Vec<u8>) {
        match self {
            Self::None => (None, Vec::new()),
            Self::Form(pairs) => (
                Some("application/x-www-form-urlencoded".to_owned()),
                form(pairs).into_bytes(),
            ),
            Self::Multipart(parts) => (
                Some(format!("multipart/form-data; boundary={BOUNDARY}")),
                multipart(parts),
            ),
            Self::Json(value) => (
                Some("application/json".to_owned()),
                value.to_string().into_bytes(),
            ),
            Self::Text(media, text) => (Some(media.clone()), text.clone().into_bytes()),
        }
    }
}

/// Whether a path segment is a value: a number, a hash, a UUID.
fn is_identifier(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    !segment.is_empty() && (digits == segment.len() || (hex && segment.len() >= 16 && digits > 0))
}

/// Fields as a query or a form spells them (URL Standard, section 5).
fn form(pairs: &[Pair]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

fn multipart(parts: &[Part]) -> Vec<u8> {
    let mut text = String::new();
    for part in parts {
        let _ = write!(
            text,
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"",
            quoted(&part.name)
        );
        if let Some(file) = &part.file {
            let _ = write!(text, "; filename=\"{}\"", quoted(file));
        }
        if let Some(media) = &part.media {
            let _ = write!(text, "\r\nContent-Type: {}", one_line(media));
        }
        let _ = write!(text, "\r\n\r\n{}\r\n", part.value);
    }
    let _ = write!(text, "--{BOUNDARY}--\r\n");
    text.into_bytes()
}

/// RFC 7578 leaves it to what browsers do: quotes and line ends in percent encoding.
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// A header's value ends with its line.
fn one_line(value: &str) -> String {
    value.replace(['\r', '\n', '\0'], " ")
}

fn json_names(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let mut todo = vec![(String::new(), value)];
    while let Some((place, value)) = todo.pop() {
        match value {
            Value::Object(fields) => todo.extend(
                fields
                    .iter()
                    .take(FIELDS_LIMIT)
                    .map(|(name, value)| (format!("{place}/{name}"), value)),
            ),
            Value::Array(items) => todo.extend(items.first().map(|value| (format!("{place}/0"), value))),
            _ => names.push(place),
        }
        if names.len() > FIELDS_LIMIT {
            break;
        }
    }
    names
}

fn root_element(text: &str) -> &str {
    text.split('<')
        .filter_map(|rest| rest.split([' ', '>', '/']).next())
        .find(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
        .unwrap_or_default()
}

/// Header fields that a request has unless it or its session says otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    (
        "User-Agent",
        concat!(
            "Mozilla/5.0 (compatible; Vedette/",
            env!("CARGO_PKG_VERSION"),
            ")"
        ),
    ),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, deflate, br"),
];
const BOUNDARY: &str = "vedette-part-7f3a9c51";
/// More fields than a person fills in.
pub(super) const FIELDS_LIMIT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn get(url: &str) -> Request {
        Request::get(&url.parse().unwrap())
    }

    #[test]
    fn requests_that_differ_in_values_alone_are_one_thing() {
        let shape = |url: &str| get(url).shape();
        assert_eq!(shape("http://a/x?id=1&b=2"), shape("http://a/x?b=3&id=2"));
        assert_eq!(shape("http://a/user/17/x"), shape("http://a/user/4/x"));
        assert_ne!(shape("http://a/x?id=1"), shape("http://a/x?ie=1"));
        assert_ne!(shape("http://a/user/ann"), shape("http://a/user/17"));
    }

    #[test]
    fn a_path_goes_out_as_it_stands() {
        let request = Request {
            path: "/a/../..;/%2e%2e/b".to_owned(),
            method: "TRACK".to_owned(),
            ..get("http://a/")
        };
        let bytes = request.bytes("a", &[]);
        assert!(bytes.starts_with(b"TRACK /a/../..;/%2e%2e/b HTTP/1.1\r\nHost: a\r\n"));
    }

    #[test]
    fn a_header_cannot_end_its_line() {
        let mut request = get("http://a/");
        request.headers.push(("X-A".to_owned(), "b\r\nX-C: d".to_owned()));
        let text = String::from_utf8(request.bytes("a", &[])).unwrap();
        assert!(text.contains("X-A: b  X-C: d\r\n"), "{text}");
    }

    #[test]
    fn a_host_of_its_own_is_the_only_one() {
        let mut request = get("http://a/");
        request.headers.push(("Host".to_owned(), "b.example".to_owned()));
        let text = String::from_utf8(request.bytes("a", &[])).unwrap();
        assert!(
            text.contains("\r\nHost: b.example\r\n") && !text.contains("Host: a"),
            "{text}"
        );
    }

    #[test]
    fn parts_are_put_together() {
        let part = Part {
            name: "f\"".to_owned(),
            file: Some("../x".to_owned()),
            media: None,
            value: "v".to_owned(),
        };
        let text = String::from_utf8(multipart(&[part])).unwrap();
        assert!(
            text.contains("name=\"f%22\"; filename=\"../x\"\r\n\r\nv\r\n--"),
            "{text}"
        );
    }
}
