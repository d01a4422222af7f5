//! Functions of JSON documents.

use serde::Serialize as _;
use serde_json::{Value as Json, ser::PrettyFormatter};

use super::{Function, row, text};

pub(super) const FUNCTIONS: &[Function] = &[
    row("json_minify", (1, 1), |_, a| {
        let document: Json = serde_json::from_slice(&text(a, 0)?).ok()?;
        Some(document.to_string().into())
    }),
    row("json_prettify", (1, 1), |_, a| {
        let document: Json = serde_json::from_slice(&text(a, 0)?).ok()?;
        let mut pretty = Vec::new();
        let mut writer =
            serde_json::Serializer::with_formatter(&mut pretty, PrettyFormatter::with_indent(b"    "));
        document.serialize(&mut writer).ok()?;
        Some(pretty.into())
    }),
];
