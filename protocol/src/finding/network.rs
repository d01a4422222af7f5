//! Words for hosts and for the network between them, as evidence uses them. All of them are closed.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A link-layer address (EUI-48), in text as `02:00:5e:10:00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Whether it was given out by the IEEE, and not made up by software (IEEE 802, 8.4).
    pub fn is_universal(self) -> bool {
        self.0[0] & 0b11 == 0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Text that is no link-layer address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no link-layer address; write six pairs of hexadecimal digits, as in 02:00:5e:10:00:00")]
pub struct ParseMacError;

impl FromStr for MacAddress {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let mut octets = [0; 6];
        let mut pairs = text.split(':');
        for octet in &mut octets {
            let pair = pairs
                .next()
                .filter(|pair| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
            *octet = pair
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or(ParseMacError)?;
        }
        match pairs.next() {
            None => Ok(Self(octets)),
            Some(_) => Err(ParseMacError),
        }
    }
}

impl TryFrom<String> for MacAddress {
    type Error = ParseMacError;

    fn try_from(text: String) -> Result<Self, ParseMacError> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text,)* })
            }
        }
    };
}

words! {
    /// What a fact about a host was learnt from.
    Source {
        /// An ARP packet (RFC 826).
        Arp = "arp",
        /// An IPv6 neighbour advertisement (RFC 4861).
        NeighbourDiscovery = "neighbour-discovery",
        /// An ICMP echo reply (RFC 792, RFC 4443).
        IcmpEcho = "icmp-echo",
        /// An ICMP timestamp reply (RFC 792).
        IcmpTimestamp = "icmp-timestamp",
        /// An ICMP error that the host itself sent.
        IcmpError = "icmp-error",
        /// An answer to a TCP segment.
        Tcp = "tcp",
        /// An answer to a UDP datagram.
        Udp = "udp",
        /// The DNS server's reverse zone.
        ReverseDns = "reverse-dns",
        /// Multicast DNS (RFC 6762).
        Mdns = "mdns",
        /// Link-local multicast name resolution (RFC 4795).
        Llmnr = "llmnr",
        /// The NetBIOS name service (RFC 1002).
        Netbios = "netbios",
        /// DHCP (RFC 2131), overheard.
        Dhcp = "dhcp",
        /// LLDP (IEEE 802.1AB).
        Lldp = "lldp",
        /// The Cisco discovery protocol.
        Cdp = "cdp",
        /// SNMP (RFC 3416).
        Snmp = "snmp",
        /// A certificate that was shown.
        Tls = "tls",
        /// Who made the network interface.
        Vendor = "vendor",
        /// How far the hop limit of its packets had come down.
        HopLimit = "hop-limit",
        /// This machine's own routes.
        Route = "route",
        /// The host itself, to somebody who had logged in.
        Login = "login",
    }
}

words! {
    /// What came of trying to log in.
    LoginOutcome {
        /// The host let us in.
        Accepted = "accepted",
        /// The host refused the credential. It is not tried again in the same scan, so that no account is locked.
        WrongCredential = "wrong-credential",
        /// The host showed another key than the one that the credential was sealed for: it was given nothing.
        WrongHostKey = "wrong-host-key",
        /// The host does not offer this way to log in.
        MethodNotOffered = "method-not-offered",
        /// Nobody answered as this protocol demands.
        NoAnswer = "no-answer",
        /// The appliance's vault did not open the credential.
        NotOpened = "not-opened",
        /// The private key does not open under the passphrase that was sealed with it: the host was told nothing.
        WrongPassphrase = "wrong-passphrase",
        /// The private key is of a type or size that the vault does not sign with: the host was told nothing.
        UnfitKey = "unfit-key",
    }
}

words! {
    /// What kind of thing a host is.
    DeviceKind {
        /// It forwards packets.
        Router = "router",
        /// It forwards frames.
        Switch = "switch",
        /// It connects radios.
        AccessPoint = "access-point",
        /// It prints or scans.
        Printer = "printer",
        /// It makes telephone calls.
        Phone = "phone",
        /// It plays sound or pictures.
        Media = "media",
        /// It films.
        Camera = "camera",
        /// It keeps files for others.
        Storage = "storage",
        /// Somebody works at it.
        Workstation = "workstation",
        /// It serves others.
        Server = "server",
        /// It runs inside another.
        VirtualMachine = "virtual-machine",
        /// It measures or switches something.
        Thing = "thing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_layer_address_is_read_and_printed() {
        let mac: MacAddress = "02:00:5E:10:00:ff".parse().unwrap();
        assert_eq!(mac.to_string(), "02:00:5e:10:00:ff");
        assert!(!mac.is_universal());
        for text in [
            "",
            "02:00:5e:10:00",
            "02:00:5e:10:00:ff:00",
            "2:00:5e:10:00:ff",
            "+2:00:5e:10:00:ff",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }
}
