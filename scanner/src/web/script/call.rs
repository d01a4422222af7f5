//! The requests that a script makes, as far as they can be read off it.

use serde_json::Value;

use super::{Kind, Piece, literal::literal, pieces, text, unescaped};

/// A request that a script makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Where to.
    pub url: String,
    /// The method.
    pub method: String,
    /// What is sent.
    pub body: CallBody,
}

/// What a script sends.
#[derive(Debug, Clone, PartialEq)]
pub enum CallBody {
    /// Nothing.
    None,
    /// A JSON document.
    Json(Value),
    /// A form.
    Form(String),
    /// An XML document.
    Xml(String),
}

/// The requests that a script makes, as far as they stand in it: `fetch`, `XMLHttpRequest` and the calls of
/// usual libraries.
pub fn calls(source: &str) -> Vec<Call> {
    let pieces = pieces(source);
    let mut calls = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let Some(url) = pieces.get(index + 1).filter(|_| piece.kind == Kind::Code) else {
            continue;
        };
        if !matches!(url.kind, Kind::Text(_)) && url.kind != Kind::Template {
            continue;
        }
        let code = text(source, piece).trim_end();
        let Some((_, how)) = CALLS.iter().find(|(end, _)| code.ends_with(end)) else {
            continue;
        };
        let rest = &pieces[index + 1..];
        let called = match how {
            How::Open => opened(source, rest),
            How::Fetch => Some(fetched(source, rest, "GET")),
            How::Posts => Some(fetched(source, rest, "POST")),
        };
        calls.extend(called);
        if calls.len() >= CALLS_LIMIT {
            break;
        }
    }
    calls
}

/// `fetch('/a', {method: 'POST', body: …})`.
fn fetched(source: &str, pieces: &[Piece], method: &str) -> Call {
    let end = call_end(source, pieces);
    let arguments: Vec<&Piece> = pieces[1..].iter().take_while(|piece| piece.start < end).collect();
    let url = unescaped(text(source, &pieces[0]));
    let body = body(source, &arguments, end);
    let method = arguments
        .iter()
        .map(|piece| text(source, piece).to_ascii_uppercase())
        .find(|text| METHODS.contains(&text.as_str()))
        .unwrap_or_else(|| method.to_owned());
    Call { url, method, body }
}

/// `x.open('POST', '/a'); …; x.send(…)`.
fn opened(source: &str, pieces: &[Piece]) -> Option<Call> {
    let method = text(source, &pieces[0]).to_ascii_uppercase();
    let url = pieces
        .get(2)
        .filter(|piece| matches!(piece.kind, Kind::Text(_)))?;
    if !METHODS.contains(&method.as_str()) {
        return None;
    }
    let start = pieces[0].start;
    let sent = source[start..].find(".send(").map(|found| start + found + 6)?;
    let rest: Vec<&Piece> = pieces.iter().filter(|piece| piece.end > sent).take(64).collect();
    Some(Call {
        url: unescaped(text(source, url)),
        method,
        body: body(source, &rest, source.len()),
    })
}

/// The first thing among the arguments that looks like what is sent.
fn body(source: &str, arguments: &[&Piece], end: usize) -> CallBody {
    for piece in arguments {
        let text = text(source, piece);
        match piece.kind {
            Kind::Code => {
                if let Some(at) = text.find("JSON.stringify(") {
                    let object = &source[piece.start + at + 15..end.max(piece.start + at + 15)];
                    if let Some(value) = literal(object) {
                        return CallBody::Json(value);
                    }
                }
            }
            Kind::Text(_) | Kind::Template => {
                let text = unescaped(text);
                let trimmed = text.trim_start();
                if trimmed.starts_with('<') {
                    return CallBody::Xml(text);
                }
                if trimmed.starts_with('{')
                    && let Ok(value) = serde_json::from_str(&text)
                {
                    return CallBody::Json(value);
                }
                let is_form = text.split('&').all(|field| {
                    field.split_once('=').is_some_and(|(name, _)| {
                        !name.is_empty()
                            && name
                                .chars()
                                .all(|c| c.is_ascii_alphanumeric() || "_-[].".contains(c))
                    })
                });
                if is_form && !text.contains([' ', ';', '/']) {
                    return CallBody::Form(text);
                }
            }
            Kind::Inert => {}
        }
    }
    CallBody::None
}

/// Where the parenthesis that the first piece stands in is closed.
fn call_end(source: &str, pieces: &[Piece]) -> usize {
    let mut open = 1_usize;
    for piece in pieces.iter().filter(|piece| piece.kind == Kind::Code).take(256) {
        for (at, c) in text(source, piece).char_indices() {
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                return piece.start + at;
            }
        }
    }
    source.len()
}

#[derive(Debug)]
enum How {
    Fetch,
    Posts,
    Open,
}

const CALLS: &[(&str, How)] = &[
    ("fetch(", How::Fetch),
    (".open(", How::Open),
    ("axios(", How::Fetch),
    (".ajax(", How::Fetch),
    (".get(", How::Fetch),
    (".getJSON(", How::Fetch),
    (".post(", How::Posts),
    (".put(", How::Posts),
];
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];
const CALLS_LIMIT: usize = 128;
