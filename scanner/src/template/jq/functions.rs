//! The functions and operators of queries. Each ends, and none looks outside of the document.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::{Query, Values};
use crate::template::regex::Regex;

/// The function of that name with so many arguments.
pub(super) fn named(name: &str, arguments: usize) -> Option<&'static str> {
    FUNCTIONS
        .iter()
        .find(|(found, wanted)| *found == name && wanted.contains(&arguments))
        .map(|(name, _)| *name)
}

const FUNCTIONS: &[(&str, &[usize])] = &[
    ("select", &[1]),
    ("map", &[1]),
    ("any", &[0, 1]),
    ("all", &[0, 1]),
    ("first", &[0, 1]),
    ("last", &[0, 1]),
    ("empty", &[0]),
    ("not", &[0]),
    ("keys", &[0]),
    ("length", &[0]),
    ("values", &[0]),
    ("type", &[0]),
    ("add", &[0]),
    ("sort", &[0]),
    ("sort_by", &[1]),
    ("unique", &[0]),
    ("reverse", &[0]),
    ("flatten", &[0]),
    ("min", &[0]),
    ("max", &[0]),
    ("tostring", &[0]),
    ("tonumber", &[0]),
    ("tojson", &[0]),
    ("fromjson", &[0]),
    ("ascii_downcase", &[0]),
    ("ascii_upcase", &[0]),
    ("to_entries", &[0]),
    ("from_entries", &[0]),
    ("strings", &[0]),
    ("numbers", &[0]),
    ("arrays", &[0]),
    ("objects", &[0]),
    ("has", &[1]),
    ("contains", &[1]),
    ("join", &[1]),
    ("split", &[1]),
    ("startswith", &[1]),
    ("endswith", &[1]),
    ("ltrimstr", &[1]),
    ("rtrimstr", &[1]),
    ("index", &[1]),
    ("test", &[1, 2]),
];

/// Calls a function; none when it fails.
pub(super) fn call(name: &str, input: &Value, arguments: &[Query], steps: &mut usize) -> Option<Values> {
    let one = |value: Value| Some(vec![value]);
    match (name, arguments) {
        ("select", [condition]) => {
            let holds = condition
                .run(input, steps)?
                .iter()
                .filter(|value| truth(value))
                .count();
            Some(vec![input.clone(); holds.min(1)])
        }
        ("map", [query]) => {
            let mut mapped = Vec::new();
            for item in items(input)? {
                mapped.extend(query.run(item, steps)?);
            }
            one(Value::Array(mapped))
        }
        ("any" | "all", _) => {
            let mut truths = Vec::new();
            for item in items(input)? {
                match arguments {
                    [query] => truths.extend(query.run(item, steps)?.iter().map(truth)),
                    _ => truths.push(truth(item)),
                }
            }
            let holds = if name == "any" {
                truths.contains(&true)
            } else {
                !truths.contains(&false)
            };
            one(holds.into())
        }
        ("first" | "last", [query]) => {
            let mut found = query.run(input, steps)?;
            let kept = if name == "first" {
                found.drain(..).next()
            } else {
                found.pop()
            };
            Some(kept.into_iter().collect())
        }
        ("sort_by", [query]) => {
            let mut keyed = Vec::new();
            for item in items(input)? {
                keyed.push((query.run(item, steps)?, item.clone()));
            }
            keyed.sort_by(|(left, _), (right, _)| {
                let pairs = left.iter().zip(right);
                pairs
                    .map(|(left, right)| order(left, right))
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            });
            one(Value::Array(keyed.into_iter().map(|(_, item)| item).collect()))
        }
        (_, [argument, rest @ ..]) => {
            let argument = argument.run(input, steps)?.into_iter().next()?;
            let flags = match rest {
                [flags] => flags.run(input, steps)?.into_iter().next()?,
                _ => Value::Null,
            };
            one(with(name, input, &argument, &flags)?)
        }
        ("empty", []) => Some(Vec::new()),
        ("values" | "strings" | "numbers" | "arrays" | "objects", []) => {
            let kept = match name {
                "values" => !input.is_null(),
                "strings" => input.is_string(),
                "numbers" => input.is_number(),
                "arrays" => input.is_array(),
                _ => input.is_object(),
            };
            Some(vec![input.clone(); usize::from(kept)])
        }
        (_, []) => one(alone(name, input)?),
    }
}

/// Functions of the input alone.
fn alone(name: &str, input: &Value) -> Option<Value> {
    Some(match name {
        "not" => (!truth(input)).into(),
        "first" => items(input)?.first().cloned().unwrap_or_default(),
        "last" => items(input)?.last().cloned().unwrap_or_default(),
        "keys" => match input {
            Value::Object(fields) => {
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort_unstable();
                Value::Array(names.into_iter().map(|name| name.clone().into()).collect())
            }
            Value::Array(items) => (0..items.len()).map(Value::from).collect::<Vec<_>>().into(),
            _ => return None,
        },
        "length" => match input {
            Value::Null => 0.into(),
            Value::String(text) => text.chars().count().into(),
            Value::Array(items) => items.len().into(),
            Value::Object(fields) => fields.len().into(),
            Value::Number(number) => number_of(number.as_f64()?.abs())?,
            Value::Bool(_) => return None,
        },
        "type" => kind(input).1.into(),
        "add" => {
            let mut sum = Value::Null;
            for item in items(input)? {
                sum = operate("+", &sum, item)?;
            }
            sum
        }
        "sort" | "unique" => {
            let mut sorted = items(input)?.to_vec();
            sorted.sort_by(order);
            if name == "unique" {
                sorted.dedup();
            }
            Value::Array(sorted)
        }
        "min" => items(input)?
            .iter()
            .min_by(|left, right| order(left, right))
            .cloned()
            .unwrap_or_default(),
        "max" => items(input)?
            .iter()
            .max_by(|left, right| order(left, right))
            .cloned()
            .unwrap_or_default(),
        "reverse" => match input {
            Value::String(text) => text.chars().rev().collect::<String>().into(),
            _ => Value::Array(items(input)?.iter().rev().cloned().collect()),
        },
        "flatten" => {
            let mut flat = Vec::new();
            let mut todo: Vec<&Value> = items(input)?.iter().rev().collect();
            while let Some(item) = todo.pop() {
                match item {
                    Value::Array(inner) => todo.extend(inner.iter().rev()),
                    other => flat.push(other.clone()),
                }
            }
            Value::Array(flat)
        }
        "tostring" => shown(input).into(),
        "tojson" => input.to_string().into(),
        "fromjson" => serde_json::from_str(input.as_str()?).ok()?,
        "tonumber" => match input {
            Value::Number(_) => input.clone(),
            Value::String(text) => serde_json::from_str::<Number>(text.trim()).ok()?.into(),
            _ => return None,
        },
        "ascii_downcase" => input.as_str()?.to_ascii_lowercase().into(),
        "ascii_upcase" => input.as_str()?.to_ascii_uppercase().into(),
        "to_entries" => {
            let entry = |(key, value): (&String, &Value)| serde_json::json!({"key": key, "value": value});
            Value::Array(input.as_object()?.iter().map(entry).collect())
        }
        "from_entries" => {
            let mut object = Map::new();
            for entry in items(input)? {
                let key = entry.get("key").or_else(|| entry.get("name"))?;
                object.insert(shown(key), entry.get("value").cloned().unwrap_or_default());
            }
            Value::Object(object)
        }
        _ => return None,
    })
}

/// Functions of the input and one value.
fn with(name: &str, input: &Value, argument: &Value, flags: &Value) -> Option<Value> {
    Some(match name {
        "has" => match (input, argument) {
            (Value::Object(fields), Value::String(name)) => fields.contains_key(name).into(),
            (Value::Array(items), Value::Number(index)) => index
                .as_u64()
                .is_some_and(|index| index < items.len() as u64)
                .into(),
            _ => return None,
        },
        "contains" => holds(input, argument).into(),
        "join" => {
            let parts: Vec<String> = items(input)?
                .iter()
                .map(|item| {
                    if item.is_null() {
                        String::new()
                    } else {
                        shown(item)
                    }
                })
                .collect();
            parts.join(argument.as_str()?).into()
        }
        "split" => {
            let separator = argument.as_str()?;
            input
                .as_str()?
                .split(separator)
                .map(Value::from)
                .collect::<Vec<_>>()
                .into()
        }
        "startswith" => input.as_str()?.starts_with(argument.as_str()?).into(),
        "endswith" => input.as_str()?.ends_with(argument.as_str()?).into(),
        "ltrimstr" => match (input.as_str(), argument.as_str()) {
            (Some(text), Some(prefix)) => text.strip_prefix(prefix).unwrap_or(text).into(),
            _ => input.clone(),
        },
        "rtrimstr" => match (input.as_str(), argument.as_str()) {
            (Some(text), Some(suffix)) => text.strip_suffix(suffix).unwrap_or(text).into(),
            _ => input.clone(),
        },
        "index" => match input.as_str()?.find(argument.as_str()?) {
            Some(at) => at.into(),
            None => Value::Null,
        },
        "test" => {
            let ignores_case = flags.as_str().is_some_and(|flags| flags.contains('i'));
            let prefix = if ignores_case { "(?i)" } else { "" };
            let regex = Regex::compile(&format!("{prefix}{}", argument.as_str()?)).ok()?;
            regex.matches(input.as_str()?.as_bytes()).into()
        }
        _ => return None,
    })
}

/// An operator between two values.
pub(super) fn operate(name: &str, left: &Value, right: &Value) -> Option<Value> {
    Some(match name {
        "==" => (order(left, right).is_eq()).into(),
        "!=" => (order(left, right).is_ne()).into(),
        "<" => order(left, right).is_lt().into(),
        "<=" => order(left, right).is_le().into(),
        ">" => order(left, right).is_gt().into(),
        ">=" => order(left, right).is_ge().into(),
        "and" => (truth(left) && truth(right)).into(),
        "or" => (truth(left) || truth(right)).into(),
        "+" => match (left, right) {
            (Value::Null, other) | (other, Value::Null) => other.clone(),
            (Value::String(left), Value::String(right)) => format!("{left}{right}").into(),
            (Value::Array(left), Value::Array(right)) => [left.as_slice(), right].concat().into(),
            (Value::Object(left), Value::Object(right)) => {
                let mut sum = left.clone();
                sum.extend(right.clone());
                Value::Object(sum)
            }
            _ => number_of(left.as_f64()? + right.as_f64()?)?,
        },
        "-" => match (left, right) {
            (Value::Array(left), Value::Array(right)) => left
                .iter()
                .filter(|item| !right.contains(item))
                .cloned()
                .collect::<Vec<_>>()
                .into(),
            _ => number_of(left.as_f64()? - right.as_f64()?)?,
        },
        "*" => number_of(left.as_f64()? * right.as_f64()?)?,
        "/" => match (left, right) {
            (Value::String(left), Value::String(right)) => left
                .split(right.as_str())
                .map(Value::from)
                .collect::<Vec<_>>()
                .into(),
            _ => number_of(left.as_f64()? / right.as_f64()?)?,
        },
        "%" => left.as_i64()?.checked_rem(right.as_i64()?)?.into(),
        _ => return None,
    })
}

/// The part from one place to another, which count from the end when below 0.
pub(super) fn slice(value: &Value, from: Option<i64>, to: Option<i64>) -> Option<Value> {
    let place = |at: Option<i64>, length: usize, default: usize| {
        let length_signed = i64::try_from(length).unwrap_or(i64::MAX);
        at.map_or(default, |at| {
            let at = if at < 0 { at + length_signed } else { at };
            usize::try_from(at.clamp(0, length_signed)).unwrap_or(0)
        })
    };
    match value {
        Value::Null => Some(Value::Null),
        Value::Array(items) => {
            let (from, to) = (place(from, items.len(), 0), place(to, items.len(), items.len()));
            Some(items.get(from..to).unwrap_or_default().to_vec().into())
        }
        Value::String(text) => {
            let characters: Vec<char> = text.chars().collect();
            let (from, to) = (
                place(from, characters.len(), 0),
                place(to, characters.len(), characters.len()),
            );
            Some(
                characters
                    .get(from..to)
                    .unwrap_or_default()
                    .iter()
                    .collect::<String>()
                    .into(),
            )
        }
        _ => None,
    }
}

/// Everything is true but `false` and `null`.
pub(super) fn truth(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn items(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn holds(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(items), Value::Array(parts)) => parts
            .iter()
            .all(|part| items.iter().any(|item| holds(item, part))),
        (Value::Object(fields), Value::Object(parts)) => parts
            .iter()
            .all(|(name, part)| fields.get(name).is_some_and(|field| holds(field, part))),
        _ => value == part,
    }
}

/// A number without fraction stays one.
fn number_of(number: f64) -> Option<Value> {
    match crate::template::dsl::value::whole(number) {
        Some(whole) if number.fract() == 0.0 => Some(whole.into()),
        _ => Number::from_f64(number).map(Value::Number),
    }
}

/// jq's order of kinds, and its name of each.
fn kind(value: &Value) -> (u8, &'static str) {
    match value {
        Value::Null => (0, "null"),
        Value::Bool(false) => (1, "boolean"),
        Value::Bool(true) => (2, "boolean"),
        Value::Number(_) => (3, "number"),
        Value::String(_) => (4, "string"),
        Value::Array(_) => (5, "array"),
        Value::Object(_) => (6, "object"),
    }
}

fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left
            .as_f64()
            .partial_cmp(&right.as_f64())
            .unwrap_or(Ordering::Equal),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => {
            let pairs = left.iter().zip(right).map(|(left, right)| order(left, right));
            pairs
                .into_iter()
                .find(|order| order.is_ne())
                .unwrap_or_else(|| left.len().cmp(&right.len()))
        }
        (Value::Object(left), Value::Object(right)) if left == right => Ordering::Equal,
        (Value::Object(left), Value::Object(right)) => Value::Object(left.clone())
            .to_string()
            .cmp(&Value::Object(right.clone()).to_string()),
        _ => kind(left).0.cmp(&kind(right).0),
    }
}
