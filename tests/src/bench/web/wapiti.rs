//! wapiti: the peer. `make bench-web` installs it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{Accusation, Said};

/// The modules that test for a class; none where it has no module, or none that works without its own server on the
/// Internet, as that for SSRF.
pub(super) fn modules(class: &str) -> Option<&'static str> {
    MODULES
        .iter()
        .find(|(name, _)| *name == class)
        .map(|(_, modules)| *modules)
}

/// A scan with these modules; with none, a crawl.
pub(super) fn scan(url: &str, modules: &str) -> Result<Said> {
    let folder = tempfile::tempdir().context("making a folder for wapiti")?;
    let report = folder.path().join("report.json");
    let mut command = Command::new("wapiti");
    command
        .args([
            "-u", url, "-m", modules, "--scope", "domain", "-f", "json", "-v", "0", "-o",
        ])
        .arg(&report)
        .args([
            "--flush-session",
            "--no-bugreport",
            "--max-attack-time",
            LONGEST_MODULE,
            "--store-session",
        ])
        .arg(folder.path())
        .arg("--store-config")
        .arg(folder.path());
    for proxy in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ] {
        command.env_remove(proxy);
    }
    let output = command
        .output()
        .context("running wapiti; `make bench-web` installs it")?;
    ensure!(
        output.status.success(),
        "wapiti failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    said(&fs::read_to_string(&report).context("reading wapiti's report")?)
}

/// Its report, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Report {
    vulnerabilities: BTreeMap<String, Vec<Row>>,
}

#[derive(Debug, Deserialize)]
struct Row {
    path: String,
    /// None where it is the page itself.
    parameter: Option<String>,
}

fn said(report: &str) -> Result<Said> {
    let report: Report = serde_json::from_str(report).context("wapiti's report")?;
    let mut accused = Vec::new();
    for (category, rows) in report.vulnerabilities {
        accused.extend(rows.into_iter().map(|row| Accusation {
            type_: category.clone(),
            path: row.path,
            parameter: row.parameter.unwrap_or_default(),
        }));
    }
    Ok(Said {
        accused,
        inputs: None,
    })
}

const MODULES: &[(&str, &str)] = &[
    ("sql", "sql,timesql"),
    ("xss", "xss,permanentxss"),
    ("command", "exec"),
    ("traversal", "file"),
    ("redirect", "redirect"),
    ("ldap", "ldap"),
    ("xpath", "sql"),
    ("xxe", "xxe"),
    ("code", "exec"),
    ("header", "crlf"),
];
/// In seconds; what it has found until then counts.
const LONGEST_MODULE: &str = "300";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let report = r#"{"classifications": {}, "vulnerabilities": {"SQL Injection": [
            {"method": "GET", "path": "/v-a", "info": "x", "level": 4, "parameter": "q", "module": "sql"}], "CRLF Injection": []},
            "anomalies": {"Internal Server Error": [{"path": "/f-b", "parameter": "q"}]}, "infos": {}}"#;
        let accused = Accusation {
            type_: "SQL Injection".to_owned(),
            path: "/v-a".to_owned(),
            parameter: "q".to_owned(),
        };
        assert_eq!(
            said(report).unwrap(),
            Said {
                accused: vec![accused],
                inputs: None
            }
        );
    }
}
