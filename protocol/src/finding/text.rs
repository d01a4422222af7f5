//! Text that may leave an appliance: bounded in length and alphabet.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::target::HostName;

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $limit:literal, $alphabet:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The longest text, in bytes.
            pub const LIMIT: usize = $limit;

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What remains of `text` when each character outside the alphabet is replaced by `_` and
            /// the rest is cut at the limit; none when it is empty.
            pub fn cut(text: &str) -> Option<Self> {
                let allowed = |c: char| c.is_ascii_alphanumeric() || $alphabet.contains(c);
                let cut: String =
                    text.chars().take($limit).map(|c| if allowed(c) { c } else { '_' }).collect();
                (!cut.is_empty()).then_some(Self(cut))
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                match Self::cut(&text) {
                    Some(cut) if cut.0 == text => Ok(cut),
                    _ => Err(TextError { limit: $limit }),
                }
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
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
        }
    };
}

bounded_text!(
    /// A short label, as a product's name or version.
    Label, 96, " .,-_+:()/@*="
);
bounded_text!(
    /// The path of a URL, without query and fragment.
    UrlPath, 512, "/.-_~%:@!$()*+,;="
);

/// Text that is empty, too long, or outside its alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "text that is empty, longer than {limit} bytes, or holds a character that may not leave an appliance"
)]
pub struct TextError {
    limit: usize,
}

/// A host as a finding names it: an address, or the name that the operator asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

impl Host {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self(address.to_string())
    }
}

impl From<&HostName> for Host {
    fn from(name: &HostName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl FromStr for Host {
    type Err = crate::target::ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(address.into()),
            Err(_) => text.parse::<HostName>().map(|name| Self::from(&name)),
        }
    }
}

impl TryFrom<String> for Host {
    type Error = crate::target::ParseTargetError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_leave_is_replaced_or_refused() {
        assert_eq!(
            Label::cut("nginx\n\u{1b}[31m1.22").unwrap().as_str(),
            "nginx___31m1.22"
        );
        assert!("a\0b".parse::<Label>().is_err());
        assert!(Label::cut("").is_none());
        assert_eq!(Label::cut(&"x".repeat(500)).unwrap().as_str().len(), Label::LIMIT);
        assert!("/a?token=1".parse::<UrlPath>().is_err());
    }
}
