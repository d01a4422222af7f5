//! A request that is tested: what it answers when it is left alone, and what of it is suspect.

use std::sync::Arc;

use crate::web::{
    client::{Client, Unanswered},
    input::{Input, Place, inputs},
    jwt::Jwt,
    page::{Lead, Token},
    request::{Pair, Request},
    response::Response,
    session::Pass,
    tests::{
        Classes, Of, cache,
        host::{FORWARDED, HOST, names_a_host, spelled, way_to},
    },
    trial::{Company, Facts},
    view::{View, Volatile},
};

/// A request that is tested.
pub(super) struct Target {
    /// What classes are put to.
    pub(super) suspects: Vec<Suspect>,
    /// What it answers when it is left alone.
    pub(super) answers: Result<Answers, Unanswered>,
    /// The token that its form has.
    pub(super) token: Option<Token>,
}

/// Something in a request that classes are put to.
pub(super) struct Suspect {
    pub(super) of: Of,
    pub(super) request: Request,
    pub(super) input: Input,
}

/// What a request answers when it is left alone.
pub(super) struct Answers {
    pub(super) base: Arc<Vec<Response>>,
    pub(super) volatile: Arc<Volatile>,
}

/// Asks twice, to see what changes by itself, and then for what of it classes are put to.
pub(super) async fn prepare(client: &Client, mut lead: Lead, classes: &Classes, facts: &Facts) -> Target {
    let answers = answers(client, &lead).await;
    let mut suspects = Vec::new();
    if let Ok(answers) = &answers {
        if let Some(headers) = headers_that_count(client, &lead, &answers.base, &answers.volatile).await {
            lead.request.headers = headers;
        }
        if classes.put_to(Of::Host).next().is_some() {
            suspects.extend(hosts(client, &lead, answers, facts).await);
        }
        if classes.put_to(Of::Cache).next().is_some() {
            suspects.extend(caches(client, &lead, answers, facts).await);
        }
        suspects.extend(passes(client, &lead.request));
    }
    suspects.extend(plain(&lead, facts));
    suspects.retain(|suspect| classes.put_to(suspect.of).next().is_some());
    Target {
        suspects,
        answers,
        token: lead.token,
    }
}

async fn answers(client: &Client, lead: &Lead) -> Result<Answers, Unanswered> {
    let mut base = Vec::new();
    for _ in 0..2 {
        base.push(client.send(lead, Company::Any).await?);
    }
    let volatile = Volatile::of(&base.iter().collect::<Vec<_>>());
    Ok(Answers {
        base: Arc::new(base),
        volatile: Arc::new(volatile),
    })
}

/// What every request has: its inputs, but for a token against forged requests, the signed tokens among them, and the
/// origin that it may be said to come from.
fn plain(lead: &Lead, facts: &Facts) -> Vec<Suspect> {
    let mut suspects = Vec::new();
    let suspect = |of, request: &Request, input| Suspect {
        of,
        request: request.clone(),
        input,
    };
    for input in inputs(&lead.request) {
        let guards = lead.token.as_ref().is_some_and(|token| {
            token.field == input.name && matches!(input.place, Place::Form | Place::Multipart)
        });
        if guards {
            continue;
        }
        if Jwt::read(&input.value(&lead.request)).is_some() {
            suspects.push(suspect(Of::Token, &lead.request, input.clone()));
        }
        suspects.push(suspect(Of::Input, &lead.request, input));
    }
    let document = Input::document(&lead.request);
    suspects.extend(document.map(|input| suspect(Of::Document, &lead.request, input)));
    let (request, input) = Input::in_header(&lead.request, "Origin", &facts.origin);
    suspects.push(suspect(Of::Origin, &request, input));
    suspects
}

/// What a request shows that it is of the session by; a request that changes something is not repeated for it.
fn passes(client: &Client, request: &Request) -> Vec<Suspect> {
    if request.method != "GET" {
        return Vec::new();
    }
    let suspect = |pass: Pass| {
        let (request, input) = match pass.place {
            Place::Cookie => Input::in_cookie(request, &pass.name, &pass.value),
            _ => Input::in_header(request, &pass.name, &pass.value),
        };
        Suspect {
            of: Of::Token,
            request,
            input,
        }
    };
    client.passes(request).into_iter().map(suspect).collect()
}

/// The fields that may name the host: where the usual answer names one. Those that a server in front would set are asked
/// for all at once first.
async fn hosts(client: &Client, lead: &Lead, answers: &Answers, facts: &Facts) -> Vec<Suspect> {
    if !answers.base.iter().any(names_a_host) {
        return Vec::new();
    }
    let ours = format!("{}.example", facts.seed);
    let mut probe = lead.clone();
    keep_apart(&mut probe.request, &ours);
    let field = |name: &&str| ((*name).to_owned(), spelled(name, &ours));
    probe.request.headers.extend(FORWARDED.iter().map(field));
    let reply = client.send(&probe, Company::Any).await;
    let forwarded = reply.is_ok_and(|reply| way_to(&reply, &facts.origin, &ours).is_some());
    let names = [HOST]
        .into_iter()
        .chain(FORWARDED.iter().copied().filter(|_| forwarded));
    let suspect = |name| {
        let (mut request, input) = Input::in_header(&lead.request, name, &client.site.authority());
        keep_apart(&mut request, name);
        Suspect {
            of: Of::Host,
            request,
            input,
        }
    };
    names.map(suspect).collect()
}

/// A cache that keeps the answer to such a request gives it to nobody else.
fn keep_apart(request: &mut Request, word: &str) {
    if request.method == "GET" {
        request.query.push((cache::APART.to_owned(), word.to_owned()));
    }
}

/// The fields of which a word stands in an answer that a cache may keep, where it keeps answers to queries of ours for
/// these queries alone: shown first, so that nobody else is given one.
async fn caches(client: &Client, lead: &Lead, answers: &Answers, facts: &Facts) -> Vec<Suspect> {
    let [first, second] = &answers.base[..] else {
        return Vec::new();
    };
    if lead.request.method != "GET" || !cache::may_be_kept(first, second) {
        return Vec::new();
    }
    let words = cache::words(&lead.request, facts);
    let ask = async |number: usize, fields: Vec<Pair>| {
        let mut request = lead.request.clone();
        request.query.push((cache::APART.to_owned(), words(number)));
        request.headers.extend(fields);
        client.send(&Lead { request, token: None }, Company::Any).await
    };
    let (unasked, with_fields) = (cache::fields().count(), cache::fields().count() + 1);
    let Ok(new) = ask(unasked, Vec::new()).await else {
        return Vec::new();
    };
    if !cache::is_told_apart(&new, second) {
        return Vec::new();
    }
    match ask(unasked, Vec::new()).await {
        Ok(again) if cache::may_be_kept(&new, &again) => {}
        _ => return Vec::new(),
    }
    let field = |(number, name): (usize, &str)| (name.to_owned(), cache::spelled(name, &words(number)));
    let Ok(shown) = ask(with_fields, cache::fields().enumerate().map(field).collect()).await else {
        return Vec::new();
    };
    cache::fields()
        .enumerate()
        .filter(|(number, _)| cache::shows(&shown, &words(*number)))
        .map(|(_, name)| {
            let (request, input) = Input::in_header(&lead.request, name, "");
            Suspect {
                of: Of::Cache,
                request,
                input,
            }
        })
        .collect()
}

/// The headers that change the answer when something odd stands in them: asked for all at once first, so
/// that most requests cost one request more.
async fn headers_that_count(
    client: &Client,
    lead: &Lead,
    base: &[Response],
    volatile: &Volatile,
) -> Option<Vec<Pair>> {
    if !lead.request.headers.is_empty() {
        return None;
    }
    if !changes_the_answer(client, lead, HEADERS, base, volatile).await? {
        return None;
    }
    let mut count = Vec::new();
    for name in HEADERS {
        if changes_the_answer(client, lead, &[name], base, volatile).await? {
            count.push(*name);
        }
    }
    // Together they may do what none does alone.
    let count = if count.is_empty() { HEADERS } else { &count };
    let usual = |name: &&str| ((*name).to_owned(), HEADER_WORD.to_owned());
    Some(count.iter().map(usual).collect())
}

async fn changes_the_answer(
    client: &Client,
    lead: &Lead,
    names: &[&str],
    base: &[Response],
    volatile: &Volatile,
) -> Option<bool> {
    let odd = |name: &&str| ((*name).to_owned(), format!("{HEADER_WORD}{ODD}"));
    let mut request = lead.request.clone();
    request.headers = names.iter().map(odd).collect();
    let probe = Lead {
        request,
        token: lead.token.clone(),
    };
    let reply = client.send(&probe, Company::Any).await.ok()?;
    let view = |response: &Response| View::of(response, "", "", volatile);
    Some(view(&reply) != view(&base[0]) || reply.text().contains(HEADER_WORD))
}

/// The headers that applications read most.
const HEADERS: &[&str] = &["User-Agent", "Referer", "X-Forwarded-For"];
const HEADER_WORD: &str = "vqheader";
const ODD: &str = "'\"<x>)(";
