//! How a web application is tested: what a scan asks of the check `web`, signed in each of its jobs.
//!
//! Where it is tested stands in the job itself: one target, on one port. A target that is a name is the virtual host
//! that is asked for; it is resolved where the scan runs, and must resolve into the owner's grant as every name must.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The most paths to begin at.
pub const PATHS_LIMIT: usize = 16;

/// The most classes that are named.
pub const CLASSES_LIMIT: usize = 64;

/// The most requests for one application.
pub const REQUESTS_LIMIT: u32 = 500_000;

/// The longest time for one application, in seconds: a job may take six hours.
pub const SECONDS_LIMIT: u32 = 5 * 3600;

/// What is asked of the test of each application of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "Claimed")]
pub struct WebTest {
    /// Where the crawl begins, 16 at most; at `/` unless given.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub paths: Vec<StartPath>,
    /// The classes to test for, 64 at most, by the names that `vedette-scan web --help` lists; all unless given.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub classes: Vec<ClassName>,
    /// The most requests, 1 to 500000; 100000 unless given.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub requests: u32,
    /// The longest time in seconds, 1 to 18000; two hours unless given.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub seconds: u32,
}

impl Default for WebTest {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            classes: Vec::new(),
            requests: usual_requests(),
            seconds: usual_seconds(),
        }
    }
}

/// As somebody wrote it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claimed {
    #[serde(default)]
    paths: Vec<StartPath>,
    #[serde(default)]
    classes: Vec<ClassName>,
    #[serde(default = "usual_requests")]
    requests: u32,
    #[serde(default = "usual_seconds")]
    seconds: u32,
}

fn usual_requests() -> u32 {
    100_000
}

fn usual_seconds() -> u32 {
    2 * 3600
}

/// A test of a web application that is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebTestError {
    /// Too many paths.
    #[error("a web application is begun at {0} paths, more than {PATHS_LIMIT}")]
    Paths(usize),
    /// Too many classes.
    #[error("{0} classes are named, more than {CLASSES_LIMIT}; leave them away to test for all")]
    Classes(usize),
    /// No number of requests.
    #[error("{0} requests for a web application; take 1 to {REQUESTS_LIMIT}")]
    Requests(u32),
    /// No time.
    #[error("{0} seconds for a web application; take 1 to {SECONDS_LIMIT}")]
    Seconds(u32),
}

impl WebTest {
    /// The same, if it is within bounds.
    ///
    /// # Errors
    /// The bound that it is beyond.
    pub fn bounded(self) -> Result<Self, WebTestError> {
        if self.paths.len() > PATHS_LIMIT {
            return Err(WebTestError::Paths(self.paths.len()));
        }
        if self.classes.len() > CLASSES_LIMIT {
            return Err(WebTestError::Classes(self.classes.len()));
        }
        if !(1..=REQUESTS_LIMIT).contains(&self.requests) {
            return Err(WebTestError::Requests(self.requests));
        }
        if !(1..=SECONDS_LIMIT).contains(&self.seconds) {
            return Err(WebTestError::Seconds(self.seconds));
        }
        Ok(self)
    }
}

impl TryFrom<Claimed> for WebTest {
    type Error = WebTestError;

    fn try_from(claimed: Claimed) -> Result<Self, WebTestError> {
        let Claimed {
            paths,
            classes,
            requests,
            seconds,
        } = claimed;
        Self {
            paths,
            classes,
            requests,
            seconds,
        }
        .bounded()
    }
}

/// A path to begin at, with a query if need be: printable ASCII from `/` on, so that it can name no other server and end
/// no line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StartPath(String);

impl StartPath {
    /// The longest, in bytes.
    pub const LIMIT: usize = 512;

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no path to begin at; write it as /shop/ or /search?q=a, with other characters than ASCII as %XX, in {limit} bytes \
     at most",
    limit = StartPath::LIMIT
)]
pub struct ParsePathError(String);

impl TryFrom<String> for StartPath {
    type Error = ParsePathError;

    fn try_from(text: String) -> Result<Self, ParsePathError> {
        // Two slashes, or one and its mirror image, begin a host (WHATWG URL, "relative slash state").
        let names_a_host = text.starts_with("//") || text.contains('\\');
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>'));
        if text.starts_with('/') && !names_a_host && is_plain && text.len() <= Self::LIMIT {
            Ok(Self(text))
        } else {
            Err(ParsePathError(text.chars().take(64).collect()))
        }
    }
}

/// The name of a class of test, of which the image of an appliance knows its own: a name that it does not know is told as
/// a gap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClassName(String);

impl ClassName {
    /// The longest, in bytes.
    pub const LIMIT: usize = 32;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that is no name of a class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a class of test; `vedette-scan web --help` lists them")]
pub struct ParseClassError(String);

impl TryFrom<String> for ClassName {
    type Error = ParseClassError;

    fn try_from(text: String) -> Result<Self, ParseClassError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=Self::LIMIT).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text))
        } else {
            Err(ParseClassError(text.chars().take(64).collect()))
        }
    }
}

macro_rules! text {
    ($($name:ident, $error:ty;)*) => {
        $(impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        })*
    };
}

text! {
    StartPath, ParsePathError;
    ClassName, ParseClassError;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_path_names_no_other_server_and_ends_no_line() {
        for path in ["/", "/shop/", "/search?q=a&b=%20", "/a//b"] {
            assert_eq!(path.parse::<StartPath>().unwrap().as_str(), path);
        }
        let long = format!("/{}", "a".repeat(StartPath::LIMIT));
        for wrong in [
            "",
            "shop",
            "//other.example/",
            "/\\other.example",
            "http://a/",
            "/a b",
            "/a\r\nX: y",
            "/ä",
            "/a#b",
            &long,
        ] {
            assert!(wrong.parse::<StartPath>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_test_out_of_bounds_is_not_taken_over_the_wire() {
        let usual = WebTest::default();
        let taken = |test: &WebTest| codec::decode::<WebTest>(&codec::encode(test)).ok();
        assert_eq!(taken(&usual), Some(usual.clone()));
        let path: StartPath = "/".parse().unwrap();
        let class: ClassName = "sql".parse().unwrap();
        for wrong in [
            WebTest {
                requests: 0,
                ..usual.clone()
            },
            WebTest {
                requests: REQUESTS_LIMIT + 1,
                ..usual.clone()
            },
            WebTest {
                seconds: 0,
                ..usual.clone()
            },
            WebTest {
                seconds: SECONDS_LIMIT + 1,
                ..usual.clone()
            },
            WebTest {
                paths: vec![path; PATHS_LIMIT + 1],
                ..usual.clone()
            },
            WebTest {
                classes: vec![class; CLASSES_LIMIT + 1],
                ..usual.clone()
            },
        ] {
            assert_eq!(taken(&wrong), None, "{wrong:?}");
            assert!(wrong.bounded().is_err());
        }
    }

    #[test]
    fn what_is_not_said_in_json_is_the_usual() {
        let read = |text: &str| serde_json::from_str::<WebTest>(text);
        assert_eq!(read("{}").unwrap(), WebTest::default());
        assert_eq!(read(r#"{"paths": ["/shop/"]}"#).unwrap().paths.len(), 1);
        for wrong in [
            r#"{"paths": ["shop"]}"#,
            r#"{"requests": 0}"#,
            r#"{"budget": 1}"#,
            r#"{"classes": ["A b"]}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
