//! Matchers and extractors of a block, read.

use super::{
    super::{
        dsl::{
            function,
            syntax::{Expr, SyntaxError},
        },
        expression::inner,
        extractor::{Extractor, Read},
        feature::Feature,
        field::Field,
        jq::Jq,
        matcher::{Case, Condense, Condition, Look, Matcher, bytes_of},
        operators::Operators,
        regex::Regex,
        xpath::XPath,
    },
    FormError,
};

/// The fields of a block that are about judging; false when it is another.
pub(super) fn take(operators: &mut Operators, name: &str, field: &Field) -> Result<bool, FormError> {
    match name {
        "matchers" => {
            for field in field.items() {
                operators.matchers.push(matcher(&field)?);
            }
        }
        "extractors" => {
            for field in field.items() {
                operators.extractors.push(extractor(&field)?);
            }
        }
        "matchers-condition" => operators.condition = condition(field)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn condition(field: &Field) -> Result<Condition, FormError> {
    match field.text()?.to_ascii_lowercase().as_str() {
        "and" => Ok(Condition::And),
        "or" | "" => Ok(Condition::Or),
        _ => Err(field.wrong("and, or or").into()),
    }
}

fn matcher(field: &Field) -> Result<Matcher, FormError> {
    let type_ = field
        .get("type")
        .ok_or_else(|| field.wrong("a map with a type"))?
        .text()?;
    let mut matcher = Matcher {
        look: Look::Words(Vec::new()),
        part: String::new(),
        name: None,
        condition: Condition::Or,
        negative: false,
        case: Case::Counts,
        internal: false,
    };
    let mut wanted = None;
    let mut hex = false;
    for (name, field) in field.fields()? {
        match name.as_str() {
            // What is found is not shown, so how much of it would be does not matter.
            "type" | "match-all" => {}
            "part" => matcher.part = field.text()?.trim().to_owned(),
            "name" => matcher.name = Some(field.text()?),
            "condition" => matcher.condition = condition(&field)?,
            "negative" => matcher.negative = field.flag()?,
            "internal" => matcher.internal = field.flag()?,
            "case-insensitive" => matcher.case = case(&field)?,
            "encoding" => match field.text()?.as_str() {
                "hex" => hex = true,
                "" => {}
                _ => return Err(field.wrong("hex").into()),
            },
            "words" | "status" | "size" | "regex" | "binary" | "dsl" | "xpath" => {
                if looked_for(&type_) == Some(name.as_str()) {
                    wanted = Some(field);
                }
            }
            other => return Err(Feature::Field(format!("matchers.{other}")).into()),
        }
    }
    let Some(kind) = looked_for(&type_) else {
        return Err(Feature::Matcher(type_.chars().take(32).collect()).into());
    };
    let wanted = wanted.ok_or_else(|| field.wrong("a map that says what to look for"))?;
    matcher.look = match kind {
        "words" if hex => Look::Bytes(bytes_of(&wanted.texts()?).ok_or_else(|| wanted.wrong("hexadecimal"))?),
        "words" => {
            let words = wanted.texts()?;
            words.iter().try_for_each(|word| check_inner(word))?;
            Look::Words(words)
        }
        "binary" => Look::Bytes(bytes_of(&wanted.texts()?).ok_or_else(|| wanted.wrong("hexadecimal"))?),
        "status" => Look::Status(wanted.numbers()?),
        "size" => Look::Size(wanted.numbers()?),
        "regex" => Look::Regex(regexes(&wanted)?),
        "dsl" => Look::Dsl(expressions(&wanted)?),
        _ => Look::XPath(paths(&wanted)?),
    };
    Ok(matcher)
}

/// The field that belongs to a type of matcher.
fn looked_for(type_: &str) -> Option<&'static str> {
    Some(match type_ {
        "word" => "words",
        "status" => "status",
        "size" => "size",
        "regex" => "regex",
        "binary" => "binary",
        "dsl" => "dsl",
        "xpath" => "xpath",
        _ => return None,
    })
}

fn extractor(field: &Field) -> Result<Extractor, FormError> {
    let type_ = field
        .get("type")
        .ok_or_else(|| field.wrong("a map with a type"))?
        .text()?;
    let mut extractor = Extractor {
        read: Read::Fields(Vec::new()),
        part: String::new(),
        name: None,
        internal: false,
        case: Case::Counts,
    };
    let (mut wanted, mut group, mut attribute) = (None, 0, None);
    for (name, field) in field.fields()? {
        match name.as_str() {
            "type" => {}
            "part" => extractor.part = field.text()?.trim().to_owned(),
            "name" => extractor.name = Some(field.text()?),
            "internal" => extractor.internal = field.flag()?,
            "case-insensitive" => extractor.case = case(&field)?,
            "group" => group = usize::try_from(field.number()?).map_err(|_| field.wrong("0 or more"))?,
            "attribute" => attribute = Some(field.text()?),
            "regex" | "kval" | "json" | "xpath" | "dsl" => {
                if name == type_ {
                    wanted = Some(field);
                }
            }
            other => return Err(Feature::Field(format!("extractors.{other}")).into()),
        }
    }
    if !matches!(type_.as_str(), "regex" | "kval" | "json" | "xpath" | "dsl") {
        return Err(Feature::Extractor(type_.chars().take(32).collect()).into());
    }
    let wanted = wanted.ok_or_else(|| field.wrong("a map that says what to read"))?;
    extractor.read = match type_.as_str() {
        "regex" => Read::Regex(regexes(&wanted)?, group),
        "kval" => Read::Fields(wanted.texts()?),
        "json" => {
            let queries = wanted.texts()?;
            let parsed = queries
                .iter()
                .map(|query| Jq::parse(query).ok_or_else(|| Feature::Query(cut(query))));
            Read::Json(parsed.collect::<Result<_, _>>()?)
        }
        "dsl" => Read::Dsl(expressions(&wanted)?),
        _ => Read::XPath(paths(&wanted)?, attribute),
    };
    Ok(extractor)
}

fn case(field: &Field) -> Result<Case, FormError> {
    Ok(if field.flag()? {
        Case::Ignored
    } else {
        Case::Counts
    })
}

fn regexes(field: &Field) -> Result<Vec<String>, FormError> {
    let patterns = field.texts()?;
    for pattern in &patterns {
        // One that names something is compiled when that is known.
        if !pattern.contains("{{") {
            Regex::compile(pattern).map_err(|_| Feature::Regex(cut(pattern)))?;
        }
    }
    Ok(patterns)
}

fn paths(field: &Field) -> Result<Vec<XPath>, FormError> {
    let paths = field.texts()?;
    let parsed = paths
        .iter()
        .map(|path| XPath::parse(path).ok_or_else(|| Feature::Path(cut(path))));
    Ok(parsed.collect::<Result<_, _>>()?)
}

fn expressions(field: &Field) -> Result<Vec<Condense>, FormError> {
    let texts = field.texts()?;
    let mut parsed = Vec::with_capacity(texts.len());
    for text in &texts {
        let unsound = |_: SyntaxError| Feature::Expression(cut(text));
        check_inner(text)?;
        let expression = Condense::parse(text).map_err(unsound)?;
        if let Condense::Parsed(expr) = &expression {
            check_functions(expr)?;
        }
        parsed.push(expression);
    }
    Ok(parsed)
}

/// What a template calls must exist, wherever it calls it.
pub(super) fn check_inner(text: &str) -> Result<(), Feature> {
    for inside in inner(text) {
        if let Some(name) = NOT_HERE.iter().find(|name| calls(inside, name)) {
            return Err(Feature::Function((*name).to_owned()));
        }
    }
    Ok(())
}

fn check_functions(expr: &Expr) -> Result<(), Feature> {
    let mut missing = None;
    expr.walk(&mut |expr| {
        if let Expr::Call(name, _) = expr
            && function::named(name).is_none()
        {
            missing = Some(name.chars().take(64).collect());
        }
    });
    missing.map_or(Ok(()), |name| Err(Feature::Function(name)))
}

fn calls(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && text[at + name.len()..].trim_start().starts_with('(')
    })
}

pub(super) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Functions of the format that ask the network, wait, or make an attack ready to be run.
const NOT_HERE: &[&str] = &[
    "resolve",
    "jarm",
    "public_ip",
    "publicip",
    "llm_prompt",
    "llmprompt",
    "wait_for",
    "waitfor",
    "generate_java_gadget",
    "generatejavagadget",
];
