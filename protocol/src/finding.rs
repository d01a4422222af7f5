//! What a scan says: the one schema for the link, the API and the terminal.
//!
//! Everything that may leave an appliance is in these types. No field takes text of a target's
//! choosing but [`Label`] and [`UrlPath`], whose length and alphabet are bounded; there is no place for
//! a body, a cookie, a header's value or a parameter's value.

mod cpe;
mod evidence;
mod kind;
mod network;
mod portrait;
mod report;
mod shown;
mod text;
mod web;

pub use cpe::{Cpe, ParseCpeError};
pub use evidence::{Evidence, TlsVersion};
pub use kind::{Confidence, FindingType, Kind, PortState, Severity, Transport};
pub use network::{DeviceKind, LoginOutcome, MacAddress, ParseMacError, Source};
pub use portrait::{Edge, Portrait};
pub use report::{Coverage, Effort, Outcome, Report, Unanswered};
pub use shown::ShownBy;
pub use text::{Host, Label, UrlPath};
pub use web::{WebGap, WebPart};

use serde::{Deserialize, Serialize};

use crate::id::Digest;

/// Format and purpose of the bytes that an id is a hash of.
const ID_DOMAIN: &[u8] = b"vedette/finding/1";

/// One thing that was seen or found. What it is follows from its [`FindingType`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// The family of the type.
    pub kind: Kind,
    /// Says that it is the same in every scan: [`FindingPlace::id`].
    pub id: Digest,
    /// The host: its address, or the name it was asked for by.
    pub target: Host,
    /// The TCP or UDP port, if it is about one.
    pub port: Option<u16>,
    /// Over what that port is reached; TCP, where it is about none.
    #[serde(default)]
    pub transport: Transport,
    /// The path of a URL on that port, without query.
    pub url: Option<UrlPath>,
    /// The HTTP method.
    pub method: Option<Label>,
    /// The name of a parameter, never its value.
    pub parameter: Option<Label>,
    /// What it is.
    #[serde(rename = "type")]
    pub type_: FindingType,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// The weakness class in MITRE's CWE list.
    pub cwe: Option<u16>,
    /// What a port was seen to be.
    pub state: Option<PortState>,
    /// What answers there.
    pub product: Option<Label>,
    /// Its version, as it says itself.
    pub version: Option<Label>,
    /// Typed facts that show it.
    pub evidence: Vec<Evidence>,
}

/// Where something was found: with its type, what makes it the same in every scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingPlace {
    /// The host.
    pub target: Host,
    /// The port.
    pub port: Option<u16>,
    /// Over what it is reached.
    pub transport: Transport,
    /// The path.
    pub url: Option<UrlPath>,
    /// The method.
    pub method: Option<Label>,
    /// The parameter's name.
    pub parameter: Option<Label>,
}

impl FindingPlace {
    /// A host as a whole.
    pub fn host(target: Host) -> Self {
        Self {
            target,
            port: None,
            transport: Transport::Tcp,
            url: None,
            method: None,
            parameter: None,
        }
    }

    /// A TCP port of a host.
    pub fn port(target: Host, port: u16) -> Self {
        Self {
            target,
            port: Some(port),
            transport: Transport::Tcp,
            url: None,
            method: None,
            parameter: None,
        }
    }

    /// A UDP port of a host.
    pub fn udp(target: Host, port: u16) -> Self {
        Self {
            transport: Transport::Udp,
            ..Self::port(target, port)
        }
    }

    /// A path on a web server.
    pub fn path(target: Host, port: u16, method: Label, url: UrlPath) -> Self {
        Self {
            target,
            port: Some(port),
            transport: Transport::Tcp,
            url: Some(url),
            method: Some(method),
            parameter: None,
        }
    }

    /// The id: SHA-256 over the domain `vedette/finding/1` and then type, target, port, method, path and
    /// parameter, each as UTF-8 text (the port in decimal, what is absent as the empty text) behind its
    /// length as four bytes, big endian. Over UDP one more text follows them: `udp`.
    pub fn id(&self, type_: FindingType) -> Digest {
        let port = self.port.map(|port| port.to_string()).unwrap_or_default();
        let text = |label: &Option<Label>| label.as_ref().map(Label::as_str).unwrap_or_default().to_owned();
        let parts = [
            type_.name().to_owned(),
            self.target.as_str().to_owned(),
            port,
            text(&self.method),
            self.url
                .as_ref()
                .map(UrlPath::as_str)
                .unwrap_or_default()
                .to_owned(),
            text(&self.parameter),
        ];
        let udp = (self.transport == Transport::Udp).then(|| self.transport.name().to_owned());
        let mut bytes = ID_DOMAIN.to_vec();
        for part in parts.into_iter().chain(udp) {
            // Each part is bounded far below 4 GiB by its type.
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Digest::of(&bytes)
    }
}

impl Finding {
    /// A finding of a type at a place, with the type's severity and weakness class and no detail yet.
    pub fn new(type_: FindingType, place: FindingPlace, confidence: Confidence) -> Self {
        let id = place.id(type_);
        let FindingPlace {
            target,
            port,
            transport,
            url,
            method,
            parameter,
        } = place;
        Self {
            kind: type_.kind(),
            id,
            target,
            port,
            transport,
            url,
            method,
            parameter,
            type_,
            severity: type_.severity(),
            confidence,
            cwe: type_.cwe(),
            state: None,
            product: None,
            version: None,
            evidence: Vec::new(),
        }
    }

    /// Whether it says that it was seen by somebody who had logged in.
    pub fn is_from_behind_a_login(&self) -> bool {
        let by_login = |fact: &Evidence| {
            matches!(
                fact,
                Evidence::Seen {
                    by: Source::Login,
                    ..
                }
            )
        };
        self.evidence.iter().any(by_login)
    }

    /// The port as people read it: `443`, or `161/udp`.
    pub fn port_shown(&self) -> Option<String> {
        let port = self.port?;
        Some(match self.transport {
            Transport::Tcp => port.to_string(),
            Transport::Udp => format!("{port}/udp"),
        })
    }

    /// Whether the id is the one that type and place give: a peer's word is not taken for it.
    pub fn id_is_right(&self) -> bool {
        let place = FindingPlace {
            target: self.target.clone(),
            port: self.port,
            transport: self.transport,
            url: self.url.clone(),
            method: self.method.clone(),
            parameter: self.parameter.clone(),
        };
        place.id(self.type_) == self.id && self.kind == self.type_.kind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_another_place_is_noticed() {
        let place = FindingPlace::port("192.0.2.7".parse().unwrap(), 443);
        let mut finding = Finding::new(FindingType::OpenPort, place, Confidence::Certain);
        assert!(finding.id_is_right());
        finding.port = Some(80);
        assert!(!finding.id_is_right());
    }

    #[test]
    fn the_same_port_over_tcp_and_udp_is_two_places() {
        let host = || "192.0.2.7".parse().unwrap();
        let (tcp, udp) = (FindingPlace::port(host(), 53), FindingPlace::udp(host(), 53));
        assert_ne!(tcp.id(FindingType::Service), udp.id(FindingType::Service));
        let mut finding = Finding::new(FindingType::Service, udp, Confidence::Certain);
        assert!(finding.id_is_right());
        assert_eq!(finding.port_shown().as_deref(), Some("53/udp"));
        finding.transport = Transport::Tcp;
        assert!(!finding.id_is_right());
    }

    #[test]
    fn a_finding_that_was_stored_before_transports_were_is_about_tcp() {
        let place = FindingPlace::port("192.0.2.7".parse().unwrap(), 443);
        let finding = Finding::new(FindingType::OpenPort, place, Confidence::Certain);
        let mut stored = serde_json::to_value(&finding).unwrap();
        stored.as_object_mut().unwrap().remove("transport").unwrap();
        assert_eq!(serde_json::from_value::<Finding>(stored).unwrap(), finding);
    }
}
