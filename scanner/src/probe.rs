//! What would be sent, as values: they can be printed, compared, limited and tested without a network.

use std::{fmt, net::SocketAddr, time::Duration};

use vedette_protocol::target::HostName;

use crate::{
    ssh,
    tls::{flight::Stage, handshake::Purpose, starttls::Upgrade},
};

/// One exchange with one endpoint, over a connection of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where to.
    pub endpoint: SocketAddr,
    /// What comes before all else: the way from the protocol in the clear to TLS.
    pub upgrade: Option<Upgrade>,
    /// Inside what.
    pub wrap: Wrap,
    /// When to speak.
    pub turn: Turn,
    /// What to say; nothing: only listen.
    pub say: Vec<u8>,
    /// When to stop listening.
    pub until: Until,
    /// What it means when nothing is heard.
    pub silence: Silence,
}

/// What an exchange goes on inside of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrap {
    /// TCP.
    Plain,
    /// TLS over TCP.
    Tls(Hello),
    /// UDP.
    Datagram,
}

/// How TLS is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The versions offered.
    pub versions: Versions,
    /// The server name sent; none when the target is an address.
    pub name: Option<HostName>,
}

/// Versions of TLS offered in one handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// TLS 1.3 and 1.2.
    Both,
    /// TLS 1.2 alone.
    Only12,
    /// TLS 1.3 alone.
    Only13,
}

/// Who speaks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// We do, at once.
    Ours,
    /// They may, for this long; what they say is the answer, and only their silence makes us speak.
    Theirs(Duration),
}

/// What is enough to have heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The TLS handshake itself.
    Handshake,
    /// A line.
    Line,
    /// Something, and then a pause.
    Pause,
    /// A whole HTTP response.
    Response,
    /// As much of a TLS handshake that we wrote ourselves.
    Tls(Stage),
    /// What a handshake of TLS shows that we bring to its end by hand, for this.
    Completed(Purpose),
    /// A datagram, from whichever port of the host.
    FromAnyPort,
    /// As much of an SSH server's first words.
    Ssh(ssh::packet::Stage),
}

/// What it means when nothing is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// That the service does not understand: an answer too.
    Answers,
    /// That we do not know what we wanted to know.
    IsAGap,
    /// The same; but who hangs up without a word has refused, and that is an answer.
    IsAGapUnlessTheyHangUp,
}

impl Probe {
    /// Whether the reply to one is the reply to the other: who is patient for longer learns nothing more.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        (self.endpoint, &self.upgrade, &self.wrap, &self.say, self.until)
            == (
                other.endpoint,
                &other.upgrade,
                &other.wrap,
                &other.say,
                other.until,
            )
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrap = match &self.wrap {
            Wrap::Plain => "tcp",
            Wrap::Datagram => "udp",
            Wrap::Tls(Hello {
                versions: Versions::Both,
                ..
            }) => "tls",
            Wrap::Tls(Hello {
                versions: Versions::Only12,
                ..
            }) => "tls1.2",
            Wrap::Tls(Hello {
                versions: Versions::Only13,
                ..
            }) => "tls1.3",
        };
        if let Some(upgrade) = &self.upgrade {
            write!(f, "{:?} ", upgrade.protocol)?;
        }
        write!(f, "{wrap} {} \"{}\"", self.endpoint, self.say.escape_ascii())
    }
}
