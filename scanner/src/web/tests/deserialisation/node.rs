//! JSON whose texts may be functions, as node-serialize reads them: an expression, and one that is broken.

use serde_json::Value;

use super::Twins;

pub(super) fn twins(value: &[u8], _: &str) -> Option<Twins> {
    let Ok(Value::Object(own)) = serde_json::from_slice(value) else {
        return None;
    };
    let with = |expression: &str| {
        let mut own = own.clone();
        own.insert("vedette".to_owned(), Value::from(format!("{MARK}{expression}")));
        Value::Object(own).to_string().into_bytes()
    };
    Some(Twins {
        load: [with("(7)"), with("[7]")],
        fail: [with("(7"), with("[7")],
    })
}

/// Behind it that library takes a text for a function's.
const MARK: &str = "_$$ND_FUNC$$_";
