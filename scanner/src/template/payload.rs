//! Payloads and the three ways to combine them. Pure; combinations are counted, never listed.

use std::sync::Arc;

/// Lists of values by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payloads {
    /// The lists.
    pub lists: Lists,
    /// How they are combined.
    pub attack: Attack,
}

/// Lists of values by name; lists from files are shared.
pub type Lists = Vec<(String, Arc<Vec<String>>)>;

/// How lists are combined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Attack {
    /// One value at a time, list by list.
    #[default]
    BatteringRam,
    /// The first of each list, the second of each, to the end of the shortest.
    Pitchfork,
    /// Each with each.
    ClusterBomb,
}

impl Payloads {
    /// How many combinations there are; one, of nothing, when there are no lists.
    pub fn count(&self) -> u64 {
        let lengths = self.lists.iter().map(|(_, list)| list.len() as u64);
        if self.lists.is_empty() {
            return 1;
        }
        match self.attack {
            Attack::BatteringRam => lengths.sum(),
            Attack::Pitchfork => lengths.min().unwrap_or(0),
            Attack::ClusterBomb => lengths.fold(1, u64::saturating_mul),
        }
    }

    /// The combination of that number, from 0.
    pub fn combination(&self, number: u64) -> Vec<(&str, &str)> {
        let length = |at: usize| self.lists[at].1.len() as u64;
        // Which list, and which of its values.
        let mut chosen: Vec<(usize, u64)> = Vec::new();
        let mut rest = number;
        match self.attack {
            Attack::BatteringRam => {
                for list in 0..self.lists.len() {
                    if rest < length(list) {
                        chosen.push((list, rest));
                        break;
                    }
                    rest -= length(list);
                }
            }
            Attack::Pitchfork => chosen.extend((0..self.lists.len()).map(|list| (list, number))),
            // The last list changes fastest.
            Attack::ClusterBomb => {
                for list in (0..self.lists.len()).rev() {
                    let length = length(list).max(1);
                    chosen.push((list, rest % length));
                    rest /= length;
                }
                chosen.reverse();
            }
        }
        chosen
            .into_iter()
            .filter_map(|(list, at)| {
                let (name, values) = self.lists.get(list)?;
                let value = values.get(usize::try_from(at).ok()?)?;
                Some((name.as_str(), value.as_str()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(attack: Attack) -> Payloads {
        let list = |values: &[&str]| Arc::new(values.iter().map(|value| (*value).to_owned()).collect());
        Payloads {
            lists: vec![
                ("a".to_owned(), list(&["1", "2"])),
                ("b".to_owned(), list(&["x", "y", "z"])),
            ],
            attack,
        }
    }

    fn all(attack: Attack) -> Vec<String> {
        let payloads = payloads(attack);
        (0..payloads.count())
            .map(|number| {
                payloads
                    .combination(number)
                    .iter()
                    .map(|(name, value)| format!("{name}{value}"))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn the_three_attacks_combine_as_the_format_says() {
        assert_eq!(all(Attack::BatteringRam), ["a1", "a2", "bx", "by", "bz"]);
        assert_eq!(all(Attack::Pitchfork), ["a1bx", "a2by"]);
        assert_eq!(
            all(Attack::ClusterBomb),
            ["a1bx", "a1by", "a1bz", "a2bx", "a2by", "a2bz"]
        );
        assert_eq!(
            (
                Payloads::default().count(),
                Payloads::default().combination(0).len()
            ),
            (1, 0)
        );
    }
}
