//! A value that a schema allows (JSON Schema as OpenAPI uses it): its own example, or one made up.

use serde_json::{Map, Value};

use super::Description;
use crate::web::page::guess;

/// Makes values for one operation; what there is of them is bounded.
pub(super) struct Examples<'a> {
    description: &'a Description,
    left: usize,
}

impl<'a> Examples<'a> {
    pub(super) fn of(description: &'a Description) -> Self {
        Self {
            description,
            left: VALUES_LIMIT,
        }
    }

    /// A value for a parameter or a media type: its example, or one of its schema.
    pub(super) fn value(&mut self, holder: &'a Value, name: &str) -> Option<Value> {
        self.given(holder).or_else(|| {
            // Before 3.0 a parameter is its own schema.
            self.made(holder.get("schema").unwrap_or(holder), name, 0)
        })
    }

    /// The example that stands beside a schema or in it.
    fn given(&mut self, holder: &'a Value) -> Option<Value> {
        let direct = ["example", "x-example", "default", "const"]
            .iter()
            .find_map(|name| holder.get(name));
        let example = direct.or_else(|| match holder.get("examples")? {
            Value::Array(all) => all.first(),
            Value::Object(all) => self.description.follow(all.values().next()?)?.get("value"),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })?;
        (!example.is_null() && self.takes(example)).then(|| example.clone())
    }

    /// Whether there is room for a value, which is then taken.
    fn takes(&mut self, value: &Value) -> bool {
        let mut todo = vec![value];
        while let Some(value) = todo.pop() {
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            match value {
                Value::Array(items) => todo.extend(items.iter().take(self.left + 1)),
                Value::Object(fields) => todo.extend(fields.values().take(self.left + 1)),
                Value::String(text) if text.len() > TEXT_LIMIT => return false,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        true
    }

    fn made(&mut self, schema: &'a Value, name: &str, depth: usize) -> Option<Value> {
        if depth > DEPTH_LIMIT || self.left == 0 {
            return None;
        }
        self.left -= 1;
        let schema = self.description.follow(schema)?;
        if let Some(given) = self.given(schema) {
            return Some(given);
        }
        if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
            return self.all_of(schema, all, name, depth);
        }
        if let Some(one) = ["oneOf", "anyOf"]
            .iter()
            .find_map(|name| schema.get(name)?.as_array())
        {
            return one
                .iter()
                .find(|one| one.get("type").and_then(Value::as_str) != Some("null"))
                .and_then(|one| self.made(one, name, depth + 1));
        }
        let choice = schema.get("enum").and_then(Value::as_array);
        if let Some(choice) = choice.and_then(|choice| choice.iter().find(|choice| !choice.is_null())) {
            return self.takes(choice).then(|| choice.clone());
        }
        match kind(schema) {
            "object" => Some(Value::Object(self.object(schema, depth))),
            "array" => {
                let item = schema
                    .get("items")
                    .and_then(|items| self.made(items, name, depth + 1));
                Some(Value::Array(item.into_iter().collect()))
            }
            "integer" => Some(Value::from(least_integer(schema).unwrap_or(1))),
            "number" => Some(Value::from(least(schema).unwrap_or(1.5))),
            "boolean" => Some(Value::Bool(true)),
            "file" => Some(Value::from(FILE)),
            _ => Some(Value::String(text(schema, name))),
        }
    }

    /// The fields of all of them together.
    fn all_of(&mut self, schema: &'a Value, all: &'a [Value], name: &str, depth: usize) -> Option<Value> {
        let mut fields = self.object(schema, depth);
        let mut other = None;
        for part in all.iter().take(FIELDS_LIMIT) {
            match self.made(part, name, depth + 1) {
                Some(Value::Object(more)) => fields.extend(more),
                made => other = other.or(made),
            }
        }
        match fields.is_empty() {
            true => other,
            false => Some(Value::Object(fields)),
        }
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Map<String, Value> {
        let mut fields = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten().take(FIELDS_LIMIT) {
            // What the server alone sets is not sent.
            if property.get("readOnly").and_then(Value::as_bool) == Some(true) {
                continue;
            }
            if let Some(value) = self.made(property, name, depth + 1) {
                fields.insert(name.clone(), value);
            }
        }
        let others = schema
            .get("additionalProperties")
            .filter(|others| others.is_object());
        if let Some(others) = others.filter(|_| fields.is_empty())
            && let Some(value) = self.made(others, "", depth + 1)
        {
            fields.insert("vedette".to_owned(), value);
        }
        fields
    }
}

/// The type that a schema says, or lets one guess; since 3.1 it may say several.
fn kind(schema: &Value) -> &str {
    let said = match schema.get("type") {
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null"),
        _ => None,
    };
    said.unwrap_or_else(|| match schema {
        _ if schema.get("properties").is_some() || schema.get("additionalProperties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    })
}

fn least_integer(schema: &Value) -> Option<i64> {
    let number = |name: &str| schema.get(name).and_then(Value::as_i64);
    number("minimum").or_else(|| number("exclusiveMinimum")?.checked_add(1))
}

fn least(schema: &Value) -> Option<f64> {
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    number("minimum").or_else(|| number("exclusiveMinimum").map(|above| above + 1.0))
}

/// A text of that format, or what a person would write into a field of that name.
fn text(schema: &Value, name: &str) -> String {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let text = match format {
        "date" => "2026-01-01",
        "date-time" => "2026-01-01T12:00:00Z",
        "time" => "12:00:00Z",
        "duration" => "P1D",
        "email" | "idn-email" => "vedette@vedette.example",
        "uuid" => "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b",
        "uri" | "url" | "iri" | "uri-reference" => "http://vedette.example/",
        "hostname" => "vedette.example",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "byte" => "dmVkZXR0ZQ==",
        "binary" => FILE,
        _ => guess(name),
    };
    let length = |name: &str| {
        schema
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|length| usize::try_from(length).ok())
    };
    let (least, most) = (length("minLength").unwrap_or(0), length("maxLength"));
    let padding = least.min(TEXT_LIMIT).saturating_sub(text.len());
    let mut text = format!("{text}{}", "v".repeat(padding));
    if let Some(most) = most.filter(|most| *most < text.len()) {
        text.truncate(most);
    }
    text
}

/// What a file holds.
const FILE: &str = "vedette";
const VALUES_LIMIT: usize = 512;
const FIELDS_LIMIT: usize = 64;
const DEPTH_LIMIT: usize = 8;
const TEXT_LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(schemas: Value) -> Option<Value> {
        let description = Description::of(json!({"openapi": "3.1.0", "schemas": schemas})).unwrap();
        let holder = json!({"schema": description.field("schemas").unwrap()["x"]});
        // The holder is part of the description, as it is in real ones.
        let whole =
            Description::of(json!({"openapi": "3.1.0", "schemas": schemas, "holder": holder})).unwrap();
        Examples::of(&whole).value(whole.field("holder").unwrap(), "x")
    }

    #[test]
    fn values_follow_their_schema() {
        let schemas = json!({"x": {"type": "object", "properties": {
            "id": {"type": "integer", "minimum": 3}, "set": {"type": "string", "readOnly": true},
            "mail": {"type": "string"}, "when": {"type": ["null", "string"], "format": "date"},
            "state": {"enum": ["open", "closed"]}, "tags": {"type": "array", "items": {"type": "string", "example": "red"}},
            "price": {"type": "number"}, "deep": {"$ref": "#/schemas/y"}, "either": {"oneOf": [{"type": "null"}, {"type": "boolean"}]},
            "code": {"type": "string", "minLength": 9, "maxLength": 9}}},
            "y": {"allOf": [{"$ref": "#/schemas/z"}, {"properties": {"b": {"default": "kept"}}}]},
            "z": {"properties": {"a": {"const": 5}}}});
        assert_eq!(
            made(schemas).unwrap(),
            json!({"id": 3, "mail": "vedette@vedette.example", "when": "2026-01-01", "state": "open", "tags": ["red"],
                "price": 1.5, "deep": {"a": 5, "b": "kept"}, "either": true, "code": "vedettevv"})
        );
    }

    #[test]
    fn schemas_in_circles_and_hedges_of_them_end() {
        let circle =
            json!({"x": {"properties": {"next": {"$ref": "#/schemas/x"}, "n": {"type": "integer"}}}});
        assert!(made(circle).unwrap().to_string().len() < 1000);
        assert_eq!(made(json!({"x": {"allOf": [{"$ref": "#/schemas/x"}]}})), None);
        let mut wide = Map::new();
        for field in 0..60 {
            wide.insert(format!("f{field}"), json!({"$ref": "#/schemas/x"}));
        }
        let hedge = made(json!({"x": {"properties": wide}})).unwrap();
        assert!(hedge.to_string().len() < 100_000);
        let long = json!({"x": {"type": "string", "minLength": 4_000_000_000_u64}});
        assert!(made(long).unwrap().as_str().unwrap().len() <= TEXT_LIMIT);
        let heavy = json!({"x": {"example": vec![7; 100_000], "type": "integer"}});
        assert_eq!(made(heavy), Some(json!(1)));
    }
}
