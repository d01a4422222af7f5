//! Everything that an image knows of its platform: one JSON file in the verity root.

use serde::{Deserialize, Serialize};
use vedette_crypto::{VerifyingKey, roots::PinnedRoots};

use crate::time::Timestamp;

/// Where the file stands in the image.
pub const IMAGE_CONFIG_PATH: &str = "/usr/lib/vedette/image.json";

/// The longest file that is read, in bytes.
pub const IMAGE_CONFIG_LIMIT: usize = 256 * 1024;

/// The configuration that is fixed when an image is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// The format's version: 1.
    pub version: u8,
    /// What the image is for.
    pub kind: ImageKind,
    /// Name and version of the release, for people.
    pub release: String,
    /// When it was built: no clock of an appliance is right that stands before it.
    pub built: Timestamp,
    /// The words of its kernel command line, in order, without those that pin the root (`vedette.…=`).
    pub parameters: Vec<String>,
    /// The platform that it belongs to.
    pub platform: PlatformPins,
}

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageKind {
    /// For use.
    Release,
    /// With probes from `tests/probe`: a platform refuses it unless told to accept such images.
    Test,
}

/// What an image must know of a platform, as `vedette-platform pins` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformPins {
    /// Where it is reached.
    pub url: PlatformUrl,
    /// The key that signs all it says.
    pub key: VerifyingKey,
    /// The only root CAs that its certificate may come from.
    pub roots: PinnedRoots,
}

/// `https://host[:port]`, without path: the one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlatformUrl {
    host: String,
    port: u16,
}

/// Text that is no platform's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a platform's URL: {0:?}; write https://HOST or https://HOST:PORT, without a path")]
pub struct ParseUrlError(String);

impl PlatformUrl {
    /// The host: a name, or an address (IPv6 without brackets).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host` or `host:port`, as in HTTP's Host field.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == 443 {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl std::str::FromStr for PlatformUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, ParseUrlError> {
        parse_url(text).ok_or_else(|| ParseUrlError(text.chars().take(256).collect()))
    }
}

fn parse_url(text: &str) -> Option<PlatformUrl> {
    let authority = text.strip_prefix("https://")?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (
                host,
                if port.is_empty() {
                    None
                } else {
                    Some(port.strip_prefix(':')?)
                },
            )
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
        None => 443,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    (port != 0 && !host.is_empty() && host.len() <= 253 && host.bytes().all(plain)).then(|| PlatformUrl {
        host: host.to_ascii_lowercase(),
        port,
    })
}

impl TryFrom<String> for PlatformUrl {
    type Error = ParseUrlError;

    fn try_from(text: String) -> Result<Self, ParseUrlError> {
        text.parse()
    }
}

impl From<PlatformUrl> for String {
    fn from(url: PlatformUrl) -> Self {
        url.to_string()
    }
}

impl std::fmt::Display for PlatformUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_platforms_are_read_and_printed() {
        for (text, host, port) in [
            ("https://platform.example", "platform.example", 443),
            ("https://Platform.example:8443/", "platform.example", 8443),
            ("https://[::1]:8443", "::1", 8443),
            ("https://192.0.2.1", "192.0.2.1", 443),
        ] {
            let url: PlatformUrl = text.parse().unwrap();
            assert_eq!((url.host(), url.port()), (host, port));
            assert_eq!(url.to_string().parse(), Ok(url));
        }
    }

    #[test]
    fn other_urls_are_refused_with_the_cure() {
        for text in [
            "http://a",
            "https://",
            "https://a/b",
            "https://a:0",
            "https://a:+1",
            "https://u@a",
            "a",
        ] {
            let error = text.parse::<PlatformUrl>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("https://HOST"), "{error}");
        }
    }
}
