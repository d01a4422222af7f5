//! A time of the week, in UTC.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const DAY: u32 = 24 * 60;

/// A window of each of some days of the week, in minutes of UTC. One that ends before it begins ends on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u8, u16, u16)", into = "(u8, u16, u16)")]
pub struct Window {
    /// A bit for each day, Monday the lowest.
    days: u8,
    from: u16,
    to: u16,
}

/// Text that is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no window; write days and times in UTC, as in mon-fri 22:00-05:00 or sat,sun 00:00-24:00")]
pub struct ParseWindowError(String);

impl Window {
    /// How long it is still open; none when it is closed.
    pub fn rest(&self, now: Timestamp) -> Option<Duration> {
        // 1970-01-01 was a Thursday.
        let day = (now.0 / 86_400 + 3) % 7;
        let second = now.0 % 86_400;
        let (from, to) = (u64::from(self.from) * 60, u64::from(self.to) * 60);
        let (yesterday, today) = (self.on((day + 6) % 7), self.on(day));
        let left = if from < to {
            (today && from <= second && second < to).then(|| to - second)
        } else if today && from <= second {
            Some(86_400 - second + to)
        } else {
            (yesterday && second < to).then(|| to - second)
        };
        left.map(Duration::from_secs)
    }

    fn on(self, day: u64) -> bool {
        self.days >> day & 1 == 1
    }
}

impl TryFrom<(u8, u16, u16)> for Window {
    type Error = ParseWindowError;

    fn try_from((days, from, to): (u8, u16, u16)) -> Result<Self, ParseWindowError> {
        let window = Self { days, from, to };
        let sound =
            (1..128).contains(&days) && u32::from(from) < DAY && u32::from(to) <= DAY && to > 0 && from != to;
        if sound {
            Ok(window)
        } else {
            Err(ParseWindowError(format!("{days} {from} {to}")))
        }
    }
}

impl From<Window> for (u8, u16, u16) {
    fn from(window: Window) -> Self {
        (window.days, window.from, window.to)
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl FromStr for Window {
    type Err = ParseWindowError;

    fn from_str(text: &str) -> Result<Self, ParseWindowError> {
        let window = || {
            let text = text.trim();
            let (days, times) = text.strip_suffix(" UTC").unwrap_or(text).split_once(' ')?;
            let (from, to) = times.trim().split_once('-')?;
            Some((parse_days(days)?, parse_time(from)?, parse_time(to)?))
        };
        let wrong = || ParseWindowError(text.chars().take(64).collect());
        window()
            .and_then(|window| Self::try_from(window).ok())
            .ok_or_else(wrong)
    }
}

fn parse_days(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    text.split(',').try_fold(0, |days, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let count = (last + 7 - first) % 7;
        Some((0..=count).fold(days, |days, step| days | 1 << ((first + step) % 7)))
    })
}

fn parse_time(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60).then(|| hours * 60 + minutes)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = (0..)
            .zip(DAYS)
            .filter(|(day, _)| self.on(*day))
            .map(|(_, name)| name)
            .collect();
        let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{} {}-{} UTC", days.join(","), time(self.from), time(self.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_open_on_its_days_and_between_its_times() {
        let window: Window = "mon-fri 09:00-17:30".parse().unwrap();
        // 2026-11-22 is a Sunday.
        assert_eq!(window.rest(at("2026-11-22T10:00:00Z")), None);
        assert_eq!(window.rest(at("2026-11-23T08:59:59Z")), None);
        assert_eq!(
            window.rest(at("2026-11-23T09:00:00Z")),
            Some(Duration::from_secs(8 * 3600 + 1800))
        );
        assert_eq!(window.rest(at("2026-11-23T17:30:00Z")), None);
        assert_eq!(window.to_string(), "mon,tue,wed,thu,fri 09:00-17:30 UTC");
    }

    #[test]
    fn a_window_over_midnight_ends_on_the_next_day() {
        let window: Window = "fri-sat 22:00-05:00".parse().unwrap();
        assert_eq!(window.rest(at("2026-11-20T21:59:00Z")), None);
        assert_eq!(
            window.rest(at("2026-11-20T22:00:00Z")),
            Some(Duration::from_secs(7 * 3600))
        );
        assert_eq!(
            window.rest(at("2026-11-22T04:59:00Z")),
            Some(Duration::from_secs(60)),
            "Saturday's, on Sunday"
        );
        assert_eq!(window.rest(at("2026-11-23T04:00:00Z")), None, "Sunday has none");
    }

    #[test]
    fn what_is_no_window_is_named() {
        for wrong in [
            "",
            "mon",
            "mon 9:00-10:00",
            "mon 09:00-09:00",
            "mon 09:00-24:01",
            "xyz 09:00-10:00",
            "mon 25:00-26:00",
            "mon 10:60-11:00",
        ] {
            let error = wrong.parse::<Window>().unwrap_err();
            assert!(error.to_string().contains("mon-fri 22:00-05:00"), "{wrong}");
        }
        assert!("sun-mon 00:00-24:00".parse::<Window>().is_ok());
    }
}
