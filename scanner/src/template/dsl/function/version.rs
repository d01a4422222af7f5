//! Versions and what is demanded of them, as HashiCorp's go-version reads both.

use std::cmp::Ordering;

use super::{Function, MANY, Value, row};

pub(super) const FUNCTIONS: &[Function] = &[row("compare_versions", (2, MANY), |_, a| {
    let version = Version::parse(&String::from_utf8_lossy(&a[0].to_text()))?;
    let demands: Vec<String> = a[1..]
        .iter()
        .map(|demand| String::from_utf8_lossy(&demand.to_text()).into_owned())
        .collect();
    for demand in demands.iter().flat_map(|demands| demands.split(',')) {
        if !version.meets(demand)? {
            return Some(Value::Truth(false));
        }
    }
    Some(Value::Truth(true))
})];

#[derive(Debug)]
struct Version {
    numbers: Vec<u64>,
    /// How many numbers were written.
    written: usize,
    before_release: String,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split('+').next().unwrap_or_default();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (core, rest) = text.split_at(end);
        let mut numbers = core
            .trim_end_matches('.')
            .split('.')
            .map(|number| number.parse().ok())
            .collect::<Option<Vec<u64>>>()?;
        let written = numbers.len();
        if written > NUMBERS {
            return None;
        }
        while numbers.len() < 3 {
            numbers.push(0);
        }
        let before_release = rest.strip_prefix('-').unwrap_or(rest);
        let is_sound = before_release
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-.~".contains(&byte));
        is_sound.then(|| Self {
            numbers,
            written,
            before_release: before_release.to_owned(),
        })
    }

    /// Whether it meets one demand, as `>= 1.2`; none when that is no demand.
    fn meets(&self, demand: &str) -> Option<bool> {
        let demand = demand.trim();
        let end = demand
            .find(|c: char| !"<>=!~".contains(c))
            .unwrap_or(demand.len());
        let (sign, version) = demand.split_at(end);
        let wanted = Self::parse(version)?;
        let order = self.compare(&wanted);
        Some(match sign {
            "" | "=" => order.is_eq(),
            "!=" => order.is_ne(),
            ">" => order.is_gt(),
            ">=" => order.is_ge(),
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            // All numbers but the last that was written stay.
            "~>" => {
                let fixed = wanted.written.saturating_sub(1).max(1);
                order.is_ge()
                    && self
                        .numbers
                        .iter()
                        .take(fixed)
                        .eq(wanted.numbers.iter().take(fixed))
            }
            _ => return None,
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let longest = self.numbers.len().max(other.numbers.len());
        let padded = |version: &Self| -> Vec<u64> {
            version
                .numbers
                .iter()
                .copied()
                .chain(std::iter::repeat(0))
                .take(longest)
                .collect()
        };
        padded(self).cmp(&padded(other)).then_with(|| {
            match (self.before_release.is_empty(), other.before_release.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => pieces(&self.before_release, &other.before_release),
            }
        })
    }
}

/// Numbers before words, numbers by size, words by letters (Semantic Versioning 2.0, item 11).
fn pieces(left: &str, right: &str) -> Ordering {
    let mut left = left.split('.');
    let mut right = right.split('.');
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (left.parse::<u64>(), right.parse::<u64>()) {
                (Ok(left), Ok(right)) => left.cmp(&right),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => left.cmp(right),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

const NUMBERS: usize = 16;
