//! Replies made from a template's own matchers: such that they hold, or all but one thing of what they ask for.

use std::{sync::Arc, time::Duration};

use vedette_protocol::finding::Transport;
use vedette_scanner::{
    callback::Contact,
    template::{
        Template,
        dsl::{
            syntax::{Expr, Infix, Prefix},
            value::Value,
        },
        extractor::{Extractor, Read},
        form::Block,
        matcher::{Case, Condense, Condition, Look, Matcher},
        operators::Operators,
        run::{Incoming, Outgoing, Run},
    },
    web::response::{Response, Whole},
};

use crate::sample::sample;

/// Something that a reply must have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Atom {
    /// In which reply of a combination, from 1; none: in any that is judged.
    reply: Option<usize>,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
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
    fn is_of_callback(&self) -> bool {
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

/// Replies for one block.
#[derive(Debug, Default)]
struct Plan {
    atoms: Vec<Atom>,
    /// What extractors need, which stays in a near miss.
    feed: Vec<Atom>,
    remembers: bool,
    drafts: usize,
    usual: u16,
}

/// A responder for a template.
#[derive(Debug)]
pub(crate) struct Responder {
    plans: Vec<Plan>,
    /// Whether one thing is missing in each block.
    near: bool,
}

impl Responder {
    pub(crate) fn make(template: &Template, near: bool) -> Result<Self, NotMade> {
        let mut plans = Vec::new();
        for block in &template.blocks {
            let Block::Http(http) = block else {
                return Err("another protocol".to_owned());
            };
            let mut plan = Plan {
                remembers: http.remembers,
                drafts: http.drafts.len(),
                usual: usual(&http.operators),
                ..Plan::default()
            };
            plan.atoms = of_operators(&http.operators)?;
            for extractor in &http.operators.extractors {
                let atoms = of_extractor(extractor, &http.operators)?;
                // What is shown alone may be what the matchers look for.
                if extractor.internal || http.operators.matchers.is_empty() || !near {
                    plan.feed.extend(atoms);
                }
            }
            plans.push(plan);
        }
        for (number, plan) in (1..).zip(&mut plans) {
            plan.feed.extend(named_later(template, number));
        }
        let responder = Self { plans, near };
        if near && responder.plans.iter().all(|plan| plan.missing().is_none()) {
            return Err("nothing can be missing".to_owned());
        }
        Ok(responder)
    }

    /// Runs a template against these replies, each of which is told beside its request; how often it hits.
    pub(crate) fn run(&self, mut run: Run, tell: &mut dyn FnMut(&[u8], &Response)) -> Result<usize, NotMade> {
        let (mut sent, mut called) = (0, false);
        while let Some(outgoing) = run.outgoing() {
            let request = match outgoing {
                Outgoing::Http(request) => request,
                Outgoing::Callbacks(ports) => {
                    let contact = Contact {
                        from: [192, 0, 2, 7].into(),
                        over: Transport::Tcp,
                    };
                    let contacts = ports.into_iter().filter(|_| called).map(|port| (port, contact));
                    run.heard(Incoming::Callbacks(contacts.collect()));
                    continue;
                }
                Outgoing::Other(_) => return Err("another protocol".to_owned()),
            };
            sent += 1;
            if sent > 400 {
                break;
            }
            let (block, position) = run.place().ok_or("no block is under way")?;
            let (incoming, calls) = self.reply(&run, block, position, sent)?;
            called |= calls;
            if let Incoming::Http(response) = &incoming {
                tell(&request.bytes, response);
            }
            run.heard(incoming);
            if !run.certain_hits().is_empty() {
                break;
            }
        }
        if sent == 0 {
            return Err("nothing can be sent".to_owned());
        }
        Ok(run.finish().0.len())
    }

    /// The reply to a request, and whether the target then comes to the address that it names.
    fn reply(
        &self,
        run: &Run,
        block: usize,
        position: usize,
        sent: usize,
    ) -> Result<(Incoming, bool), NotMade> {
        let plan = &self.plans[block];
        let missing = if self.near { plan.missing() } else { None };
        let number = position + 1;
        let is_last = number == plan.drafts;
        let here = |atom: &&Atom| match atom.reply {
            Some(reply) if reply > plan.drafts => reply == sent,
            Some(reply) => reply == number,
            None => !plan.remembers || is_last,
        };
        let kept = plan
            .atoms
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != missing)
            .map(|(_, atom)| atom);
        let mut body = Body {
            usual: plan.usual,
            ..Body::default()
        };
        for atom in &plan.feed {
            if atom.reply.is_none_or(|reply| reply == number) {
                body.add(run, &atom.what)?;
            }
        }
        for atom in kept.filter(here) {
            body.add(run, &atom.what)?;
        }
        let missing = missing.map(|index| &plan.atoms[index]).filter(|atom| here(atom));
        // One contact shows all that there is to show of it.
        let calls = body.called && !missing.is_some_and(|atom| atom.what.is_of_callback());
        let reply = body.reply(if self.near { missing } else { None }, self.near)?;
        Ok((reply, calls))
    }
}

/// Header fields of a block's reply that later requests name, as in `{{http_1_token}}`.
fn named_later(template: &Template, block: usize) -> Vec<Atom> {
    let prefix = format!("{{{{http_{block}_");
    let texts = template.blocks.iter().flat_map(Block::texts);
    let named = texts.flat_map(|text| text.split(&prefix).skip(1).collect::<Vec<_>>());
    let mut fields: Vec<&str> = named.filter_map(|rest| rest.split("}}").next()).collect();
    fields.retain(|field| {
        field
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    fields.sort_unstable();
    fields.dedup();
    let known = ["body", "header", "all_headers", "status_code", "location"];
    let new = fields.into_iter().filter(|field| !known.contains(field));
    new.map(|field| Atom {
        reply: None,
        what: What::Bytes(field.to_owned(), b"v1".to_vec()),
    })
    .collect()
}

impl Plan {
    /// What is left out of a near miss: something that nothing else brings in.
    fn missing(&self) -> Option<usize> {
        let text = |atom: &Atom| match &atom.what {
            What::Text(_, text) => Some(text.to_lowercase()),
            What::Bytes(_, bytes) => Some(String::from_utf8_lossy(bytes).to_lowercase()),
            What::Begins(text) | What::Exactly(text) => Some(text.to_lowercase()),
            _ => None,
        };
        (0..self.atoms.len()).rev().find(|index| {
            let atom = &self.atoms[*index];
            let others = self
                .atoms
                .iter()
                .enumerate()
                .filter(|(other, _)| other != index)
                .map(|(_, atom)| atom);
            match &atom.what {
                What::Text(_, wanted) => {
                    let wanted = wanted.to_lowercase();
                    wanted.len() > 1
                        && wanted != "-"
                        && !others
                            .chain(&self.feed)
                            .any(|other| text(other).is_some_and(|other| other.contains(&wanted)))
                }
                What::Status(_) => true,
                What::Begins(_) | What::Exactly(_) | What::Late(_) | What::Called(_) | What::AtLeast(_) => {
                    true
                }
                What::Bytes(..) => self.atoms.len() == 1 && self.feed.is_empty(),
                What::Length(_) => false,
            }
        })
    }
}

/// A reply under construction.
#[derive(Debug, Default)]
struct Body {
    usual: u16,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    first: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    exactly: Option<Vec<u8>>,
    length: Option<usize>,
    at_least: usize,
    late: f64,
    /// Whether the target comes to the address that the request names.
    called: bool,
}

impl Body {
    fn add(&mut self, run: &Run, what: &What) -> Result<(), NotMade> {
        match what {
            What::Status(status) => {
                if self.status.is_some_and(|held| held != *status) {
                    return Err("two status codes".to_owned());
                }
                self.status = Some(*status);
            }
            What::Text(part, text) => {
                let filled = run.read(text);
                if let Some(name) = filled.unknown.filter(|_| part != "never") {
                    // Known only when an earlier reply has brought it; else it is literal.
                    if !name.is_empty() && text == &String::from_utf8_lossy(&filled.text) {
                        return self.put(part, text.as_bytes());
                    }
                }
                self.put(part, &filled.text)?;
            }
            What::Bytes(part, bytes) => self.put(part, bytes)?,
            What::Begins(text) => self.first = run.read(text).text,
            What::Exactly(text) => self.exactly = Some(run.read(text).text),
            What::Length(length) => self.length = Some(*length),
            What::AtLeast(length) => self.at_least = self.at_least.max(*length),
            What::Late(seconds) => self.late = self.late.max(*seconds),
            What::Called(protocol) => self.called(protocol)?,
        }
        Ok(())
    }

    fn put(&mut self, part: &str, bytes: &[u8]) -> Result<(), NotMade> {
        match part {
            "" | "body" | "all" | "response" | "raw" | "data" => self.pieces.push(bytes.to_vec()),
            "header" | "all_headers" => {
                let text = one_line(bytes)?;
                // Inside of a value, and as a field of its own where it looks like one.
                self.headers
                    .push((format!("X-Piece-{}", self.headers.len()), text.clone()));
                if let Some((name, value)) = text.split_once(':')
                    && !name.trim().is_empty()
                    && name
                        .trim()
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                {
                    self.headers
                        .push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
            "interactsh_request" | "interactsh_response" => {
                return Err("a callback that is answered".to_owned());
            }
            "interactsh_ip" => self.called = true,
            "interactsh_protocol" => return self.called(&one_line(bytes)?),
            "host" | "request" | "template-id" | "matched" => return Err(format!("part {part}")),
            field => {
                let name = field.replace('_', "-");
                let text = one_line(bytes)?;
                match self.headers.iter_mut().find(|(found, _)| *found == name) {
                    Some((_, value)) => {
                        value.push(' ');
                        value.push_str(&text);
                    }
                    None => self.headers.push((name, text)),
                }
            }
        }
        Ok(())
    }

    fn called(&mut self, protocol: &str) -> Result<(), NotMade> {
        self.called = true;
        match protocol {
            "http" | "dns" | "ldap" => Ok(()),
            _ => Err("a callback of another kind".to_owned()),
        }
    }

    fn reply(self, missing: Option<&Atom>, near: bool) -> Result<Incoming, NotMade> {
        let mut body = self.first.clone();
        for piece in &self.pieces {
            if !body.is_empty() {
                body.push(b'\n');
            }
            body.extend_from_slice(piece);
        }
        if let Some(exactly) = self.exactly {
            if !self
                .pieces
                .iter()
                .all(|piece| memchr::memmem::find(&exactly, piece).is_some())
            {
                return Err("an exact body and more".to_owned());
            }
            body = exactly;
        }
        if body.len() < self.at_least {
            body.resize(self.at_least, b' ');
        }
        match self.length {
            Some(length) if body.len() > length => {
                return Err("a body that is too long for its length".to_owned());
            }
            Some(length) => body.resize(length, b' '),
            None => {}
        }
        let near_status = match missing.map(|atom| &atom.what) {
            Some(What::Status(_)) => Some(599),
            Some(What::Exactly(_)) => {
                body = b"another".to_vec();
                None
            }
            _ => None,
        };
        let usual = if near { 418 } else { self.usual };
        let response = Response {
            status: near_status.or(self.status).unwrap_or(usual),
            headers: self.headers,
            body,
            whole: Whole::Yes,
            took: Duration::from_secs_f64(self.late),
        };
        Ok(Incoming::Http(Arc::new(response)))
    }
}

fn one_line(bytes: &[u8]) -> Result<String, NotMade> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if text.contains(['\r', '\n']) {
        Err("several lines in a header".to_owned())
    } else {
        Ok(text)
    }
}

/// A status that no matcher forbids.
fn usual(operators: &Operators) -> u16 {
    let forbidden = |status: i64| {
        operators.matchers.iter().any(|matcher| {
            matcher.negative && matches!(&matcher.look, Look::Status(codes) if codes.contains(&status))
        })
    };
    if forbidden(200) { 500 } else { 200 }
}

fn of_operators(operators: &Operators) -> Result<Vec<Atom>, NotMade> {
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

fn of_extractor(extractor: &Extractor, operators: &Operators) -> Result<Vec<Atom>, NotMade> {
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

/// A version that meets what matchers demand of a name.
fn version_for(name: &str, operators: &Operators) -> Option<String> {
    let mut demands: Vec<String> = Vec::new();
    for matcher in &operators.matchers {
        let Look::Dsl(expressions) = &matcher.look else {
            continue;
        };
        for expression in expressions {
            let Condense::Parsed(expr) = expression else {
                continue;
            };
            let mut first = true;
            expr.walk(&mut |expr| {
                if let Expr::Call(call, arguments) = expr
                    && call == "compare_versions"
                    && matches!(arguments.first(), Some(Expr::Name(found)) if found == name)
                    && std::mem::take(&mut first)
                {
                    for argument in &arguments[1..] {
                        if let Expr::Literal(value) = argument {
                            let text = String::from_utf8_lossy(&value.to_text()).into_owned();
                            demands.extend(text.split(',').map(|demand| demand.trim().to_owned()));
                        }
                    }
                }
            });
        }
    }
    let numbers = |text: &str| -> Vec<i64> {
        text.trim_start_matches(|c: char| !c.is_ascii_digit())
            .split(['.', '-', '+'])
            .map(|number| number.parse().unwrap_or(0))
            .chain([0; 6])
            .take(6)
            .collect()
    };
    let meets = |candidate: &str| {
        demands.iter().all(|demand| {
            let order = numbers(candidate).cmp(&numbers(demand));
            match demand
                .trim_end_matches(|c: char| !"<>=!~".contains(c))
                .split(char::is_alphanumeric)
                .next()
                .unwrap_or("")
                .trim()
            {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                ">=" => order.is_ge(),
                "!=" => order.is_ne(),
                _ => order.is_eq(),
            }
        })
    };
    let named = demands.iter().map(|demand| {
        demand
            .trim_start_matches(|c: char| !c.is_ascii_digit())
            .to_owned()
    });
    // The last number of "1.5.0" raised: patterns read no more numbers than a version has.
    let next = named.clone().filter_map(|version| {
        let (rest, last) = version.rsplit_once('.')?;
        Some(format!("{rest}.{}", last.parse::<u32>().ok()? + 1))
    });
    let raised = named.clone().map(|version| format!("{version}.1"));
    let small = ["0.0.1", "0.1", "1.0", "0.1.0"].map(ToOwned::to_owned);
    let mut candidates = small.into_iter().chain(named).chain(next).chain(raised);
    if demands.is_empty() {
        None
    } else {
        candidates.find(|candidate| meets(candidate))
    }
}
