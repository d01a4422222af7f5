//! The web engine beside wapiti, both counted by the server that they scan: applications with weaknesses of each class
//! and their sound twins, and a site that has a page for each way in which one leads to another.
//!
//! We have all classes on, as users do; wapiti has the modules of the class alone, which costs it less. What either says
//! of a sound input counts against it, whatever class it says it of.

mod ours;
mod templates;
mod wapiti;

use std::time::{Duration, Instant};

use anyhow::Result;

use super::amount::Amount;
use super::figure::Figure;
use super::progress::Progress;
use crate::programs::Programs;
use crate::web::{Amount as Cases, CLASSES, Fixture};

/// Scans a URL.
type Scan<'a> = &'a dyn Fn(&str) -> Result<Said>;

/// What a scanner says: where it says that a weakness is, and how many inputs it has found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    accused: Vec<Accusation>,
    inputs: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Accusation {
    /// In the scanner's words.
    type_: String,
    path: String,
    parameter: String,
}

/// One scanner on the fixture of one class, or on all of them.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    weak: usize,
    found: usize,
    sound: usize,
    falsely: usize,
    requests: u64,
    inputs: u64,
    took: Duration,
}

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building vedette-scan");
    let programs = Programs::release("vedette-scan")?;
    let mut figures = crawl(progress, &programs)?;
    figures.extend(templates::measure(progress, &programs)?);
    let mut all = Column::default();
    // The peer's sum is set beside that of ours over the same classes.
    let (mut ours, mut theirs) = (Column::default(), Column::default());
    for class in CLASSES {
        let column = of_class(progress, class, ours::finding(class), "vedette-scan", |fixture| {
            ours::scan(&programs, &fixture.url(), None, fixture.logins())
        })?;
        let peer = match wapiti::modules(class) {
            Some(modules) => {
                let mut peer = of_class(progress, class, "", "wapiti", |fixture| {
                    wapiti::scan(&fixture.url(), modules)
                })?;
                // What it has found to be an input it does not say.
                peer.inputs = column.inputs;
                Some(peer)
            }
            None => None,
        };
        all = all.and(column);
        if let Some(peer) = peer {
            (ours, theirs) = (ours.and(column), theirs.and(peer));
        }
        let most = match *class {
            "access" | "cache" => MOST_BESIDE_INPUTS,
            _ => MOST_FOR_ONE_CLASS,
        };
        figures.extend(judged(class, most, column, peer));
    }
    figures.extend(judged("the classes of both", MOST_REQUESTS, ours, Some(theirs)));
    figures.extend(judged("all of these", MOST_REQUESTS, all, None));
    Ok(figures)
}

/// Lets a scanner loose on the fixture of a class; what begins with `finding` is an accusation of that class.
fn of_class(
    progress: &Progress,
    class: &str,
    finding: &str,
    who: &str,
    scan: impl FnOnce(&Fixture) -> Result<Said>,
) -> Result<Column> {
    let fixture = Fixture::start(class, Cases::All)?;
    let begun = Instant::now();
    let said = scan(&fixture)?;
    let took = begun.elapsed();
    let places = |of_class: &dyn Fn(&Accusation) -> bool| {
        let accused = said.accused.iter().filter(|accusation| of_class(accusation));
        let places: Vec<_> = accused
            .map(|one| (one.path.clone(), one.parameter.clone()))
            .collect();
        fixture.score(&places)
    };
    let (right, all) = (places(&|one| one.type_.starts_with(finding)), places(&|_| true));
    let column = Column {
        weak: right.found + right.missed.len(),
        found: right.found,
        sound: all.sound,
        falsely: all.falsely.len(),
        requests: fixture.end()?.requests,
        inputs: said.inputs.unwrap_or_default(),
        took,
    };
    progress.step(format_args!("{class}: {who}: {column:?}"));
    if !(right.missed.is_empty() && all.falsely.is_empty()) {
        progress.step(format_args!(
            "{class}: {who} missed {:?}, accused {:?}",
            right.missed, all.falsely
        ));
    }
    Ok(column)
}

impl Column {
    fn and(self, other: Self) -> Self {
        Self {
            weak: self.weak + other.weak,
            found: self.found + other.found,
            sound: self.sound + other.sound,
            falsely: self.falsely + other.falsely,
            requests: self.requests + other.requests,
            inputs: self.inputs + other.inputs,
            took: self.took + other.took,
        }
    }

    fn requests_for_an_input(self) -> Amount {
        Amount::requests(self.requests as f64 / self.inputs.max(1) as f64)
    }
}

fn judged(class: &str, most: f64, ours: Column, peer: Option<Column>) -> Vec<Figure> {
    let needed = (ours.weak * LEAST_FOUND_PERCENT).div_ceil(100);
    let beside = |figure: Figure, amount: fn(Column) -> Amount| match peer {
        Some(peer) => figure.beside(amount(peer)),
        None => figure,
    };
    let row =
        |figure: fn(Amount, &str, Amount) -> Figure, limit, what: String, amount: fn(Column) -> Amount| {
            beside(figure(limit, &format!("{class}, {what}"), amount(ours)), amount)
        };
    vec![
        row(
            Figure::at_least,
            Amount::inputs(needed),
            format!("found of {} weak inputs", ours.weak),
            |column| Amount::inputs(column.found),
        ),
        row(
            Figure::at_most,
            Amount::inputs(0),
            format!("accused of {} sound inputs", ours.sound),
            |column| Amount::inputs(column.falsely),
        ),
        row(
            Figure::at_most,
            Amount::requests(most),
            "for each input".to_owned(),
            Column::requests_for_an_input,
        ),
        row(
            Figure::at_most,
            Amount::seconds(LONGEST * u32::try_from(ours.inputs.max(1)).unwrap_or(u32::MAX)),
            "the whole scan".to_owned(),
            |column| Amount::seconds(column.took),
        ),
    ]
}

/// Who is shown which of the pages that there are.
fn crawl(progress: &Progress, programs: &Programs) -> Result<Vec<Figure>> {
    let mut reached = [0; 2];
    let mut all = 0;
    let ours = |url: &str| ours::scan(programs, url, Some("redirect"), &[]);
    let theirs = |url: &str| wapiti::scan(url, "");
    let scanners: [(&str, Scan<'_>); 2] = [("vedette-scan", &ours), ("wapiti", &theirs)];
    for (reached, (who, scan)) in reached.iter_mut().zip(scanners) {
        let fixture = Fixture::crawl()?;
        scan(&fixture.url())?;
        let pages = fixture.pages().clone();
        let traffic = fixture.end()?;
        let missed: Vec<&String> = pages.difference(&traffic.shown).collect();
        all = pages.len();
        *reached = all - missed.len();
        progress.step(format_args!(
            "crawl: {who}: {reached} of {all} pages, {} requests, not {missed:?}",
            traffic.requests
        ));
    }
    let [ours, theirs] = reached.map(Amount::pages);
    Ok(vec![
        Figure::at_least(Amount::pages(all), "crawl, pages reached", ours).beside(theirs),
    ])
}

const LEAST_FOUND_PERCENT: usize = 95;
/// For one input, with all classes on, on the average of all.
const MOST_REQUESTS: f64 = 60.0;
/// Names that speak of places and files cost more than others.
const MOST_FOR_ONE_CLASS: f64 = 75.0;
/// What two users are shown, and what caches keep, is asked of pages beside their inputs.
const MOST_BESIDE_INPUTS: f64 = 125.0;
/// For one input: what one waits for.
const LONGEST: Duration = Duration::from_secs(1);
