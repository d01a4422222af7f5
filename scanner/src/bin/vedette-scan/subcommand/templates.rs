//! `templates`: one web application, by templates in the nuclei format.

use std::{
    collections::hash_map::RandomState,
    error::Error,
    fmt::Write as _,
    hash::BuildHasher,
    io,
    num::NonZeroU32,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use vedette_protocol::{Target, finding::Outcome};
use vedette_scanner::{
    template::{self, Library, Setting, TemplateEvent, TemplateScan, TemplatesReport},
    web::{Budget, Site},
};

use super::{Ended, Subcommand};
use crate::{flags::What, output::Output, progress::Meter, resolve};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "templates",
    about: "One web application: runs templates in the nuclei format against it",
    flags,
    run,
};

/// Which templates, and where.
#[derive(Debug, Args)]
struct Flags {
    /// The folder of the templates; nothing outside of it is read
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The application; nothing but its scheme, host and port is sent to
    #[arg(long, value_name = "URL")]
    url: String,
    /// What templates are to know, as in username=admin; can be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = given)]
    vars: Vec<(String, String)>,
    /// Bounds, as in requests=50000,time=600,rate=500,patience=15,at-once=32
    #[arg(long, value_name = "BUDGET")]
    budget: Option<Budget>,
}

fn flags(command: Command) -> Command {
    // One site instead of a network.
    let hidden = |argument: clap::Arg| argument.required(false).hide(true);
    Flags::augment_args(command.mut_arg("targets", hidden).mut_arg("ports", hidden))
}

fn given(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} gives nothing a name; write it as NAME=VALUE")),
    }
}

fn run(what: &What, matches: &ArgMatches) -> Ended {
    let flags = Flags::from_arg_matches(matches)?;
    let site = Site::parse(&flags.url)?;
    let library = Library::open(&flags.dir)?;
    if library.templates.is_empty() && library.refused.is_empty() {
        return Err(format!("there is no template below {}", flags.dir.display()).into());
    }
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
        let scope = site.scope(&what.exclude, &names);
        let scan = TemplateScan {
            site,
            scope,
            library,
            budget,
            setting: Setting {
                seed: RandomState::new().hash_one(std::process::id()),
                now: now(),
                callback: None,
                given: flags.vars,
            },
        };
        print(scan, what.json).await
    })?;
    runtime.shutdown_background();
    Ok(report.in_short())
}

async fn print(scan: TemplateScan, json: bool) -> Result<TemplatesReport, Box<dyn Error>> {
    let mut output = Output::new(json, io::stdout().lock());
    let mut meter = Meter::new();
    let (tell, mut told) = mpsc::channel(EVENTS);
    let printing = async {
        while let Some(event) = told.recv().await {
            match event {
                TemplateEvent::Found(finding) => output.finding(finding)?,
                TemplateEvent::Progress(progress) => meter.show(progress),
            }
        }
        Ok::<_, io::Error>(())
    };
    let (report, printed) = tokio::join!(template::scan(scan, tell), printing);
    meter.clear();
    printed?;
    output.end(&line(&report)?, &summary(&report))?;
    Ok(report)
}

/// The last line: the report with its kind.
fn line(report: &TemplatesReport) -> serde_json::Result<Value> {
    let mut line = json!({"kind": "report"});
    if let (Value::Object(line), Value::Object(report)) = (&mut line, serde_json::to_value(report)?) {
        line.extend(report);
    }
    Ok(line)
}

fn summary(report: &TemplatesReport) -> String {
    let outcome = match report.outcome {
        Outcome::Complete => "complete",
        Outcome::Partial => "partial",
    };
    let mut text = format!(
        "\n{outcome}: {} of {} templates run, {} hit; {} of {} requests sent, {} shared, {:.1} s.\n",
        report.templates.run,
        report.templates.found,
        report.templates.hit,
        report.requests.sent,
        report.requests.planned,
        report.requests.shared,
        report.seconds,
    );
    for (why, count) in &report.requests.unsent {
        let _ = writeln!(text, "unsent: {count} ({why})");
    }
    for (what, left_out) in [
        ("not supported", &report.unsupported),
        ("no template", &report.malformed),
        ("not run", &report.not_run),
    ] {
        for one in left_out {
            let _ = writeln!(text, "{what}: {} ({})", one.template, one.why);
        }
    }
    text
}

/// For templates that name the time.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

const EVENTS: usize = 256;
