//! JavaScript, as much of it as a scanner reads: which text is code, string or comment, and which requests
//! a script makes. A lexer (ECMA-262, section 12), no parser, and it runs nothing.

mod call;
mod literal;

pub use self::call::{Call, CallBody, calls};

/// A stretch of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// Where it begins, behind the quote if it has one.
    pub start: usize,
    /// Where it ends, before the quote.
    pub end: usize,
}

/// What a stretch of a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It would run.
    Code,
    /// A string in these quotes.
    Text(char),
    /// The text of a template.
    Template,
    /// A comment, or a regular expression.
    Inert,
}

/// Cuts a script into its pieces.
pub fn pieces(source: &str) -> Vec<Piece> {
    let bytes = source.as_bytes();
    let mut pieces = Vec::new();
    // For each template that an expression stands in, how many braces are open in the expression.
    let mut templates: Vec<usize> = Vec::new();
    let (mut at, mut code) = (0, 0);
    let push = |pieces: &mut Vec<Piece>, kind, start: usize, end: usize| {
        if end > start || matches!(kind, Kind::Text(_)) {
            pieces.push(Piece { kind, start, end });
        }
    };
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied();
        let (kind, start, end, after) = match (bytes[at], next) {
            (quote @ (b'"' | b'\''), _) => {
                let end = string_end(bytes, at + 1, quote);
                (Kind::Text(quote.into()), at + 1, end, (end + 1).min(bytes.len()))
            }
            (b'/', Some(b'/')) => {
                let end = find(bytes, at, b"\n").unwrap_or(bytes.len());
                (Kind::Inert, at, end, end)
            }
            (b'/', Some(b'*')) => {
                let end = find(bytes, at + 2, b"*/").map_or(bytes.len(), |end| end + 2);
                (Kind::Inert, at, end, end)
            }
            (b'/', _) if begins_regex(&bytes[code..at]) => {
                let end = regex_end(bytes, at + 1);
                (Kind::Inert, at, end, end)
            }
            (b'`', _) => {
                let (end, after) = template_end(bytes, at + 1, &mut templates);
                (Kind::Template, at + 1, end, after)
            }
            (b'{', _) => {
                if let Some(open) = templates.last_mut() {
                    *open += 1;
                }
                at += 1;
                continue;
            }
            (b'}', _) if templates.last() == Some(&0) => {
                templates.pop();
                let (end, after) = template_end(bytes, at + 1, &mut templates);
                (Kind::Template, at + 1, end, after)
            }
            (b'}', _) => {
                if let Some(open) = templates.last_mut() {
                    *open -= 1;
                }
                at += 1;
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        push(&mut pieces, Kind::Code, code, at);
        push(&mut pieces, kind, start, end);
        at = after;
        code = after;
    }
    push(&mut pieces, Kind::Code, code, bytes.len());
    pieces
}

/// Whether a word stands in a script where it would run.
pub fn runs(source: &str, word: &str) -> bool {
    pieces(source)
        .iter()
        .any(|piece| piece.kind == Kind::Code && text(source, piece).contains(word))
}

/// The strings of a script, with their escapes read.
pub fn strings(source: &str) -> Vec<String> {
    pieces(source)
        .iter()
        .filter(|piece| matches!(piece.kind, Kind::Text(_)) || piece.kind == Kind::Template)
        .take(STRINGS_LIMIT)
        .map(|piece| unescaped(text(source, piece)))
        .collect()
}

fn text<'a>(source: &'a str, piece: &Piece) -> &'a str {
    // Pieces begin and end beside ASCII characters, hence at character boundaries.
    source.get(piece.start..piece.end).unwrap_or_default()
}

fn string_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' => return at,
            byte if byte == quote => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Where the text of a template ends, and where to read on: behind the backtick or in an expression.
fn template_end(bytes: &[u8], mut at: usize, templates: &mut Vec<usize>) -> (usize, usize) {
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'\\', _) => at += 2,
            (b'`', _) => return (at, at + 1),
            (b'$', Some(b'{')) => {
                templates.push(0);
                return (at, at + 2);
            }
            _ => at += 1,
        }
    }
    (bytes.len(), bytes.len())
}

/// Whether a slash after this code divides or begins a regular expression.
fn begins_regex(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    match before.last() {
        None => true,
        Some(last) => b"(,=:[!&|?{};+-*%<>~^".contains(last) || before.ends_with(b"return"),
    }
}

fn regex_end(bytes: &[u8], mut at: usize) -> usize {
    let mut class = false;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => class = true,
            b']' => class = false,
            b'/' if !class => return at + 1,
            b'\n' => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, mark: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(mark.len())
        .position(|window| window == mark)
        .map(|at| from + at)
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let code = |rest: &mut std::str::Chars<'_>, digits: usize| {
            let hex: String = rest.by_ref().take(digits).collect();
            u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32)
        };
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('x') => out.extend(code(&mut rest, 2)),
            Some('u') => out.extend(code(&mut rest, 4)),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

const STRINGS_LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn code_is_told_from_strings_comments_and_templates() {
        let source = "var a='x1\\'';/*x2*/b=/x3'/.test(`x4${x5+{a:`x6`}.a}x7`)/2;//x8\nx9()";
        let running: Vec<String> = (1..=9)
            .map(|n| format!("x{n}"))
            .filter(|word| runs(source, word))
            .collect();
        assert_eq!(running, ["x5", "x9"]);
        assert_eq!(strings(source), ["x1'", "x4", "x6", "x7"]);
    }

    #[test]
    fn a_string_ends_with_its_line() {
        assert!(runs("a = 'open\nrun()", "run"));
    }

    #[test]
    fn the_requests_of_a_script_are_seen() {
        let source = "fetch('/a?b=1'); fetch(\"/j\",{method:'put',headers:{'Content-Type':'application/json'},\
            body:JSON.stringify({name:'x',deep:{n:[1,x]},k})}); $.post('/p','a=1&b=2');\
            var r=new XMLHttpRequest(); r.open('POST','/x'); r.setRequestHeader('Content-Type','text/xml'); r.send('<a>b</a>');";
        let call = |url: &str, method: &str, body| Call {
            url: url.into(),
            method: method.into(),
            body,
        };
        assert_eq!(
            calls(source),
            [
                call("/a?b=1", "GET", CallBody::None),
                call(
                    "/j",
                    "PUT",
                    CallBody::Json(json!({"name": "x", "deep": {"n": [1, "1"]}, "k": "1"}))
                ),
                call("/p", "POST", CallBody::Form("a=1&b=2".into())),
                call("/x", "POST", CallBody::Xml("<a>b</a>".into())),
            ]
        );
    }

    proptest! {
        #[test]
        fn no_script_makes_it_panic(source in "([a-z'\"`/\\\\{}()$*\n;,:=é]|fetch\\(|JSON.stringify\\(|\\.open\\(|\\.send\\()*") {
            let _ = (calls(&source), strings(&source), runs(&source, "a"));
        }
    }
}
