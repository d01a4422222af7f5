//! Credentials: what one is for, where it may be used, and, once it is opened, what it says.
//!
//! [`Header`] is public and bound to the sealed content ([`crate::envelope`]); [`Login`] is the secret.

mod login;

pub use login::{LOGIN_LIMIT, Login, LoginError, PADDING, SecretText};

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    finding::Transport,
    id::{CredentialId, Digest, Fingerprint, OrgId},
    job::Check,
    target::Target,
};

/// A credential in one version; in a grant: in that version or a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CredentialUse {
    /// Which credential.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: CredentialId,
    /// Counts up from 1 with each sealing.
    pub version: u32,
}

/// What a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// User and password for SSH (RFC 4252, section 8).
    SshPassword,
    /// User and private key for SSH (RFC 4252, section 7). The key never leaves the vault.
    SshKey,
    /// User and password for HTTP basic authentication (RFC 7617).
    HttpBasic,
    /// A bearer token (RFC 6750).
    Bearer,
    /// User and password for a form.
    Form,
    /// A cookie (RFC 6265).
    Cookie,
    /// A TLS client certificate and its private key, which never leaves the vault.
    ClientCertificate,
    /// An SNMP community (RFC 1157).
    SnmpCommunity,
    /// User and password for a database.
    Database,
}

impl CredentialKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::SshPassword,
        Self::SshKey,
        Self::HttpBasic,
        Self::Bearer,
        Self::Form,
        Self::Cookie,
        Self::ClientCertificate,
        Self::SnmpCommunity,
        Self::Database,
    ];

    /// Its name, as in JSON and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::SshPassword => "ssh-password",
            Self::SshKey => "ssh-key",
            Self::HttpBasic => "http-basic",
            Self::Bearer => "bearer",
            Self::Form => "form",
            Self::Cookie => "cookie",
            Self::ClientCertificate => "client-certificate",
            Self::SnmpCommunity => "snmp-community",
            Self::Database => "database",
        }
    }

    /// Over what its logins go.
    pub fn transport(self) -> Transport {
        match self {
            Self::SshPassword
            | Self::SshKey
            | Self::HttpBasic
            | Self::Bearer
            | Self::Form
            | Self::Cookie
            | Self::ClientCertificate
            | Self::Database => Transport::Tcp,
            Self::SnmpCommunity => Transport::Udp,
        }
    }

    /// What is checked behind a login with it, in order. [`Check::Inventory`] is among it in every case: that is the
    /// check for which an owner's grant lets a job log in at all.
    pub fn checks(self) -> &'static [Check] {
        match self {
            Self::SshPassword | Self::SshKey | Self::SnmpCommunity | Self::Database => &[Check::Inventory],
            Self::HttpBasic | Self::Bearer | Self::Form | Self::Cookie | Self::ClientCertificate => {
                &[Check::Http, Check::Inventory, Check::Web]
            }
        }
    }

    /// Whether whoever answers at the place learns the secret itself: then the place must be known by its key, or
    /// the operator must have said that it need not be. Of a private key only a signature leaves.
    pub fn shows_secret(self) -> bool {
        !matches!(self, Self::SshKey | Self::ClientCertificate)
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that is no kind of credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no kind of credential named {0:?}; there are ssh-password, ssh-key, http-basic, bearer, form, cookie, client-certificate, snmp-community and database"
)]
pub struct ParseKindError(String);

impl FromStr for CredentialKind {
    type Err = ParseKindError;

    fn from_str(text: &str) -> Result<Self, ParseKindError> {
        let named = |kind: &Self| kind.name() == text;
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| ParseKindError(text.chars().take(64).collect()))
    }
}

/// Where a credential may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Which host or hosts.
    pub host: Target,
    /// On which port.
    pub port: u16,
    /// How the right host is told from another at its address.
    pub trust: Trust,
}

/// How a host is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// By the SHA-256 of its SSH host key's public blob, as OpenSSH prints it (in base64 there, in hexadecimal here).
    SshHostKey(Digest),
    /// By the SHA-256 of its TLS certificate's SubjectPublicKeyInfo (RFC 7469, section 2.4).
    TlsSpki(Digest),
    /// By the key that it shows first: the operator said `--accept-first-seen`.
    FirstSeen,
    /// By nothing, over a connection that anybody on the way can read: the operator said `--cleartext-ok`.
    Cleartext,
}

/// What everybody may know of a sealed credential. As JSON it is the associated data of the sealing, byte for byte as
/// the sealer wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of this format: [`HEADER_VERSION`].
    pub vedette: u32,
    /// Whose it is.
    pub org: OrgId,
    /// Its name.
    pub credential: CredentialId,
    /// Counts up from 1 with each sealing.
    pub version: u32,
    /// What it is.
    pub kind: CredentialKind,
    /// Where it may be used.
    pub places: Vec<Place>,
    /// Each appliance that can open it.
    pub appliances: Vec<Fingerprint>,
}

/// Version of [`Header`].
pub const HEADER_VERSION: u32 = 1;
