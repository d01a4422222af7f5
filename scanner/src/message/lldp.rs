//! LLDP (IEEE 802.1AB-2016, clause 8): what the neighbour at the other end of the cable says it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vedette_protocol::finding::MacAddress;

/// What a neighbour announces of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announcement {
    /// Its chassis.
    pub chassis: Option<Id>,
    /// Its port at our end.
    pub port: Option<Id>,
    /// That port in words.
    pub port_description: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// What it is, in its own words.
    pub description: Option<String>,
    /// What it does now (table 8-4).
    pub enabled: Capabilities,
    /// Where it is managed.
    pub addresses: Vec<IpAddr>,
    /// The VLAN of untagged frames on its port (annex D.2.1).
    pub port_vlan: Option<u16>,
}

/// The name of a chassis or a port (tables 8-2 and 8-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// A link-layer address.
    Mac(MacAddress),
    /// A network address.
    Address(IpAddr),
    /// A text.
    Text(String),
}

/// What a system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u16);

impl Capabilities {
    /// It forwards frames.
    pub fn bridge(self) -> bool {
        self.0 & 1 << 2 != 0
    }

    /// It connects radios.
    pub fn access_point(self) -> bool {
        self.0 & 1 << 3 != 0
    }

    /// It forwards packets.
    pub fn router(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    /// It makes telephone calls.
    pub fn telephone(self) -> bool {
        self.0 & 1 << 5 != 0
    }

    /// It does nothing for others.
    pub fn station(self) -> bool {
        self.0 & 1 << 7 != 0
    }
}

/// Reads the payload of a frame of ethertype 0x88CC; none unless it begins with chassis, port and time to
/// live, as it must (8.2), or when the neighbour says good-bye (a time to live of 0).
pub fn parse_announcement(bytes: &[u8]) -> Option<Announcement> {
    let mut told = Announcement::default();
    let mut rest = bytes;
    for number in 0..ENTRIES {
        let Some((header, behind)) = rest.split_first_chunk::<2>() else {
            // The last entry may be missing where a frame was cut.
            break;
        };
        let header = u16::from_be_bytes(*header);
        let (kind, length) = (header >> 9, usize::from(header & 0x1ff));
        let value = behind.get(..length)?;
        rest = behind.get(length..)?;
        match (number, kind) {
            (0, 1) => told.chassis = Some(id(value, CHASSIS_MAC, CHASSIS_ADDRESS)?),
            (1, 2) => told.port = Some(id(value, PORT_MAC, PORT_ADDRESS)?),
            (2, 3) if value.len() >= 2 && !value.starts_with(&[0, 0]) => {}
            (0..=2, _) => return None,
            (_, 0) => break,
            (_, 4) => told.port_description = text(value),
            (_, 5) => told.name = text(value),
            (_, 6) => told.description = text(value),
            (_, 7) => told.enabled = capabilities(value)?,
            (_, 8) => told.addresses.extend(management_address(value)),
            (_, 127) => {
                if let Some(vlan) = port_vlan(value) {
                    told.port_vlan = Some(vlan);
                }
            }
            _ => {}
        }
    }
    told.port.is_some().then_some(told)
}

fn id(value: &[u8], mac: u8, network: u8) -> Option<Id> {
    let (kind, value) = value.split_first()?;
    if *kind == mac {
        return Some(Id::Mac(MacAddress(value.try_into().ok()?)));
    }
    if *kind == network {
        return address(value).map(Id::Address);
    }
    text(value).map(Id::Text)
}

/// An address behind its family's number (IANA address family numbers).
fn address(value: &[u8]) -> Option<IpAddr> {
    match value.split_first()? {
        (1, octets) => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into()),
        (2, octets) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into()),
        _ => None,
    }
}

fn management_address(value: &[u8]) -> Option<IpAddr> {
    let (length, behind) = value.split_first()?;
    address(behind.get(..usize::from(*length))?)
}

fn capabilities(value: &[u8]) -> Option<Capabilities> {
    let [_, _, high, low] = *value.first_chunk::<4>()?;
    Some(Capabilities(u16::from_be_bytes([high, low])))
}

fn port_vlan(value: &[u8]) -> Option<u16> {
    let value = value.strip_prefix(&[0x00, 0x80, 0xc2, 1])?;
    let vlan = u16::from_be_bytes(value.try_into().ok()?);
    (1..=4094).contains(&vlan).then_some(vlan)
}

fn text(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let text = text.trim_end_matches('\0');
    (!text.is_empty()).then(|| text.to_owned())
}

const CHASSIS_MAC: u8 = 4;
const CHASSIS_ADDRESS: u8 = 5;
const PORT_MAC: u8 = 3;
const PORT_ADDRESS: u8 = 4;
/// A frame of 1,500 bytes has room for 750 empty ones; real ones have some twenty.
const ENTRIES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame of Debian's lldpd 1.0.16 on a virtual cable, behind the Ethernet header.
    const LLDPD: &[u8] = include_bytes!("../../../fuzz/corpus/scan_lldp/lldpd");

    fn entry(kind: u16, value: &[u8]) -> Vec<u8> {
        let header = kind << 9 | u16::try_from(value.len()).unwrap();
        [&header.to_be_bytes(), value].concat()
    }

    fn frame(more: &[Vec<u8>]) -> Vec<u8> {
        let begin = [
            entry(1, &[4, 2, 0, 0, 0, 0, 1]),
            entry(2, b"\x05Gi0/1"),
            entry(3, &120u16.to_be_bytes()),
        ];
        [&begin, more].concat().concat()
    }

    #[test]
    fn a_real_neighbour_is_read() {
        let told = parse_announcement(LLDPD).unwrap();
        assert_eq!(told.chassis, Some(Id::Mac("52:54:00:12:34:56".parse().unwrap())));
        assert_eq!(told.port, Some(Id::Mac("52:54:00:12:34:56".parse().unwrap())));
        assert_eq!(told.port_description.as_deref(), Some("db0"));
        assert_eq!(told.description.as_deref(), Some("Debian switch"));
        assert_eq!(told.addresses, ["192.0.2.2".parse::<IpAddr>().unwrap()]);
        assert!(
            told.enabled.station()
                || told.enabled.bridge()
                || told.enabled.router()
                || told.enabled == Capabilities::default()
        );
    }

    #[test]
    fn vlan_and_capabilities_are_read() {
        let told = parse_announcement(&frame(&[
            entry(7, &[0, 0x14, 0, 0x14]),
            entry(127, &[0x00, 0x80, 0xc2, 1, 0, 42]),
            entry(0, &[]),
            entry(5, b"behind the end"),
        ]))
        .unwrap();
        assert!(told.enabled.bridge() && told.enabled.router() && !told.enabled.telephone());
        assert_eq!((told.port_vlan, told.name), (Some(42), None));
        assert_eq!(told.port, Some(Id::Text("Gi0/1".into())));
    }

    #[test]
    fn a_frame_without_its_beginning_or_with_a_good_bye_tells_nothing() {
        assert_eq!(parse_announcement(&entry(5, b"name")), None);
        let good_bye = [entry(1, b"\x07a"), entry(2, b"\x07b"), entry(3, &[0, 0])].concat();
        assert_eq!(parse_announcement(&good_bye), None);
        assert_eq!(
            parse_announcement(&frame(&[vec![0x0b, 0xff, b'x']])),
            None,
            "longer than the frame"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_little_is_kept(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
            if let Some(told) = parse_announcement(&bytes) {
                prop_assert!(told.addresses.len() <= ENTRIES);
            }
            let _ = parse_announcement(&frame(&[bytes]));
        }
    }
}
