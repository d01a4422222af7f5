//! Go's regular expressions, which those of templates are, as expressions of a matcher in linear time.
//!
//! Both descend from RE2 and lack what needs backtracking. What differs is rewritten: `\d`, `\s` and `\w` are
//! those of ASCII, `\Q…\E` quotes, and a bracket in a class or a brace that is no quantifier stands for itself.

use std::{borrow::Cow, iter::Peekable, str::Chars};

use regex_automata::{
    Input,
    meta::{BuildError, Config, Regex as Compiled},
    util::syntax,
};

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Regex(Compiled);

/// A pattern that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegexError {
    /// It is longer than any that was ever needed.
    #[error("the pattern has {0} bytes; {PATTERN_LIMIT} are allowed")]
    TooLong(usize),
    /// It is none, or becomes too large.
    #[error("the pattern {0:?} cannot be compiled")]
    Syntax(String, #[source] Box<BuildError>),
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub fn compile(pattern: &str) -> Result<Self, RegexError> {
        if pattern.len() > PATTERN_LIMIT {
            return Err(RegexError::TooLong(pattern.len()));
        }
        let syntax = syntax::Config::new().utf8(false).nest_limit(NESTING);
        // No automaton is built ahead: patterns are many, each is asked rarely.
        let config = Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(COMPILED_LIMIT))
            .onepass(false)
            .hybrid(false)
            .dfa(false);
        Compiled::builder()
            .syntax(syntax)
            .configure(config)
            .build(&translate(pattern))
            .map(Self)
            .map_err(|error| RegexError::Syntax(pattern.chars().take(80).collect(), Box::new(error)))
    }

    /// Whether it matches somewhere.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(&*readable(text))
    }

    /// All that a group matches, from left to right; at most `limit`.
    pub fn find_all(&self, text: &[u8], group: usize, limit: usize) -> Vec<Vec<u8>> {
        let text = readable(text);
        self.0
            .captures_iter(Input::new(&*text))
            .take(limit)
            .filter_map(|captures| Some(text[captures.get_group(group)?.range()].to_vec()))
            .collect()
    }

    /// The text with each match replaced; `$1` and `${name}` in the replacement stand for groups.
    pub fn replace_all(&self, text: &[u8], with: &[u8]) -> Vec<u8> {
        let text = readable(text);
        let mut replaced = Vec::with_capacity(text.len());
        let mut end = 0;
        for captures in self.0.captures_iter(Input::new(&*text)) {
            let Some(span) = captures.get_match() else {
                continue;
            };
            replaced.extend_from_slice(&text[end..span.start()]);
            captures.interpolate_bytes_into(&text, with, &mut replaced);
            end = span.end();
        }
        replaced.extend_from_slice(&text[end..]);
        replaced
    }
}

/// Go matches characters, and takes each byte that is part of none for U+FFFD.
fn readable(text: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

fn translate(pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\\' => match rest.next() {
                Some('d') => written.push_str("[0-9]"),
                Some('D') => written.push_str("[^0-9]"),
                Some('w') => written.push_str("[0-9A-Za-z_]"),
                Some('W') => written.push_str("[^0-9A-Za-z_]"),
                Some('s') => written.push_str(r"[\t\n\x0c\r ]"),
                Some('S') => written.push_str(r"[^\t\n\x0c\r ]"),
                Some('b') => written.push_str(r"(?-u:\b)"),
                Some('B') => written.push_str(r"(?-u:\B)"),
                Some('Q') => quote(&mut rest, &mut written),
                Some(escaped) => escape(escaped, &mut written),
                None => written.push('\\'),
            },
            '[' => class(&mut rest, &mut written),
            '{' if !is_quantifier(&rest) => written.push_str(r"\{"),
            other => written.push(other),
        }
    }
    written
}

/// A letter or digit may mean something behind a backslash, everything else means itself.
fn escape(escaped: char, written: &mut String) {
    if escaped.is_ascii_alphanumeric() || (escaped.is_ascii_punctuation() && !"<>".contains(escaped)) {
        written.push('\\');
    }
    written.push(escaped);
}

fn quote(rest: &mut Peekable<Chars<'_>>, written: &mut String) {
    while let Some(next) = rest.next() {
        if next == '\\' && rest.next_if_eq(&'E').is_some() {
            return;
        }
        if next.is_ascii_punctuation() && !"<>".contains(next) {
            written.push('\\');
        }
        written.push(next);
    }
}

/// A class, whose bracket was read.
fn class(rest: &mut Peekable<Chars<'_>>, written: &mut String) {
    written.push('[');
    if rest.next_if_eq(&'^').is_some() {
        written.push('^');
    }
    let mut first = true;
    // Behind a class of its own, as \w, a hyphen makes no range.
    let mut whole = false;
    while let Some(next) = rest.next() {
        let was_whole = std::mem::take(&mut whole);
        match next {
            ']' if first => written.push_str(r"\]"),
            ']' => {
                written.push(']');
                return;
            }
            '[' if rest.peek() == Some(&':') => {
                written.push('[');
                for inner in rest.by_ref() {
                    written.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
                whole = true;
            }
            '[' => written.push_str(r"\["),
            '&' | '~' => written.extend(['\\', next]),
            '-' if was_whole || first || rest.peek().is_none_or(|ahead| matches!(ahead, ']' | '-')) => {
                written.push_str(r"\-");
            }
            '\\' => {
                whole = true;
                match rest.next() {
                    Some('d') => written.push_str("0-9"),
                    Some('D') => written.push_str("[^0-9]"),
                    Some('w') => written.push_str("0-9A-Za-z_"),
                    Some('W') => written.push_str("[^0-9A-Za-z_]"),
                    Some('s') => written.push_str(r"\t\n\x0c\r "),
                    Some('S') => written.push_str(r"[^\t\n\x0c\r ]"),
                    Some(escaped) => {
                        whole = matches!(escaped, 'p' | 'P');
                        escape(escaped, written);
                    }
                    None => written.push('\\'),
                }
            }
            other => written.push(other),
        }
        first = false;
    }
}

/// Whether what follows a brace makes it a quantifier: `2}`, `2,}`, `2,5}`.
fn is_quantifier(rest: &Peekable<Chars<'_>>) -> bool {
    let inside: String = rest.clone().take(12).take_while(|c| *c != '}').collect();
    let closed = rest.clone().nth(inside.chars().count()) == Some('}');
    let (low, high) = inside.split_once(',').unwrap_or((&inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    closed && !low.is_empty() && digits(low) && digits(high)
}

/// The longest pattern, in bytes.
const PATTERN_LIMIT: usize = 16 * 1024;
/// Of one compiled pattern, in bytes.
const COMPILED_LIMIT: usize = 2 << 20;
const NESTING: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn first(pattern: &str, text: &str) -> Option<String> {
        let found = Regex::compile(pattern)
            .unwrap()
            .find_all(text.as_bytes(), 0, 1)
            .pop()?;
        Some(String::from_utf8(found).unwrap())
    }

    #[test]
    fn gos_ways_are_kept() {
        for (pattern, text, found) in [
            (r"\d+", "a١2", "2"),
            (r"[\w-.]+", "a-b.c d", "a-b.c"),
            (r"[\d\s]+", "x1 2y", "1 2"),
            (r"[^\s]+", "a b", "a"),
            (r"[[]x", "[x", "[x"),
            (r"[]a]+", "]a", "]a"),
            (r"{\d}", "{5}", "{5}"),
            (r#"{"a":{"b""#, r#"{"a":{"b""#, r#"{"a":{"b""#),
            (r"\Qa.b\E.", "a.bc", "a.bc"),
            (r"(?i)ÄB", "äb", "äb"),
            (r"\bfoo\b", "a foo b", "foo"),
            (r"a{2,3}", "aaaa", "aaa"),
            (r"[&&a]+", "&&a", "&&a"),
            (r"\<a\>\'\=", "<a>'=", "<a>'="),
            (r"(?m)^b$", "a\nb", "b"),
            (r"[[:alpha:]-]+", "a-b1", "a-b"),
            ("(?s)a.*c", "ab\nc", "ab\nc"),
            (r"[a-z0-9\-]+", "x-1", "x-1"),
            ("用户[名登]", "用户名", "用户名"),
        ] {
            assert_eq!(first(pattern, text).as_deref(), Some(found), "{pattern}");
        }
    }

    #[test]
    fn a_catastrophic_pattern_takes_no_time() {
        let regex = Regex::compile("^(a+)+$").unwrap();
        let text = [[b'a'; 60_000].as_slice(), b"!"].concat();
        assert!(!regex.matches(&text));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        for pattern in [
            "(?:(?:(?:a{1000}){1000}){1000})",
            &"(".repeat(2000),
            &"a".repeat(20_000),
        ] {
            assert!(Regex::compile(pattern).is_err());
        }
    }

    #[test]
    fn matches_are_replaced_and_listed() {
        let regex = Regex::compile("a(.)").unwrap();
        assert_eq!(regex.replace_all(b"xa1ya2z", b"<$1>"), b"x<1>y<2>z");
        assert_eq!(regex.find_all(b"a1a2a3", 1, 2), [b"1", b"2"]);
        assert_eq!(Regex::compile("a.c").unwrap().find_all(b"a\xffc", 0, 1).len(), 1);
    }
}
