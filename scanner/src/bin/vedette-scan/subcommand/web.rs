//! `web`: one web application, page by page and input by input.

use std::{
    collections::hash_map::RandomState,
    error::Error,
    fmt::Write as _,
    hash::BuildHasher,
    io,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use vedette_protocol::{Scope, Target};
use vedette_scanner::web::{
    self, ApiSource, Budget, Classes, Credential, Description, Site, WebEvent, WebReport, WebScan,
    site::Reference,
};

use super::{Ended, Subcommand};
use crate::{flags::What, output::Output, progress::Meter, resolve};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "web",
    about: "One web application: crawls it, and tests every input that it finds",
    flags,
    run,
};

/// What is looked at, and as whom.
#[derive(Debug, Args)]
struct Flags {
    /// Where the application begins; nothing but its scheme, host and port is sent to
    #[arg(long, value_name = "URL", required_unless_present = "targets")]
    url: Option<String>,
    /// A header field for every request, as in 'X-Api-Key: abc'
    #[arg(long = "header", value_name = "N: V", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Log in with what this file holds (JSON: form, basic or bearer); its mode must be 0600
    #[arg(long, value_name = "FILE")]
    login: Option<PathBuf>,
    /// Also test what this describes (OpenAPI 2 or 3, JSON or YAML): a file, or a URL of the same site
    #[arg(long, value_name = "FILE|URL")]
    openapi: Option<String>,
    /// Test for these classes alone, separated by commas
    #[arg(long, value_name = "CLASSES", long_help = classes_help())]
    classes: Option<Classes>,
    /// Bounds, as in requests=5000,pages=200,depth=8,time=600,rate=50,patience=15,at-once=8
    #[arg(long, value_name = "BUDGET")]
    budget: Option<Budget>,
}

fn classes_help() -> String {
    let names: Vec<&str> = Classes::names().collect();
    format!(
        "Test for these classes alone, separated by commas: {}",
        names.join(", ")
    )
}

fn flags(command: Command) -> Command {
    // One site instead of a network.
    let hidden = |argument: clap::Arg| argument.required(false).hide(true);
    Flags::augment_args(command.mut_arg("targets", hidden).mut_arg("ports", hidden))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("{text:?} is no header field; write it as 'Name: value'"))?;
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_name || value.contains(['\r', '\n', '\0']) {
        return Err(format!(
            "{name:?} is no header field's name, or its value has more than one line"
        ));
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn run(what: &What, matches: &ArgMatches) -> Ended {
    let flags = Flags::from_arg_matches(matches)?;
    let url = flags
        .url
        .as_deref()
        .ok_or("web looks at one --url; for networks there is http")?;
    let site = Site::parse(url)?;
    let api = flags
        .openapi
        .as_deref()
        .map(|text| api(&site, text))
        .transpose()?;
    let credential = flags.login.as_deref().map(Credential::read).transpose()?;
    let mut budget = flags.budget.unwrap_or_default();
    budget.rate = budget.rate.or_else(|| what.rate.map(NonZeroU32::get));
    budget.time = budget.time.min(what.time);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        let named: Vec<Target> = site
            .name()
            .map(|name| Target::Name(name.clone()))
            .into_iter()
            .collect();
        let names = resolve::names(named.iter().chain(&what.exclude)).await?;
        let site = site.at(&names);
        let scope: Scope = site.scope(&what.exclude, &names);
        let scan = WebScan {
            site,
            scope,
            headers: flags.headers,
            credential,
            api,
            classes: flags.classes.unwrap_or_default(),
            budget,
            seed: seed(),
        };
        print(scan, what.json).await
    })?;
    runtime.shutdown_background();
    Ok(report.in_short())
}

/// A description: of the site itself where it is a URL, else a file.
fn api(site: &Site, text: &str) -> Result<ApiSource, Box<dyn Error>> {
    if !(text.starts_with("http://") || text.starts_with("https://")) {
        return Ok(ApiSource::Given(Description::read(Path::new(text))?));
    }
    match site.resolve(site.start(), text) {
        Reference::Here(_) => Ok(ApiSource::At(text.to_owned())),
        Reference::Elsewhere | Reference::Nothing => Err(format!(
            "{text} is not on the site of --url, which alone is sent to; fetch it, and give the file"
        )
        .into()),
    }
}

async fn print(scan: WebScan, json: bool) -> Result<WebReport, Box<dyn Error>> {
    let mut output = Output::new(json, io::stdout().lock());
    let mut meter = Meter::new();
    let (tell, mut told) = mpsc::channel(EVENTS);
    let printing = async {
        while let Some(event) = told.recv().await {
            match event {
                WebEvent::Found(finding) => output.finding(finding)?,
                WebEvent::Progress(progress) => meter.show(progress),
            }
        }
        Ok::<_, io::Error>(())
    };
    let (report, printed) = tokio::join!(web::scan(scan, tell), printing);
    meter.clear();
    printed?;
    output.end(&line(&report)?, &summary(&report))?;
    Ok(report)
}

/// The last line: the report with its kind.
fn line(report: &WebReport) -> serde_json::Result<Value> {
    let mut line = json!({"kind": "report"});
    if let (Value::Object(line), Value::Object(report)) = (&mut line, serde_json::to_value(report)?) {
        line.extend(report);
    }
    Ok(line)
}

fn summary(report: &WebReport) -> String {
    let mut text = format!(
        "\n{}: {} of {} pages, {} inputs, {} of {} tests, {} requests, {:.1} s.\n",
        word(report.outcome),
        report.pages.done,
        report.pages.planned,
        report.inputs,
        report.tests.done,
        report.tests.planned,
        report.requests,
        report.seconds,
    );
    for gap in &report.not_done {
        let _ = writeln!(
            text,
            "not done: {} {} ({})",
            gap.count,
            word(gap.what),
            word(gap.why)
        );
    }
    text
}

/// As the last line of JSON spells it.
fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Makes this scan's tokens differ from another's.
fn seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

const EVENTS: usize = 256;
