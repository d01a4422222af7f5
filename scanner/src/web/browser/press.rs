//! What of a page is pressed, in which order, and what is not. Pure.
//!
//! A button is known by what it is and says. Pressing it may show others; to come back to those, the page is loaded
//! anew and what led there is pressed again.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::web::page::is_logout;

/// Something that can be pressed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Button {
    /// What it is: the same for buttons that differ in numbers alone.
    pub(super) kind: String,
    /// Which of those, as the page has them.
    pub(super) key: String,
    /// What it says, or is called.
    pub(super) label: String,
}

/// What was pressed, and what is to be.
#[derive(Debug, Default)]
pub(super) struct Presses {
    known: HashSet<String>,
    kinds: HashMap<String, usize>,
    waiting: Vec<Vec<String>>,
    pressed: usize,
    /// Buttons that would take something away.
    pub(super) destructive: u64,
    /// Buttons that would end the session.
    pub(super) logouts: u64,
    /// Buttons beyond the bound.
    pub(super) excess: u64,
}

impl Presses {
    /// Takes up what there is to press after this was pressed.
    pub(super) fn see(&mut self, led_here: &[String], buttons: &[Button]) {
        let first = self.waiting.len();
        for button in buttons {
            if !self.known.insert(button.key.clone()) {
                continue;
            }
            let of_kind = self.kinds.entry(button.kind.clone()).or_default();
            *of_kind += 1;
            if *of_kind > OF_A_KIND {
                continue;
            }
            if is_logout("", &button.label) {
                self.logouts += 1;
            } else if takes_away(&button.label) {
                self.destructive += 1;
            } else if led_here.len() >= DEPTH || self.known.len() > KNOWN {
                self.excess += 1;
            } else {
                let mut way = led_here.to_vec();
                way.push(button.key.clone());
                self.waiting.push(way);
            }
        }
        // The last is pressed first: what comes first on the page is to be.
        self.waiting[first..].reverse();
    }

    /// The next to press: what leads there, and itself.
    pub(super) fn next(&mut self) -> Option<Vec<String>> {
        if self.pressed >= PRESSES {
            self.excess += self.waiting.len() as u64;
            self.waiting.clear();
        }
        self.pressed += 1;
        self.waiting.pop()
    }
}

/// Whether a button says that it would take something away.
fn takes_away(label: &str) -> bool {
    let words: Vec<String> = label
        .split(|c: char| !c.is_alphabetic())
        .map(str::to_lowercase)
        .collect();
    words.iter().any(|word| {
        DESTRUCTIVE
            .iter()
            .any(|stem| word.strip_prefix(stem).is_some_and(|rest| rest.len() <= 3))
    })
}

const DESTRUCTIVE: &[&str] = &[
    "delet",
    "remov",
    "destroy",
    "drop",
    "erase",
    "purge",
    "reset",
    "wipe",
    "unsubscribe",
    "deactivat",
    "terminat",
    "transfer",
    "pay",
    "cancel",
    "löschen",
    "entfernen",
    "supprimer",
    "eliminar",
    "borrar",
];
/// Rows of a table have the same buttons.
const OF_A_KIND: usize = 2;
const DEPTH: usize = 6;
const KNOWN: usize = 400;
const PRESSES: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn button(key: &str, label: &str) -> Button {
        Button {
            kind: key.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned(),
            key: key.to_owned(),
            label: label.to_owned(),
        }
    }

    #[test]
    fn what_takes_away_or_ends_the_session_is_not_pressed() {
        let mut presses = Presses::default();
        let labels = [
            "Sign out",
            "Delete",
            "Remove item",
            "Pay now",
            "trash icon-delete",
        ];
        let buttons: Vec<Button> = labels.iter().map(|label| button(label, label)).collect();
        presses.see(&[], &buttons);
        assert_eq!(presses.next(), None);
        assert_eq!((presses.logouts, presses.destructive), (1, 4));
        presses.see(
            &[],
            &[
                button("a", "Payload"),
                button("b", "Dropdown"),
                button("c", "Repay"),
            ],
        );
        assert_eq!(presses.waiting.len(), 3);
    }

    #[test]
    fn what_a_button_shows_is_pressed_behind_it_and_rows_are_pressed_twice() {
        let mut presses = Presses::default();
        presses.see(&[], &[button("open", "Open"), button("other", "Other")]);
        let way = presses.next().unwrap();
        assert_eq!(way, ["open"]);
        let rows: Vec<Button> = (0..20).map(|row| button(&format!("row{row}"), "Show")).collect();
        presses.see(&way, &rows);
        let ways: Vec<Vec<String>> = std::iter::from_fn(|| presses.next()).collect();
        assert_eq!(ways.len(), 3);
        assert!(ways[..2].iter().all(|way| way[0] == "open" && way.len() == 2));
        assert_eq!(ways[2], ["other"]);
    }

    #[test]
    fn endless_buttons_come_to_an_end() {
        let mut presses = Presses::default();
        let mut pressed = 0;
        presses.see(&[], &[button("x0a", "Go")]);
        while let Some(way) = presses.next() {
            pressed += 1;
            presses.see(&way, &[button(&format!("x{pressed}b"), "Go")]);
        }
        assert!(pressed <= DEPTH && presses.excess == 1);
    }
}
