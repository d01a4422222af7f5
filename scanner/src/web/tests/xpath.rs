//! XPath injection: by the evaluator's error, by conditions of which one is XPath alone.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, canary, error_follows_balance, may_widen, nothing_afterwards};
use crate::web::trial::{Proof, Stop, Trial, Verdict};

pub(crate) const TEST: Test = Test {
    name: "xpath",
    of: Of::Input,
    budget: 40,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    if let Some(library) = error_follows_balance(trial, ERRORS, BALANCE)? {
        return Ok(Some(proof(Confidence::Certain, ShownBy::SyntaxError, library)));
    }
    let shape = by_condition(trial)?;
    Ok(shape.map(|shape| proof(Confidence::Firm, ShownBy::TrueAndFalse, shape)))
}

fn proof(confidence: Confidence, shown_by: ShownBy, detail: &'static str) -> Proof {
    Proof {
        type_: FindingType::WebXpathInjection,
        confidence,
        shown_by,
        detail,
    }
}

fn by_condition(trial: &Trial<'_>) -> Result<Option<&'static str>, Stop> {
    if !trial.is_stable() {
        return Ok(None);
    }
    let (value, base) = (trial.value(), trial.base_view());
    let number = value.parse::<f64>().is_ok();
    let fits = |shape: &str| number || !shape.starts_with("number");
    if trial.view(&canary(trial))? != base {
        for (shape, spell) in NARROWING.iter().filter(|(shape, _)| fits(shape)) {
            if trial.view(&spell(value, TRUE))? == base && follows(trial, *spell)? {
                return Ok(Some(shape));
            }
        }
    }
    if may_widen(trial) {
        for (shape, spell) in WIDENING.iter().filter(|(shape, _)| fits(shape)) {
            if follows(trial, *spell)? {
                return Ok(Some(shape));
            }
        }
    }
    Ok(None)
}

/// Whether the answer follows conditions, those that are XPath alone too.
fn follows(trial: &Trial<'_>, spell: Spell) -> Result<bool, Stop> {
    let [yes, no, own_yes, own_no] = [TRUE, "17=18", "string-length('abc')=3", "string-length('abc')=4"]
        .map(|condition| spell(trial.value(), condition));
    trial.parts([&yes, &own_yes], [&no, &own_no])
}

const TRUE: &str = "17=17";

type Spell = fn(&str, &str) -> String;

/// Spelled as the SQL class does where that is possible: what it has asked for is not asked again.
const NARROWING: &[(&str, Spell)] = &[
    ("string", |value, condition| {
        format!("{value}' and {condition} and 'k'='k")
    }),
    ("double quotes", |value, condition| {
        format!("{value}\" and {condition} and \"k\"=\"k")
    }),
    ("argument", |value, condition| {
        format!("{value}') and {condition} and ('k')=('k")
    }),
    ("number", |value, condition| format!("{value} and {condition}")),
];

const WIDENING: &[(&str, Spell)] = &[
    ("string, widened", |value, condition| {
        format!("{value}' or {condition} or 'k'='j")
    }),
    ("argument, widened", |value, condition| {
        format!("{value}') or {condition} or ('k')=('j")
    }),
    ("number, widened", |value, condition| {
        format!("{value} or {condition}")
    }),
];

/// Before and behind the value, unbalanced; before and behind it, balanced.
const BALANCE: &[(&str, &str, &str, &str)] = &[
    ("", "'", "", "' and 'k'='k"),
    ("", "'", "", "') and ('k'='k"),
    ("", "\"", "", "\" and \"k\"=\"k"),
    ("(", "", "(", ")"),
];

const ERRORS: &[(&str, &[&str])] = &[
    ("libxml2", &["XPathEvalError"]),
    ("libxml2", &["Invalid expression"]),
    ("libxml2", &["Invalid predicate"]),
    ("libxml2", &["xmlXPathEval: evaluation failed"]),
    ("libxml2", &["Unfinished literal"]),
    ("Java", &["XPathExpressionException"]),
    ("Java", &["org.apache.xpath.XPath"]),
    (".NET", &["System.Xml.XPath.XPathException"]),
    (".NET", &["has an invalid token"]),
    ("Saxon", &["XPST0003"]),
];
