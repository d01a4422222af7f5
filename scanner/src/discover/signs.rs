//! What small signs say of a host: which kind of device it is and what runs on it. Pure; each sign is a
//! line, and says no more than it can.

use vedette_protocol::finding::{DeviceKind, MacAddress, Source};

use super::device::Fact;
use crate::{
    message::snmp::{ObjectId, Value, system_objects},
    vendor::vendor,
};

/// What the maker of an adapter makes besides, where that is one kind of thing.
pub(crate) fn kind_by_adapter(mac: MacAddress) -> Option<DeviceKind> {
    // QEMU's own, which is no block of the IEEE's; and Hyper-V's, whose maker makes other things too.
    if matches!(mac.0, [0x52, 0x54, 0x00, ..] | [0x00, 0x15, 0x5d, ..]) {
        return Some(DeviceKind::VirtualMachine);
    }
    let vendor = vendor(mac)?.as_str().to_ascii_lowercase();
    first(MAKERS, |maker| vendor.starts_with(maker))
}

/// What a service tells that a host announces by multicast DNS.
pub(crate) fn kind_by_service(service: &str) -> Option<DeviceKind> {
    first(SERVICES, |known| service.eq_ignore_ascii_case(known))
}

/// What a DHCP client's maker tells of its system.
pub(crate) fn system_by_vendor_class(class: &str) -> Option<&'static str> {
    first(DHCP_CLIENTS, |known| class.starts_with(known))
}

/// What a hop limit tells of the system that sent the packet: each comes down by one at each router, and begins
/// at 64 (Linux, BSD, macOS), 128 (Windows) or 255 (most routers).
pub(crate) fn system_by_hops(hops: u8) -> Option<&'static str> {
    match hops {
        // So far away that it could be either.
        0..=32 => None,
        33..=64 => Some("Linux, BSD or macOS"),
        65..=96 => None,
        97..=128 => Some("Windows"),
        129..=255 => None,
    }
}

/// What an SNMP agent says of its host, asked for [`system_objects`].
pub(crate) fn facts_of_system(values: &[(ObjectId, Value)]) -> Vec<Fact> {
    let [description, name, services] = system_objects();
    let mut facts = Vec::new();
    for (object, value) in values {
        match value {
            Value::Bytes(bytes) if *object == description => {
                facts.extend(facts_of_description(&String::from_utf8_lossy(bytes)));
            }
            Value::Bytes(bytes) if *object == name => {
                let name = String::from_utf8_lossy(bytes).into_owned();
                facts.push(Fact::Name(name, Source::Snmp));
            }
            Value::Integer(layers) if *object == services => {
                facts.extend(kind_by_layers(*layers).map(|kind| Fact::Kind(kind, Source::Snmp)));
            }
            _ => {}
        }
    }
    facts
}

/// What an SNMP agent says of itself in words (RFC 3418, sysDescr).
fn facts_of_description(description: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    let word = |at: usize| description.split_whitespace().nth(at).map(str::to_owned);
    let after = |mark: &str| {
        let (_, rest) = description.split_once(mark)?;
        let version = rest.split([' ', ',', ';']).next()?;
        (!version.is_empty()).then(|| version.to_owned())
    };
    let system = first(SYSTEMS, |known| description.contains(known));
    if let Some(system) = system {
        // net-snmp on Unix: `Linux host 6.1.0-13-amd64 #1 SMP …`, as uname(1) says it.
        let version = match description.split_whitespace().next() {
            Some("Linux" | "FreeBSD" | "OpenBSD" | "NetBSD" | "Darwin") => word(2),
            _ => after("Version ").or_else(|| after("RouterOS ")),
        };
        facts.push(Fact::System(system.to_owned(), version, Source::Snmp));
    }
    let lower = description.to_ascii_lowercase();
    if let Some(kind) = first(DESCRIPTIONS, |known| lower.contains(known)) {
        facts.push(Fact::Kind(kind, Source::Snmp));
    }
    facts
}

/// Which layers an SNMP agent says that it serves (RFC 3418, sysServices: the sum of 2 to the power of layer - 1).
fn kind_by_layers(services: i64) -> Option<DeviceKind> {
    let serves = |layer: u32| services >> (layer - 1) & 1 == 1;
    match (serves(2), serves(3), serves(7)) {
        // A host with everything switched on, as net-snmp's example has it, tells nothing.
        (_, _, true) => None,
        (_, true, _) => Some(DeviceKind::Router),
        (true, false, _) => Some(DeviceKind::Switch),
        (false, false, _) => None,
    }
}

fn first<T: Copy>(table: &[(&str, T)], holds: impl Fn(&str) -> bool) -> Option<T> {
    table
        .iter()
        .find(|(known, _)| holds(known))
        .map(|(_, told)| *told)
}

/// Beginnings of the names in the IEEE's list, in lower case.
const MAKERS: &[(&str, DeviceKind)] = &[
    ("axis communications", DeviceKind::Camera),
    ("brother industries", DeviceKind::Printer),
    ("espressif", DeviceKind::Thing),
    ("hangzhou hikvision", DeviceKind::Camera),
    ("lexmark", DeviceKind::Printer),
    ("parallels", DeviceKind::VirtualMachine),
    ("pcs systemtechnik", DeviceKind::VirtualMachine),
    ("polycom", DeviceKind::Phone),
    ("qnap", DeviceKind::Storage),
    ("raspberry pi", DeviceKind::Thing),
    ("seiko epson", DeviceKind::Printer),
    ("snom", DeviceKind::Phone),
    ("sonos, inc", DeviceKind::Media),
    ("synology", DeviceKind::Storage),
    ("vmware", DeviceKind::VirtualMachine),
    ("xensource", DeviceKind::VirtualMachine),
    ("xiamen yealink", DeviceKind::Phone),
];

const SERVICES: &[(&str, DeviceKind)] = &[
    ("_adisk._tcp", DeviceKind::Storage),
    ("_airplay._tcp", DeviceKind::Media),
    ("_axis-video._tcp", DeviceKind::Camera),
    ("_googlecast._tcp", DeviceKind::Media),
    ("_hap._tcp", DeviceKind::Thing),
    ("_ipp._tcp", DeviceKind::Printer),
    ("_ipps._tcp", DeviceKind::Printer),
    ("_pdl-datastream._tcp", DeviceKind::Printer),
    ("_printer._tcp", DeviceKind::Printer),
    ("_raop._tcp", DeviceKind::Media),
    ("_scanner._tcp", DeviceKind::Printer),
    ("_sip._udp", DeviceKind::Phone),
    ("_spotify-connect._tcp", DeviceKind::Media),
    ("_uscan._tcp", DeviceKind::Printer),
    ("_workstation._tcp", DeviceKind::Workstation),
];

const DHCP_CLIENTS: &[(&str, &str)] = &[
    ("MSFT ", "Windows"),
    ("android-dhcp-", "Android"),
    ("dhcpcd-", "Linux or BSD"),
    ("udhcp", "Linux"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("Cisco IOS", "Cisco IOS"),
    ("Cisco NX-OS", "Cisco NX-OS"),
    ("Cisco Adaptive Security", "Cisco ASA"),
    ("RouterOS", "MikroTik RouterOS"),
    ("JUNOS", "Junos"),
    ("ArubaOS", "ArubaOS"),
    ("Windows", "Windows"),
    ("FreeBSD", "FreeBSD"),
    ("OpenBSD", "OpenBSD"),
    ("NetBSD", "NetBSD"),
    ("Darwin", "macOS"),
    ("Linux", "Linux"),
];

const DESCRIPTIONS: &[(&str, DeviceKind)] = &[
    ("jetdirect", DeviceKind::Printer),
    ("laserjet", DeviceKind::Printer),
    ("printer", DeviceKind::Printer),
    ("access point", DeviceKind::AccessPoint),
    ("routeros", DeviceKind::Router),
    ("router", DeviceKind::Router),
    ("catalyst", DeviceKind::Switch),
    ("switch", DeviceKind::Switch),
    ("ip phone", DeviceKind::Phone),
    ("network camera", DeviceKind::Camera),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_say_what_they_can_and_no_more() {
        assert_eq!(
            kind_by_adapter(MacAddress([0x52, 0x54, 0, 1, 2, 3])),
            Some(DeviceKind::VirtualMachine)
        );
        assert_eq!(kind_by_adapter(MacAddress([2, 0, 0, 0, 0, 1])), None);
        assert_eq!(kind_by_service("_IPP._tcp"), Some(DeviceKind::Printer));
        assert_eq!(system_by_hops(128), Some("Windows"));
        assert_eq!(system_by_hops(64), Some("Linux, BSD or macOS"));
        assert_eq!(system_by_hops(80), None);
        assert_eq!(
            (kind_by_layers(6), kind_by_layers(2)),
            (Some(DeviceKind::Router), Some(DeviceKind::Switch))
        );
        assert_eq!(kind_by_layers(79), None);
        assert_eq!(system_by_vendor_class("MSFT 5.0"), Some("Windows"));
    }

    #[test]
    fn descriptions_tell_system_and_version() {
        let told = facts_of_description("Linux edge 6.1.0-13-amd64 #1 SMP Debian x86_64");
        assert_eq!(
            told,
            [Fact::System(
                "Linux".into(),
                Some("6.1.0-13-amd64".into()),
                Source::Snmp
            )]
        );
        let told = facts_of_description("Cisco IOS Software, C2960 Software, Version 15.0(2)SE4, RELEASE");
        assert_eq!(
            told,
            [Fact::System(
                "Cisco IOS".into(),
                Some("15.0(2)SE4".into()),
                Source::Snmp
            )]
        );
        assert_eq!(
            facts_of_description("HP ETHERNET MULTI-ENVIRONMENT,JETDIRECT"),
            [Fact::Kind(DeviceKind::Printer, Source::Snmp)]
        );
    }

    #[test]
    fn every_maker_in_the_table_is_in_the_list_of_the_ieee() {
        let list = include_str!("../../data/oui.txt").to_ascii_lowercase();
        for (maker, _) in MAKERS {
            assert!(
                list.lines().any(|line| line.contains(&format!(" {maker}"))),
                "{maker}"
            );
        }
    }
}
