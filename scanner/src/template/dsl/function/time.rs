//! Functions of the time.

use jiff::{Timestamp, civil::DateTime, fmt::strtime, tz::TimeZone};

use super::{Function, Value, row, string};

pub(super) const FUNCTIONS: &[Function] = &[
    row("unix_time", (0, 1), |scene, a| {
        let ahead = a.first().map_or(Some(0), Value::to_whole)?;
        seconds(scene.now.checked_add(ahead)?)
    }),
    row("to_unix_time", (1, 2), |_, a| {
        let text = string(a, 0)?;
        if let Ok(number) = text.parse::<f64>() {
            return Some(number.trunc().into());
        }
        let layouts = match string(a, 1) {
            Some(layout) => vec![pattern_of_layout(&layout)],
            None => LAYOUTS.iter().map(|layout| (*layout).to_owned()).collect(),
        };
        let read = text.parse::<Timestamp>().map(Timestamp::as_second).ok();
        let read = read.or_else(|| layouts.iter().find_map(|layout| moment(layout, &text)))?;
        seconds(read)
    }),
    row("date_time", (1, 2), |scene, a| {
        let at = a.get(1).map_or(Some(scene.now), Value::to_whole)?;
        let at = Timestamp::from_second(at).ok()?.to_zoned(TimeZone::UTC);
        let format = string(a, 0)?;
        let format = if format.contains('%') {
            pattern_of_letters(&format)
        } else {
            pattern_of_layout(&format)
        };
        Some(strtime::format(&format, &at).ok()?.into())
    }),
];

fn seconds(seconds: i64) -> Option<Value> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "all numbers of the language are of this kind"
    )]
    Some(Value::Number(seconds as f64))
}

fn moment(layout: &str, text: &str) -> Option<i64> {
    let parsed = strtime::parse(layout, text).ok()?;
    if let Ok(at) = parsed.to_timestamp() {
        return Some(at.as_second());
    }
    let civil = parsed
        .to_datetime()
        .or_else(|_| parsed.to_date().map(DateTime::from))
        .ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Templates write `%Y-%M-%D %H:%m:%S`, where others have `%m`, `%d` and `%M`.
fn pattern_of_letters(format: &str) -> String {
    let mut pattern = String::with_capacity(format.len());
    let mut rest = format.chars();
    while let Some(next) = rest.next() {
        pattern.push(next);
        if next == '%' {
            pattern.extend(rest.next().map(|letter| match letter {
                'M' => 'm',
                'D' => 'd',
                'm' => 'M',
                other => other,
            }));
        }
    }
    pattern
}

/// Go writes layouts as the second of January 2006, 15:04:05, would be.
fn pattern_of_layout(layout: &str) -> String {
    let mut pattern = String::with_capacity(layout.len());
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        match LAYOUT_WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
            Some((word, letters)) => {
                pattern.push_str(letters);
                rest = &rest[word.len()..];
            }
            None => {
                pattern.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    pattern
}

/// Longer words before those that they begin with.
const LAYOUT_WORDS: &[(&str, &str)] = &[
    ("2006", "%Y"),
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("-0700", "%z"),
    ("-07:00", "%:z"),
    ("Z07:00", "%:z"),
    ("01", "%m"),
    ("02", "%d"),
    ("15", "%H"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("PM", "%p"),
    ("_2", "%e"),
];
const LAYOUTS: &[&str] = &[
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%a, %d %b %Y %H:%M:%S %z",
    "%d %b %y %H:%M %z",
];
