//! Ruby's regular expressions, which recog's are, as expressions of a matcher that never backtracks.
//!
//! Both speak mostly the same language. What differs is rewritten: `^` and `$` are those of lines, `(?m)`
//! lets the dot match a line's end, `\h`, `\Z` and a brace that is no quantifier mean what they mean there.
//! What cannot be matched in linear time (look-around, back-references, atomic groups, possessive
//! quantifiers) is refused by name; recog keeps itself to what Go's matcher knows, which lacks them too.

use std::{fmt, iter::Peekable, str::Chars};

use regex_automata::{
    meta::{BuildError, Config, Regex},
    util::syntax,
};

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

/// A pattern that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// It is longer than any that was ever needed.
    #[error("the pattern has {length} bytes; {PATTERN_LIMIT} are allowed: split it")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It needs a matcher that backtracks.
    #[error("the pattern uses {what}, which can take for ever to match: write it without")]
    Backtracks {
        /// What it uses.
        what: Unmatchable,
    },
    /// A flag that is not known.
    #[error(
        "there is no flag {flag:?}; there are REG_ICASE, REG_DOT_NEWLINE, REG_MULTILINE and REG_LINE_ANY_CRLF"
    )]
    Flag {
        /// The flag.
        flag: String,
    },
    /// It is no regular expression, or one that becomes too large.
    #[error("the pattern cannot be compiled: mend its syntax, or lower its repetitions")]
    Syntax(#[source] Box<BuildError>),
}

/// What a matcher that never backtracks cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatchable {
    /// `(?=`, `(?!`, `(?<=`, `(?<!`
    LookAround,
    /// `\1`, `\k<name>`, `\g<name>`
    BackReference,
    /// `(?>`
    AtomicGroup,
    /// `a++`
    PossessiveQuantifier,
}

impl fmt::Display for Unmatchable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LookAround => "look-around",
            Self::BackReference => "a back-reference",
            Self::AtomicGroup => "an atomic group",
            Self::PossessiveQuantifier => "a possessive quantifier",
        })
    }
}

impl Pattern {
    /// Compiles a pattern with recog's flags, a list with commas.
    pub(super) fn compile(pattern: &str, flags: &str) -> Result<Self, PatternError> {
        if pattern.len() > PATTERN_LIMIT {
            return Err(PatternError::TooLong {
                length: pattern.len(),
            });
        }
        let (mut ignore_case, mut dot_is_all) = (false, false);
        for flag in flags.split(',').map(str::trim).filter(|flag| !flag.is_empty()) {
            match flag {
                "REG_ICASE" | "IGNORECASE" => ignore_case = true,
                // Three names of one thing: Ruby's MULTILINE.
                "REG_DOT_NEWLINE" | "REG_MULTILINE" | "REG_LINE_ANY_CRLF" => dot_is_all = true,
                other => {
                    return Err(PatternError::Flag {
                        flag: other.chars().take(64).collect(),
                    });
                }
            }
        }
        let translated = Translation::of(pattern)?;
        // Bytes, not characters: what services say is in no particular encoding.
        let syntax = syntax::Config::new()
            .case_insensitive(ignore_case)
            .dot_matches_new_line(dot_is_all)
            .multi_line(true)
            .unicode(false)
            .utf8(false)
            .nest_limit(NESTING);
        // No automata that are built ahead or on the way: patterns are many, each is asked rarely, and
        // what is kept must not grow with what is matched.
        let config = Config::new()
            .utf8_empty(false)
            .nfa_size_limit(Some(COMPILED_LIMIT))
            .onepass(false)
            .hybrid(false)
            .dfa(false);
        Regex::builder()
            .syntax(syntax)
            .configure(config)
            .build(&translated)
            .map(Self)
            .map_err(|error| PatternError::Syntax(Box::new(error)))
    }

    /// How many groups it captures.
    pub(super) fn groups(&self) -> usize {
        self.0.captures_len() - 1
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        self.0.memory_usage()
    }

    /// The whole match and each group, if it matches.
    pub(super) fn captures<'a>(&self, text: &'a [u8]) -> Option<Vec<Option<&'a [u8]>>> {
        let mut captures = self.0.create_captures();
        self.0.captures(text, &mut captures);
        captures.is_match().then(|| {
            captures
                .iter()
                .map(|span| span.and_then(|span| text.get(span.range())))
                .collect()
        })
    }
}

/// A pattern on its way from one language to the other.
struct Translation<'a> {
    rest: Peekable<Chars<'a>>,
    written: String,
    /// Whether what was read last is a quantifier: a plus behind one is possessive.
    quantified: bool,
}

impl<'a> Translation<'a> {
    fn of(pattern: &'a str) -> Result<String, PatternError> {
        let mut translation = Self {
            rest: pattern.chars().peekable(),
            written: String::with_capacity(pattern.len() + 16),
            quantified: false,
        };
        while let Some(next) = translation.rest.next() {
            let quantified = std::mem::take(&mut translation.quantified);
            match next {
                '\\' => translation.escape(Place::Outside)?,
                '[' => translation.class()?,
                '(' if translation.rest.peek() == Some(&'?') => translation.group()?,
                '+' if quantified => return Err(backtracks(Unmatchable::PossessiveQuantifier)),
                '*' | '+' | '?' => {
                    // A question mark behind a quantifier makes it lazy, and is none itself.
                    translation.quantified = !quantified;
                    translation.written.push(next);
                }
                '{' => translation.brace(),
                '.' => translation.any(".", "."),
                other => translation.written.push(other),
            }
        }
        Ok(translation.written)
    }

    fn escape(&mut self, place: Place) -> Result<(), PatternError> {
        let Some(escaped) = self.rest.next() else {
            // The compiler says what is wrong with a lone backslash.
            self.written.push('\\');
            return Ok(());
        };
        match (escaped, place) {
            ('1'..='9' | 'k' | 'g', Place::Outside) => return Err(backtracks(Unmatchable::BackReference)),
            ('h', Place::Outside) => self.written.push_str("[0-9a-fA-F]"),
            ('H', Place::Outside) => self.written.push_str("[^0-9a-fA-F]"),
            ('h', Place::Class) => self.written.push_str("0-9a-fA-F"),
            // The end of the text, or the line's end before it; no group can tell the difference.
            ('Z', Place::Outside) => self.written.push_str(r"(?:\n?\z)"),
            ('R', Place::Outside) => self.written.push_str(r"(?:\r\n|[\n\x0b\f\r])"),
            ('S', Place::Outside) => self.any(r"[^\t-\r ]", r"\S"),
            ('W', Place::Outside) => self.any("[^0-9A-Za-z_]", r"\W"),
            ('D', Place::Outside) => self.any("[^0-9]", r"\D"),
            ('e', _) => self.written.push_str(r"\x1b"),
            ('0', _) => self.written.push_str(r"\x00"),
            (letter, _) if letter.is_ascii_alphanumeric() => self.written.extend(['\\', letter]),
            (literal, _) => self.literal(literal),
        }
        Ok(())
    }

    /// One of many: a character where the text is one in UTF-8, else a byte. Repeated without end, both
    /// are the same; repeated very often, bytes are counted, for characters make too large a program.
    fn any(&mut self, character: &str, byte: &str) {
        let endless = matches!(self.rest.peek(), Some('*' | '+'));
        let often = self.rest.peek() == Some(&'{') && self.highest_count() > FEW;
        if endless || often {
            self.written.push_str(byte);
        } else {
            self.written.extend(["(?:(?u:", character, ")|", byte, ")"]);
        }
    }

    /// The largest number in the braces that come next.
    fn highest_count(&self) -> usize {
        let inside = self.rest.clone().skip(1).take(QUANTIFIER_LIMIT);
        let inside: String = inside.take_while(|inner| *inner != '}').collect();
        inside
            .split(',')
            .filter_map(|count| count.parse().ok())
            .max()
            .unwrap_or(0)
    }

    /// A character that stands for itself.
    fn literal(&mut self, literal: char) {
        if literal.is_ascii_punctuation() && literal != '<' && literal != '>' {
            self.written.push('\\');
        }
        self.written.push(literal);
    }

    /// A class in brackets, whose first bracket was read. Classes may be nested.
    fn class(&mut self) -> Result<(), PatternError> {
        let start = self.written.len();
        self.written.push('[');
        let mut depth = 1;
        let mut first = true;
        if self.rest.next_if_eq(&'^').is_some() {
            self.written.push('^');
        }
        while let Some(next) = self.rest.next() {
            match next {
                '\\' => self.escape(Place::Class)?,
                ']' if first => self.written.push_str(r"\]"),
                ']' => {
                    self.written.push(']');
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                '[' => {
                    self.written.push('[');
                    if self.rest.peek() == Some(&':') {
                        // A POSIX class, as [:alpha:], to its own bracket.
                        for inner in self.rest.by_ref() {
                            self.written.push(inner);
                            if inner == ']' {
                                break;
                            }
                        }
                    } else {
                        depth += 1;
                        if self.rest.next_if_eq(&'^').is_some() {
                            self.written.push('^');
                        }
                    }
                }
                // Twice in a row they would mean a difference of sets.
                '~' => self.written.push_str(r"\~"),
                '-' if self.rest.peek() == Some(&'-') => self.written.push_str(r"\-"),
                other => self.written.push(other),
            }
            first = false;
        }
        // Without Unicode a class holds bytes; one that names other characters is one of characters.
        if !self.written[start..].is_ascii() {
            self.written.insert_str(start, "(?u:");
            self.written.push(')');
        } else if self.written[start..].starts_with("[^") {
            let class = self.written.split_off(start);
            // What these letters mean does not depend on the alphabet here.
            let character = class
                .replace(r"\s", r"\t-\r ")
                .replace(r"\w", "0-9A-Za-z_")
                .replace(r"\d", "0-9");
            if character.contains(r"\S") || character.contains(r"\W") || character.contains(r"\D") {
                self.written.push_str(&class);
            } else {
                self.any(&character, &class);
            }
        }
        Ok(())
    }

    /// A group with a question mark, whose parenthesis was read.
    fn group(&mut self) -> Result<(), PatternError> {
        self.rest.next();
        match self.rest.peek().copied() {
            Some('=' | '!') => return Err(backtracks(Unmatchable::LookAround)),
            Some('>') => return Err(backtracks(Unmatchable::AtomicGroup)),
            Some('#') => {
                // A comment.
                while self.rest.next().is_some_and(|inner| inner != ')') {}
                return Ok(());
            }
            Some('<') => {
                self.rest.next();
                if matches!(self.rest.peek(), Some('=' | '!')) {
                    return Err(backtracks(Unmatchable::LookAround));
                }
                self.written.push_str("(?<");
            }
            Some(_) | None => {
                self.written.push_str("(?");
                // Options, up to the colon or the parenthesis: Ruby's `m` is what others call `s`.
                while let Some(option) = self.rest.next_if(|option| !matches!(option, ':' | ')')) {
                    self.written.push(if option == 'm' { 's' } else { option });
                }
            }
        }
        Ok(())
    }

    /// A brace: a quantifier if it looks like one, else itself.
    fn brace(&mut self) {
        let inside: String = self
            .rest
            .clone()
            .take(QUANTIFIER_LIMIT)
            .take_while(|inner| *inner != '}')
            .collect();
        let closed = self.rest.clone().nth(inside.chars().count()) == Some('}');
        let (low, high) = inside.split_once(',').unwrap_or((&inside, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if closed && digits(low) && digits(high) && inside != "," && !inside.is_empty() {
            let low = if low.is_empty() { "0" } else { low };
            self.written.push('{');
            self.written.push_str(low);
            if inside.contains(',') {
                self.written.push(',');
                self.written.push_str(high);
            }
            self.written.push('}');
            self.rest.nth(inside.chars().count());
        } else {
            self.written.push_str(r"\{");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Class,
}

fn backtracks(what: Unmatchable) -> PatternError {
    PatternError::Backtracks { what }
}

/// The longest pattern, in bytes.
const PATTERN_LIMIT: usize = 4096;
/// Of one compiled pattern, in bytes.
const COMPILED_LIMIT: usize = 256 * 1024;
const NESTING: u32 = 50;
const FEW: usize = 16;
/// No quantifier has more digits.
const QUANTIFIER_LIMIT: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn group<'a>(pattern: &str, flags: &str, text: &'a str) -> Option<&'a str> {
        let captures = Pattern::compile(pattern, flags)
            .unwrap()
            .captures(text.as_bytes())?;
        let group = captures.get(1).or_else(|| captures.first()).copied().flatten();
        group.and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    #[test]
    fn rubys_ways_are_kept() {
        // Lines, not texts, begin and end at the anchors.
        assert_eq!(group("^b(.*)$", "", "a\nbcd\ne"), Some("cd"));
        assert_eq!(group(r"\Ab", "", "a\nb"), None);
        // The dot stops at a line's end, but for those who say otherwise in one of four ways.
        assert_eq!(group("a(.*)", "", "ab\nc"), Some("b"));
        assert_eq!(group("a(.*)", "REG_MULTILINE", "ab\nc"), Some("b\nc"));
        assert_eq!(group("(?m:a(.*))", "", "ab\nc"), Some("b\nc"));
        assert_eq!(group("(?im)A(.*)", "", "ab\nc"), Some("b\nc"));
        assert_eq!(group("A", "REG_ICASE,REG_DOT_NEWLINE", "a"), Some("a"));
        assert_eq!(group(r"(\h+)", "", "xyz1aFg"), Some("1aF"));
        assert_eq!(group(r"[\h.]+", "", "x1.f"), Some("1.f"));
        assert_eq!(group(r"(\d+)\Z", "", "17\n"), Some("17"));
        assert_eq!(group(r"{\w+}{2}", "", "a{b}}"), Some("{b}}"));
        assert_eq!(group("a{,2}b", "", "aab"), Some("aab"));
        assert_eq!(group(r"[\w--]+", "", "a-b"), Some("a-b"));
        assert_eq!(group(r"^nemá '([^']+)'", "", "nemá 'x'"), Some("x"));
        assert_eq!(group("[äö]+", "", "xäöx"), Some("äö"));
        assert_eq!(group("a+?", "", "aaa"), Some("a"));
        assert_eq!(group(r"^a(.)b\Sc[^x\s]$", "", "a·b·c·"), Some("·"));
    }

    #[test]
    fn bytes_that_are_no_text_are_matched_as_bytes() {
        let pattern = Pattern::compile(r"a.\x04(.+)", "").unwrap();
        let captures = pattern.captures(b"xa\xff\x04\xfe\x80").unwrap();
        assert_eq!(captures[1], Some(b"\xfe\x80".as_slice()));
    }

    #[test]
    fn what_would_backtrack_is_refused_by_name() {
        for (pattern, name) in [
            ("a(?=b)", "look-around"),
            ("a(?<!b)", "look-around"),
            (r"(a)\1", "back-reference"),
            ("(?>a)", "atomic"),
            ("a++", "possessive"),
        ] {
            let error = Pattern::compile(pattern, "").unwrap_err().to_string();
            assert!(error.contains(name), "{pattern}: {error}");
        }
        assert!(matches!(
            Pattern::compile("a", "REG_NONE"),
            Err(PatternError::Flag { .. })
        ));
    }

    #[test]
    fn patterns_that_explode_elsewhere_are_matched_in_no_time() {
        let pattern = Pattern::compile("^(a+)+$", "").unwrap();
        assert!(pattern.captures(&[b'a'; 60_000].map(|b| b)).is_some());
        let text = [[b'a'; 60_000].as_slice(), b"!"].concat();
        assert!(pattern.captures(&text).is_none());
    }

    #[test]
    fn patterns_that_would_take_all_memory_are_refused() {
        for pattern in [
            "(?:(?:(?:a{100}){100}){100})",
            r"\w{1000000}",
            &"a".repeat(5000),
            &"(".repeat(2000),
        ] {
            assert!(Pattern::compile(pattern, "").is_err());
        }
    }
}
