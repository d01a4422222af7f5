//! A point in time as people write it: RFC 3339, a day, or how long from now.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use vedette_protocol::Timestamp;

use crate::validity::Validity;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    In(Duration),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a point in time: write it as in 2026-12-31T18:00:00Z, as a day (2026-12-31, from 00:00 UTC on), or as a time \
     from now (30d, 12h)"
)]
pub(crate) struct ParseMomentError;

impl Moment {
    pub(crate) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::In(duration) => now.after(duration),
        }
    }
}

impl FromStr for Moment {
    type Err = ParseMomentError;

    fn from_str(text: &str) -> Result<Self, ParseMomentError> {
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        let day = || {
            let day: Date = text.parse().ok()?;
            let start = day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
            u64::try_from(start).ok().map(Timestamp)
        };
        if let Some(day) = day() {
            return Ok(Self::At(day));
        }
        text.parse::<Validity>()
            .map(|validity| Self::In(validity.duration()))
            .map_err(|_| ParseMomentError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read() {
        let now = Timestamp(1_795_338_000);
        let read = |text: &str| text.parse::<Moment>().map(|moment| moment.from(now).to_string());
        for (text, time) in [
            ("2026-12-31T18:00:00Z", "2026-12-31T18:00:00Z"),
            ("2026-12-31T18:00:00+02:00", "2026-12-31T16:00:00Z"),
            ("2026-12-31", "2026-12-31T00:00:00Z"),
            ("30d", "2026-12-22T09:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(time), "{text}");
        }
        for text in ["", "tomorrow", "2026-13-01", "-1d", "1969-12-31", "0s"] {
            assert_eq!(read(text), Err(ParseMomentError), "{text}");
        }
    }
}
