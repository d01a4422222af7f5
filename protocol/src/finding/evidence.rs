//! Typed facts that show a finding. Closed: a new kind of fact is a new variant at the end.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{Label, UrlPath};
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
}

/// Versions of SSL and TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssl3 => "SSLv3",
            Self::Tls10 => "TLSv1.0",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}
