//! What matchers and extractors ask of a reply.

use vedette_scanner::template::{
    dsl::{
        syntax::{Expr, Infix, Prefix},
        value::Value,
    },
    extractor::{Extractor, Read},
    matcher::{Case, Condense, Condition, Look, Matcher},
    operators::Operators,
};

use crate::{sample::sample, version::version_for};

/// Something that a reply must have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Atom {
    /// In which reply of a combination, from 1; none: in any that is judged.
    pub(crate) reply: Option<usize>,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Status(u16),
    /// Text in a part, which may hold expressions.
    Text(String, String),
    /// Bytes in a part, at its beginning perhaps.
    Bytes(String, Vec<u8>),
    Begins(String),
    Exactly(String),
    Length(usize),
    AtLeast(usize),
    Late(f64),
    Called(String),
}

impl What {
    pub(crate) fn is_of_callback(&self) -> bool {
        match self {
            Self::Called(_) => true,
            Self::Text(part, _) | Self::Bytes(part, _) => part.starts_with("interactsh"),
            Self::Status(_)
            | Self::Begins(_)
            | Self::Exactly(_)
            | Self::Length(_)
            | Self::AtLeast(_)
            | Self::Late(_) => false,
        }
    }
}

/// Why no responder can be made.
pub(crate) type NotMade = String;

/// A status that no matcher forbids.
pub(crate) fn usual(operators: &Operators) -> u16 {
    let forbidden = |status: i64| {
        operators.matchers.iter().any(|matcher| {
            matcher.negative && matches!(&matcher.look, Look::Status(codes) if codes.contains(&status))
        })
    };
    if forbidden(200) { 500 } else { 200 }
}

pub(crate) fn of_operators(operators: &Operators) -> Result<Vec<Atom>, NotMade> {
    match operators.condition {
        Condition::And => {
            let mut atoms = Vec::new();
            for matcher in &operators.matchers {
                atoms.extend(of_matcher(matcher)?);
            }
            Ok(atoms)
        }
        // The first that asks for something.
        Condition::Or => {
            let mut problem = None;
            for matcher in operators.matchers.iter().filter(|matcher| !matcher.negative) {
                match of_matcher(matcher) {
                    Ok(atoms) if !atoms.is_empty() => return Ok(atoms),
                    Ok(_) => {}
                    Err(error) => problem = Some(error),
                }
            }
            problem.map_or(Ok(Vec::new()), Err)
        }
    }
}

fn of_matcher(matcher: &Matcher) -> Result<Vec<Atom>, NotMade> {
    if matcher.negative {
        return Ok(Vec::new());
    }
    let (part, reply) = of_history(&matcher.part);
    let chosen = |count: usize| match matcher.condition {
        Condition::And => count,
        Condition::Or => count.min(1),
    };
    let atom = |what| Atom { reply, what };
    Ok(match &matcher.look {
        Look::Status(codes) => {
            let code = codes
                .first()
                .and_then(|code| u16::try_from(*code).ok())
                .ok_or("no status")?;
            vec![atom(What::Status(code))]
        }
        Look::Words(words) => words
            .iter()
            .take(chosen(words.len()))
            .map(|word| match matcher.case {
                Case::Ignored if !word.contains("{{") => word.to_lowercase(),
                Case::Ignored | Case::Counts => word.clone(),
            })
            .map(|word| atom(What::Text(part.clone(), word)))
            .collect(),
        Look::Bytes(all) => all
            .iter()
            .take(chosen(all.len()))
            .map(|bytes| atom(What::Bytes(part.clone(), bytes.clone())))
            .collect(),
        Look::Size(sizes) => {
            let size = sizes
                .first()
                .and_then(|size| usize::try_from(*size).ok())
                .ok_or("no size")?;
            vec![atom(What::Length(size))]
        }
        Look::Regex(patterns) => {
            let mut atoms = Vec::new();
            for pattern in patterns.iter().take(chosen(patterns.len())) {
                let prefix = if matcher.case == Case::Ignored { "(?i)" } else { "" };
                atoms.push(atom(of_pattern(&part, &format!("{prefix}{pattern}"))?));
            }
            atoms
        }
        Look::Dsl(expressions) => {
            let mut atoms = Vec::new();
            for expression in expressions.iter().take(chosen(expressions.len())) {
                let expr = match expression {
                    Condense::Parsed(expr) => expr.clone(),
                    // What is filled in stands inside of texts.
                    Condense::Open(text) => vedette_scanner::template::dsl::syntax::parse(text)
                        .map_err(|error| error.to_string())?,
                };
                of_expr(&expr, &mut atoms)?;
            }
            atoms
        }
        Look::XPath(_) => return Err("xpath".to_owned()),
    })
}

fn of_pattern(part: &str, pattern: &str) -> Result<What, NotMade> {
    if pattern.contains("{{") {
        return Err("a pattern that names something".to_owned());
    }
    let text = sample(pattern, None).ok_or_else(|| format!("pattern {pattern}"))?;
    // The scanner has to agree that it matches; whether it should is Python's and Go's to say.
    Ok(
        if pattern.trim_start_matches("(?i)").starts_with('^') && matches!(part, "" | "body") {
            What::Begins(String::from_utf8_lossy(&text).into_owned())
        } else {
            What::Bytes(part.to_owned(), text)
        },
    )
}

/// `body_2` is the body of the second reply.
fn of_history(part: &str) -> (String, Option<usize>) {
    match part
        .rsplit_once('_')
        .and_then(|(name, number)| Some((name, number.parse().ok()?)))
    {
        Some((name, number)) => (name.to_owned(), Some(number)),
        None => (part.to_owned(), None),
    }
}

fn of_expr(expr: &Expr, atoms: &mut Vec<Atom>) -> Result<(), NotMade> {
    let unsolved = || Err(format!("expression {expr:?}").chars().take(140).collect());
    match expr {
        Expr::Infix(Infix::And, left, right) => {
            of_expr(left, atoms)?;
            of_expr(right, atoms)
        }
        Expr::Infix(Infix::Or, left, right) => {
            let mut tried = Vec::new();
            if of_expr(left, &mut tried).is_ok() {
                atoms.append(&mut tried);
                return Ok(());
            }
            of_expr(right, atoms)
        }
        // What must not be there is left out; whether it slipped in is seen when it is judged.
        // A header must be there for that, though.
        Expr::Prefix(Prefix::Not, inner) => {
            if let Expr::Call(_, arguments) = &**inner
                && let Some((part, reply, _)) = arguments.first().and_then(subject_of)
                && !matches!(
                    part.as_str(),
                    "body" | "header" | "all_headers" | "response" | "host" | "interactsh_protocol"
                )
            {
                let what = What::Text(part, "-".to_owned());
                atoms.push(Atom { reply, what });
            }
            Ok(())
        }
        Expr::Call(name, arguments) => {
            let literals: Vec<&Value> = arguments
                .iter()
                .filter_map(|argument| match argument {
                    Expr::Literal(value) => Some(value),
                    _ => None,
                })
                .collect();
            let text = |value: &Value| String::from_utf8_lossy(&value.to_text()).into_owned();
            let name = name.replace('_', "");
            match (name.as_str(), arguments.as_slice()) {
                ("contains" | "containsall" | "containsany", [subject, rest @ ..])
                    if literals.len() == rest.len() =>
                {
                    let (part, reply, hex) = subject_of(subject).ok_or("a part that is computed")?;
                    let take = if name == "containsany" { 1 } else { rest.len() };
                    for literal in literals.iter().take(take) {
                        let what = if hex {
                            let bytes = (0..text(literal).len() / 2)
                                .filter_map(|at| {
                                    u8::from_str_radix(text(literal).get(2 * at..2 * at + 2)?, 16).ok()
                                })
                                .collect();
                            What::Bytes(part.clone(), bytes)
                        } else {
                            What::Text(part.clone(), text(literal))
                        };
                        atoms.push(Atom { reply, what });
                    }
                    Ok(())
                }
                ("startswith", [subject, Expr::Literal(literal), ..]) => {
                    let (_, reply, _) = subject_of(subject).ok_or("a part that is computed")?;
                    atoms.push(Atom {
                        reply,
                        what: What::Begins(text(literal)),
                    });
                    Ok(())
                }
                ("regex", [Expr::Literal(pattern), subject]) => {
                    let (part, reply, _) = subject_of(subject).ok_or("a part that is computed")?;
                    atoms.push(Atom {
                        reply,
                        what: of_pattern(&part, &text(pattern))?,
                    });
                    Ok(())
                }
                // Through the extractor that brings it.
                ("compareversions", [Expr::Name(_), ..]) => Ok(()),
                _ => unsolved(),
            }
        }
        Expr::Infix(infix, left, right) => {
            let (name, value, infix) = match (&**left, &**right) {
                (named, Expr::Literal(value)) => (named, value, *infix),
                (Expr::Literal(value), named) if *infix == Infix::Equal => (named, value, *infix),
                _ => return unsolved(),
            };
            let number = value.to_whole();
            match (name, infix, number) {
                (Expr::Name(name), _, Some(number)) => {
                    let (part, reply) = of_history(name);
                    match (part.as_str(), infix) {
                        ("status_code", Infix::Equal) => atoms.push(Atom {
                            reply,
                            what: What::Status(u16::try_from(number).map_err(|error| error.to_string())?),
                        }),
                        ("status_code", Infix::Unequal) => {}
                        ("duration", Infix::AtLeast | Infix::Greater) => {
                            let seconds = u32::try_from(number).map_err(|error| error.to_string())?;
                            atoms.push(Atom {
                                reply,
                                what: What::Late(f64::from(seconds) + 0.5),
                            });
                        }
                        _ => return unsolved(),
                    }
                    Ok(())
                }
                (Expr::Name(name), Infix::Equal, None) => {
                    let (part, reply) = of_history(name);
                    let text = String::from_utf8_lossy(&value.to_text()).into_owned();
                    let what = match part.as_str() {
                        "body" => What::Exactly(text),
                        "interactsh_protocol" => What::Called(text),
                        _ => What::Text(part, text),
                    };
                    atoms.push(Atom { reply, what });
                    Ok(())
                }
                (Expr::Call(call, arguments), infix, Some(number)) if call == "len" => {
                    let Some((part, reply, false)) = arguments.first().and_then(subject_of) else {
                        return unsolved();
                    };
                    let length = usize::try_from(number).map_err(|error| error.to_string())?;
                    let what = match (part.as_str(), infix) {
                        ("body", Infix::Greater) => What::AtLeast(length + 1),
                        ("body", Infix::AtLeast) => What::AtLeast(length),
                        ("body", Infix::Equal) => What::Length(length),
                        ("body", Infix::Less | Infix::AtMost | Infix::Unequal) => return Ok(()),
                        _ => return unsolved(),
                    };
                    atoms.push(Atom { reply, what });
                    Ok(())
                }
                _ => unsolved(),
            }
        }
        Expr::Literal(Value::Truth(true)) => Ok(()),
        _ => unsolved(),
    }
}

/// The part that an expression looks at, in which reply, and whether as hexadecimal digits.
fn subject_of(expr: &Expr) -> Option<(String, Option<usize>, bool)> {
    match expr {
        Expr::Name(name) => {
            let (part, reply) = of_history(name);
            Some((part, reply, false))
        }
        Expr::Call(name, arguments) => {
            let (part, reply, hex) = subject_of(arguments.first()?)?;
            match name.replace('_', "").as_str() {
                "tolower" | "toupper" | "tostring" => Some((part, reply, hex)),
                "hexencode" => Some((part, reply, true)),
                _ => None,
            }
        }
        _ => None,
    }
}

pub(crate) fn of_extractor(extractor: &Extractor, operators: &Operators) -> Result<Vec<Atom>, NotMade> {
    let (part, reply) = of_history(&extractor.part);
    let wanted = extractor
        .name
        .as_deref()
        .and_then(|name| version_for(name, operators));
    let atom = |what| Atom { reply, what };
    match &extractor.read {
        Read::Regex(patterns, group) => {
            let pattern = patterns.first().ok_or("no pattern")?;
            let group = wanted
                .as_deref()
                .map(|version| (u32::try_from(*group).unwrap_or(0), version));
            let text = match group {
                Some((0, version)) => version.as_bytes().to_vec(),
                group => sample(pattern, group).ok_or_else(|| format!("pattern {pattern}"))?,
            };
            Ok(vec![atom(What::Bytes(part, text))])
        }
        Read::Fields(names) => {
            let name = names.first().ok_or("no name")?;
            let what = match name.as_str() {
                name if name.starts_with("interactsh") => What::Called("http".to_owned()),
                name => What::Bytes(name.to_lowercase(), b"v1".to_vec()),
            };
            Ok(vec![atom(what)])
        }
        Read::Dsl(_) => Ok(Vec::new()),
        // For the report alone, when there are matchers; a later request could not do without.
        Read::Json(_) | Read::XPath(..) if !extractor.internal && !operators.matchers.is_empty() => {
            Ok(Vec::new())
        }
        Read::Json(_) => Err("json".to_owned()),
        Read::XPath(..) => Err("xpath".to_owned()),
    }
}
