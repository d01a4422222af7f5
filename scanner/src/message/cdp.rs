//! The Cisco discovery protocol, version 1 and 2: an older LLDP, still spoken by switches, telephones and
//! access points. Frame by IEEE 802.2 with SNAP (00-00-0C, 0x2000); the entries as Cisco's "Frame Formats"
//! for CDP describes them.

use std::net::{IpAddr, Ipv4Addr};

/// What a neighbour announces of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announcement {
    /// Its name.
    pub device: Option<String>,
    /// Its port at our end.
    pub port: Option<String>,
    /// What it is made of.
    pub platform: Option<String>,
    /// What runs on it.
    pub software: Option<String>,
    /// What it does.
    pub capabilities: Capabilities,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The VLAN of untagged frames on its port.
    pub native_vlan: Option<u16>,
}

/// What a system does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u32);

impl Capabilities {
    /// It forwards packets.
    pub fn router(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// It forwards frames.
    pub fn switch(self) -> bool {
        self.0 & (0x02 | 0x04 | 0x08) != 0
    }

    /// It does something for others.
    pub fn host(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// It makes telephone calls.
    pub fn telephone(self) -> bool {
        self.0 & 0x80 != 0
    }
}

/// Reads what follows the length of an 802.3 frame to 01:00:0c:cc:cc:cc.
pub fn parse_announcement(bytes: &[u8]) -> Option<Announcement> {
    let bytes = bytes.strip_prefix(SNAP)?;
    let (&[version, _time_to_live, _, _], mut rest) = bytes.split_first_chunk::<4>()?;
    if !matches!(version, 1 | 2) {
        return None;
    }
    let mut told = Announcement::default();
    for _ in 0..ENTRIES {
        let Some((&[a, b, c, d], behind)) = rest.split_first_chunk::<4>() else {
            break;
        };
        let length = usize::from(u16::from_be_bytes([c, d])).checked_sub(4)?;
        let value = behind.get(..length)?;
        rest = behind.get(length..)?;
        match u16::from_be_bytes([a, b]) {
            1 => told.device = text(value),
            2 | 22 => told.addresses.extend(addresses(value)),
            3 => told.port = text(value),
            4 => told.capabilities = Capabilities(u32::from_be_bytes(*value.first_chunk()?)),
            5 => told.software = text(value),
            6 => told.platform = text(value),
            10 => {
                let vlan = u16::from_be_bytes(*value.first_chunk()?);
                told.native_vlan = (1..=4094).contains(&vlan).then_some(vlan);
            }
            _ => {}
        }
    }
    (told.device.is_some() || told.port.is_some()).then_some(told)
}

/// A list of addresses; only IPv4 (NLPID 0xCC) is read.
fn addresses(value: &[u8]) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let Some((count, mut rest)) = value.split_first_chunk::<4>() else {
        return found;
    };
    for _ in 0..u32::from_be_bytes(*count).min(ADDRESSES) {
        let Some((protocol, address, behind)) = protocol_and_address(rest) else {
            break;
        };
        if let ([0xcc], Ok(octets)) = (protocol, <[u8; 4]>::try_from(address)) {
            found.push(Ipv4Addr::from(octets).into());
        }
        rest = behind;
    }
    found
}

fn protocol_and_address(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&[_kind, length], rest) = bytes.split_first_chunk::<2>()?;
    let (protocol, rest) = rest.split_at_checked(length.into())?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (address, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((protocol, address, rest))
}

fn text(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let text = text.trim_end_matches('\0');
    (!text.is_empty()).then(|| text.to_owned())
}

const SNAP: &[u8] = &[0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00];
const ENTRIES: usize = 64;
const ADDRESSES: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame of Debian's lldpd 1.0.16, made to speak CDP on a virtual cable, behind the 802.3 length.
    const LLDPD: &[u8] = include_bytes!("../../../fuzz/corpus/scan_cdp/lldpd");

    #[test]
    fn a_real_neighbour_is_read() {
        let told = parse_announcement(LLDPD).unwrap();
        assert_eq!(told.port.as_deref(), Some("db0"));
        assert!(told.device.is_some() && told.platform.is_some());
        assert_eq!(told.software.as_deref(), Some("Debian switch"));
        assert_eq!(told.addresses, ["192.0.2.2".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn vlan_and_capabilities_are_read() {
        let mut frame = SNAP.to_vec();
        frame.extend([2, 180, 0, 0]);
        frame.extend([0, 1, 0, 6, b's', b'w']);
        frame.extend([0, 4, 0, 8, 0, 0, 0, 0x09]);
        frame.extend([0, 10, 0, 6, 0, 42]);
        let told = parse_announcement(&frame).unwrap();
        assert_eq!((told.device.as_deref(), told.native_vlan), (Some("sw"), Some(42)));
        assert!(told.capabilities.router() && told.capabilities.switch() && !told.capabilities.telephone());
        // An entry that claims to be shorter than its own header.
        frame.extend([0, 10, 0, 3, 0, 42]);
        assert_eq!(parse_announcement(&frame), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_little_is_kept(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
            let frame = [SNAP, &[2, 180, 0, 0], &bytes].concat();
            if let Some(told) = parse_announcement(&frame) {
                prop_assert!(told.addresses.len() <= ENTRIES * ADDRESSES as usize);
            }
        }
    }
}
