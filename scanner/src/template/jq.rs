//! The part of jq's language that asks a JSON document for values: paths, conditions, and functions that end.
//!
//! There are no definitions, variables, reductions or generators without end, so that every query ends; what is
//! not understood is refused when the template is loaded.

mod functions;

use serde_json::Value;

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub struct Jq(Query);

#[derive(Debug, Clone, PartialEq)]
enum Query {
    This,
    Everything,
    Literal(Value),
    Field(Box<Self>, Box<Self>),
    Slice(Box<Self>, Option<i64>, Option<i64>),
    Each(Box<Self>),
    Try(Box<Self>),
    Pipe(Box<Self>, Box<Self>),
    Both(Box<Self>, Box<Self>),
    Operator(&'static str, Box<Self>, Box<Self>),
    List(Option<Box<Self>>),
    Object(Vec<(String, Self)>),
    Call(&'static str, Vec<Self>),
}

/// Some values, and what went wrong after them.
type Values = Vec<Value>;

impl Jq {
    /// Reads a query; none when it is more than is understood.
    pub fn parse(text: &str) -> Option<Self> {
        let tokens = tokens(text)?;
        let mut parser = Parser {
            tokens: &tokens,
            depth: 0,
        };
        let query = parser.pipe()?;
        parser.tokens.is_empty().then_some(Self(query))
    }

    /// What it finds in a document, as text; at most `limit`.
    pub fn results(&self, document: &[u8], limit: usize) -> Vec<String> {
        let Ok(document) = serde_json::from_slice::<Value>(document) else {
            return Vec::new();
        };
        let mut steps = STEPS_LIMIT;
        let found = self.0.run(&document, &mut steps).unwrap_or_default();
        found
            .into_iter()
            .filter(|value| !value.is_null())
            .take(limit)
            .map(|value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            })
            .collect()
    }
}

impl Query {
    /// All results; none when it fails.
    fn run(&self, input: &Value, steps: &mut usize) -> Option<Values> {
        *steps = steps.checked_sub(1)?;
        match self {
            Self::This => Some(vec![input.clone()]),
            Self::Everything => {
                let mut all = Vec::new();
                let mut todo = vec![input];
                while let Some(value) = todo.pop() {
                    *steps = steps.checked_sub(1)?;
                    all.push(value.clone());
                    match value {
                        Value::Array(items) => todo.extend(items.iter().rev()),
                        Value::Object(fields) => todo.extend(fields.values().rev()),
                        _ => {}
                    }
                }
                Some(all)
            }
            Self::Literal(value) => Some(vec![value.clone()]),
            Self::Field(of, key) => {
                let keys = key.run(input, steps)?;
                let mut found = Vec::new();
                for value in of.run(input, steps)? {
                    for key in &keys {
                        found.push(at(&value, key)?);
                    }
                }
                Some(found)
            }
            Self::Slice(of, from, to) => of
                .run(input, steps)?
                .into_iter()
                .map(|value| functions::slice(&value, *from, *to))
                .collect(),
            Self::Each(of) => {
                let mut found = Vec::new();
                for value in of.run(input, steps)? {
                    match value {
                        Value::Array(items) => found.extend(items),
                        Value::Object(fields) => found.extend(fields.into_iter().map(|(_, value)| value)),
                        _ => return None,
                    }
                }
                *steps = steps.checked_sub(found.len())?;
                Some(found)
            }
            Self::Try(query) => Some(query.run(input, steps).unwrap_or_default()),
            Self::Pipe(left, right) => {
                let mut found = Vec::new();
                for value in left.run(input, steps)? {
                    found.extend(right.run(&value, steps)?);
                }
                Some(found)
            }
            Self::Both(left, right) => {
                let mut found = left.run(input, steps)?;
                found.extend(right.run(input, steps)?);
                Some(found)
            }
            Self::Operator("//", left, right) => {
                let mut found = left.run(input, steps).unwrap_or_default();
                found.retain(functions::truth);
                if found.is_empty() {
                    right.run(input, steps)
                } else {
                    Some(found)
                }
            }
            Self::Operator(name, left, right) => {
                let mut found = Vec::new();
                for right in right.run(input, steps)? {
                    for left in left.run(input, steps)? {
                        found.push(functions::operate(name, &left, &right)?);
                    }
                }
                Some(found)
            }
            Self::List(None) => Some(vec![Value::Array(Vec::new())]),
            Self::List(Some(query)) => Some(vec![Value::Array(query.run(input, steps)?)]),
            Self::Object(fields) => {
                let mut object = serde_json::Map::new();
                for (name, query) in fields {
                    object.insert(name.clone(), query.run(input, steps)?.into_iter().next()?);
                }
                Some(vec![Value::Object(object)])
            }
            Self::Call(name, arguments) => functions::call(name, input, arguments, steps),
        }
    }
}

/// A field or an item.
fn at(value: &Value, key: &Value) -> Option<Value> {
    match (value, key) {
        (Value::Null, _) => Some(Value::Null),
        (Value::Object(fields), Value::String(name)) => Some(fields.get(name).cloned().unwrap_or_default()),
        (Value::Array(items), Value::Number(number)) => {
            let number = number.as_i64()?;
            let length = i64::try_from(items.len()).ok()?;
            let index = if number < 0 { number + length } else { number };
            let index = usize::try_from(index).ok();
            Some(
                index
                    .and_then(|index| items.get(index))
                    .cloned()
                    .unwrap_or_default(),
            )
        }
        _ => None,
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    Number(i64),
    Word(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    if text.len() > LENGTH_LIMIT {
        return None;
    }
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length;
        if first == '"' {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            length = end?.0 + 1;
            // A text with a query inside, \(…), is no JSON, and refused.
            tokens.push(Token::Text(serde_json::from_str(&rest[..length]).ok()?));
        } else if first.is_ascii_digit() {
            length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            tokens.push(Token::Number(rest[..length].parse().ok()?));
        } else if first.is_ascii_alphabetic() || first == '_' || first == '@' {
            length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '@')
                .unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_owned()));
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
            length = sign.len();
            tokens.push(Token::Sign(sign));
        }
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

struct Parser<'a> {
    tokens: &'a [Token],
    depth: usize,
}

impl Parser<'_> {
    fn pipe(&mut self) -> Option<Query> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return None;
        }
        let mut left = self.both()?;
        while self.sign("|") {
            left = Query::Pipe(Box::new(left), Box::new(self.both()?));
        }
        self.depth -= 1;
        Some(left)
    }

    fn both(&mut self) -> Option<Query> {
        let mut left = self.level(0)?;
        while self.sign(",") {
            left = Query::Both(Box::new(left), Box::new(self.level(0)?));
        }
        Some(left)
    }

    fn level(&mut self, level: usize) -> Option<Query> {
        let Some(operators) = LEVELS.get(level) else {
            return self.postfix();
        };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.operator(operator)) {
            let right = self.level(level + 1)?;
            left = Query::Operator(operator, Box::new(left), Box::new(right));
        }
        Some(left)
    }

    fn operator(&mut self, name: &str) -> bool {
        let found = match self.tokens.first() {
            Some(Token::Sign(sign)) => *sign == name,
            Some(Token::Word(word)) => word == name,
            _ => false,
        };
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn postfix(&mut self) -> Option<Query> {
        let mut query = self.term()?;
        let mut length = 0;
        loop {
            length += 1;
            if length > DEPTH_LIMIT {
                return None;
            }
            query = if self.sign("?") {
                Query::Try(Box::new(query))
            } else if self.sign("[") {
                self.bracket(query)?
            } else if self.sign(".") {
                match self.tokens.first()? {
                    Token::Word(name) | Token::Text(name) => {
                        let key = Query::Literal(name.clone().into());
                        self.tokens = &self.tokens[1..];
                        Query::Field(Box::new(query), Box::new(key))
                    }
                    Token::Sign("[") => query,
                    _ => return None,
                }
            } else {
                return Some(query);
            };
        }
    }

    /// What stands behind a bracket.
    fn bracket(&mut self, of: Query) -> Option<Query> {
        let of = Box::new(of);
        if self.sign("]") {
            return Some(Query::Each(of));
        }
        let before = self.tokens;
        let from = self.number();
        if self.sign(":") {
            let to = self.number();
            return self.sign("]").then_some(Query::Slice(of, from, to));
        }
        self.tokens = before;
        let key = if let Some(number) = self.number() {
            Query::Literal(number.into())
        } else {
            self.pipe()?
        };
        self.sign("]").then(|| Query::Field(of, Box::new(key)))
    }

    fn number(&mut self) -> Option<i64> {
        let (sign, behind) = match self.tokens {
            [Token::Sign("-"), behind @ ..] => (-1, behind),
            all => (1, all),
        };
        let [Token::Number(number), behind @ ..] = behind else {
            return None;
        };
        self.tokens = behind;
        Some(sign * number)
    }

    fn term(&mut self) -> Option<Query> {
        let (first, behind) = self.tokens.split_first()?;
        self.tokens = behind;
        match first {
            Token::Sign("..") => Some(Query::Everything),
            Token::Sign(".") => {
                let (Token::Word(name) | Token::Text(name)) = (match self.tokens.first() {
                    Some(token) => token,
                    None => return Some(Query::This),
                }) else {
                    return Some(Query::This);
                };
                let key = Query::Literal(name.clone().into());
                // An operator may follow a lone dot.
                if matches!(self.tokens.first(), Some(Token::Word(word)) if matches!(word.as_str(), "and" | "or"))
                {
                    return Some(Query::This);
                }
                self.tokens = &self.tokens[1..];
                Some(Query::Field(Box::new(Query::This), Box::new(key)))
            }
            Token::Sign("(") => {
                let inner = self.pipe()?;
                self.sign(")").then_some(inner)
            }
            Token::Sign("[") => {
                if self.sign("]") {
                    return Some(Query::List(None));
                }
                let inner = self.pipe()?;
                self.sign("]").then(|| Query::List(Some(Box::new(inner))))
            }
            Token::Sign("{") => self.object(),
            Token::Sign("-") => self.number().map(|number| Query::Literal((-number).into())),
            Token::Text(text) => Some(Query::Literal(text.clone().into())),
            Token::Number(number) => Some(Query::Literal((*number).into())),
            Token::Word(word) => match word.as_str() {
                "null" => Some(Query::Literal(Value::Null)),
                "true" => Some(Query::Literal(true.into())),
                "false" => Some(Query::Literal(false.into())),
                name => self.call(name),
            },
            Token::Sign(_) => None,
        }
    }

    fn object(&mut self) -> Option<Query> {
        let mut fields = Vec::new();
        loop {
            if self.sign("}") {
                return Some(Query::Object(fields));
            }
            let (Token::Word(name) | Token::Text(name)) = self.tokens.first()? else {
                return None;
            };
            self.tokens = &self.tokens[1..];
            let value = if self.sign(":") {
                self.level(0)?
            } else {
                Query::Field(
                    Box::new(Query::This),
                    Box::new(Query::Literal(name.clone().into())),
                )
            };
            fields.push((name.clone(), value));
            if !self.sign(",") {
                return self.sign("}").then_some(Query::Object(fields));
            }
        }
    }

    fn call(&mut self, name: &str) -> Option<Query> {
        let mut arguments = Vec::new();
        if self.sign("(") {
            loop {
                arguments.push(self.pipe()?);
                if self.sign(")") {
                    break;
                }
                if !self.sign(";") {
                    return None;
                }
            }
        }
        let name = functions::named(name, arguments.len())?;
        Some(Query::Call(name, arguments))
    }

    fn sign(&mut self, sign: &str) -> bool {
        match self.tokens.split_first() {
            Some((Token::Sign(found), behind)) if *found == sign => {
                self.tokens = behind;
                true
            }
            _ => false,
        }
    }
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "..", "//", "==", "!=", "<=", ">=", ".", "|", ",", "[", "]", "(", ")", "{", "}", "?", ":", ";", "<", ">",
    "+", "-", "*", "/", "%",
];
/// Operators from those that bind least to those that bind most.
const LEVELS: &[&[&str]] = &[
    &["//"],
    &["or"],
    &["and"],
    &["==", "!=", "<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/", "%"],
];
const LENGTH_LIMIT: usize = 1024;
const DEPTH_LIMIT: usize = 32;
/// Of one query in one document.
const STEPS_LIMIT: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str, document: &str) -> Vec<String> {
        Jq::parse(query)
            .unwrap_or_else(|| panic!("{query}"))
            .results(document.as_bytes(), 9)
    }

    #[test]
    fn documents_are_asked() {
        let book = r#"{"a":{"b":[{"c":1,"d":"x"},{"c":2,"d":"y"}]},"m.n":{"u":"v"},"z":null}"#;
        for (query, found) in [
            (".a.b[0].c", vec!["1"]),
            (".a.b[-1].d", vec!["y"]),
            (".a.b[].d", vec!["x", "y"]),
            (".a.b | .[] | .d", vec!["x", "y"]),
            (".a.b[] | select(.c > 1) | .d", vec!["y"]),
            (r#"."m.n" | select( . != null ) | .u"#, vec!["v"]),
            (r#".["m.n"].u"#, vec!["v"]),
            (".z // .a.b[1].d", vec!["y"]),
            (".a.b[0].c,.a.b[1].c", vec!["1", "2"]),
            (".missing", vec![]),
            (".z?", vec![]),
            ("keys", vec![r#"["a","m.n","z"]"#]),
            (".a.b | length", vec!["2"]),
            (".a.b | map(.c) | add", vec!["3"]),
            ("[.a.b[].d] | join(\"-\")", vec!["x-y"]),
            (".. | .d? // empty", vec!["x", "y"]),
            (".a.b[1:][0].d", vec!["y"]),
            ("{e: .a.b[0].d}", vec![r#"{"e":"x"}"#]),
            ("to_entries[] | .key", vec!["a", "m.n", "z"]),
            (".a.b[] | select(.d == \"x\" and .c == 1) | .c + 4", vec!["5"]),
            (".a.b[] | select(.d | test(\"^Y\"; \"i\")) | .c", vec!["2"]),
        ] {
            assert_eq!(asked(query, book), found, "{query}");
        }
    }

    #[test]
    fn what_might_not_end_or_reads_the_environment_is_refused() {
        for query in [
            "def f: f; f",
            "env.HOME",
            "$ENV.HOME",
            "input",
            "repeat(.)",
            "recurse(.)",
            "range(9)",
            "@sh",
            "reduce .[] as $x (0; .)",
            "\"\\(.a)\"",
        ] {
            assert_eq!(Jq::parse(query), None, "{query}");
        }
        assert_eq!(Jq::parse(&"[".repeat(500)), None);
    }

    #[test]
    fn much_of_a_large_document_is_given_up() {
        let large = format!("[{}1]", "1,".repeat(1000));
        assert!(asked("[.[],.[]] | [.[],.[]] | map([.., ..]) | map(.[]) | map([.,.]) | map(.[]) | [.[],.[]] | map([.[]?,.,.]) | map(.[]) | map(.) | map(.) | map(.) | map(.)", &large).is_empty());
        assert!(asked(".a", "{").is_empty());
    }
}
