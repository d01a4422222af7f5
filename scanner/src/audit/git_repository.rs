//! A Git repository that can be fetched from the site: `/.git/HEAD` says what such a file says.

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

const HEAD: &str = "/.git/HEAD";
/// A path of the same form that no server has: where it answers the same, every path does.
const CONTROL: &str = "/.vedette-control/HEAD";

fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    let Some(site) = Site::of(subject) else {
        return Vec::new();
    };
    vec![site.fetch(&path(HEAD)), site.fetch(&path(CONTROL))]
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let exposed = || {
        let site = Site::of(subject)?;
        let (head, control) = (site.response(&path(HEAD))?, site.response(&path(CONTROL))?);
        if head.status != 200 || !is_head(&head.body) || is_head(&control.body) {
            return None;
        }
        let mut finding = site.finding(FindingType::HttpExposedGit, &path(HEAD), None)?;
        let length = head.body.len() as u64;
        finding.evidence = vec![Evidence::Exposed {
            path: path(HEAD),
            status: head.status,
            length,
        }];
        Some(finding)
    };
    exposed().into_iter().collect()
}

/// gitrepository-layout(5): a symbolic reference into `refs/`, or an object's name.
fn is_head(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let line = text.strip_suffix('\n').unwrap_or(text);
    match line.strip_prefix("ref: ") {
        Some(reference) => {
            reference.starts_with("refs/")
                && line.len() < 256
                && reference.chars().all(|c| c.is_ascii_graphic())
        }
        None => matches!(line.len(), 40 | 64) && line.chars().all(|c| c.is_ascii_hexdigit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_writes_is_a_head() {
        assert!(is_head(b"ref: refs/heads/main\n"));
        assert!(is_head("0123456789abcdef0123456789abcdef01234567\n".as_bytes()));
        for other in [
            "",
            "ref: ",
            "<html>ref: refs/heads/main</html>",
            "ref: refs/heads/main\n\nmore",
        ] {
            assert!(!is_head(other.as_bytes()), "{other}");
        }
    }
}
