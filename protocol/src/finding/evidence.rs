//! Typed facts that show a finding. Closed: a new kind of fact is a new variant at the end.

use std::{cmp::Ordering, fmt};

use serde::{Deserialize, Serialize};

use super::{
    cpe::Cpe,
    network::{DeviceKind, LoginOutcome, MacAddress, Source},
    shown::ShownBy,
    text::{Host, Label, UrlPath},
    web::{WebGap, WebPart},
};
use crate::{id::Digest, time::Timestamp};

/// A fact. In JSON an object with one key, the fact's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A service said what it is.
    Product {
        /// Its protocol, as `ssh`.
        protocol: Label,
        /// Its product, as `OpenSSH`.
        product: Option<Label>,
        /// Its version.
        version: Option<Label>,
    },
    /// A certificate that was shown.
    Certificate {
        /// Common name of the subject.
        subject: Option<Label>,
        /// Common name of the issuer.
        issuer: Option<Label>,
        /// Valid from.
        not_before: Timestamp,
        /// Valid until.
        not_after: Timestamp,
        /// SHA-256 of its DER.
        sha256: Digest,
    },
    /// The name that was asked for is not in the certificate.
    NameMismatch {
        /// The name.
        asked: Label,
    },
    /// A protocol version was accepted or refused.
    TlsVersion {
        /// The version.
        version: TlsVersion,
        /// Whether the server spoke it.
        offered: bool,
    },
    /// A response lacks a header.
    HeaderMissing {
        /// The header's name.
        name: Label,
    },
    /// A header says a product's version.
    HeaderVersion {
        /// The header's name.
        name: Label,
        /// The product.
        product: Label,
        /// The version.
        version: Label,
    },
    /// A path answered with what its name promises, and a control path beside it did not.
    Exposed {
        /// The path.
        path: UrlPath,
        /// HTTP status.
        status: u16,
        /// Length of the body in bytes, up to the bound of reading.
        length: u64,
    },
    /// A service let a stranger in.
    NoAuthentication {
        /// Its protocol.
        protocol: Label,
    },
    /// A public key's size in bits.
    KeySize {
        /// Algorithm, as `RSA`.
        algorithm: Label,
        /// Bits.
        bits: u32,
    },
    /// A signature algorithm that is broken.
    WeakSignature {
        /// Algorithm, as `sha1WithRSAEncryption`.
        algorithm: Label,
    },
    /// A host answered, or was overheard.
    Seen {
        /// By which.
        by: Source,
        /// Its port, if it answered from one.
        port: Option<u16>,
    },
    /// A network interface of the host.
    Interface {
        /// Its link-layer address.
        mac: MacAddress,
        /// Who made it, by the IEEE's list.
        vendor: Option<Label>,
    },
    /// A name that the host goes by.
    HostName {
        /// The name.
        name: Label,
        /// Who says so.
        by: Source,
    },
    /// What kind of thing the host is.
    Device {
        /// The kind.
        device: DeviceKind,
        /// What says so.
        by: Source,
    },
    /// The operating system of the host.
    System {
        /// Its name.
        name: Label,
        /// Its version.
        version: Option<Label>,
        /// What says so.
        by: Source,
    },
    /// A host lets strangers read with a community name that everybody knows.
    Community {
        /// The name.
        name: Label,
    },
    /// A network is reached from here.
    Network {
        /// Address and prefix length, as `192.0.2.0/24`.
        network: Label,
        /// Through which interface of ours.
        interface: Label,
        /// Over which router; none when it is on the link.
        via: Option<Host>,
    },
    /// Frames of a virtual network (IEEE 802.1Q) were seen.
    Vlan {
        /// Its number, 1 to 4094.
        id: u16,
    },
    /// A router on the way to a host.
    Hop {
        /// How many routers away; 1 is the first.
        distance: u8,
        /// Its address; none when it did not answer.
        address: Option<Host>,
        /// What it was asked with.
        by: Source,
    },
    /// Two interfaces are joined by a cable, or so one of them says.
    Neighbour {
        /// Who says so.
        by: Source,
        /// The port of the host that this finding is about.
        interface: Option<Label>,
        /// The neighbour's chassis.
        chassis: Option<Label>,
        /// The neighbour's port.
        port: Option<Label>,
        /// The neighbour's name.
        name: Option<Label>,
        /// The neighbour's address.
        address: Option<Host>,
    },
    /// The product, as the vulnerability databases name it.
    Platform {
        /// Its name.
        cpe: Cpe,
    },
    /// A cipher suite was accepted.
    TlsSuite {
        /// Under this version.
        version: TlsVersion,
        /// IANA's name of it.
        suite: Label,
    },
    /// A group was accepted for the agreement on keys.
    TlsGroup {
        /// IANA's name of it.
        group: Label,
    },
    /// Something that a server does or tells, beside versions, suites and groups.
    Feature {
        /// What, as `alpn`.
        name: Label,
        /// How, as `h2`.
        value: Label,
    },
    /// A grade by a published rule.
    Grade {
        /// From `A+` to `F`.
        grade: Label,
    },
    /// A payload had its effect, each time, and its harmless twin had not.
    Injected {
        /// What showed it.
        shown_by: ShownBy,
        /// What of the kind, in our words: a dialect, a context.
        detail: Option<Label>,
        /// Requests that the judgement rests on.
        requests: u32,
    },
    /// An installed package.
    Package {
        /// Its name.
        name: Label,
        /// Its version, as its package manager writes it.
        version: Label,
        /// The architecture that it is built for.
        architecture: Option<Label>,
    },
    /// An attempt to log in.
    Login {
        /// What came of it.
        outcome: LoginOutcome,
    },
    /// A template's matchers were content with what came back.
    Template {
        /// Its name among templates.
        id: Label,
        /// The matcher, if it has a name.
        matcher: Option<Label>,
    },
    /// How far the test of a web application came.
    WebCoverage {
        /// Pages and places that were looked at,
        pages: u64,
        /// of so many that were known.
        pages_planned: u64,
        /// Inputs that were found.
        inputs: u64,
        /// Pairs of an input and a class that were tested,
        tests: u64,
        /// of so many that were to be.
        tests_planned: u64,
        /// Requests that were sent.
        requests: u64,
    },
    /// So much of the test of a web application was not done.
    WebNotDone {
        /// What.
        what: WebPart,
        /// Why.
        why: WebGap,
        /// How many.
        count: u64,
    },
}

/// Versions of SSL and TLS, ordered by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TlsVersion {
    /// RFC 6101.
    #[serde(rename = "SSLv3")]
    Ssl3,
    /// RFC 2246.
    #[serde(rename = "TLSv1.0")]
    Tls10,
    /// RFC 4346.
    #[serde(rename = "TLSv1.1")]
    Tls11,
    /// RFC 5246.
    #[serde(rename = "TLSv1.2")]
    Tls12,
    /// RFC 8446.
    #[serde(rename = "TLSv1.3")]
    Tls13,
    /// RFC 6176, which forbids it.
    #[serde(rename = "SSLv2")]
    Ssl2,
}

impl TlsVersion {
    /// Every version, the oldest first.
    pub const ALL: [Self; 6] = [
        Self::Ssl2,
        Self::Ssl3,
        Self::Tls10,
        Self::Tls11,
        Self::Tls12,
        Self::Tls13,
    ];

    /// Its number in handshakes.
    pub fn number(self) -> u16 {
        match self {
            Self::Ssl2 => 0x0002,
            Self::Ssl3 => 0x0300,
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    /// The version of that number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.number() == number)
    }
}

impl Ord for TlsVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number().cmp(&other.number())
    }
}

impl PartialOrd for TlsVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssl2 => "SSLv2",
            Self::Ssl3 => "SSLv3",
            Self::Tls10 => "TLSv1.0",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}
