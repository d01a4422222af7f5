//! An environment file that can be fetched from the site: `/.env` holds assignments and nothing else.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Evidence, FindingType},
    job::Check,
};

use super::{
    Audit, Subject,
    site::{Site, path},
};
use crate::probe::Probe;

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Http,
    probes,
    judge,
};

const FILE: &str = "/.env";
/// A path of the same form that no server has: where it answers the same, every path does.
const CONTROL: &str = "/.vedette-control";

fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    let Some(site) = Site::of(subject) else {
        return Vec::new();
    };
    vec![site.fetch(&path(FILE)), site.fetch(&path(CONTROL))]
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let exposed = || {
        let site = Site::of(subject)?;
        let (file, control) = (site.response(&path(FILE))?, site.response(&path(CONTROL))?);
        if file.status != 200 || !is_environment(&file.body) || is_environment(&control.body) {
            return None;
        }
        let mut finding = site.finding(FindingType::HttpExposedEnv, &path(FILE), None)?;
        let length = file.body.len() as u64;
        finding.evidence = vec![Evidence::Exposed {
            path: path(FILE),
            status: file.status,
            length,
        }];
        Some(finding)
    };
    exposed().into_iter().collect()
}

/// Whether a file consists of assignments, comments and empty lines, with one assignment at least.
pub fn is_environment(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let mut assignments = 0_usize;
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, _)) = line.split_once('=') else {
            return false;
        };
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.trim_end().chars().all(word)
        {
            return false;
        }
        assignments += 1;
    }
    assignments > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_assignments_are_an_environment() {
        assert!(is_environment(
            b"# local\nAPP_ENV=production\nexport DB_PASSWORD=\"x y\"\n\n"
        ));
        for other in [
            "",
            "# nothing\n",
            "<html lang=en>\n",
            "{\"a\": 1}",
            "not found",
            "a b=c",
        ] {
            assert!(!is_environment(other.as_bytes()), "{other}");
        }
    }
}
