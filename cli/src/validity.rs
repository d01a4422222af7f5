//! How long a token shall be valid, as people write it.

use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use vedette_protocol::api::TokenKind;

/// A time of whole seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity(Duration);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time of at least a second: write a number and a unit, as in 90s, 30m, 24h or 7d")]
pub(crate) struct ParseValidityError;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("--valid-for is longer than such a token may be valid: ask for {longest_days}d at most")]
pub(crate) struct TooLong {
    longest_days: u64,
}

impl Validity {
    pub(crate) fn duration(self) -> Duration {
        self.0
    }

    /// The time, if a token of this kind may be valid for so long.
    pub(crate) fn within(self, kind: TokenKind) -> Result<Duration, TooLong> {
        let longest = kind.longest_validity();
        if self.0 > longest {
            return Err(TooLong {
                longest_days: longest.as_secs() / 86_400,
            });
        }
        Ok(self.0)
    }
}

impl FromStr for Validity {
    type Err = ParseValidityError;

    fn from_str(text: &str) -> Result<Self, ParseValidityError> {
        let span: Span = text.parse().map_err(|_| ParseValidityError)?;
        let time = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| ParseValidityError)?;
        match u64::try_from(time.as_secs()) {
            Ok(seconds @ 1..) if time.subsec_nanos() == 0 => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(ParseValidityError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1800),
            ("24h", 86_400),
            ("7d", 604_800),
            ("1h 30m", 5400),
        ] {
            assert_eq!(text.parse(), Ok(Validity(Duration::from_secs(seconds))), "{text}");
        }
        for text in [
            "",
            "30",
            "0s",
            "-1h",
            "1h ago",
            "500ms",
            "1y",
            "2mo",
            "soon",
            "99999999999999999999d",
            "24h\0",
        ] {
            assert_eq!(text.parse::<Validity>(), Err(ParseValidityError), "{text}");
        }
    }

    #[test]
    fn a_token_is_valid_for_no_longer_than_its_kind_may() {
        let days = |days: u64| Validity(Duration::from_hours(24 * days));
        assert!(days(30).within(TokenKind::Activation).is_ok());
        let too_long = days(31).within(TokenKind::Activation).unwrap_err();
        assert!(too_long.to_string().contains("30d at most"));
        assert!(days(366).within(TokenKind::Api).is_ok());
        assert!(days(367).within(TokenKind::Api).is_err());
    }
}
