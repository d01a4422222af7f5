//! The types of finding: one table, from which name, family, severity, weakness class, title and
//! remedy follow. A new check adds its row here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The family of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A port was seen in a state.
    Port,
    /// A service was recognised.
    Service,
    /// Something to mend.
    Weakness,
    /// A host was seen.
    Host,
    /// How hosts and networks hang together.
    Link,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A fact.
    Info,
    /// Helps an attacker a little.
    Low,
    /// Helps an attacker.
    Medium,
    /// Lets an attacker in, under conditions.
    High,
    /// Lets an attacker in.
    Critical,
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A sign that has other explanations.
    Tentative,
    /// A sign that has no likely other explanation.
    Firm,
    /// Seen itself.
    Certain,
}

/// What a port was seen to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// Something accepts connections.
    Open,
    /// The host refuses connections.
    Closed,
    /// Nothing answers, or something says that it may not.
    Filtered,
    /// Not known because of us: it was not tried, or not often enough.
    Unknown,
}

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kind:ident, $severity:ident, $cwe:expr, $title:literal, $remedy:literal;)*) => {
        /// What a finding is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FindingType {
            $($(#[$doc])* #[doc = $title] #[serde(rename = $text)] $name,)*
        }

        impl FindingType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) const NAMES: &[&str] = &[$($text),*];

            /// Its name in JSON and on command lines.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Its family.
            pub fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }

            /// How bad it is, as a rule.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// Its class in MITRE's CWE list.
            pub fn cwe(self) -> Option<u16> {
                match self { $(Self::$name => $cwe,)* }
            }

            /// One line for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What to do about it; empty for what needs nothing.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

types! {
    OpenPort = "open-port", Port, Info, None, "Port", "";
    Service = "service", Service, Info, None, "Service", "";
    RedisNoAuthentication = "redis-no-authentication", Weakness, Critical, Some(306),
        "Redis accepts commands without a password",
        "Set requirepass or ACL users, and bind Redis to the addresses that need it.";
    TlsCertificateExpired = "tls-certificate-expired", Weakness, Medium, Some(298),
        "TLS certificate has expired", "Renew the certificate, and automate its renewal.";
    TlsCertificateNotYetValid = "tls-certificate-not-yet-valid", Weakness, Low, Some(298),
        "TLS certificate is not valid yet", "Check the clock of the host that issued it, and issue it anew.";
    TlsCertificateSelfSigned = "tls-certificate-self-signed", Weakness, Medium, Some(295),
        "TLS certificate is self-signed", "Use a certificate of a CA that the clients trust.";
    TlsCertificateWrongName = "tls-certificate-wrong-name", Weakness, Medium, Some(297),
        "TLS certificate is for another name", "Issue a certificate that names this host.";
    TlsWeakKey = "tls-weak-key", Weakness, Medium, Some(326),
        "TLS certificate has a short key", "Use RSA with 2048 bits or more, or ECDSA with P-256.";
    TlsWeakSignature = "tls-weak-signature", Weakness, Medium, Some(328),
        "TLS certificate is signed with a broken hash", "Issue it anew with SHA-256.";
    TlsVersions = "tls-versions", Service, Info, None, "TLS versions that are spoken", "";
    TlsNoTls13 = "tls-no-tls13", Weakness, Info, Some(327),
        "TLS 1.3 is not offered", "Enable TLS 1.3.";
    HttpHeaderMissing = "http-header-missing", Weakness, Low, Some(693),
        "Security header is missing", "Send the header with a value that fits the application.";
    HttpServerVersion = "http-server-version", Weakness, Info, Some(200),
        "HTTP response shows the server's version", "Turn the version off (nginx: server_tokens off; Apache: ServerTokens Prod).";
    HttpDirectoryListing = "http-directory-listing", Weakness, Medium, Some(548),
        "Directory listing", "Turn directory listings off (nginx: autoindex off; Apache: Options -Indexes).";
    HttpExposedGit = "http-exposed-git", Weakness, High, Some(527),
        "Git repository is exposed", "Deny access to /.git, and treat what the repository holds as known.";
    HttpExposedEnv = "http-exposed-env", Weakness, High, Some(538),
        "Environment file is exposed", "Deny access to dot files, and change the credentials that stand in it.";
    HttpExposedSvn = "http-exposed-svn", Weakness, High, Some(527),
        "Subversion working copy is exposed", "Deny access to /.svn, and treat what the working copy holds as known.";
    HttpExposedHtpasswd = "http-exposed-htpasswd", Weakness, High, Some(538),
        "Password file is exposed", "Move the file out of the site's folder, and change the passwords in it.";
    HttpExposedDsStore = "http-exposed-ds-store", Weakness, Low, Some(538),
        "Folder index of macOS is exposed", "Delete .DS_Store, which names the files beside it, and deny access to dot files.";
    Device = "device", Host, Info, None, "Host", "";
    AddressConflict = "address-conflict", Weakness, Medium, Some(290),
        "Two hosts claim the same address",
        "Find the second host by its link-layer address; if none should be there, somebody may be diverting traffic.";
    IcmpTimestamp = "icmp-timestamp", Weakness, Info, Some(200),
        "Host tells its clock to anyone who asks by ICMP", "Drop ICMP types 13 and 14 in the host's packet filter.";
    LlmnrAnswered = "llmnr-answered", Weakness, Low, Some(290),
        "Host takes part in LLMNR name resolution, which anyone on the link can forge",
        "Turn LLMNR off (Windows: group policy; systemd-resolved: LLMNR=no), and use DNS.";
    SnmpDefaultCommunity = "snmp-default-community", Weakness, High, Some(1392),
        "SNMP answers to a community name that everybody knows",
        "Use SNMPv3 with authentication and privacy, or at least another community and a list of addresses.";
    Subnet = "subnet", Link, Info, None, "Network that is reached from here", "";
    Gateway = "gateway", Link, Info, None, "Router to other networks", "";
    Vlan = "vlan", Link, Info, None, "Virtual network", "";
    Path = "path", Link, Info, None, "Routers on the way to a host", "";
    Neighbours = "neighbours", Link, Info, None, "Neighbours at the other end of a cable", "";
}

macro_rules! by_name {
    ($name:ty, $what:literal, $($variant:path = $text:literal),*) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($variant => $text),* })
            }
        }

        impl FromStr for $name {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, ParseNameError> {
                match text {
                    $($text => Ok($variant),)*
                    _ => Err(ParseNameError { what: $what, got: text.chars().take(64).collect(), known: &[$($text),*] }),
                }
            }
        }
    };
}

by_name!(
    Severity,
    "severity",
    Severity::Info = "info",
    Severity::Low = "low",
    Severity::Medium = "medium",
    Severity::High = "high",
    Severity::Critical = "critical"
);
by_name!(
    PortState,
    "port state",
    PortState::Open = "open",
    PortState::Closed = "closed",
    PortState::Filtered = "filtered",
    PortState::Unknown = "unknown"
);
by_name!(
    Kind,
    "kind",
    Kind::Port = "port",
    Kind::Service = "service",
    Kind::Weakness = "weakness",
    Kind::Host = "host",
    Kind::Link = "link"
);
by_name!(
    Confidence,
    "confidence",
    Confidence::Tentative = "tentative",
    Confidence::Firm = "firm",
    Confidence::Certain = "certain"
);

/// A name that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {what} named {got:?}; there are {}", known.join(", "))]
pub struct ParseNameError {
    what: &'static str,
    got: String,
    known: &'static [&'static str],
}

impl fmt::Display for FindingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FindingType {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let unknown = || ParseNameError {
            what: "finding type",
            got: text.chars().take(64).collect(),
            known: Self::NAMES,
        };
        Self::ALL
            .iter()
            .copied()
            .find(|type_| type_.name() == text)
            .ok_or_else(unknown)
    }
}
