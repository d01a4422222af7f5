//! Where a credential may be used, and how the right host is known there, as the operator writes it.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use vedette_protocol::credential::{CredentialKind, Place, Trust};
use vedette_protocol::{Digest, Target};

/// A host, and a port if one was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Where {
    host: Target,
    port: Option<u16>,
}

/// Text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no place to log in at; write HOST or HOST:PORT, as in 192.0.2.7:22, db.example or [2001:db8::7]:22"
)]
pub(crate) struct ParseWhereError(String);

impl FromStr for Where {
    type Err = ParseWhereError;

    fn from_str(text: &str) -> Result<Self, ParseWhereError> {
        let wrong = || ParseWhereError(text.chars().take(256).collect());
        let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            (host, rest.strip_prefix(':'))
        } else {
            match text.split_once(':') {
                // More than one colon and no brackets: an IPv6 address.
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (text, None),
            }
        };
        let port = match port {
            Some(port) => Some(number(port).ok_or_else(wrong)?),
            None if text.starts_with('[') && !text.ends_with(']') => return Err(wrong()),
            None => None,
        };
        let host = host.parse().map_err(|_| wrong())?;
        Ok(Self { host, port })
    }
}

/// The SHA-256 by which a host's key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyPin(pub(crate) Digest);

/// Text that is no such digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no SHA-256 of a key; write it as `ssh-keygen -lf` prints it (SHA256: and 43 characters), as \
     sha256//BASE64, or as 64 hexadecimal digits"
)]
pub(crate) struct ParseKeyPinError(String);

impl FromStr for KeyPin {
    type Err = ParseKeyPinError;

    fn from_str(text: &str) -> Result<Self, ParseKeyPinError> {
        let digest = || {
            let base64 = ["SHA256:", "sha256//", "sha256/"]
                .into_iter()
                .find_map(|prefix| text.strip_prefix(prefix));
            match base64 {
                Some(base64) => {
                    let bytes = STANDARD_NO_PAD
                        .decode(base64)
                        .or_else(|_| STANDARD.decode(base64));
                    bytes.ok()?.try_into().ok().map(Digest)
                }
                None => text.to_ascii_lowercase().parse().ok(),
            }
        };
        digest()
            .map(Self)
            .ok_or_else(|| ParseKeyPinError(text.chars().take(64).collect()))
    }
}

/// How hosts are to be known, as it was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trusting {
    pub(crate) host_keys: Vec<KeyPin>,
    pub(crate) spki: Vec<KeyPin>,
    pub(crate) first_seen: bool,
    pub(crate) cleartext: bool,
}

/// Why a credential is not sealed for these places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("{0} has no usual port; write the port behind the host, as in 192.0.2.7:5432")]
    NoPort(CredentialKind),
    #[error(
        "whoever answers at {place} would learn the {kind}: pin its key with {pin}, or accept the risk with {lax}"
    )]
    Unpinned {
        kind: CredentialKind,
        place: String,
        pin: &'static str,
        lax: &'static str,
    },
    #[error("{pins} keys pinned for {places} places; give one for each --target, in their order")]
    Count { pins: usize, places: usize },
    #[error("{option} is not for {kind}: {reason}")]
    Unfit {
        option: &'static str,
        kind: CredentialKind,
        reason: &'static str,
    },
}

/// The places.
pub(crate) fn places(
    kind: CredentialKind,
    hosts: &[Where],
    trusting: &Trusting,
) -> Result<Vec<Place>, PlaceError> {
    let way = Way::of(kind);
    fits(kind, way, trusting)?;
    let pins: Vec<Trust> = trusting
        .host_keys
        .iter()
        .map(|pin| Trust::SshHostKey(pin.0))
        .chain(trusting.spki.iter().map(|pin| Trust::TlsSpki(pin.0)))
        .collect();
    if !pins.is_empty() && pins.len() != hosts.len() {
        return Err(PlaceError::Count {
            pins: pins.len(),
            places: hosts.len(),
        });
    }
    let lax = if trusting.cleartext {
        Some(Trust::Cleartext)
    } else if trusting.first_seen || !kind.shows_secret() {
        Some(Trust::FirstSeen)
    } else {
        None
    };
    hosts
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let trust = pins.get(index).copied().or(lax);
            let trust = trust.ok_or_else(|| PlaceError::Unpinned {
                kind,
                place: host.host.to_string(),
                pin: way.pin(),
                lax: way.lax(),
            })?;
            Ok(Place {
                host: host.host.clone(),
                port: host
                    .port
                    .or_else(|| usual_port(kind, trust))
                    .ok_or(PlaceError::NoPort(kind))?,
                trust,
            })
        })
        .collect()
}

/// How a place is shown.
pub(crate) struct Shown<'a>(pub(crate) &'a Place);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { host, port, trust } = self.0;
        write!(f, "{host} port {port}, ")?;
        match trust {
            Trust::SshHostKey(key) => write!(f, "host key SHA256:{}", STANDARD_NO_PAD.encode(key.0)),
            Trust::TlsSpki(key) => write!(f, "TLS key sha256//{}", STANDARD.encode(key.0)),
            Trust::FirstSeen => f.write_str("whatever key it shows first"),
            Trust::Cleartext => f.write_str("in clear, whoever answers"),
        }
    }
}

/// By what a kind of credential travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Ssh,
    Tls,
    /// With TLS or without.
    Either,
    Clear,
}

impl Way {
    fn of(kind: CredentialKind) -> Self {
        match kind {
            CredentialKind::SshPassword | CredentialKind::SshKey => Self::Ssh,
            CredentialKind::ClientCertificate => Self::Tls,
            CredentialKind::HttpBasic
            | CredentialKind::Bearer
            | CredentialKind::Form
            | CredentialKind::Cookie
            | CredentialKind::Database => Self::Either,
            CredentialKind::SnmpCommunity => Self::Clear,
        }
    }

    fn pin(self) -> &'static str {
        match self {
            Self::Ssh => "--host-key SHA256:…",
            Self::Tls | Self::Either => "--spki sha256//…",
            Self::Clear => "nothing, for SNMP knows no key",
        }
    }

    fn lax(self) -> &'static str {
        match self {
            Self::Ssh | Self::Tls => "--accept-first-seen",
            Self::Either => "--accept-first-seen or --cleartext-ok",
            Self::Clear => "--cleartext-ok",
        }
    }
}

fn fits(kind: CredentialKind, way: Way, trusting: &Trusting) -> Result<(), PlaceError> {
    let unfit = |option, reason| Err(PlaceError::Unfit { option, kind, reason });
    if !trusting.host_keys.is_empty() && way != Way::Ssh {
        return unfit("--host-key", "it is not used over SSH; give --spki");
    }
    if !trusting.spki.is_empty() {
        match way {
            Way::Ssh => return unfit("--spki", "SSH has host keys; give --host-key"),
            Way::Clear => return unfit("--spki", "SNMP knows no key; give --cleartext-ok"),
            Way::Tls | Way::Either => {}
        }
    }
    if trusting.first_seen && way == Way::Clear {
        return unfit("--accept-first-seen", "SNMP shows no key; give --cleartext-ok");
    }
    if trusting.cleartext {
        match way {
            Way::Ssh => return unfit("--cleartext-ok", "SSH is never in clear"),
            Way::Tls => return unfit("--cleartext-ok", "a client certificate is a part of TLS"),
            Way::Either | Way::Clear => {}
        }
    }
    Ok(())
}

fn usual_port(kind: CredentialKind, trust: Trust) -> Option<u16> {
    match kind {
        CredentialKind::SshPassword | CredentialKind::SshKey => Some(22),
        CredentialKind::HttpBasic
        | CredentialKind::Bearer
        | CredentialKind::Form
        | CredentialKind::Cookie
        | CredentialKind::ClientCertificate => Some(if trust == Trust::Cleartext { 80 } else { 443 }),
        CredentialKind::SnmpCommunity => Some(161),
        CredentialKind::Database => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(texts: &[&str]) -> Vec<Where> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    const PIN: &str = "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn places_are_read_as_people_write_them() {
        for (text, host, port) in [
            ("192.0.2.7", "192.0.2.7", None),
            ("192.0.2.7:2222", "192.0.2.7", Some(2222)),
            ("192.0.2.0/28:22", "192.0.2.0/28", Some(22)),
            ("db.example:5432", "db.example", Some(5432)),
            ("2001:db8::7", "2001:db8::7", None),
            ("[2001:db8::7]:22", "2001:db8::7", Some(22)),
            ("[2001:db8::7]", "2001:db8::7", None),
        ] {
            let read: Where = text.parse().unwrap();
            assert_eq!(
                (read.host.to_string().as_str(), read.port),
                (host, port),
                "{text}"
            );
        }
        for text in [
            "",
            ":22",
            "192.0.2.7:0",
            "192.0.2.7:x",
            "192.0.2.7:65536",
            "[::1",
            "[::1]x",
            "a b",
            "0.0.0.0/0",
        ] {
            assert!(text.parse::<Where>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_key_is_read_as_openssh_prints_it() {
        let digest = Digest(std::array::from_fn(|index| u8::try_from(index).unwrap()));
        for text in [
            PIN,
            "sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            &digest.to_string(),
            &digest.to_string().to_uppercase(),
        ] {
            assert_eq!(text.parse::<KeyPin>().unwrap().0, digest, "{text}");
        }
        for text in [
            "",
            "SHA256:",
            "SHA256:AAEC",
            "MD5:aa:bb",
            &format!("{PIN}x"),
            &PIN[1..],
        ] {
            assert!(text.parse::<KeyPin>().is_err(), "{text}");
        }
        let place = Place {
            host: "192.0.2.7".parse().unwrap(),
            port: 22,
            trust: Trust::SshHostKey(digest),
        };
        assert_eq!(
            Shown(&place).to_string(),
            format!("192.0.2.7 port 22, host key {PIN}")
        );
    }

    #[test]
    fn what_shows_its_secret_needs_a_pin_for_each_place_or_a_flag() {
        use CredentialKind::{Bearer, SnmpCommunity, SshKey, SshPassword};
        let two = hosts(&["192.0.2.7", "192.0.2.8:2222"]);
        let none = Trusting::default();
        for kind in CredentialKind::ALL {
            let two = hosts(&["192.0.2.7:1", "192.0.2.8:1"]);
            let refused = matches!(places(kind, &two, &none), Err(PlaceError::Unpinned { .. }));
            assert_eq!(refused, kind.shows_secret(), "{kind}");
        }
        let pinned = |count| Trusting {
            host_keys: vec![PIN.parse().unwrap(); count],
            ..Trusting::default()
        };
        let made = places(SshPassword, &two, &pinned(2)).unwrap();
        assert_eq!((made[0].port, made[1].port), (22, 2222));
        assert!(
            made.iter()
                .all(|place| matches!(place.trust, Trust::SshHostKey(_)))
        );
        assert_eq!(
            places(SshPassword, &two, &pinned(1)),
            Err(PlaceError::Count { pins: 1, places: 2 })
        );
        let first = Trusting {
            first_seen: true,
            ..Trusting::default()
        };
        assert_eq!(
            places(SshPassword, &two, &first).unwrap()[0].trust,
            Trust::FirstSeen
        );
        assert_eq!(places(SshKey, &two, &none).unwrap()[0].trust, Trust::FirstSeen);
        let clear = Trusting {
            cleartext: true,
            ..Trusting::default()
        };
        assert_eq!(places(Bearer, &two, &clear).unwrap()[0].port, 80);
        assert_eq!(places(SnmpCommunity, &two, &clear).unwrap()[0].port, 161);
        for (kind, trusting) in [
            (SshPassword, &clear),
            (SnmpCommunity, &first),
            (Bearer, &pinned(2)),
        ] {
            assert!(
                matches!(places(kind, &two, trusting), Err(PlaceError::Unfit { .. })),
                "{kind}"
            );
        }
        assert_eq!(
            places(CredentialKind::Database, &two[..1], &clear),
            Err(PlaceError::NoPort(CredentialKind::Database))
        );
    }
}
