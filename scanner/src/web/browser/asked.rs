//! What a page asks for, as its browser says it, and the request that this is. Pure.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use url::Url;

use crate::web::request::{Body, FIELDS_LIMIT, Pair, Part, Request};

/// A request of a page that waits for what becomes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// By which it is answered.
    pub(super) id: String,
    /// In which frame.
    pub(super) frame: String,
    pub(super) what_for: WhatFor,
    pub(super) url: String,
    method: String,
    headers: Vec<Pair>,
    body: String,
}

/// What a page wants something for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhatFor {
    /// To be shown in a frame.
    Document,
    /// To be run, or to lay out by.
    Code,
    /// To be looked at or listened to.
    Picture,
    /// For a script to read.
    Script,
}

impl Asked {
    /// Reads the parameters of `Fetch.requestPaused`.
    pub(super) fn read(paused: &Value) -> Option<Self> {
        let request = &paused["request"];
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let headers = request["headers"].as_object()?;
        Some(Self {
            id: text(&paused["requestId"])?,
            frame: text(&paused["frameId"]).unwrap_or_default(),
            what_for: match paused["resourceType"].as_str()? {
                "Document" => WhatFor::Document,
                "Script" | "Stylesheet" => WhatFor::Code,
                "Image" | "Media" | "Font" | "TextTrack" => WhatFor::Picture,
                // The icon beside the address, which a browser asks for by itself.
                "Other" => WhatFor::Picture,
                _ => WhatFor::Script,
            },
            url: text(&request["url"])?,
            method: text(&request["method"])?,
            headers: headers
                .iter()
                .take(FIELDS_LIMIT)
                .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
                .collect(),
            body: body(request),
        })
    }

    /// Its method.
    pub(super) fn method(&self) -> &str {
        &self.method
    }

    /// The cookies that the browser has for it, spelled as they are sent.
    pub(super) fn cookies(&self) -> Vec<Pair> {
        let pair = |part: &str| {
            let (name, value) = part.trim().split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let line = self.header("cookie").unwrap_or_default();
        line.split(';').filter_map(pair).take(FIELDS_LIMIT).collect()
    }

    /// The request that it is: what a browser always says is left to the client.
    pub(super) fn request(&self, url: &Url) -> Request {
        let mut request = Request::get(url);
        request.method.clone_from(&self.method);
        request.headers = self
            .headers
            .iter()
            .filter(|(name, _)| is_own(name))
            .cloned()
            .collect();
        if !self.body.is_empty() {
            request.body = self.meaning();
        }
        request
    }

    /// The body as what it says that it is.
    fn meaning(&self) -> Body {
        let media = self.header("content-type").unwrap_or_default();
        let kind = media
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let boundary = media
            .split_once("boundary=")
            .map(|(_, boundary)| boundary.trim_matches('"'));
        // Scripts send JSON as text as well, and GraphQL as itself.
        let json = (kind.ends_with("json") || kind == "text/plain" || kind.is_empty())
            .then(|| serde_json::from_str::<Value>(&self.body).ok())
            .flatten()
            .filter(|value| value.is_object() || value.is_array());
        match (kind.as_str(), json, boundary) {
            (_, Some(value), _) => Body::Json(value),
            ("application/x-www-form-urlencoded", ..) => Body::Form(
                url::form_urlencoded::parse(self.body.as_bytes())
                    .into_owned()
                    .take(FIELDS_LIMIT)
                    .collect(),
            ),
            ("multipart/form-data", _, Some(boundary)) => Body::Multipart(parts(&self.body, boundary)),
            _ => Body::Text(media.to_owned(), self.body.clone()),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Reads what a browser says of a request, as if a page had made it.
pub fn read_alone(message: &[u8]) {
    if let Ok(paused) = serde_json::from_slice::<Value>(message)
        && let Some(asked) = Asked::read(&paused)
        && let Ok(url) = Url::parse(&asked.url)
    {
        asked.request(&url);
        asked.cookies();
    }
}

/// The body as text, in parts where it is long.
fn body(request: &Value) -> String {
    let mut bytes = Vec::new();
    for entry in request["postDataEntries"]
        .as_array()
        .into_iter()
        .flatten()
        .take(FIELDS_LIMIT)
    {
        let part = entry["bytes"].as_str().unwrap_or_default();
        bytes.extend(STANDARD.decode(part).unwrap_or_default());
    }
    if bytes.is_empty() {
        bytes = request["postData"]
            .as_str()
            .unwrap_or_default()
            .as_bytes()
            .to_vec();
    }
    bytes.truncate(BODY_LIMIT);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parts of a form (RFC 7578).
fn parts(body: &str, boundary: &str) -> Vec<Part> {
    let mark = format!("--{boundary}");
    let part = |text: &str| {
        let (head, value) = text.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
        let after = |mark: &str| {
            let (_, rest) = head.split_once(mark)?;
            Some(rest.split(['"', '\r']).next().unwrap_or_default().to_owned())
        };
        Some(Part {
            name: after(" name=\"")?,
            file: after(" filename=\""),
            media: after("Content-Type: "),
            value: value.strip_suffix("\r\n").unwrap_or(value).to_owned(),
        })
    };
    body.split(&mark)
        .skip(1)
        .filter_map(part)
        .take(FIELDS_LIMIT)
        .collect()
}

/// Whether a header field is the page's own: all others every request of a browser has.
fn is_own(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let usual = name.starts_with("sec-") || name.starts_with("accept") || name.starts_with("if-");
    !usual
        && ![
            "cache-control",
            "connection",
            "content-length",
            "content-type",
            "cookie",
            "dnt",
            "host",
            "last-event-id",
            "origin",
            "pragma",
            "priority",
            "purpose",
            "referer",
            "upgrade-insecure-requests",
            "user-agent",
        ]
        .contains(&name.as_str())
}

const BODY_LIMIT: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(media: &str, body: &str) -> Request {
        let paused = json!({
            "requestId": "1", "frameId": "f", "resourceType": "XHR",
            "request": {
                "url": "http://a/x?b=c", "method": "POST", "postData": body,
                "headers": {"Content-Type": media, "User-Agent": "u", "Authorization": "Bearer t", "Cookie": "a=b; c=d=e"},
            },
        });
        let asked = Asked::read(&paused).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(asked.cookies(), [pair("a", "b"), pair("c", "d=e")]);
        let request = asked.request(&asked.url.parse().unwrap());
        assert_eq!(request.headers, [pair("Authorization", "Bearer t")]);
        request
    }

    #[test]
    fn a_body_is_what_it_says_it_is() {
        assert_eq!(
            asked("application/json", "{\"a\":1}").body,
            Body::Json(json!({"a": 1}))
        );
        assert_eq!(
            asked("text/plain;charset=UTF-8", "[1]").body,
            Body::Json(json!([1]))
        );
        let form = asked("application/x-www-form-urlencoded", "a=b%20c").body;
        assert_eq!(form, Body::Form(vec![("a".to_owned(), "b c".to_owned())]));
        let text = "--k\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nv\r\n--k\r\nContent-Disposition: form-data; \
            name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nw\r\n--k--\r\n";
        let Body::Multipart(parts) = asked("multipart/form-data; boundary=k", text).body else {
            panic!("no parts")
        };
        assert_eq!((parts[0].name.as_str(), parts[0].value.as_str()), ("n", "v"));
        assert_eq!(parts[1].file.as_deref(), Some("x.txt"));
        assert_eq!(parts.len(), 2);
        assert!(matches!(asked("text/xml", "<a/>").body, Body::Text(..)));
    }
}
