//! NoSQL injection: by operators in place of a value, and by conditions in a script of the database.
//!
//! An object of one member stands in the value's place, in JSON and in names with brackets, as frameworks read them. It
//! counts when operators of MongoDB are obeyed, each in two spellings, and a member that is no operator is not: who takes
//! an object for its only value, or for none, answers all alike. Scripts (`$where`) are tried where quotes change the answer.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, canary, error_follows_balance, may_widen, nothing_afterwards, poison};
use crate::web::{
    input::{Payload, Place},
    trial::{Company, Proof, Stop, Trial, Verdict},
    view::View,
};

pub(crate) const TEST: Test = Test {
    name: "nosql",
    of: Of::Input,
    budget: 30,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    if let Some(engine) = error_follows_balance(trial, ERRORS, BALANCE)? {
        return Ok(Some(proof(Confidence::Certain, ShownBy::SyntaxError, engine)));
    }
    if !trial.is_stable() {
        return Ok(None);
    }
    let takes_objects = matches!(
        trial.subject.input.place,
        Place::Query | Place::Form | Place::Json
    );
    if takes_objects && may_widen(trial) && obeys_operators(trial)? {
        return Ok(Some(proof(Confidence::Firm, ShownBy::TrueAndFalse, "operator")));
    }
    let shape = by_script(trial)?;
    Ok(shape.map(|shape| proof(Confidence::Firm, ShownBy::TrueAndFalse, shape)))
}

fn proof(confidence: Confidence, shown_by: ShownBy, detail: &'static str) -> Proof {
    Proof {
        type_: FindingType::WebNosqlInjection,
        confidence,
        shown_by,
        detail,
    }
}

/// Whether everything but a word is answered apart from that word, each as one and as a list, twice, and a member that is
/// no operator as the word is.
fn obeys_operators(trial: &Trial<'_>) -> Result<bool, Stop> {
    let (word, plain) = (trial.token(0), trial.view(&canary(trial))?);
    // Where any word is answered as the value is, nothing is looked up by it.
    if plain == trial.base_view() {
        return Ok(false);
    }
    let all = object(trial, "$ne", &word, Payload::Member, 0)?;
    if all == plain {
        return Ok(false);
    }
    let none = object(trial, "$eq", &word, Payload::Member, 0)?;
    if all == none || object(trial, "vedette", &word, Payload::Member, 0)? != none {
        return Ok(false);
    }
    Ok(object(trial, "$nin", &word, Payload::Members, 0)? == all
        && object(trial, "$in", &word, Payload::Members, 0)? == none
        && object(trial, "$ne", &word, Payload::Member, 1)? == all
        && object(trial, "$eq", &word, Payload::Member, 1)? == none)
}

/// What an object in the value's place is answered with.
fn object(
    trial: &Trial<'_>,
    member: &'static str,
    value: &str,
    put: fn(&'static str, String) -> Payload,
    nth: u16,
) -> Result<View, Stop> {
    let reply = trial.shot(put(member, value.to_owned()), nth, Company::Any)?;
    Ok(trial.look(reply, value))
}

fn by_script(trial: &Trial<'_>) -> Result<Option<&'static str>, Stop> {
    let (value, base, plain) = (trial.value(), trial.base_view(), trial.view(&canary(trial))?);
    // Where a number stands a plain word fails as well.
    let fails = plain.status() >= 500 && base.status() < 500;
    if plain == base || (!fails && trial.view(&poison(trial))? == plain) {
        return Ok(None);
    }
    let number = value.parse::<f64>().is_ok();
    let fits = |shape: &str| number || !shape.ends_with("number");
    for (shape, spell) in SCRIPTS.iter().filter(|(shape, _)| fits(shape)) {
        let [yes, no, own_yes, own_no] = ["17==17", "17==18", "'abc'.length==3", "'abc'.length==4"]
            .map(|condition| spell(value, condition));
        if trial.view(&yes)? == base && trial.parts([&yes, &own_yes], [&no, &own_no])? {
            return Ok(Some(shape));
        }
    }
    Ok(None)
}

type Spell = fn(&str, &str) -> String;

const SCRIPTS: &[(&str, Spell)] = &[
    ("script, string", |value, condition| {
        format!("{value}' && {condition} && 'k'=='k")
    }),
    ("script, double quotes", |value, condition| {
        format!("{value}\" && {condition} && \"k\"==\"k")
    }),
    ("script, number", |value, condition| {
        format!("{value} && {condition}")
    }),
];

/// Before and behind the value, unbalanced; before and behind it, balanced.
const BALANCE: &[(&str, &str, &str, &str)] =
    &[("", "'", "", "'+'"), ("", "\"", "", "\"+\""), ("(", "", "(", ")")];

/// What databases that run scripts say of one that is broken.
const ERRORS: &[(&str, &[&str])] = &[
    ("MongoDB", &["MongoError", "SyntaxError"]),
    ("MongoDB", &["MongoServerError", "SyntaxError"]),
    ("MongoDB", &["OperationFailure", "SyntaxError"]),
    ("MongoDB", &["JSInterpreterFailure"]),
    ("CouchDB", &["compilation_error", "SyntaxError"]),
];
