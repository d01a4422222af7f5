//! The operator's copy: where every message that leaves an appliance is sent as well.
//!
//! The order comes from the owner ([`CopyOrder`], an [`OwnerWord`](crate::owner::OwnerWord)): the platform carries it,
//! and can neither point an appliance at a collector of its choice nor end the copy. What is sent there is one line of
//! JSON for each message: a [`Copied`], or a [`Remark`] of the copy on itself.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use vedette_crypto::roots::PinnedRoots;

use crate::{
    codec::{self, DecodeError},
    id::{ApplianceId, Digest, Fingerprint, KeyId, OrgId},
    link::{Request, TimeRequest},
    owner::Epoch,
    signed::{Message, Signed, VerifyError, base64_for_people},
    target::HostName,
};

/// The port of syslog over TLS (RFC 5425, section 4.1).
pub const COLLECTOR_PORT: u16 = 6514;

/// An order is no longer than this, signed and encoded.
pub const COPY_ORDER_LIMIT: usize = 16 * 1024;

/// Copy to this collector from now on, or not any more. Signed by the owner key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyOrder {
    /// Whose appliance is meant.
    pub org: OrgId,
    /// The appliance.
    pub appliance: ApplianceId,
    /// Its identity key.
    pub identity: Fingerprint,
    /// The owner's epoch in which it was signed: an appliance that knows a newer one does not take it.
    pub epoch: Epoch,
    /// Rises with each order to one appliance, so that no older one comes back.
    pub number: u64,
    /// Where to; none: nowhere.
    pub collector: Option<Collector>,
}

impl Message for CopyOrder {
    const DOMAIN: &'static str = "owner copy";
}

/// An operator's own syslog server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collector {
    /// Where it is.
    pub at: CollectorAddress,
    /// For whom its certificate is, unless for the host of `at`.
    pub name: Option<HostName>,
    /// The CAs of which its certificate must come.
    pub roots: PinnedRoots,
    /// What happens while it cannot be reached.
    pub delivery: Delivery,
    /// What it is shown if it asks who sends, over TLS 1.3 alone; none: nothing.
    pub certificate: Option<ClientCertificate>,
}

/// A certificate of an appliance's identity key, DER, that the owner key signed: by it a collector knows the appliance
/// (RFC 5425, section 4.2.2), without believing the platform's CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientCertificate(#[serde(with = "base64_for_people")] pub Vec<u8>);

/// Host and port, as in `logs.example.com:6514`, `192.0.2.7` or `[2001:db8::7]:6514`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CollectorAddress {
    /// The host.
    pub host: CollectorHost,
    /// The TCP port, not 0.
    pub port: u16,
}

/// An address, or a name that the appliance resolves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollectorHost {
    /// An address.
    Address(IpAddr),
    /// A name.
    Name(HostName),
}

/// Text that names no collector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no collector; write a host name or an address, with a port if it is not {COLLECTOR_PORT}: \
     logs.example.com:6514, 192.0.2.7, [2001:db8::7]:6514"
)]
pub struct ParseCollectorError(String);

impl FromStr for CollectorAddress {
    type Err = ParseCollectorError;

    fn from_str(text: &str) -> Result<Self, ParseCollectorError> {
        let wrong = || ParseCollectorError(text.chars().take(256).collect());
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let bare = bare.unwrap_or(text);
        let (host, port) = if let Ok(both) = text.parse::<SocketAddr>() {
            (CollectorHost::Address(both.ip()), both.port())
        } else if let Ok(address) = bare.parse() {
            (CollectorHost::Address(address), COLLECTOR_PORT)
        } else {
            let (name, port) = match text.rsplit_once(':') {
                Some((name, port)) => (name, port.parse().map_err(|_| wrong())?),
                None => (text, COLLECTOR_PORT),
            };
            (CollectorHost::Name(name.parse().map_err(|_| wrong())?), port)
        };
        if port == 0 {
            return Err(wrong());
        }
        Ok(Self { host, port })
    }
}

impl TryFrom<String> for CollectorAddress {
    type Error = ParseCollectorError;

    fn try_from(text: String) -> Result<Self, ParseCollectorError> {
        text.parse()
    }
}

impl From<CollectorAddress> for String {
    fn from(address: CollectorAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for CollectorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            CollectorHost::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            CollectorHost::Name(name) => write!(f, "{}:{}", name.as_str(), self.port),
        }
    }
}

/// What happens while the collector cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// What happened to jobs, findings among it, waits on the appliance: it is copied before it is sent.
    Required,
    /// It is sent all the same, and the copy tells how many messages it misses.
    BestEffort,
}

/// Why an appliance does not take an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CopyRefusal {
    /// No owner key is pinned.
    #[error(
        "no owner key is pinned on the appliance; make one with `vedette owner init` and pin it with `vedette appliance confirm`"
    )]
    NoOwner,
    /// The pinned owner key did not sign it.
    #[error("the order is not signed by the owner key that is pinned")]
    NotSigned,
    /// It is another organisation's.
    #[error("the order is for another organisation")]
    Organisation,
    /// It is for another appliance.
    #[error("the order is for another appliance")]
    Appliance,
    /// The owner's epoch is newer.
    #[error("the order is of an older epoch of the owner")]
    Epoch,
    /// There was a later one.
    #[error("a later order was taken before")]
    Older,
    /// It is too long.
    #[error("the order is longer than {COPY_ORDER_LIMIT} bytes")]
    TooLarge,
}

/// What an appliance says of its copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CopyStanding {
    /// The number of the last order that it took; 0: none.
    pub number: u64,
    /// How it goes.
    pub state: CopyState,
    /// How many messages left without a copy since the order was taken in this boot.
    pub missed: u64,
    /// Why the last order was refused, if it was.
    pub refused: Option<CopyRefusal>,
}

impl CopyStanding {
    /// Nobody has ordered a copy.
    pub const NONE: Self = Self {
        number: 0,
        state: CopyState::Off,
        missed: 0,
        refused: None,
    };
}

/// How a copy goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CopyState {
    /// There is none.
    Off,
    /// The collector was not reached yet.
    Connecting,
    /// The collector takes it.
    Flowing,
    /// The collector does not take it.
    Stuck(CopyTrouble),
}

/// Why a collector does not take the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CopyTrouble {
    /// Its name has no address.
    #[error("its name does not resolve")]
    Unresolved,
    /// Nothing answers.
    #[error("it cannot be reached")]
    Unreachable,
    /// It is not the one that is meant.
    #[error("its certificate is not from the CA that the owner named, or for another name, or has expired")]
    Untrusted,
    /// There is no TLS between us.
    #[error("it does not speak TLS 1.2 or 1.3 properly")]
    NotTls,
    /// It takes nothing in time, or hangs up.
    #[error("it does not take what is sent")]
    Broken,
    /// The packet filter did not open.
    #[error("the appliance's packet filter did not open for it")]
    Filter,
    /// It wants to know who sends, and does not take the answer.
    #[error("it does not accept the appliance's certificate, or wants one (`vedette copy set --client-ca`)")]
    Denied,
}

/// One message that left, as a line of the copy says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copied<T> {
    /// Which message: the last segment of its path under `/link/v1/`.
    pub left: String,
    /// SHA-256 of the bytes that left: of the whole body of the HTTP request.
    pub digest: Digest,
    /// Which key has signed them; none: a question for the time, which nobody signs.
    pub key: Option<KeyId>,
    /// The signature (Ed25519) over the message as [`crate::codec`] encodes it, behind its domain; hexadecimal.
    pub signature: Option<String>,
    /// The message.
    pub message: T,
}

impl<T: Message> Copied<T> {
    /// What a body says.
    ///
    /// # Errors
    /// When it is no such message.
    pub fn of(left: &str, body: &[u8]) -> Result<Self, VerifyError> {
        let signed = Signed::<T>::from_bytes(body)?;
        // The keeper of this appliance has just made it: there is nobody to believe but ourselves.
        let message = signed.danger_read_unverified()?;
        Ok(Self {
            left: left.to_owned(),
            digest: Digest::of(body),
            key: Some(signed.key()),
            signature: Some(signed.signature_text()),
            message,
        })
    }
}

impl Copied<TimeRequest> {
    /// What a question for the time says.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_time(body: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self {
            left: TimeRequest::PATH.to_owned(),
            digest: Digest::of(body),
            key: None,
            signature: None,
            message: codec::decode(body)?,
        })
    }
}

/// What the copy says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "copy", rename_all = "kebab-case")]
pub enum Remark {
    /// It begins, by this order: with the numbers, or again after a restart.
    Begin {
        /// The order's number.
        order: u64,
        /// What it says of delivery.
        delivery: Delivery,
    },
    /// The lines of these numbers were lost, because the collector did not take them.
    Gap {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// It ends: another order counts from now on, or none.
    End {
        /// The number of the order that ends.
        order: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_written_as_people_write_it() {
        for (text, shown) in [
            ("logs.example.com", "logs.example.com:6514"),
            ("logs.example.com:7", "logs.example.com:7"),
            ("192.0.2.7", "192.0.2.7:6514"),
            ("192.0.2.7:1514", "192.0.2.7:1514"),
            ("2001:db8::7", "[2001:db8::7]:6514"),
            ("[2001:db8::7]", "[2001:db8::7]:6514"),
            ("[2001:db8::7]:99", "[2001:db8::7]:99"),
        ] {
            let address: CollectorAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse(), Ok(address));
        }
        for wrong in [
            "",
            "logs:0",
            "192.0.2.7:0",
            "a b",
            "logs:x",
            "192.0.2.7:99999",
            "https://logs",
            "logs:",
            "[[::1]]",
        ] {
            assert!(wrong.parse::<CollectorAddress>().is_err(), "{wrong}");
        }
    }
}
