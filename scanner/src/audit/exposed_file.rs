//! Files that tell more than their site means to tell. One row each; the next one is a row and a test of
//! what it says.

use std::str::Utf8Error;

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

/// A file that no stranger should be given.
struct File {
    path: &'static str,
    /// A path of the same form that no server has: where it answers the same, every path does.
    control: &'static str,
    /// Whether a body is what such a file holds: a status alone proves nothing.
    holds: fn(&[u8]) -> bool,
    type_: FindingType,
}

const FILES: &[File] = &[
    File {
        path: "/.git/HEAD",
        control: "/.vedette-control/HEAD",
        holds: is_git_head,
        type_: FindingType::HttpExposedGit,
    },
    File {
        path: "/.svn/wc.db",
        control: "/.vedette-control/wc.db",
        holds: is_sqlite,
        type_: FindingType::HttpExposedSvn,
    },
    File {
        path: "/.env",
        control: "/.vedette-control",
        holds: is_environment,
        type_: FindingType::HttpExposedEnv,
    },
    File {
        path: "/.htpasswd",
        control: "/.vedette-control",
        holds: is_htpasswd,
        type_: FindingType::HttpExposedHtpasswd,
    },
    File {
        path: "/.DS_Store",
        control: "/.vedette-control",
        holds: is_ds_store,
        type_: FindingType::HttpExposedDsStore,
    },
];

fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    let Some(site) = Site::of(subject) else {
        return Vec::new();
    };
    let paths = FILES.iter().flat_map(|file| [file.path, file.control]);
    paths.map(|text| site.fetch(&path(text))).collect()
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    Site::of(subject)
        .map(|site| FILES.iter().filter_map(|file| file.exposed(&site)).collect())
        .unwrap_or_default()
}

impl File {
    fn exposed(&self, site: &Site<'_>) -> Option<Finding> {
        let place = path(self.path);
        let (file, control) = (site.response(&place)?, site.response(&path(self.control))?);
        if file.status != 200 || !(self.holds)(&file.body) || (self.holds)(&control.body) {
            return None;
        }
        let mut finding = site.finding(self.type_, &place, None)?;
        finding.evidence = vec![Evidence::Exposed {
            path: place,
            status: file.status,
            length: file.body.len() as u64,
        }];
        Some(finding)
    }
}

/// Whether a body is what any of the files holds.
pub fn is_exposed_file(body: &[u8]) -> bool {
    FILES.iter().any(|file| (file.holds)(body))
}

/// gitrepository-layout(5): a symbolic reference into `refs/`, or an object's name.
fn is_git_head(body: &[u8]) -> bool {
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

/// Assignments, comments and empty lines, with one assignment at least.
pub(crate) fn is_environment(body: &[u8]) -> bool {
    let is_assignment = |line: &str| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        line.split_once('=').is_some_and(|(name, _)| {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.trim_end().chars().all(word)
        })
    };
    consists_of(body, is_assignment).unwrap_or(false)
}

/// htpasswd(1): a name, a colon and a hash in one of the forms that Apache and nginx read.
fn is_htpasswd(body: &[u8]) -> bool {
    const HASHES: &[&str] = &[
        "$apr1$", "$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "{SHA}", "{SSHA}",
    ];
    let is_login = |line: &str| {
        line.split_once(':').is_some_and(|(name, hash)| {
            !name.is_empty() && HASHES.iter().any(|start| hash.starts_with(start))
        })
    };
    consists_of(body, is_login).unwrap_or(false)
}

/// SQLite, "Database File Format", section 1.3.1.
fn is_sqlite(body: &[u8]) -> bool {
    body.starts_with(b"SQLite format 3\0")
}

/// An alignment word and the magic of a buddy allocator's file.
fn is_ds_store(body: &[u8]) -> bool {
    body.starts_with(b"\0\0\0\x01Bud1")
}

/// Whether each line is of a kind, and there is one; empty lines and comments do not count.
fn consists_of(body: &[u8], is_of_the_kind: impl Fn(&str) -> bool) -> Result<bool, Utf8Error> {
    let lines = std::str::from_utf8(body)?.lines().map(str::trim);
    let mut lines = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    Ok(lines.peek().is_some() && lines.all(is_of_the_kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_git_writes_is_a_head() {
        assert!(is_git_head(b"ref: refs/heads/main\n"));
        assert!(is_git_head(b"0123456789abcdef0123456789abcdef01234567\n"));
        for other in [
            "",
            "ref: ",
            "<html>ref: refs/heads/main</html>",
            "ref: refs/heads/main\n\nmore",
        ] {
            assert!(!is_git_head(other.as_bytes()), "{other}");
        }
    }

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

    #[test]
    fn only_names_with_hashes_are_logins() {
        assert!(is_htpasswd(
            b"# staff\nada:$apr1$salt$hash\nbob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"
        ));
        for other in [
            "",
            "ada:secret\n",
            "Location: $apr1$\nmore\n",
            "ada:$apr1$x\n<html>",
        ] {
            assert!(!is_htpasswd(other.as_bytes()), "{other}");
        }
    }
}
