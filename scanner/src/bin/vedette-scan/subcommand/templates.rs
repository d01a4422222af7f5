//! `templates`: one web application, by templates in the nuclei format.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{ArgMatches, Args, Command, FromArgMatches};
use vedette_protocol::finding::Outcome;
use vedette_scanner::{
    template::{self, Library, Setting, TemplateScan, TemplatesReport},
    web::{Budget, Site},
};

use super::{Ended, Subcommand};
use crate::{
    flags::What,
    site::{self, Sight},
};

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
    /// Who is asked about the site's own names; without one, templates that ask are not run
    #[arg(long, value_name = "ADDRESS")]
    resolver: Option<IpAddr>,
    /// What templates are to know, as in username=admin; can be given several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = given)]
    vars: Vec<(String, String)>,
    /// Bounds, as in requests=50000,time=600,rate=500,patience=15,at-once=32
    #[arg(long, value_name = "BUDGET")]
    budget: Option<Budget>,
}

fn flags(command: Command) -> Command {
    Flags::augment_args(site::instead_of_a_network(command))
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
    let scan = async |sight: Sight, tell| {
        let scan = TemplateScan {
            site: sight.site,
            scope: sight.scope,
            library,
            budget: sight.budget,
            resolver: flags.resolver.map(|address| SocketAddr::new(address, DNS)),
            setting: Setting {
                seed: sight.seed,
                now: now(),
                callbacks: None,
                given: flags.vars,
            },
        };
        template::scan(scan, tell).await
    };
    Ok(site::look(what, site, flags.budget, scan, summary)?.in_short())
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

/// RFC 1035, section 4.2.
const DNS: u16 = 53;
