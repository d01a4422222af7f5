//! Insecure deserialisation: by classes and functions that are loaded because a value names them.
//!
//! Tried where the value is a serialised object already. What is put into it does nothing: a class that every runtime has
//! is named, and beside it one of the same form that fails to load, whether anything else is right or wrong. Who compares
//! a signature, keeps a list of classes, or reads nothing but data answers both alike.

mod encoding;
mod java;
mod node;
mod php;
mod pickle;
mod yaml;

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use self::encoding::{Encoding, decoded};
use super::{Of, Test, nothing_afterwards};
use crate::web::{
    call::{Call, Place},
    input::Payload,
    trial::{Proof, Subject, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "deserialisation",
    of: Of::Input,
    budget: 8,
    judge,
    afterwards: nothing_afterwards,
};

/// Serialised values, which differ in what they name alone.
#[derive(Debug, PartialEq, Eq)]
struct Twins {
    /// These load, or nothing is loaded for them.
    load: [Vec<u8>; 2],
    /// These fail to load, where anything is loaded.
    fail: [Vec<u8>; 2],
}

/// Reads a value of a format, and puts into it what loads and what does not; `word` names nothing.
type Spell = fn(value: &[u8], word: &str) -> Option<Twins>;

const FORMATS: &[(&str, Spell)] = &[
    ("PHP", php::twins),
    ("Python pickle", pickle::twins),
    ("Java", java::twins),
    ("node-serialize", node::twins),
    ("YAML, Python", yaml::twins),
];

fn judge(trial: &Trial<'_>) -> Verdict {
    let Some((format, encoding, twins)) = read(trial.value(), &trial.token(0)) else {
        return Ok(None);
    };
    if !trial.is_stable() {
        return Ok(None);
    }
    let [load, other_load] = twins.load.map(|value| encoding.encoded(&value));
    let [fail, other_fail] = twins.fail.map(|value| encoding.encoded(&value));
    // What is refused whatever it names is not loaded.
    if trial.view(&load)?.status() != trial.base_view().status() {
        return Ok(None);
    }
    let loads = trial.sets_apart([&load, &other_load], [&fail, &other_fail])?;
    Ok(loads.then_some(proof(Confidence::Firm, ShownBy::LoadedClass, format)))
}

fn proof(confidence: Confidence, shown_by: ShownBy, detail: &'static str) -> Proof {
    Proof {
        type_: FindingType::WebDeserialisation,
        confidence,
        shown_by,
        detail,
    }
}

/// A serialised value that connects to an address when it is read, and one that names it and does nothing.
#[derive(Debug, PartialEq, Eq)]
struct Connecting {
    connects: Vec<u8>,
    names: Vec<u8>,
}

/// Puts a connection to an address into a value of a format.
type Connect = fn(value: &[u8], place: Place) -> Option<Connecting>;

/// The formats in which a value can call what every runtime has. In PHP and Java only classes of the application can.
const CALLERS: &[(&str, Connect)] = &[
    ("Python pickle", pickle::connecting),
    ("node-serialize", node::connecting),
    ("YAML, Python", yaml::connecting),
];

/// For values whose reading shows nothing, whatever is in them.
pub(super) fn calls(subject: &Subject) -> Vec<Call> {
    let Some((format, encoding, _)) = read(&subject.value, "vedette") else {
        return Vec::new();
    };
    let Some((_, connect)) = CALLERS.iter().find(|(caller, _)| *caller == format) else {
        return Vec::new();
    };
    let decoded = decoded(&subject.value)
        .into_iter()
        .find(|(found, _)| *found == encoding);
    let bytes = decoded.map(|(_, bytes)| bytes).unwrap_or_default();
    let spelled = move |place, choose: fn(Connecting) -> Vec<u8>| {
        let value = connect(&bytes, place).map(choose).unwrap_or_default();
        Payload::Value(encoding.encoded(&value))
    };
    let twin = spelled.clone();
    vec![Call::new(
        proof(Confidence::Certain, ShownBy::Callback, format),
        move |place| spelled(place, |value| value.connects),
        move |place| twin(place, |value| value.names),
    )]
}

/// Whether a value is a serialised object.
pub(crate) fn is_serialised(value: &str) -> bool {
    read(value, "vedette").is_some()
}

/// Reads bytes as every format, and as a value that may be the spelling of one.
pub fn read_alone(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).is_ok_and(is_serialised);
    let formats = FORMATS
        .iter()
        .filter(|(_, spell)| spell(bytes, "vedette").is_some());
    text | (formats.count() > 0)
}

fn read(value: &str, word: &str) -> Option<(&'static str, Encoding, Twins)> {
    if value.len() > LENGTH_LIMIT {
        return None;
    }
    decoded(value).into_iter().find_map(|(encoding, bytes)| {
        let read = |(format, spell): &(&'static str, Spell)| Some((*format, spell(&bytes, word)?));
        let (format, twins) = FORMATS.iter().find_map(read)?;
        Some((format, encoding, twins))
    })
}

const LENGTH_LIMIT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn serialised_objects_are_told_from_other_values() {
        for (value, format) in [
            ("a:1:{s:5:\"theme\";s:4:\"dark\";}", "PHP"),
            ("YToxOntzOjU6InRoZW1lIjtzOjQ6ImRhcmsiO30=", "PHP"),
            ("O:4:\"User\":0:{}", "PHP"),
            ("gASVEgAAAAAAAAB9lIwFdGhlbWWUjARkYXJrlHMu", "Python pickle"),
            (
                "rO0ABXNyABFqYXZhLmxhbmcuSW50ZWdlchLioKT3gYc4AgABSQAFdmFsdWV4cgAQamF2YS5sYW5nLk51bWJlcoaslR0LlOCLAgAAeHAAAAAI",
                "Java",
            ),
            ("{\"theme\": \"dark\"}", "node-serialize"),
            ("theme: dark\nsize: 7\n", "YAML, Python"),
        ] {
            assert_eq!(read(value, "w").map(|read| read.0), Some(format), "{value}");
        }
        for value in [
            "",
            "1",
            "a",
            "apple",
            "[1]",
            "a:1",
            "12:30",
            "http://a.example/",
            "deadbeefdeadbeef",
            "YWJj",
            "Re: order",
        ] {
            assert!(!is_serialised(value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(value: String, bytes: Vec<u8>, start in 0usize..6) {
            let begins: [&[u8]; 6] = [b"", b"a:1:{", b"\x80\x04", b"\xac\xed\0\x05sr", b"(dp0\n", b"{"];
            is_serialised(&value);
            for (_, spell) in FORMATS {
                spell(&[begins[start], &bytes].concat(), "w");
            }
        }
    }
}
