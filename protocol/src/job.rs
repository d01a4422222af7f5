//! A job: a set of targets times a set of checks, signed by the platform, done by one worker.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    credential::{CredentialKind, CredentialUse},
    envelope::Sealing,
    grant::Grant,
    id::{ApplianceId, JobId, OrgId, ScanId},
    signed::{Message, Signed},
    target::{Ports, Target, Targets},
    time::Timestamp,
    web::WebTest,
};

/// What one worker is to do. Nothing outside `targets` times `ports` may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// The scan that it is a part of.
    pub scan: ScanId,
    /// Whose scan it is.
    pub org: OrgId,
    /// The appliance that may do it; another one's keeper refuses it.
    pub appliance: ApplianceId,
    /// Counts the leases of this job: what comes in under an older one is dropped (a fencing token).
    pub fence: u64,
    /// What may be scanned.
    pub targets: Targets,
    /// What may not, although `targets` span it: always wins.
    pub exclude: Vec<Target>,
    /// Which ports.
    pub ports: Ports,
    /// Which checks.
    pub checks: Checks,
    /// The credential to log in with; such a job has one target, on one port.
    pub login: Option<CredentialUse>,
    /// How its web application is tested; such a job has one target, on one port.
    pub web: Option<WebTest>,
    /// After this, no packet is sent for it.
    pub expires: Timestamp,
}

impl Message for Job {
    const DOMAIN: &'static str = "job";
}

/// A job with what entitles to it, each part signed by who may say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The job, signed by the platform.
    pub job: Signed<Job>,
    /// The owner's grant for it, where an owner key is pinned.
    pub grant: Option<Signed<Grant>>,
    /// The credential to log in with, sealed to the appliance's vault.
    pub credential: Option<Sealing>,
}

impl From<Signed<Job>> for Assignment {
    /// A job that needs neither grant nor credential.
    fn from(job: Signed<Job>) -> Self {
        Self {
            job,
            grant: None,
            credential: None,
        }
    }
}

/// One kind of check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Which TCP ports are open.
    Ports,
    /// What answers on them.
    Services,
    /// Certificates and protocol versions.
    Tls,
    /// Web servers: headers, exposed files.
    Http,
    /// What a host tells who may log in: operating system and packages.
    Inventory,
    /// Which hosts are there, and what they are. Asks each address by ARP and ICMP echo, and names and kinds on those
    /// of the ports where a protocol tells them.
    Discovery,
    /// How they hang together too: networks, routers, ways, neighbours.
    Topology,
    /// A web application: its pages are crawled, and every input that is found is tested with payloads. That goes further
    /// than [`Self::Http`], which asks for what anybody might: a grant has to name it.
    Web,
}

/// What a check is made of; a job's checks are all of one kind, so that each kind can be split as suits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Addresses: whether anybody is there. Besides ports, they are asked by ICMP and by neighbour questions.
    Network,
    /// Ports of hosts.
    Endpoints,
    /// A host, behind a login.
    Account,
    /// A web application: one port of one host, as a stranger or behind a login.
    Application,
}

impl Check {
    /// All checks, in the order in which they build on each other.
    pub const ALL: [Self; 8] = [
        Self::Discovery,
        Self::Topology,
        Self::Ports,
        Self::Services,
        Self::Tls,
        Self::Http,
        Self::Web,
        Self::Inventory,
    ];

    /// What it is made of.
    pub fn subject(self) -> Subject {
        match self {
            Self::Ports | Self::Services | Self::Tls | Self::Http => Subject::Endpoints,
            Self::Inventory => Subject::Account,
            Self::Discovery | Self::Topology => Subject::Network,
            Self::Web => Subject::Application,
        }
    }

    /// Its name, as in JSON and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ports => "ports",
            Self::Services => "services",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Inventory => "inventory",
            Self::Discovery => "discovery",
            Self::Topology => "topology",
            Self::Web => "web",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that is no check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no check named {0:?}; there are discovery, topology, ports, services, tls, http, web and inventory")]
pub struct ParseCheckError(String);

impl FromStr for Check {
    type Err = ParseCheckError;

    fn from_str(text: &str) -> Result<Self, ParseCheckError> {
        let named = |check: &Self| check.name() == text;
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| ParseCheckError(text.chars().take(64).collect()))
    }
}

/// A set of checks: at least one, sorted, none twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Check>", into = "Vec<Check>")]
pub struct Checks(Vec<Check>);

/// An empty set of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no check given; choose of discovery, topology, ports, services, tls, http, web and inventory")]
pub struct NoChecks;

impl Checks {
    /// Every check of hosts' ports: they need no credential, and send nothing but to ports that are named.
    pub fn of_endpoints() -> Self {
        let checks = Check::ALL.into_iter();
        Self(
            checks
                .filter(|check| check.subject() == Subject::Endpoints)
                .collect(),
        )
    }

    /// Those of them that are of one subject, if there are any.
    pub fn of(&self, subject: Subject) -> Option<Self> {
        let of_it: Vec<Check> = self.iter().filter(|check| check.subject() == subject).collect();
        of_it.try_into().ok()
    }

    /// Those of them that a login with this kind of credential is for, and [`Check::Inventory`] in every case: whoever
    /// logs in does that.
    pub fn behind(&self, kind: CredentialKind) -> Self {
        let wanted = |check: &Check| *check == Check::Inventory || self.contains(*check);
        Self(kind.checks().iter().copied().filter(wanted).collect())
    }

    /// Whether a check is in it.
    pub fn contains(&self, check: Check) -> bool {
        self.0.contains(&check)
    }

    /// The checks, in order.
    pub fn iter(&self) -> impl Iterator<Item = Check> + '_ {
        self.0.iter().copied()
    }
}

impl TryFrom<Vec<Check>> for Checks {
    type Error = NoChecks;

    fn try_from(mut checks: Vec<Check>) -> Result<Self, NoChecks> {
        checks.sort_unstable();
        checks.dedup();
        if checks.is_empty() {
            Err(NoChecks)
        } else {
            Ok(Self(checks))
        }
    }
}

impl From<Checks> for Vec<Check> {
    fn from(checks: Checks) -> Self {
        checks.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_the_credential_says_what_is_checked_behind_it() {
        let checks = |checks: &[Check]| Checks::try_from(checks.to_vec()).ok();
        let all = checks(&Check::ALL).unwrap();
        for kind in CredentialKind::ALL {
            let of_web = matches!(
                kind,
                CredentialKind::HttpBasic
                    | CredentialKind::Bearer
                    | CredentialKind::Form
                    | CredentialKind::Cookie
                    | CredentialKind::ClientCertificate
            );
            let expected: &[Check] = match of_web {
                true => &[Check::Http, Check::Inventory, Check::Web],
                false => &[Check::Inventory],
            };
            assert_eq!(Some(all.behind(kind)), checks(expected), "{kind}");
            // Nobody checks what was not asked for.
            let inventory = checks(&[Check::Ports, Check::Inventory]).unwrap();
            assert_eq!(
                Some(inventory.behind(kind)),
                checks(&[Check::Inventory]),
                "{kind}"
            );
            assert_eq!(inventory.of(Subject::Endpoints), checks(&[Check::Ports]));
            assert_eq!(inventory.of(Subject::Network), None);
        }
        assert_eq!(checks(&[Check::Inventory]).unwrap().of(Subject::Endpoints), None);
        assert_eq!(
            all.of(Subject::Network),
            checks(&[Check::Discovery, Check::Topology])
        );
        assert_eq!(all.of(Subject::Endpoints), Some(Checks::of_endpoints()));
        assert_eq!(all.of(Subject::Application), checks(&[Check::Web]));
    }

    /// A signed job or grant of an earlier version means the same.
    #[test]
    fn checks_keep_their_numbers() {
        for (check, number) in Check::ALL.into_iter().zip([5, 6, 0, 1, 2, 3, 7, 4]) {
            assert_eq!(crate::codec::encode(&check), [number], "{check}");
            assert_eq!(check.name().parse(), Ok(check));
        }
    }
}
