//! vedette-scan, as a user runs it.

use std::{fs, os::unix::fs::PermissionsExt};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{Accusation, Said};
use crate::programs::Programs;

/// How the names of a class's findings begin.
pub(super) fn finding(class: &str) -> &'static str {
    FINDINGS
        .iter()
        .find(|(name, _)| *name == class)
        .map_or("web-", |(_, finding)| finding)
}

pub(super) fn scan(programs: &Programs, url: &str, classes: Option<&str>, logins: &[Value]) -> Result<Said> {
    let folder = tempfile::tempdir()?;
    let mut command = programs.command("vedette-scan");
    command.args(["web", "--json", "--url", url]);
    if let Some(classes) = classes {
        command.args(["--classes", classes]);
    }
    for (flag, login) in ["--login", "--login-other"].iter().zip(logins) {
        let file = folder.path().join(flag);
        fs::write(&file, login.to_string())?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        command.arg(flag).arg(file);
    }
    let output = command.output().context("running vedette-scan")?;
    // 3: something was left undone, and the score will show it.
    if !matches!(output.status.code(), Some(0 | 3)) {
        bail!("vedette-scan failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    said(&String::from_utf8(output.stdout)?)
}

/// A line of the output, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Weakness {
        #[serde(rename = "type")]
        type_: String,
        #[serde(default)]
        url: String,
        /// None where it is the place itself.
        parameter: Option<String>,
    },
    Report {
        inputs: u64,
    },
}

fn said(output: &str) -> Result<Said> {
    let mut said = Said::default();
    for line in output.lines() {
        match serde_json::from_str(line).with_context(|| format!("vedette-scan said {line:?}"))? {
            Line::Weakness {
                type_,
                url,
                parameter,
            } => said.accused.push(Accusation {
                type_,
                path: url,
                parameter: parameter.unwrap_or_default(),
            }),
            Line::Report { inputs } => said.inputs = Some(inputs),
        }
    }
    said.inputs.context("vedette-scan told no end")?;
    Ok(said)
}

const FINDINGS: &[(&str, &str)] = &[
    ("sql", "web-sql-"),
    ("xss", "web-xss-"),
    ("command", "web-command-"),
    ("traversal", "web-path-traversal"),
    ("redirect", "web-open-redirect"),
    ("ldap", "web-ldap-"),
    ("xpath", "web-xpath-"),
    ("xxe", "web-xxe"),
    ("ssrf", "web-ssrf"),
    ("template", "web-template-"),
    ("code", "web-code-"),
    ("header", "web-header-"),
    ("nosql", "web-nosql-"),
    ("deserialisation", "web-deserialisation"),
    ("prototype", "web-prototype-"),
    ("host", "web-host-"),
    ("cache", "web-cache-"),
    ("cors", "web-cors"),
    ("jwt", "web-token-"),
    ("csp", "web-csp-"),
    ("framing", "web-framing"),
    ("cookie", "web-cookie-"),
    ("mixed", "web-mixed-"),
    ("exposed", "web-exposed-"),
    ("access", "web-object-access"),
    ("assignment", "web-mass-assignment"),
    ("upload", "web-upload-"),
    ("smuggling", "web-request-smuggling"),
    ("session", "web-session-guessable"),
    ("login", "web-default-login"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_from_the_end() {
        let output = concat!(
            r#"{"kind": "weakness", "type": "web-xxe", "url": "/v-a", "parameter": "json:/q", "severity": "high"}"#,
            "\n",
            r#"{"kind": "report", "outcome": "complete", "inputs": 7, "requests": 300}"#,
        );
        let accused = Accusation {
            type_: "web-xxe".to_owned(),
            path: "/v-a".to_owned(),
            parameter: "json:/q".to_owned(),
        };
        let wanted = Said {
            accused: vec![accused],
            inputs: Some(7),
        };
        assert_eq!(said(output).unwrap(), wanted);
        assert!(said(output.lines().next().unwrap()).is_err());
    }
}
