//! A drawing of how hosts hang together: the appliance to the left, what is next to it beside it, and so on. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use vedette_protocol::finding::Edge;

/// Places and lines between them, in units of the drawing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Drawing {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) nodes: Vec<Node>,
    pub(super) lines: Vec<Line>,
}

/// A place: a box with a text in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) x: usize,
    pub(super) y: usize,
    /// Where its text begins.
    pub(super) text_x: usize,
    pub(super) text_y: usize,
    /// What it is, for the style sheet.
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// A line from the right of a box to the left of another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) from: (usize, usize),
    pub(super) to: (usize, usize),
    pub(super) how: String,
}

impl Drawing {
    /// None where there is nothing to draw, or too much to be read.
    pub(super) fn of(appliance: &str, edges: &BTreeSet<Edge>) -> Option<Self> {
        let mut onward: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
        let mut places: BTreeSet<Option<&str>> = BTreeSet::from([None]);
        for edge in edges {
            onward.entry(edge.from.as_deref()).or_default().push(&edge.to);
            places.extend([edge.from.as_deref(), Some(&edge.to)]);
        }
        if edges.is_empty() || places.len() > PLACES {
            return None;
        }
        let columns = columns(&onward, &places);
        let tallest = columns.iter().map(Vec::len).max().unwrap_or(0);
        let height = tallest * STEP_Y;
        let mut at: BTreeMap<Option<&str>, (usize, usize)> = BTreeMap::new();
        let mut nodes = Vec::new();
        for (column, places) in columns.iter().enumerate() {
            let above = (tallest - places.len()) * STEP_Y / 2;
            for (row, place) in places.iter().enumerate() {
                let (x, y) = (MARGIN + column * STEP_X, MARGIN + above + row * STEP_Y);
                at.insert(*place, (x, y));
                nodes.push(Node {
                    x,
                    y,
                    text_x: x + PADDING,
                    text_y: y + BASELINE,
                    class: class(*place),
                    text: short(place.unwrap_or(appliance)),
                });
            }
        }
        let middle = |(x, y): (usize, usize)| (x, y + BOX_Y / 2);
        let lines = edges.iter().filter_map(|edge| {
            let (x, y) = middle(*at.get(&edge.from.as_deref())?);
            Some(Line {
                from: (x + BOX_X, y),
                to: middle(*at.get(&Some(edge.to.as_str()))?),
                how: edge.how.clone(),
            })
        });
        Some(Self {
            width: 2 * MARGIN + (columns.len() - 1) * STEP_X + BOX_X,
            height: 2 * MARGIN + height,
            lines: lines.collect(),
            nodes,
        })
    }
}

/// The places by how far they are from the appliance; those that no edge leads to begin anew beside it.
fn columns<'a>(
    onward: &BTreeMap<Option<&'a str>, Vec<&'a str>>,
    places: &BTreeSet<Option<&'a str>>,
) -> Vec<Vec<Option<&'a str>>> {
    let mut columns: Vec<Vec<Option<&str>>> = Vec::new();
    let mut seen = BTreeSet::new();
    let led_to: BTreeSet<Option<&str>> = onward.values().flatten().map(|to| Some(*to)).collect();
    let begins = places
        .iter()
        .filter(|place| place.is_some() && !led_to.contains(*place));
    let roots = std::iter::once((None, 0)).chain(begins.map(|place| (*place, 1)));
    // Rings that nothing leads into come last.
    let rest = places.iter().map(|place| (*place, 1));
    for (root, depth) in roots.chain(rest) {
        let mut queue = VecDeque::from([(root, depth)]);
        while let Some((place, depth)) = queue.pop_front() {
            if !seen.insert(place) {
                continue;
            }
            while columns.len() <= depth {
                columns.push(Vec::new());
            }
            columns[depth].push(place);
            let next = onward.get(&place).into_iter().flatten();
            queue.extend(next.map(|to| (Some(*to), depth + 1)));
        }
    }
    columns
}

fn class(place: Option<&str>) -> &'static str {
    match place {
        None => "own",
        Some(text) if text.parse::<std::net::IpAddr>().is_ok() => "host",
        Some(_) => "network",
    }
}

/// As much of a text as a box has room for.
fn short(text: &str) -> String {
    match text.chars().count() {
        0..=LETTERS => text.to_owned(),
        _ => text.chars().take(LETTERS - 1).chain(['…']).collect(),
    }
}

/// More boxes than these are a carpet: the table tells them.
const PLACES: usize = 150;
const LETTERS: usize = 20;
const MARGIN: usize = 8;
const BOX_X: usize = 170;
const BOX_Y: usize = 26;
const STEP_X: usize = 240;
const STEP_Y: usize = 34;
const PADDING: usize = 10;
const BASELINE: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edges(all: &[(&str, &str)]) -> BTreeSet<Edge> {
        let end = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let edge = |(from, to): &(&str, &str)| Edge {
            from: end(from),
            to: (*to).to_owned(),
            how: String::new(),
        };
        all.iter().map(edge).collect()
    }

    #[test]
    fn what_is_farther_stands_farther_to_the_right() {
        let drawing = Drawing::of(
            "office",
            &edges(&[
                ("", "192.0.2.1"),
                ("", "192.0.2.7"),
                ("192.0.2.1", "203.0.113.9"),
                ("192.0.2.66", "a switch of a very long name"),
            ]),
        )
        .unwrap();
        let at = |text: &str| {
            drawing
                .nodes
                .iter()
                .find(|node| node.text == text)
                .map(|node| (node.x, node.class))
        };
        assert_eq!(at("office"), Some((8, "own")));
        assert_eq!(at("192.0.2.7"), Some((248, "host")));
        assert_eq!(at("192.0.2.66"), Some((248, "host")), "nothing leads to it");
        assert_eq!(at("203.0.113.9"), Some((488, "host")));
        assert_eq!(at("a switch of a very …"), Some((488, "network")));
        assert_eq!((drawing.nodes.len(), drawing.lines.len()), (6, 4));
    }

    #[test]
    fn nothing_and_a_carpet_are_not_drawn() {
        assert_eq!(Drawing::of("office", &BTreeSet::new()), None);
        let many: Vec<String> = (0..PLACES).map(|number| format!("host {number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|host| ("", host.as_str())).collect();
        assert_eq!(Drawing::of("office", &edges(&many)), None);
    }

    proptest! {
        #[test]
        fn each_place_is_drawn_once_within_the_picture(
            ends in proptest::collection::vec((0u8..12, 1u8..12), 1..40),
        ) {
            let name = |number: u8| if number == 0 { String::new() } else { number.to_string() };
            let texts: Vec<_> = ends.iter().map(|(from, to)| (name(*from), name(*to))).collect();
            let pairs: Vec<_> = texts.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
            let edges = edges(&pairs);
            let drawing = Drawing::of("0", &edges).unwrap();
            let mut drawn: Vec<_> = drawing.nodes.iter().map(|node| node.text.clone()).collect();
            drawn.sort();
            let mut places: Vec<String> = ends.iter().flat_map(|(from, to)| [*from, *to]).chain([0]).map(|number| number.to_string()).collect();
            places.sort();
            places.dedup();
            prop_assert_eq!(drawn, places);
            prop_assert_eq!(drawing.lines.len(), edges.len());
            for node in &drawing.nodes {
                prop_assert!(node.x + BOX_X <= drawing.width && node.y + BOX_Y <= drawing.height);
            }
        }
    }
}
