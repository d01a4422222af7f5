//! HTTP requests of templates: from the draft in the file to the bytes on the wire. Pure.
//!
//! What must stay true: a request goes to the site and nowhere else, whatever the template fills in; what asks
//! for another server is told as unsent.

use std::time::Duration;

use url::Url;

use super::{
    base::Base, cookies::Cookies, dsl::Scene, expression::fill, operators::Operators, payload::Payloads,
};
use crate::web::site::Reference;

/// A block of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpBlock {
    /// As flows may call it.
    pub id: Option<String>,
    /// The requests.
    pub drafts: Vec<Draft>,
    /// Whether raw requests go out byte for byte.
    pub is_raw: bool,
    /// What is put into them.
    pub payloads: Payloads,
    /// What judges the replies.
    pub operators: Operators,
    /// Whether the first hit is enough.
    pub stop_at_first_match: bool,
    /// Which redirects are followed; beyond the site none ever is.
    pub follow: Follow,
    /// How many.
    pub most_redirects: u32,
    /// Whether cookies are kept.
    pub keeps_cookies: bool,
    /// Whether each extracted value is used, not the first alone.
    pub iterates_all: bool,
    /// Whether a request with a name that stands for nothing stays unsent.
    pub checks_names: bool,
    /// Whether the path of the site's URL stands before raw requests' paths.
    pub joins_paths: bool,
    /// How much of a body is looked at, in bytes.
    pub size_limit: Option<usize>,
    /// Whether replies are judged together with earlier ones.
    pub remembers: bool,
}

/// A request before anything is filled in.
#[derive(Debug, Clone, PartialEq)]
pub enum Draft {
    /// By its URL.
    Url {
        /// The method.
        method: String,
        /// The URL.
        url: String,
        /// Header fields.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// As text.
    Raw {
        /// The text, its lines ended by CRLF.
        text: String,
        /// Whether it is sent once, however many payloads there are.
        once: bool,
        /// How long the answer may take.
        patience: Option<Duration>,
    },
}

/// Which redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// None.
    Nothing,
    /// Those to the same host.
    SameHost,
    /// All.
    Anything,
}

/// A request that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// The target as it is spelled in the request line.
    pub target: String,
    /// All of it.
    pub bytes: Vec<u8>,
    /// How long the answer may take; none: as the budget says.
    pub patience: Option<Duration>,
}

/// Why a request cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsendable {
    /// A name in it stands for nothing, perhaps because an earlier reply did not hold it.
    Unknown(String),
    /// It would go to another server.
    Elsewhere,
    /// It is no request.
    Malformed,
}

impl Draft {
    /// Its texts, in which names may stand.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Raw { text, .. } => vec![text],
            Self::Url {
                url, headers, body, ..
            } => headers
                .iter()
                .map(|(_, value)| value.as_str())
                .chain([url.as_str(), body.as_str()])
                .collect(),
        }
    }

    /// The request, filled in.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn request(
        &self,
        block: &HttpBlock,
        scene: &Scene<'_>,
        base: &Base,
        cookies: &Cookies,
    ) -> Result<HttpRequest, Unsendable> {
        let filled = |text: &str| {
            let filled = fill(text.as_bytes(), scene);
            match filled.unknown {
                Some(name) if block.checks_names => Err(Unsendable::Unknown(name)),
                Some(_) | None => Ok(filled.text),
            }
        };
        match self {
            Self::Url {
                method,
                url,
                headers,
                body,
            } => {
                let url = String::from_utf8(filled(url)?).map_err(|_| Unsendable::Malformed)?;
                let target = target_of(&url, base)?;
                let mut fields = Vec::with_capacity(headers.len());
                for (name, value) in headers {
                    fields.push((name.as_bytes().to_vec(), filled(value)?));
                }
                let assembly = Assembly {
                    method: method.as_bytes().to_vec(),
                    target: target.into_bytes(),
                    fields,
                    body: filled(body)?,
                };
                Ok(assembly.write(base, cookies, None))
            }
            Self::Raw { text, patience, .. } if block.is_raw => {
                let mut bytes = filled(text)?;
                if memchr::memmem::find(&bytes, b"\r\n\r\n").is_none() {
                    while bytes.ends_with(b"\r\n") {
                        bytes.truncate(bytes.len() - 2);
                    }
                    bytes.extend_from_slice(b"\r\n\r\n");
                }
                let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
                let line = String::from_utf8_lossy(line).into_owned();
                let (method, rest) = line.split_once(' ').ok_or(Unsendable::Malformed)?;
                let target = rest.rsplit_once(' ').map_or(rest, |(target, _)| target);
                Ok(HttpRequest {
                    method: method.to_owned(),
                    target: target.to_owned(),
                    bytes,
                    patience: *patience,
                })
            }
            Self::Raw { text, patience, .. } => {
                let mut assembly = Assembly::read(&filled(text)?).ok_or(Unsendable::Malformed)?;
                let target = String::from_utf8_lossy(&assembly.target).into_owned();
                let target = match target.strip_prefix('/') {
                    Some(_) if block.joins_paths => format!("{}{target}", base.prefix()),
                    Some(_) => target,
                    None if target.starts_with("http://") || target.starts_with("https://") => {
                        target_of(&target, base)?
                    }
                    None => format!("{}/{target}", base.prefix()),
                };
                assembly.target = spelled(&target).into_bytes();
                Ok(assembly.write(base, cookies, *patience))
            }
        }
    }
}

impl HttpRequest {
    /// The request for where a redirect leads, if it stays on the site and may be followed.
    pub fn followed(
        &self,
        block: &HttpBlock,
        location: &str,
        status: u16,
        base: &Base,
        cookies: &Cookies,
    ) -> Option<Self> {
        let at: Url = base.site.start().join(&self.target).ok()?;
        let Reference::Here(url) = base.site.resolve(&at, location) else {
            return None;
        };
        let mut assembly = Assembly::read(&self.bytes)?;
        let keeps_method = matches!(status, 307 | 308) || matches!(self.method.as_str(), "GET" | "HEAD");
        if !keeps_method {
            assembly.method = b"GET".to_vec();
            assembly.body.clear();
        }
        let dropped = |name: &[u8]| {
            let name = name.to_ascii_lowercase();
            name == b"cookie" || name == b"host" || (!keeps_method && name.starts_with(b"content-"))
        };
        assembly.fields.retain(|(name, _)| !dropped(name));
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        assembly.target = target.into_bytes();
        let no_cookies = Cookies::default();
        let cookies = if block.keeps_cookies { cookies } else { &no_cookies };
        Some(assembly.write(base, cookies, self.patience))
    }

    /// The target without its query, as findings name it.
    pub fn path(&self) -> &str {
        self.target.split(['?', '#']).next().unwrap_or_default()
    }
}

/// The target that a URL of this site stands for, spelled as it is in the template.
fn target_of(url: &str, base: &Base) -> Result<String, Unsendable> {
    let root = base.root();
    if let Some(rest) = url.strip_prefix(root) {
        match rest.chars().next() {
            None => return Ok("/".to_owned()),
            Some('/') => return Ok(spelled(rest)),
            Some('?') => return Ok(spelled(&format!("/{rest}"))),
            Some('#') => return Ok("/".to_owned()),
            // Another port, or another host that begins alike.
            Some(_) => {}
        }
    }
    match base.site.resolve(base.site.start(), url) {
        Reference::Here(here) if url.contains("://") => {
            let behind = url
                .split_once("://")
                .and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()));
            Ok(spelled(&behind.unwrap_or_else(|| here.path().to_owned())))
        }
        Reference::Here(_) | Reference::Nothing => Err(Unsendable::Malformed),
        Reference::Elsewhere => Err(Unsendable::Elsewhere),
    }
}

/// What cannot stand in a request line is written in percent encoding, everything else stays as it is.
fn spelled(target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    let mut spelled = String::with_capacity(target.len());
    for byte in target.bytes() {
        match byte {
            0x21..=0x7e => spelled.push(char::from(byte)),
            other => spelled.push_str(&format!("%{other:02X}")),
        }
    }
    spelled
}

/// A request in its parts, any bytes.
struct Assembly {
    method: Vec<u8>,
    target: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Assembly {
    fn read(text: &[u8]) -> Option<Self> {
        let end = memchr::memmem::find(text, b"\r\n\r\n");
        let (head, body) = match end {
            Some(end) => (&text[..end], &text[end + 4..]),
            None => (text, [].as_slice()),
        };
        let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let line = lines.next()?;
        let space = line.iter().position(|byte| *byte == b' ')?;
        let (method, rest) = (&line[..space], line[space + 1..].trim_ascii());
        let target = match memchr::memmem::rfind(rest, b" HTTP/") {
            Some(at) => rest[..at].trim_ascii(),
            None => rest,
        };
        let fields: Vec<(Vec<u8>, Vec<u8>)> = lines
            .filter_map(|line| {
                let colon = line.iter().position(|byte| *byte == b':')?;
                Some((
                    line[..colon].trim_ascii().to_vec(),
                    line[colon + 1..].trim_ascii().to_vec(),
                ))
            })
            .collect();
        // YAML's blocks end with a line end that nobody wrote; parts of a form need theirs.
        let in_parts = fields.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case(b"content-type") && value.to_ascii_lowercase().starts_with(b"multipart")
        });
        let body = if in_parts {
            body
        } else {
            body.strip_suffix(b"\r\n").unwrap_or(body)
        };
        let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_graphic);
        is_method.then(|| Self {
            method: method.to_vec(),
            target: target.to_vec(),
            fields,
            body: body.to_vec(),
        })
    }

    fn write(self, base: &Base, cookies: &Cookies, patience: Option<Duration>) -> HttpRequest {
        let given = |name: &str| {
            self.fields
                .iter()
                .any(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
        };
        let mut bytes = Vec::with_capacity(256 + self.body.len());
        bytes.extend_from_slice(&self.method);
        bytes.push(b' ');
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        let mut field = |name: &[u8], value: &[u8]| {
            bytes.extend(one_line(name));
            bytes.extend_from_slice(b": ");
            bytes.extend(one_line(value));
            bytes.extend_from_slice(b"\r\n");
        };
        if !given("Host") {
            field(b"Host", base.site.authority().as_bytes());
        }
        for (name, value) in DEFAULTS.iter().filter(|(name, _)| !given(name)) {
            field(name.as_bytes(), value.as_bytes());
        }
        let mut has_cookies = false;
        for (name, value) in &self.fields {
            match name.to_ascii_lowercase().as_slice() {
                b"content-length" => {}
                b"cookie" => {
                    has_cookies = true;
                    field(name, &cookies.beside(value));
                }
                _ => field(name, value),
            }
        }
        if !has_cookies && let Some(value) = cookies.field() {
            field(b"Cookie", value.as_bytes());
        }
        if !self.body.is_empty() && !given("Content-Type") && self.method == b"POST" {
            field(b"Content-Type", b"application/x-www-form-urlencoded");
        }
        if !self.body.is_empty()
            || !matches!(self.method.as_slice(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
        {
            field(b"Content-Length", self.body.len().to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        HttpRequest {
            method: String::from_utf8_lossy(&self.method).into_owned(),
            target: String::from_utf8_lossy(&self.target).into_owned(),
            bytes,
            patience,
        }
    }
}

/// A header's value ends with its line.
fn one_line(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    text.iter().map(|byte| {
        if matches!(byte, b'\r' | b'\n' | 0) {
            b' '
        } else {
            *byte
        }
    })
}

/// Header fields that a request has unless the template says otherwise.
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
    ("Accept-Language", "en"),
    ("Accept-Encoding", "gzip"),
];

#[cfg(test)]
mod tests;
