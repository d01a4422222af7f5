//! Points in time as the protocol knows them: whole seconds since 1970-01-01 UTC.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Seconds since the Unix epoch. Prints as RFC 3339; in JSON it is that text, in binary the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The last second of the year 9999, the end of RFC 3339.
    pub const LAST: Self = Self(253_402_300_799);

    /// The system clock's time; the epoch when the clock stands before it.
    pub fn now() -> Self {
        Self(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
        )
        .min(Self::LAST)
    }

    /// This long after; [`Self::LAST`] at the most.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs())).min(Self::LAST)
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0.min(Self::LAST.0)).unwrap_or_default();
        write!(f, "{}", jiff::Timestamp::from_second(seconds).unwrap_or_default())
    }
}

impl std::str::FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        let parsed: Option<jiff::Timestamp> = text.parse().ok();
        parsed
            .and_then(|time| u64::try_from(time.as_second()).ok())
            .map(Self)
            .ok_or_else(|| ParseTimestampError(text.chars().take(64).collect()))
    }
}

/// Text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time: {0:?}; write it as in 2026-11-22T09:00:00Z (RFC 3339, 1970 or later)")]
pub struct ParseTimestampError(String);

vedette_crypto::text_for_people!(Timestamp, u64, |seconds| Self(seconds).min(Self::LAST));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_prints_as_rfc_3339_and_parses_back() {
        let time = Timestamp(1_795_338_000);
        assert_eq!(time.to_string(), "2026-11-22T09:00:00Z");
        assert_eq!("2026-11-22T09:00:00Z".parse(), Ok(time));
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
    }
}
