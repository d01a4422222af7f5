//! Applications with weaknesses of one class and their sound twins, served on loopback by `tests/web-fixtures`,
//! and the reckoning of what a scanner says about them.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The classes that there are fixtures of.
pub const CLASSES: &[&str] = &[
    "sql",
    "xss",
    "command",
    "traversal",
    "redirect",
    "ldap",
    "xpath",
    "xxe",
    "ssrf",
    "template",
    "code",
    "header",
    "nosql",
    "deserialisation",
    "prototype",
    "host",
    "cache",
    "cors",
    "jwt",
    "csp",
    "framing",
    "cookie",
    "mixed",
    "exposed",
    "access",
    "assignment",
    "upload",
    "smuggling",
    "session",
    "login",
];

/// The interfaces that there are fixtures of, which nothing but their description leads to.
pub const INTERFACES: &[&str] = &["openapi", "graphql"];

/// A running server of one class.
#[derive(Debug)]
pub struct Fixture {
    process: Child,
    output: BufReader<ChildStdout>,
    description: Description,
}

#[derive(Debug, Deserialize)]
struct Description {
    port: u16,
    tls: bool,
    cases: Vec<Case>,
    pages: BTreeSet<String>,
    logins: Vec<serde_json::Value>,
}

/// What came to a fixture while it was served.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Traffic {
    /// Requests, whatever was answered.
    pub requests: u64,
    /// Paths that were answered with a page.
    pub shown: BTreeSet<String>,
}

/// One input, and whether it is weak.
#[derive(Debug, Deserialize)]
pub struct Case {
    /// The first segment of its path.
    pub name: String,
    /// Whether it is to be found.
    pub vulnerable: bool,
    /// Where the input is.
    pub place: String,
    /// What the input is called.
    pub parameter: String,
}

/// How many of the cases are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// All: for measuring.
    All,
    /// Every form once: for testing.
    Few,
}

/// What a scanner found of a fixture.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Weak cases that were found.
    pub found: usize,
    /// Weak cases that were not.
    pub missed: Vec<String>,
    /// Sound cases that were accused, and pages that are no case.
    pub falsely: BTreeSet<String>,
    /// Sound cases in all.
    pub sound: usize,
}

impl Fixture {
    /// Starts the server of a class and what stands behind it.
    pub fn start(class: &str, amount: Amount) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web-fixtures");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(folder.join("serve.py")).arg(class);
        if amount == Amount::Few {
            command.arg("--few");
        }
        // Its input is its life: it ends with us, however we end.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command
            .spawn()
            .context("starting /usr/bin/python3 for the web fixtures")?;
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().context("the fixture's output")?);
        output.read_line(&mut line)?;
        ensure!(
            !line.is_empty(),
            "the fixture of {class} did not come up; what is missing of tests/packages?"
        );
        let description = serde_json::from_str(&line).context("what the fixture says of itself")?;
        Ok(Self {
            process,
            output,
            description,
        })
    }

    /// The site for crawlers: one page for each way in which a page can lead to another.
    pub fn crawl() -> Result<Self> {
        Self::start("crawl", Amount::All)
    }

    /// An application of one page: whatever it leads to, its scripts make.
    pub fn of_one_page() -> Result<Self> {
        Self::start("spa", Amount::All)
    }

    /// Ends it, and says what came to it.
    pub fn end(mut self) -> Result<Traffic> {
        drop(self.process.stdin.take());
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).context("what the fixture says of the requests to it")
    }

    /// Where it is served.
    pub fn url(&self) -> String {
        let scheme = if self.description.tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/", self.description.port)
    }

    /// Its cases.
    pub fn cases(&self) -> &[Case] {
        &self.description.cases
    }

    /// Those who can log in, each as a login file has it.
    pub fn logins(&self) -> &[serde_json::Value] {
        &self.description.logins
    }

    /// The pages that a crawler can reach, if it is the site for crawlers.
    pub fn pages(&self) -> &BTreeSet<String> {
        &self.description.pages
    }

    /// The reckoning: `accused` are pairs of a path and a parameter (`place:name`, or the name alone).
    pub fn score(&self, accused: &[(String, String)]) -> Score {
        let mut score = Score::default();
        // The case is the first segment of a path; of GraphQL, whose path is one for all, the operation.
        let of = |path: &str, parameter: &str| {
            let place = parameter.strip_prefix("variable:").unwrap_or(path);
            place
                .trim_start_matches('/')
                .split('/')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        for case in self.cases() {
            let right = |(path, parameter): &&(String, String)| {
                let name = parameter.rsplit(':').next().unwrap_or_default();
                let named = ["path", "json", "xml", "multipart", "variable"].contains(&case.place.as_str())
                    || name.eq_ignore_ascii_case(&case.parameter);
                of(path, parameter) == case.name && named
            };
            match (
                case.vulnerable,
                accused.iter().any(|accusation| right(&accusation)),
            ) {
                (true, true) => score.found += 1,
                (true, false) => score.missed.push(case.name.clone()),
                (false, _) => score.sound += 1,
            }
        }
        let is_weak = |path: &str, parameter: &str| {
            self.cases()
                .iter()
                .any(|case| case.vulnerable && case.name == of(path, parameter))
        };
        score.falsely = accused
            .iter()
            .filter(|(path, parameter)| !is_weak(path, parameter))
            .map(|(path, parameter)| format!("{path} {parameter}"))
            .collect();
        score
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It ends what it has started; nobody is left to tell of an error.
        let _ = self.process.wait();
    }
}
