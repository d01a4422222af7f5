//! `web`: one web application, page by page and input by input.

use std::{
    error::Error,
    fmt::Write as _,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use vedette_scanner::{
    causes::one_line,
    web::{
        self, About, ApiSource, Browser, Budget, Classes, Credential, Description, Listening, Pause, Site,
        State, StateError, WebReport, WebScan, site::Reference,
    },
};

use super::{Ended, Subcommand};
use crate::{
    flags::What,
    site::{self, Sight},
};

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
    /// A second user, who shares nothing with the first: is he shown what is the first's, and the other way round?
    #[arg(long, value_name = "FILE", requires = "login")]
    login_other: Option<PathBuf>,
    /// Also test what this describes (OpenAPI 2 or 3, JSON or YAML): a file, or a URL of the same site
    #[arg(long, value_name = "FILE|URL")]
    openapi: Option<String>,
    /// Let the scripts of pages run in this browser (Chromium), which is given no network: what it asks for is sent within
    /// the scan's own bounds
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "/usr/bin/chromium")]
    browser: Option<PathBuf>,
    /// Test for these classes alone, separated by commas
    #[arg(long, value_name = "CLASSES", long_help = classes_help())]
    classes: Option<Classes>,
    /// Goes on where the scan stopped whose state this file holds, or begins one that can be stopped by Ctrl-C, SIGTERM or its
    /// time; it holds no credential, cookie or body
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Bounds, as in requests=5000,pages=200,depth=8,time=600,rate=50,patience=15,at-once=8,rendered=100,page-time=60
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
    Flags::augment_args(site::instead_of_a_network(command))
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
    let other = flags.login_other.as_deref().map(Credential::read).transpose()?;
    let mut browser = flags.browser.map(Browser::at).transpose()?;
    let classes = flags.classes.unwrap_or_default();
    let logins = u8::from(credential.is_some()) + u8::from(other.is_some());
    let about = About::new(&site, &classes, logins);
    let kept = flags.state.map(|path| Kept::open(path, about)).transpose()?;
    let pause = kept.as_ref().map(|kept| kept.pause.clone());
    let scan = async |sight: Sight, tell| {
        if let Some(browser) = &mut browser
            && let Err(error) = browser.start().await
        {
            eprintln!("vedette-scan: {}", one_line(&error));
        }
        let keeping = kept.clone().map(|kept| tokio::spawn(kept.keep()));
        let scan = WebScan {
            site: sight.site,
            scope: sight.scope,
            headers: flags.headers,
            credential,
            other,
            api,
            listening: Listening::Own,
            classes,
            budget: sight.budget,
            seed: sight.seed,
            browser,
            pause,
        };
        let report = web::scan(scan, tell).await;
        if let Some(keeping) = keeping {
            keeping.abort();
        }
        report
    };
    let looked = site::look(what, site, flags.budget, scan, summary);
    // Whatever became of what was to be printed.
    if let Some(kept) = &kept {
        kept.pause.state().write(&kept.path)?;
    }
    Ok(looked?.in_short())
}

/// A scan's state, and the file that it is kept in.
#[derive(Debug, Clone)]
struct Kept {
    path: PathBuf,
    pause: Pause,
}

impl Kept {
    /// What the file holds, or the beginning, which is written at once: who cannot write it is told before anything is sent.
    fn open(path: PathBuf, about: About) -> Result<Self, StateError> {
        let new = || State::new(about.clone(), RandomState::new().hash_one(process::id()));
        let state = State::read(&path, &about)?.unwrap_or_else(new);
        state.write(&path)?;
        let pause = Pause::new(state);
        Ok(Self { path, pause })
    }

    /// Writes it now and then, and stops the scan when the process is told to end.
    async fn keep(self) {
        let (Ok(mut interrupted), Ok(mut terminated)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        let mut often = tokio::time::interval(OFTEN);
        loop {
            tokio::select! {
                _ = interrupted.recv() => self.pause.stop(),
                _ = terminated.recv() => self.pause.stop(),
                // What cannot be written now is told of at the end.
                _ = often.tick() => drop(self.pause.state().write(&self.path)),
            }
        }
    }
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
    if report.earlier > 0 {
        let _ = writeln!(text, "done by an earlier run: {} tests", report.earlier);
    }
    if let Some(why) = &report.no_callbacks {
        let _ = writeln!(text, "callbacks: not available, because of {why}");
    }
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

/// How much of the work is lost when the process is killed.
const OFTEN: Duration = Duration::from_secs(15);

/// As the last line of JSON spells it.
fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
