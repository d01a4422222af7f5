//! Identifiers of sessions that can be guessed: judged by what a site gives strangers, one after another. Pure; the engine
//! asks.
//!
//! No sound generator meets what counts here: characters that differ among the samples could not hold 48 bits if each were
//! chosen freely (OWASP's Session Management Cheat Sheet asks for 64), so that what is reckoned is never less than there
//! is; or each value is the time or a small number, plain or as the hash of it alone.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use jiff::fmt::rfc2822;
use md5::{Digest as _, Md5};
use ring::digest;

use super::response::Response;

/// Its name on command lines.
pub(crate) const NAME: &str = "session";

/// So many are asked for.
pub(crate) const SAMPLES: usize = 16;

/// An identifier that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    value: String,
    /// By the site's own clock, in seconds since 1970.
    at: Option<i64>,
}

impl Issued {
    /// A value that an answer gave.
    pub(crate) fn new(value: String, answer: &Response) -> Self {
        let date = answer.header("date").unwrap_or_default();
        let at = rfc2822::DateTimeParser::new().parse_timestamp(date);
        Self {
            value,
            at: at.ok().map(|at| at.as_second()),
        }
    }
}

/// Whether a cookie of the session may be what the site knows it by, and not what is known of it.
pub(crate) fn is_identifier(cookie: &str) -> bool {
    let name = cookie.to_ascii_lowercase();
    !["start", "time", "expir", "last", "date", "count", "begin", "age"]
        .iter()
        .any(|word| name.contains(word))
}

/// Why identifiers, in the order in which they were given, can be guessed; none if they cannot.
pub(crate) fn weakness(issued: &[Issued]) -> Option<&'static str> {
    if issued.len() < SAMPLES {
        return None;
    }
    if let Some(source) = source(issued) {
        return Some(source);
    }
    let values: HashSet<&str> = issued.iter().map(|issued| issued.value.as_str()).collect();
    // One for all, or one for each of several servers, is no visitor's.
    if values.len() * 2 <= issued.len() {
        return None;
    }
    let texts: Vec<Vec<char>> = issued
        .iter()
        .map(|issued| issued.value.chars().collect())
        .collect();
    (most_bits(&texts) < LEAST_BITS).then_some("few characters that differ")
}

/// Bits that the values can differ in at most.
fn most_bits(values: &[Vec<char>]) -> f64 {
    let longest = values.iter().map(Vec::len).max().unwrap_or_default();
    let as_long = values.iter().all(|value| value.len() == longest);
    let mut differing = 0_u32;
    let mut used = HashSet::new();
    for at in 0..longest {
        let here: HashSet<Option<&char>> = values.iter().map(|value| value.get(at)).collect();
        // Where lengths differ, nothing stands still.
        if here.len() > 1 || !as_long {
            differing += 1;
            used.extend(here.into_iter().flatten().copied());
        }
    }
    let alphabet = ALPHABETS
        .iter()
        .find(|(_, has)| used.iter().all(has))
        .map_or(ALL_CHARACTERS, |(size, _)| *size);
    f64::from(differing) * alphabet.log2()
}

/// What every value is made of, if that can be said.
fn source(issued: &[Issued]) -> Option<&'static str> {
    let first = &issued.first()?.value;
    let hash = HASHES.iter().find(|(length, _)| *length == first.len())?.1;
    let of_time = issued.iter().all(|issued| {
        let Some(at) = issued.at else { return false };
        let seconds = at - CLOCKS_APART..=at + CLOCKS_APART;
        let is = |number: i64| hash(number.to_string().as_bytes()).eq_ignore_ascii_case(&issued.value);
        seconds.clone().any(is)
            || seconds
                .flat_map(|second| second * 1000..(second + 1) * 1000)
                .any(is)
    });
    if of_time {
        return Some("hash of the time");
    }
    let counts: HashMap<String, u32> = (0..COUNTS)
        .map(|count| (hash(count.to_string().as_bytes()), count))
        .collect();
    let numbers: HashSet<&u32> = issued
        .iter()
        .filter_map(|issued| counts.get(&issued.value.to_ascii_lowercase()))
        .collect();
    // Each another one: a text that is the same for all is nobody's.
    (numbers.len() == issued.len()).then_some("hash of a count")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A hash in hexadecimal digits.
type Hash = fn(&[u8]) -> String;

/// By how many digits they have.
const HASHES: &[(usize, Hash)] = &[
    (32, |bytes| hex(&Md5::digest(bytes))),
    (40, |bytes| {
        hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref())
    }),
    (64, |bytes| hex(digest::digest(&digest::SHA256, bytes).as_ref())),
];
/// Whether a character belongs to it.
type Has = fn(&char) -> bool;

/// How many characters each has, the smallest first.
const ALPHABETS: &[(f64, Has)] = &[
    (10.0, char::is_ascii_digit),
    (16.0, |c| matches!(c, '0'..='9' | 'a'..='f')),
    (16.0, |c| matches!(c, '0'..='9' | 'A'..='F')),
    (36.0, |c| matches!(c, '0'..='9' | 'a'..='z')),
    (36.0, |c| matches!(c, '0'..='9' | 'A'..='Z')),
    (62.0, char::is_ascii_alphanumeric),
    (64.0, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')),
    (64.0, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/')),
];
/// Of those that may stand in a cookie.
const ALL_CHARACTERS: f64 = 95.0;
const LEAST_BITS: f64 = 48.0;
const COUNTS: u32 = 20_000;
/// Seconds.
const CLOCKS_APART: i64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes the nth identifier.
    type Make<'a> = &'a dyn Fn(usize) -> String;

    fn given(value: impl Fn(usize) -> String) -> Option<&'static str> {
        let issue = |number: usize| Issued {
            value: value(number),
            at: Some(1_795_000_000 + number as i64 / 5),
        };
        weakness(&(0..SAMPLES).map(issue).collect::<Vec<_>>())
    }

    /// Digits that look chosen freely.
    fn free(number: usize, length: usize) -> String {
        hex(digest::digest(&digest::SHA256, format!("free {number}").as_bytes()).as_ref())[..length]
            .to_owned()
    }

    #[test]
    fn what_can_be_guessed_is_told_from_what_cannot() {
        let md5 = HASHES[0].1;
        let guessable: [Make<'_>; 8] = [
            &|n| (998 + n).to_string(),
            &|n| format!("sess-{n:08}"),
            &|n| free(n, 8),
            &|n| format!("{}{}", 1_795_000_000 + n / 5, 100 + n),
            &|n| format!("6b1f{}-cafe-11ee-8c99-0242ac120002", free(n, 6)),
            &|n| md5((n + 7).to_string().as_bytes()),
            &|n| md5((1_795_000_000 + n / 5).to_string().as_bytes()),
            &|n| md5((1_795_000_000_000 + n * 200 + 3).to_string().as_bytes()).to_uppercase(),
        ];
        for value in guessable {
            assert!(given(value).is_some(), "{}", value(0));
        }
        let sound: [Make<'_>; 7] = [
            &|n| free(n, 32),
            &|n| free(n, 16),
            &|n| format!("0193{:04x}{}", n, free(n, 24)),
            &|n| format!("s:{}.sig{}", n, free(n, 40)),
            &|_| "node1".to_owned(),
            &|n| format!("node{}", n % 3),
            &|_| md5(b"7"),
        ];
        for value in sound {
            assert_eq!(given(value), None, "{}", value(0));
        }
        assert_eq!(weakness(&[]), None);
    }

    #[test]
    fn the_site_says_when() {
        let answer = |date: &str| Response {
            status: 200,
            headers: vec![("Date".to_owned(), date.to_owned())],
            body: Vec::new(),
            whole: crate::web::response::Whole::Yes,
            took: std::time::Duration::ZERO,
        };
        let at = |date| Issued::new(String::new(), &answer(date)).at;
        assert_eq!(at("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(at("some time"), None);
    }
}
