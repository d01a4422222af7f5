//! A reply under the names that matchers and expressions call its parts by.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use super::dsl::value::{Text, Value, number};
use crate::web::response::Response;

/// A reply.
#[derive(Debug, Clone)]
pub enum Event {
    /// Over HTTP.
    Http(HttpEvent),
    /// Over another protocol: its parts by name.
    Parts(Vec<(String, Value)>),
}

/// A response, and what it answers.
#[derive(Debug, Clone)]
pub struct HttpEvent {
    response: Arc<Response>,
    body: Text,
    headers: Text,
    request: Text,
    host: String,
    /// Known later than the response, and to all who hold this.
    contacts: OnceLock<Vec<Contact>>,
}

/// The target came to where the request had sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// What that proves, as in `dns` or `http`.
    pub protocol: &'static str,
    /// From where.
    pub from: IpAddr,
}

impl HttpEvent {
    /// A response to these bytes.
    pub fn new(response: Arc<Response>, request: Text, host: String, size_limit: Option<usize>) -> Self {
        let kept = response.body.len().min(size_limit.unwrap_or(usize::MAX));
        let body = response.body[..kept].into();
        let headers = head(&response).into();
        Self {
            response,
            body,
            headers,
            request,
            host,
            contacts: OnceLock::new(),
        }
    }

    fn value(&self, name: &str) -> Option<Value> {
        Some(match name {
            "body" => Value::Text(self.body.clone()),
            "all_headers" | "header" => Value::Text(self.headers.clone()),
            "response" | "raw" => Value::from([&*self.headers, &self.body].concat()),
            "request" => Value::Text(self.request.clone()),
            "status_code" => Value::Number(f64::from(self.response.status)),
            "content_length" => match self
                .response
                .header("content-length")
                .and_then(|text| text.parse().ok())
            {
                Some(length) => number(length),
                None => number(self.body.len()),
            },
            "duration" => Value::Number(self.response.took.as_secs_f64()),
            "timeout" => Value::Truth(false),
            "type" => Value::text("http"),
            "host" | "matched" => Value::text(&self.host),
            "interactsh_protocol" => self.of_contacts(|contact| contact.protocol.to_owned())?,
            "interactsh_ip" => self.of_contacts(|contact| contact.from.to_string())?,
            _ => return self.field(name),
        })
    }

    fn of_contacts(&self, part: impl Fn(&Contact) -> String) -> Option<Value> {
        let parts: Vec<String> = self.contacts.get()?.iter().map(part).collect();
        Some(Value::text(parts.join("\n")))
    }

    /// A header field by its name in lower case with underscores, or a cookie that is set.
    fn field(&self, name: &str) -> Option<Value> {
        let is_named = |found: &str| {
            found.len() == name.len()
                && found.bytes().zip(name.bytes()).all(|(found, wanted)| {
                    let found = if found == b'-' {
                        b'_'
                    } else {
                        found.to_ascii_lowercase()
                    };
                    found == wanted
                })
        };
        let values: Vec<&str> = self
            .response
            .headers
            .iter()
            .filter(|(found, _)| is_named(found))
            .map(|(_, value)| value.as_str())
            .collect();
        if !values.is_empty() {
            return Some(Value::text(values.join(" ")));
        }
        self.response
            .all("set-cookie")
            .filter_map(|field| field.split(';').next()?.split_once('='))
            .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| Value::text(value.trim()))
    }
}

impl Event {
    /// What came of the request, when that is known; the first word is the last.
    pub fn called(&self, contacts: Vec<Contact>) {
        if let Self::Http(event) = self {
            event.contacts.get_or_init(|| contacts);
        }
    }

    /// About what it takes to keep it, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Http(event) => 2 * event.response.body.len() + event.headers.len() + event.request.len(),
            Self::Parts(_) => 0,
        }
    }

    /// What a name stands for in this reply.
    pub fn value(&self, name: &str) -> Option<Value> {
        match self {
            Self::Http(event) => event.value(name),
            Self::Parts(parts) => parts
                .iter()
                .find(|(found, _)| found == name)
                .map(|(_, value)| value.clone()),
        }
    }
}

/// The head as templates expect it: fields in the spelling that Go gives them.
fn head(response: &Response) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        let mut begins = true;
        for c in name.chars() {
            head.push(if begins {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            });
            begins = c == '-';
        }
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// What the status means (IANA's registry): the server's own words are not kept.
fn reason(status: u16) -> &'static str {
    REASONS
        .iter()
        .find(|(code, _)| *code == status)
        .map_or("", |(_, reason)| reason)
}

const REASONS: &[(u16, &str)] = &[
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (204, "No Content"),
    (206, "Partial Content"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (413, "Request Entity Too Large"),
    (415, "Unsupported Media Type"),
    (418, "I'm a teapot"),
    (422, "Unprocessable Entity"),
    (429, "Too Many Requests"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
];
