//! Text with `{{…}}` in it, filled: a name becomes its value, an expression what it computes.
//!
//! It is done in one pass from the inside out. What is put in is never read again, so that what a server says
//! cannot be taken for an expression.

use super::dsl::{
    ComputeError, Scene,
    syntax::{self, Expr},
    value::Value,
};

/// Filled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// The text; what could not be filled stands as it was.
    pub text: Vec<u8>,
    /// The first name that stands for nothing.
    pub unknown: Option<String>,
}

/// Fills a text.
pub fn fill(text: &[u8], scene: &Scene<'_>) -> Filled {
    let mut filled = Filled {
        text: Vec::with_capacity(text.len()),
        unknown: None,
    };
    let mut open: Vec<usize> = Vec::new();
    let mut rest = text;
    while let Some(&first) = rest.first() {
        if rest.starts_with(b"{{") && !rest.starts_with(b"{{{") {
            open.push(filled.text.len());
            filled.text.extend_from_slice(b"{{");
            rest = &rest[2..];
        } else if rest.starts_with(b"}}") {
            if let Some(start) = open.pop() {
                match meaning(&filled.text[start + 2..], scene) {
                    Meaning::Value(value) => {
                        filled.text.truncate(start);
                        filled.text.extend_from_slice(&value.to_text());
                    }
                    Meaning::Unknown(name) => {
                        filled.unknown.get_or_insert(name);
                        filled.text.extend_from_slice(b"}}");
                    }
                    // Perhaps these braces stand inside of a longer expression.
                    Meaning::Nothing => {
                        open.push(start);
                        filled.text.extend_from_slice(b"}}");
                    }
                }
            } else {
                filled.text.extend_from_slice(b"}}");
            }
            rest = &rest[2..];
        } else {
            filled.text.push(first);
            rest = &rest[1..];
        }
    }
    filled
}

/// Fills a text that is to stay text.
pub fn fill_text(text: &str, scene: &Scene<'_>) -> String {
    if !text.contains("{{") {
        return text.to_owned();
    }
    String::from_utf8_lossy(&fill(text.as_bytes(), scene).text).into_owned()
}

/// The texts between the outermost braces, as they stand: for looking at a text before anything is known.
pub fn inner(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{")
        .skip(1)
        .filter_map(|part| part.split("}}").next())
}

enum Meaning {
    Value(Value),
    Unknown(String),
    Nothing,
}

fn meaning(inside: &[u8], scene: &Scene<'_>) -> Meaning {
    if inside.len() > INSIDE_LIMIT {
        return Meaning::Nothing;
    }
    let Ok(inside) = std::str::from_utf8(inside) else {
        return Meaning::Nothing;
    };
    let inside = inside.trim();
    if let Some(value) = scene.names.value(inside) {
        return Meaning::Value(value);
    }
    if is_name(inside) {
        return Meaning::Unknown(inside.to_owned());
    }
    // What is made of literals alone, as {{7*7}}, is somebody else's expression.
    let expr = match syntax::parse(inside) {
        Ok(expr) if names_something(&expr) => expr,
        Ok(_) | Err(_) => return Meaning::Nothing,
    };
    match scene.compute(&expr) {
        Ok(value) => Meaning::Value(value),
        Err(ComputeError::Unknown(name)) => Meaning::Unknown(name),
        Err(ComputeError::NoFunction(_) | ComputeError::Unsuitable(_) | ComputeError::TooLarge(_)) => {
            Meaning::Nothing
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn names_something(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |expr| found |= matches!(expr, Expr::Name(_) | Expr::Call(..)));
    found
}

/// Larger ones are no expressions.
const INSIDE_LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::dsl::{Kit, Names};
    use proptest::prelude::*;

    struct Few;

    impl Names for Few {
        fn value(&self, name: &str) -> Option<Value> {
            match name {
                "BaseURL" => Some(Value::text("http://a")),
                "num" => Some(Value::text("999")),
                "user-token" => Some(Value::text("t")),
                "said" => Some(Value::text("{{num}}")),
                _ => None,
            }
        }
    }

    fn filled(text: &str) -> (String, Option<String>) {
        let kit = Kit::new(1);
        let scene = Scene {
            names: &Few,
            kit: &kit,
            now: 0,
        };
        let filled = fill(text.as_bytes(), &scene);
        (String::from_utf8(filled.text).unwrap(), filled.unknown)
    }

    #[test]
    fn names_and_expressions_are_filled_from_the_inside_out() {
        for (text, expected) in [
            ("{{BaseURL}}/x", "http://a/x"),
            ("{{md5({{num}})}}", "b706835de79a2b4e80506f582af3676a"),
            ("{{to_upper('{{BaseURL}}')}}", "HTTP://A"),
            ("{{base64('}}')}}", "fX0="),
            ("{{user-token}}", "t"),
            ("{\"a\":{\"b\":\"{{num}}\"}}", "{\"a\":{\"b\":\"999\"}}"),
            ("{{{num}}}", "{999}"),
            ("{{ num }}", "999"),
            ("{{7*7}}", "{{7*7}}"),
            ("{{_self.env.x('y')}}{{num}}", "{{_self.env.x('y')}}999"),
            ("{{concat(\"{\\\"a\\\":{}}\", num)}}", "{\"a\":{}}999"),
        ] {
            assert_eq!(filled(text), (expected.to_owned(), None), "{text}");
        }
    }

    #[test]
    fn what_is_put_in_is_not_read_again() {
        assert_eq!(filled("{{said}}").0, "{{num}}");
    }

    #[test]
    fn an_unknown_name_is_told() {
        assert_eq!(
            filled("a{{token}}{{num}}"),
            ("a{{token}}999".to_owned(), Some("token".to_owned()))
        );
        assert_eq!(filled("{{md5(token)}}").1.as_deref(), Some("token"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{}a-c(),'\"*+ 0-9!&|?:]{0,80}") {
            let _ = filled(&text);
        }
    }
}
