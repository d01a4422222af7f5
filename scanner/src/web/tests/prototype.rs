//! Prototype pollution: by an error that JavaScript raises when the prototype of all objects is to have one itself.
//!
//! Nothing is polluted: that prototype's own cannot be set (ECMA-262, 10.4.7), and trying to raises an error where a document is
//! merged along `__proto__`. What cannot be one there, as null or a number, is passed over, and so is the same document under
//! other names. Who drops the name, copies or checks answers all of them alike.

use serde_json::{Map, Value};
use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, nothing_afterwards};
use crate::web::trial::{Proof, Stop, Trial, Verdict};

pub(crate) const TEST: Test = Test {
    name: "prototype",
    of: Of::Document,
    budget: 20,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    let Ok(Value::Object(own)) = serde_json::from_str(trial.value()) else {
        return Ok(None);
    };
    if !trial.is_stable() {
        return Ok(None);
    }
    let inside = own.iter().filter(|(_, value)| value.is_object());
    let objects =
        std::iter::once(None).chain(inside.take(OBJECTS_LIMIT).map(|(name, _)| Some(name.as_str())));
    for object in objects {
        for (detail, way) in WAYS {
            if pollutes(trial, &own, object, way)? {
                return Ok(Some(Proof {
                    type_: FindingType::WebPrototypePollution,
                    confidence: Confidence::Firm,
                    shown_by: ShownBy::PrototypeError,
                    detail,
                }));
            }
        }
    }
    Ok(None)
}

/// Whether an object of the document is merged along a way to the prototype.
fn pollutes(
    trial: &Trial<'_>,
    own: &Map<String, Value>,
    object: Option<&str>,
    way: &[&str],
) -> Result<bool, Stop> {
    let words = [trial.token(0), trial.token(1)];
    let document = |way: &[&str], end: Value| {
        let (first, rest) = way.split_first().unwrap_or((&"", &[]));
        let inner = rest.iter().rev().fold(end, |inner, name| {
            Value::Object([((*name).to_owned(), inner)].into_iter().collect())
        });
        let mut own = own.clone();
        match object.and_then(|name| own.get_mut(name)) {
            Some(Value::Object(held)) => held.insert((*first).to_owned(), inner),
            _ => own.insert((*first).to_owned(), inner),
        };
        Value::Object(own).to_string()
    };
    let prototypes = words
        .each_ref()
        .map(|word| document(way, serde_json::json!({word: 7})));
    let base = trial.base_view();
    if trial.view(&prototypes[0])? == base {
        return Ok(false);
    }
    let none = [document(way, Value::Null), document(way, Value::from(7))];
    let elsewhere: Vec<&str> = way.iter().map(|_| words[0].as_str()).collect();
    let elsewhere = document(&elsewhere, serde_json::json!({&words[1]: 7}));
    Ok(trial.view(&none[0])? == base
        && trial.view(&elsewhere)? == base
        && trial.sets_apart([&none[0], &none[1]], [&prototypes[0], &prototypes[1]])?)
}

/// What leads from an object to the prototype of its prototype.
const WAYS: &[(&str, &[&str])] = &[
    ("__proto__", &["__proto__", "__proto__"]),
    ("constructor", &["constructor", "prototype", "__proto__"]),
];
const OBJECTS_LIMIT: usize = 3;
