//! What came back: bytes of a stranger's choosing, bounded, and how the exchange ended.

use vedette_protocol::finding::TlsVersion;

use crate::probe::{Probe, Silence};
pub use crate::wire::Hindrance;

/// The reply to one probe. An error is a reply too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The TLS session, as far as it came.
    pub session: Option<Session>,
    /// What was heard, at most [`HEARD_LIMIT`] bytes.
    pub heard: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// The most bytes that are kept of one reply.
pub const HEARD_LIMIT: usize = 64 * 1024;

/// What a TLS server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The version agreed on; none when the handshake broke off after the certificate.
    pub version: Option<TlsVersion>,
    /// The certificates in DER, the server's own first.
    pub chain: Vec<Vec<u8>>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// What was wanted was heard.
    Enough,
    /// They closed the connection.
    Closed,
    /// They said more than is kept.
    Full,
    /// Time was up.
    Quiet,
    /// They did not take the connection.
    Refused,
    /// The network said that it cannot be reached, or the connection was never answered.
    Unreachable,
    /// TLS did not come about.
    NoTls(TlsFailure),
    /// This machine did not ask.
    NotAsked(Hindrance),
}

/// Why TLS did not come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFailure {
    /// They sent an alert: it is TLS, but not for us.
    Alert(u8),
    /// They speak TLS and agree with us on nothing.
    Incompatible,
    /// What they said is not TLS.
    NotTls,
    /// They hung up.
    HungUp,
    /// The protocol in the clear did not lead there.
    NotOffered,
}

impl Reply {
    /// A reply without a word.
    pub fn silent(end: End) -> Self {
        Self {
            session: None,
            heard: Vec::new(),
            end,
        }
    }

    /// Whether it tells what the probe wanted to know.
    pub fn answers(&self, probe: &Probe) -> bool {
        match (self.end, probe.silence) {
            (End::Refused | End::Unreachable | End::NotAsked(_), _) => false,
            (End::Enough | End::NoTls(_), _)
            | (End::Full, Silence::Answers | Silence::IsAGap)
            | (End::Closed | End::Quiet, Silence::Answers)
            | (End::Closed, Silence::IsAGapUnlessTheyHangUp) => true,
            (End::Closed | End::Quiet, Silence::IsAGap) => !self.heard.is_empty(),
            (End::Full | End::Quiet, Silence::IsAGapUnlessTheyHangUp) => false,
        }
    }
}
