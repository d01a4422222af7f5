//! One site instead of a network: what `web` and `templates` share.

use std::{collections::hash_map::RandomState, error::Error, hash::BuildHasher, io, num::NonZeroU32};

use clap::{Arg, Command};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use vedette_protocol::{Scope, Target};
use vedette_scanner::web::{Budget, Site, WebEvent};

use crate::{flags::What, output::Output, progress::Meter, resolve};

/// A site that may be looked at, and how.
#[derive(Debug)]
pub(crate) struct Sight {
    /// The site, at its addresses.
    pub(crate) site: Site,
    /// What may be connected to.
    pub(crate) scope: Scope,
    /// How much of it.
    pub(crate) budget: Budget,
    /// Makes this scan's names differ from another's.
    pub(crate) seed: u64,
}

/// The command without the flags that name a network.
pub(crate) fn instead_of_a_network(command: Command) -> Command {
    let hidden = |argument: Arg| argument.required(false).hide(true);
    command.mut_arg("targets", hidden).mut_arg("ports", hidden)
}

/// Looks at a site to the end; prints what is found, how far it is, and the report.
pub(crate) fn look<R: Serialize>(
    what: &What,
    site: Site,
    budget: Option<Budget>,
    look: impl AsyncFnOnce(Sight, mpsc::Sender<WebEvent>) -> R,
    summary: impl FnOnce(&R) -> String,
) -> Result<R, Box<dyn Error>> {
    let mut budget = budget.unwrap_or_default();
    budget.rate = budget.rate.or_else(|| what.rate.map(NonZeroU32::get));
    budget.time = budget.time.min(what.time);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(async {
        let named = site.name().map(|name| Target::Name(name.clone()));
        let names = resolve::names(named.iter().chain(&what.exclude)).await?;
        let site = site.at(&names);
        let sight = Sight {
            scope: site.scope(&what.exclude, &names),
            site,
            budget,
            seed: RandomState::new().hash_one(std::process::id()),
        };
        let (tell, told) = mpsc::channel(EVENTS);
        let mut output = Output::new(what.json, io::stdout().lock());
        let (report, printed) = tokio::join!(look(sight, tell), print(&mut output, told));
        printed?;
        output.end(&line(&report)?, &summary(&report))?;
        Ok::<_, Box<dyn Error>>(report)
    })?;
    runtime.shutdown_background();
    Ok(report)
}

async fn print(output: &mut Output<impl io::Write>, mut told: mpsc::Receiver<WebEvent>) -> io::Result<()> {
    let mut meter = Meter::new();
    while let Some(event) = told.recv().await {
        match event {
            WebEvent::Found(finding) => output.finding(finding)?,
            WebEvent::Progress(progress) => meter.show(progress),
        }
    }
    meter.clear();
    Ok(())
}

/// The last line: the report with its kind.
fn line(report: &impl Serialize) -> serde_json::Result<Value> {
    let mut line = json!({"kind": "report"});
    if let (Value::Object(line), Value::Object(report)) = (&mut line, serde_json::to_value(report)?) {
        line.extend(report);
    }
    Ok(line)
}

const EVENTS: usize = 256;
