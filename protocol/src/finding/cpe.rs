//! Names of products as the vulnerability databases know them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A CPE 2.3 name in its formatted-string binding (NIST IR 7695, section 6.2):
/// `cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cpe(String);

/// Text that is no CPE 2.3 name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no CPE 2.3 name: expected cpe:2.3: and eleven values with colons between them, at most {LIMIT} bytes"
)]
pub struct ParseCpeError;

impl Cpe {
    /// The longest name, in bytes.
    pub const LIMIT: usize = LIMIT;

    /// An application's name. What is not known of it is any.
    pub fn application(
        vendor: &str,
        product: &str,
        version: Option<&str>,
        update: Option<&str>,
    ) -> Option<Self> {
        let any = |text: Option<&str>| text.map_or_else(|| "*".to_owned(), value);
        Self::of_values(&[
            "a".to_owned(),
            value(vendor),
            value(product),
            any(version),
            any(update),
        ])
    }

    /// The same name out of its URI binding, the form of CPE 2.2 (section 6.1): `cpe:/a:openbsd:openssh:9.2`.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let parts = uri.strip_prefix("cpe:/")?.split(':').take(8);
        let values: Vec<String> = parts
            .map(|part| percent_decoded(part).map(|text| value(&text)))
            .collect::<Option<_>>()?;
        Self::of_values(&values)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Vendor and product may not be missing; the rest may be any.
    fn of_values(values: &[String]) -> Option<Self> {
        if values.len() < 3 || values[1..3].iter().any(|value| value == "*") {
            return None;
        }
        let mut name = "cpe:2.3".to_owned();
        for at in 0..VALUES {
            name.push(':');
            name.push_str(values.get(at).map_or("*", String::as_str));
        }
        name.parse().ok()
    }
}

/// A value as it is bound: in lower case, without spaces, what is neither letter, digit nor one of `_.-`
/// behind a backslash. The lone hyphen says that there is none, the empty text that it may be any.
fn value(text: &str) -> String {
    if text.is_empty() || text == "*" {
        return "*".to_owned();
    }
    let mut bound = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'a'..='z' | '0'..='9' | '_' | '.' | '-' => bound.push(c),
            'A'..='Z' => bound.push(c.to_ascii_lowercase()),
            c if c.is_ascii_punctuation() => bound.extend(['\\', c]),
            // No other character can stand in a name.
            _ => bound.push('_'),
        }
    }
    bound
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        decoded.push(char::from(u8::from_str_radix(after.get(..2)?, 16).ok()?));
        rest = &after[2..];
    }
    decoded.push_str(rest);
    Some(decoded)
}

impl FromStr for Cpe {
    type Err = ParseCpeError;

    fn from_str(text: &str) -> Result<Self, ParseCpeError> {
        let values = text
            .strip_prefix("cpe:2.3:")
            .filter(|_| text.len() <= LIMIT)
            .ok_or(ParseCpeError)?;
        let (mut count, mut length, mut escaped) = (1, 0, false);
        for c in values.chars() {
            match (c, escaped) {
                (':', false) if length > 0 => (count, length) = (count + 1, 0),
                ('\\', false) => escaped = true,
                ('a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-' | '*' | '?', false) => length += 1,
                (c, true) if c.is_ascii_punctuation() => (escaped, length) = (false, length + 1),
                _ => return Err(ParseCpeError),
            }
        }
        let part = values.split(':').next().unwrap_or_default();
        if count == VALUES && length > 0 && !escaped && ["a", "o", "h", "*", "-"].contains(&part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseCpeError)
        }
    }
}

impl TryFrom<String> for Cpe {
    type Error = ParseCpeError;

    fn try_from(text: String) -> Result<Self, ParseCpeError> {
        text.parse()
    }
}

impl From<Cpe> for String {
    fn from(cpe: Cpe) -> Self {
        cpe.0
    }
}

impl fmt::Display for Cpe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const LIMIT: usize = 256;
/// Part, vendor, product, version, update, edition, language, software edition, target software, target
/// hardware, other (section 5.2).
const VALUES: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_bound_as_the_standard_says() {
        let ssh = Cpe::application("openbsd", "openssh", Some("9.2"), Some("p1")).unwrap();
        assert_eq!(ssh.as_str(), "cpe:2.3:a:openbsd:openssh:9.2:p1:*:*:*:*:*:*");
        let odd = Cpe::application("A:b", "c++ d", Some("2.42.0+ds"), None).unwrap();
        assert_eq!(odd.as_str(), r"cpe:2.3:a:a\:b:c\+\+_d:2.42.0\+ds:*:*:*:*:*:*:*");
        assert_eq!(odd.as_str().parse(), Ok(odd.clone()));
        assert_eq!(
            serde_json::from_str::<Cpe>(&serde_json::to_string(&odd).unwrap()).unwrap(),
            odd
        );
    }

    #[test]
    fn the_uri_form_means_the_same() {
        for (uri, name) in [
            (
                "cpe:/a:ipswitch:ws_ftp:7.0",
                "cpe:2.3:a:ipswitch:ws_ftp:7.0:*:*:*:*:*:*:*",
            ),
            ("cpe:/o:hp:firmware:-", "cpe:2.3:o:hp:firmware:-:*:*:*:*:*:*:*"),
            ("cpe:/a:x:y%2b%2b::beta", r"cpe:2.3:a:x:y\+\+:*:beta:*:*:*:*:*:*"),
        ] {
            assert_eq!(Cpe::from_uri(uri).unwrap().as_str(), name);
        }
        for wrong in [
            "cpe:2.3:a:b:c",
            "cpe:/a:b",
            "cpe:/a::c",
            "cpe:/z:b:c",
            "cpe:/a:b:%zz",
            "cpe:/a:b:%é",
            "",
        ] {
            assert_eq!(Cpe::from_uri(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("cpe:2.3:a:{}:c:*:*:*:*:*:*:*:*", "b".repeat(300));
        for wrong in [
            "",
            "cpe:2.3:a:b:c",
            "cpe:2.3:z:b:c:*:*:*:*:*:*:*:*",
            "cpe:2.3:a:b:c:*:*:*:*:*:*:*:*:*",
            "cpe:2.3:a::c:*:*:*:*:*:*:*:*",
            "cpe:2.3:a:b c:c:*:*:*:*:*:*:*:*",
            r"cpe:2.3:a:b:c:*:*:*:*:*:*:*:\",
            "cpe:2.3:a:<b>:c:*:*:*:*:*:*:*:*",
            &long,
        ] {
            assert_eq!(wrong.parse::<Cpe>(), Err(ParseCpeError), "{wrong}");
        }
    }
}
