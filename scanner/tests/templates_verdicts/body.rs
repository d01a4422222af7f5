//! A reply that is put together of what matchers ask for.

use std::{sync::Arc, time::Duration};

use vedette_scanner::{
    template::run::{Incoming, Run},
    web::response::{Response, Whole},
};

use crate::atom::{Atom, NotMade, What};

/// A reply under construction.
#[derive(Debug, Default)]
pub(crate) struct Body {
    usual: u16,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    first: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    exactly: Option<Vec<u8>>,
    length: Option<usize>,
    at_least: usize,
    pub(crate) late: f64,
    /// Whether the target comes to the address that the request names.
    pub(crate) called: bool,
}

impl Body {
    /// An empty one, with the status that it has unless a matcher asks for another.
    pub(crate) fn of_status(usual: u16) -> Self {
        Self {
            usual,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, run: &Run, what: &What) -> Result<(), NotMade> {
        match what {
            What::Status(status) => {
                if self.status.is_some_and(|held| held != *status) {
                    return Err("two status codes".to_owned());
                }
                self.status = Some(*status);
            }
            What::Text(part, text) => {
                let filled = run.read(text);
                if let Some(name) = filled.unknown.filter(|_| part != "never") {
                    // Known only when an earlier reply has brought it; else it is literal.
                    if !name.is_empty() && text == &String::from_utf8_lossy(&filled.text) {
                        return self.put(part, text.as_bytes());
                    }
                }
                self.put(part, &filled.text)?;
            }
            What::Bytes(part, bytes) => self.put(part, bytes)?,
            What::Begins(text) => self.first = run.read(text).text,
            What::Exactly(text) => self.exactly = Some(run.read(text).text),
            What::Length(length) => self.length = Some(*length),
            What::AtLeast(length) => self.at_least = self.at_least.max(*length),
            What::Late(seconds) => self.late = self.late.max(*seconds),
            What::Called(protocol) => self.called(protocol)?,
        }
        Ok(())
    }

    fn put(&mut self, part: &str, bytes: &[u8]) -> Result<(), NotMade> {
        match part {
            "" | "body" | "all" | "response" | "raw" | "data" => self.pieces.push(bytes.to_vec()),
            "header" | "all_headers" => {
                let text = one_line(bytes)?;
                // Inside of a value, and as a field of its own where it looks like one.
                self.headers
                    .push((format!("X-Piece-{}", self.headers.len()), text.clone()));
                if let Some((name, value)) = text.split_once(':')
                    && !name.trim().is_empty()
                    && name
                        .trim()
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                {
                    self.headers
                        .push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
            "interactsh_request" | "interactsh_response" => {
                return Err("a callback that is answered".to_owned());
            }
            "interactsh_ip" => self.called = true,
            "interactsh_protocol" => return self.called(&one_line(bytes)?),
            "host" | "request" | "template-id" | "matched" => return Err(format!("part {part}")),
            field => {
                let name = field.replace('_', "-");
                let text = one_line(bytes)?;
                match self.headers.iter_mut().find(|(found, _)| *found == name) {
                    Some((_, value)) => {
                        value.push(' ');
                        value.push_str(&text);
                    }
                    None => self.headers.push((name, text)),
                }
            }
        }
        Ok(())
    }

    fn called(&mut self, protocol: &str) -> Result<(), NotMade> {
        self.called = true;
        match protocol {
            "http" | "dns" | "ldap" => Ok(()),
            _ => Err("a callback of another kind".to_owned()),
        }
    }

    pub(crate) fn reply(self, missing: Option<&Atom>, near: bool) -> Result<Incoming, NotMade> {
        let mut body = self.first.clone();
        for piece in &self.pieces {
            if !body.is_empty() {
                body.push(b'\n');
            }
            body.extend_from_slice(piece);
        }
        if let Some(exactly) = self.exactly {
            if !self
                .pieces
                .iter()
                .all(|piece| memchr::memmem::find(&exactly, piece).is_some())
            {
                return Err("an exact body and more".to_owned());
            }
            body = exactly;
        }
        if body.len() < self.at_least {
            body.resize(self.at_least, b' ');
        }
        match self.length {
            Some(length) if body.len() > length => {
                return Err("a body that is too long for its length".to_owned());
            }
            Some(length) => body.resize(length, b' '),
            None => {}
        }
        let near_status = match missing.map(|atom| &atom.what) {
            Some(What::Status(_)) => Some(599),
            Some(What::Exactly(_)) => {
                body = b"another".to_vec();
                None
            }
            _ => None,
        };
        let usual = if near { 418 } else { self.usual };
        let response = Response {
            status: near_status.or(self.status).unwrap_or(usual),
            headers: self.headers,
            body,
            whole: Whole::Yes,
            took: Duration::from_secs_f64(self.late),
        };
        Ok(Incoming::Http(Arc::new(response)))
    }
}

fn one_line(bytes: &[u8]) -> Result<String, NotMade> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if text.contains(['\r', '\n']) {
        Err("several lines in a header".to_owned())
    } else {
        Ok(text)
    }
}
