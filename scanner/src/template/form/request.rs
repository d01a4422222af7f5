//! Blocks of HTTP requests, read.

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        feature::Feature,
        field::Field,
        http::{Draft, Follow, HttpBlock},
        matcher::{Condense, Look},
        operators::Operators,
        payload::{Attack, Lists, Payloads},
    },
    Files, FormError, operator, own_fields,
};

/// A block.
pub(super) fn block(field: &Field, files: &dyn Files) -> Result<HttpBlock, FormError> {
    let mut block = HttpBlock {
        id: None,
        drafts: Vec::new(),
        is_raw: false,
        payloads: Payloads::default(),
        operators: Operators::default(),
        stop_at_first_match: false,
        follow: Follow::Nothing,
        most_redirects: 10,
        keeps_cookies: true,
        iterates_all: false,
        checks_names: true,
        joins_paths: true,
        size_limit: None,
        remembers: false,
    };
    let (mut method, mut body, mut headers) = ("GET".to_owned(), String::new(), Vec::new());
    let (mut urls, mut raws) = (Vec::new(), Vec::new());
    for (name, field) in own_fields(field, &mut block.operators, &mut block.payloads, files)? {
        match name.as_str() {
            "method" => method = field.text()?.trim().to_ascii_uppercase(),
            "path" => urls = field.texts()?,
            "raw" => raws = field.texts()?,
            "body" => body = field.text()?,
            "headers" => {
                for (name, field) in field.fields()? {
                    headers.push((name, field.text()?));
                }
            }
            "unsafe" => block.is_raw = field.flag()?,
            "stop-at-first-match" => block.stop_at_first_match = field.flag()?,
            "redirects" if field.flag()? => block.follow = Follow::Anything,
            "host-redirects" if field.flag()? && block.follow == Follow::Nothing => {
                block.follow = Follow::SameHost
            }
            "max-redirects" => {
                let most = u32::try_from(field.number()?).map_err(|_| field.wrong("0 or more"))?;
                // In the format 0 means the default.
                block.most_redirects = if most == 0 { 10 } else { most.min(10) };
            }
            "cookie-reuse" => block.keeps_cookies = field.flag()?,
            "disable-cookie" => block.keeps_cookies = !field.flag()?,
            "iterate-all" => block.iterates_all = field.flag()?,
            "skip-variables-check" => block.checks_names = !field.flag()?,
            "disable-path-automerge" => block.joins_paths = !field.flag()?,
            "max-size" => {
                let size = usize::try_from(field.number()?).map_err(|_| field.wrong("0 or more"))?;
                block.size_limit = (size > 0).then_some(size);
            }
            "id" => block.id = Some(field.text()?),
            // Pace, history and what is kept of a body are the engine's own.
            "redirects" | "host-redirects" | "name" | "threads" | "req-condition" | "read-all"
            | "skip-secret-file" => {}
            "self-contained" if field.flag()? => return Err(Feature::SelfContained.into()),
            "self-contained" => {}
            "race" | "pipeline" | "global-matchers" if !field.flag()? => {}
            other => {
                return Err(Feature::Field(format!("http.{}", operator::cut(other))).into());
            }
        }
    }
    for raw in raws {
        operator::check_inner(&raw)?;
        block.drafts.push(raw_draft(&raw)?);
    }
    for url in urls {
        operator::check_inner(&url)?;
        block.drafts.push(Draft::Url {
            method: method.clone(),
            url,
            headers: headers.clone(),
            body: body.clone(),
        });
    }
    for text in headers.iter().map(|(_, value)| value).chain([&body]) {
        operator::check_inner(text)?;
    }
    if block.drafts.is_empty() {
        return Err(field.wrong("a block with path or raw").into());
    }
    block.remembers = names_history(&block.operators);
    Ok(block)
}

/// Annotations stand before the request: `@once`, `@timeout: 20s`.
fn raw_draft(raw: &str) -> Result<Draft, FormError> {
    let (mut once, mut patience) = (false, None);
    let mut rest = raw.trim_start();
    while rest.starts_with('@') {
        let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim();
        let (name, value) = line.split_once([':', ' ']).unwrap_or((line, ""));
        let value = value.trim_start_matches([':', ' ']).trim();
        match name.to_ascii_lowercase().as_str() {
            "@once" => once = true,
            "@timeout" => {
                let seconds = value.trim_end_matches('s').parse::<u64>().ok();
                patience = seconds.map(|seconds| Duration::from_secs(seconds.min(LONGEST_WAIT)));
            }
            // The server's name is the site's in any case.
            "@tls-sni" if value == "{{Hostname}}" || value == "{{FQDN}}" || value == "request.host" => {}
            "@host" => return Err(Feature::OtherServer(value.chars().take(80).collect()).into()),
            _ => return Err(Feature::Field(format!("http.raw {name}")).into()),
        }
        rest = behind.trim_start_matches(['\r', '\n']);
    }
    let text = if rest.contains("\r\n") {
        rest.to_owned()
    } else {
        rest.replace('\n', "\r\n")
    };
    Ok(Draft::Raw { text, once, patience })
}

/// The fields of a block that are about payloads; false when it is another.
pub(super) fn take(
    payloads: &mut Payloads,
    name: &str,
    field: &Field,
    files: &dyn Files,
) -> Result<bool, FormError> {
    match name {
        "payloads" => payloads.lists = lists(field, files)?,
        "attack" => payloads.attack = attack(field)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Payloads: a list, lines, or the name of a file.
fn lists(field: &Field, files: &dyn Files) -> Result<Lists, FormError> {
    let mut lists = Vec::new();
    for (name, field) in field.fields()? {
        let list = if field.is_list() {
            Arc::new(field.texts()?)
        } else {
            let text = field.text()?;
            match text.trim().contains('\n') {
                true => Arc::new(
                    text.lines()
                        .map(ToOwned::to_owned)
                        .filter(|line| !line.is_empty())
                        .collect(),
                ),
                false => files.lines(text.trim())?,
            }
        };
        for value in list.iter() {
            operator::check_inner(value)?;
        }
        lists.push((name, list));
    }
    Ok(lists)
}

fn attack(field: &Field) -> Result<Attack, FormError> {
    Ok(match field.text()?.to_ascii_lowercase().as_str() {
        "batteringram" | "sniper" | "" => Attack::BatteringRam,
        "pitchfork" => Attack::Pitchfork,
        "clusterbomb" => Attack::ClusterBomb,
        _ => return Err(field.wrong("batteringram, pitchfork or clusterbomb").into()),
    })
}

/// Whether replies are judged together with earlier ones: `body_2`, `status_code_1`.
fn names_history(operators: &Operators) -> bool {
    let parts = operators.matchers.iter().map(|matcher| &matcher.part);
    let parts = parts.chain(operators.extractors.iter().map(|extractor| &extractor.part));
    let mut found = parts.into_iter().any(|part| is_of_history(part));
    for matcher in &operators.matchers {
        let Look::Dsl(expressions) = &matcher.look else {
            continue;
        };
        for expression in expressions {
            match expression {
                Condense::Parsed(expr) => expr.walk(&mut |expr| {
                    found |= matches!(expr, super::super::dsl::syntax::Expr::Name(name) if is_of_history(name));
                }),
                Condense::Open(text) => {
                    found |= text.split(|c: char| !c.is_alphanumeric() && c != '_').any(is_of_history);
                }
            }
        }
    }
    found
}

fn is_of_history(name: &str) -> bool {
    name.rsplit_once('_').is_some_and(|(name, number)| {
        !name.is_empty()
            && !number.is_empty()
            && number.len() <= 3
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

const LONGEST_WAIT: u64 = 120;
