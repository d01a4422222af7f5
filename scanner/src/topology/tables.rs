//! The tables in which an SNMP agent keeps what it knows of its surroundings, and what their rows tell. Pure.
//! A table is one line in [`Table::ALL`] and one reader.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use vedette_protocol::finding::{Evidence, Label, MacAddress, Source};

use crate::{
    discover::device::Fact,
    message::snmp::{ObjectId, Value},
};

/// One table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    /// Which link-layer address an IPv4 address has (RFC 4293, ipNetToMediaPhysAddress).
    Adapters,
    /// Routes (RFC 4292, ipCidrRouteIfIndex).
    Routes,
    /// Neighbours by LLDP (IEEE 802.1AB, lldpRemEntry).
    Lldp,
    /// Neighbours by CDP (CISCO-CDP-MIB, cdpCacheEntry).
    Cdp,
}

impl Table {
    /// Every table.
    pub(crate) const ALL: [Self; 4] = [Self::Adapters, Self::Routes, Self::Lldp, Self::Cdp];

    /// Below which object it is.
    pub(crate) fn root(self) -> ObjectId {
        let root = match self {
            Self::Adapters => "1.3.6.1.2.1.4.22.1.2",
            Self::Routes => "1.3.6.1.2.1.4.24.4.1.5",
            Self::Lldp => "1.0.8802.1.1.2.1.4.1.1",
            Self::Cdp => "1.3.6.1.4.1.9.9.23.1.2.1.1",
        };
        root.parse().expect("a literal object")
    }

    /// What its rows tell of the agent's host.
    pub(crate) fn facts<'a>(self, rows: impl Iterator<Item = (&'a [u32], &'a Value)>) -> Vec<Told> {
        match self {
            Self::Adapters => rows.filter_map(|(index, value)| adapter(index, value)).collect(),
            Self::Routes => rows.filter_map(|(index, value)| route(index, value)).collect(),
            Self::Lldp => neighbours(rows, &LLDP, Source::Lldp),
            Self::Cdp => neighbours(rows, &CDP, Source::Cdp),
        }
    }
}

/// What a row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Of the agent's host.
    Itself(Fact),
    /// Of the agent's host, if this address is in scope: it is another's.
    About(IpAddr, Fact),
}

/// ipNetToMediaPhysAddress: indexed by interface and address.
fn adapter(index: &[u32], value: &Value) -> Option<Told> {
    let ([interface, address @ ..], Value::Bytes(bytes)) = (index, value) else {
        return None;
    };
    let address = IpAddr::V4(ipv4(address)?);
    let mac = MacAddress(bytes.as_slice().try_into().ok()?);
    Some(Told::About(
        address,
        Fact::Neighbour(Evidence::Neighbour {
            by: Source::Snmp,
            interface: Label::cut(&interface.to_string()),
            chassis: Label::cut(&mac.to_string()),
            port: None,
            name: None,
            address: Some(address.into()),
        }),
    ))
}

/// ipCidrRouteIfIndex: indexed by destination, mask, type of service and next hop.
fn route(index: &[u32], value: &Value) -> Option<Told> {
    let [destination, mask, rest] = split(index)?;
    let ([_, next @ ..], Value::Integer(interface)) = (rest, value) else {
        return None;
    };
    let network = IpNet::V4(Ipv4Net::with_netmask(ipv4(destination)?, ipv4(mask)?).ok()?);
    let next = Some(ipv4(next)?).filter(|next| !next.is_unspecified());
    Some(Told::Itself(Fact::Route(Evidence::Network {
        network: Label::cut(&network.trunc().to_string())?,
        interface: Label::cut(&interface.to_string())?,
        via: next.map(|next| IpAddr::V4(next).into()),
    })))
}

/// Which columns of a table of neighbours are what, and how many numbers name one neighbour.
struct Columns {
    chassis: u32,
    port: u32,
    description: Option<u32>,
    name: Option<u32>,
    address: Option<u32>,
    /// The place of the local port among the index numbers.
    local: usize,
}

const LLDP: Columns = Columns {
    chassis: 5,
    port: 7,
    description: Some(8),
    name: Some(9),
    address: None,
    local: 1,
};

const CDP: Columns = Columns {
    chassis: 6,
    port: 7,
    description: None,
    name: Some(6),
    address: Some(4),
    local: 0,
};

/// The columns come one after the other; what belongs to one neighbour has the same index.
fn neighbours<'a>(
    rows: impl Iterator<Item = (&'a [u32], &'a Value)>,
    columns: &Columns,
    by: Source,
) -> Vec<Told> {
    let mut found: std::collections::BTreeMap<&[u32], Vec<(u32, &[u8])>> = std::collections::BTreeMap::new();
    for (index, value) in rows {
        if let ([column, neighbour @ ..], Value::Bytes(bytes)) = (index, value) {
            found.entry(neighbour).or_default().push((*column, bytes));
        }
    }
    let told = |(index, cells): (&[u32], Vec<(u32, &[u8])>)| {
        let cell = |wanted: u32| {
            cells
                .iter()
                .find(|(column, _)| *column == wanted)
                .map(|(_, bytes)| *bytes)
        };
        let address = columns.address.and_then(cell);
        let address = address.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let port = columns.description.and_then(cell).and_then(words);
        let neighbour = Evidence::Neighbour {
            by,
            interface: index
                .get(columns.local)
                .and_then(|port| Label::cut(&port.to_string())),
            chassis: cell(columns.chassis).and_then(words),
            port: port.or_else(|| cell(columns.port).and_then(words)),
            name: columns.name.and_then(cell).and_then(words),
            address: address.map(|octets| IpAddr::from(octets).into()),
        };
        let fact = Fact::Neighbour(neighbour);
        match address {
            Some(octets) => Told::About(octets.into(), fact),
            None => Told::Itself(fact),
        }
    };
    found.into_iter().map(told).collect()
}

/// Text, or a link-layer address where it is six bytes that are none.
fn words(bytes: &[u8]) -> Option<Label> {
    let printable = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    match <[u8; 6]>::try_from(bytes) {
        Ok(octets) if !printable => Label::cut(&MacAddress(octets).to_string()),
        _ => Label::cut(&String::from_utf8_lossy(bytes)),
    }
}

/// Two addresses of four numbers, and the rest.
fn split(index: &[u32]) -> Option<[&[u32]; 3]> {
    let (first, rest) = index.split_at_checked(4)?;
    let (second, rest) = rest.split_at_checked(4)?;
    Some([first, second, rest])
}

fn ipv4(numbers: &[u32]) -> Option<Ipv4Addr> {
    let [a, b, c, d] = <[u32; 4]>::try_from(numbers).ok()?;
    let octet = |number: u32| u8::try_from(number).ok();
    Some(Ipv4Addr::new(octet(a)?, octet(b)?, octet(c)?, octet(d)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::snmp::parse_answer;
    use proptest::prelude::*;

    #[test]
    fn a_real_table_of_adapters_is_read() {
        let answer = parse_answer(include_bytes!("../../../fuzz/corpus/scan_snmp/net-snmp-bulk")).unwrap();
        let root = Table::Adapters.root();
        let rows = answer
            .values
            .iter()
            .filter_map(|(object, value)| Some((object.below(&root)?, value)));
        let told = Table::Adapters.facts(rows);
        assert_eq!(told.len(), 1);
        assert!(matches!(&told[0], Told::About(address, _) if address.to_string() == "192.0.2.1"));
    }

    #[test]
    fn a_route_is_its_index() {
        let index = [198, 51, 100, 0, 255, 255, 255, 0, 0, 192, 0, 2, 9];
        let told = route(&index, &Value::Integer(2)).unwrap();
        let Told::Itself(Fact::Route(Evidence::Network { network, via, .. })) = told else {
            panic!("{told:?}");
        };
        assert_eq!(
            (network.as_str(), via.unwrap().as_str()),
            ("198.51.100.0/24", "192.0.2.9")
        );
        assert_eq!(route(&index[1..], &Value::Integer(2)), None);
    }

    #[test]
    fn the_cells_of_one_neighbour_are_brought_together() {
        let cell = |column: u32| vec![column, 0, 3, 1];
        let rows = [
            (cell(5), Value::Bytes(vec![2, 0, 0, 0, 0, 9])),
            (cell(7), Value::Bytes(b"Gi0/1".to_vec())),
            (cell(9), Value::Bytes(b"core".to_vec())),
        ];
        let told = Table::Lldp.facts(rows.iter().map(|(index, value)| (index.as_slice(), value)));
        let [
            Told::Itself(Fact::Neighbour(Evidence::Neighbour {
                interface,
                chassis,
                port,
                name,
                ..
            })),
        ] = told.as_slice()
        else {
            panic!("{told:?}");
        };
        let text = |label: &Option<Label>| label.as_ref().unwrap().to_string();
        assert_eq!(
            [text(interface), text(chassis), text(port), text(name)],
            ["3", "02:00:00:00:00:09", "Gi0/1", "core"]
        );
    }

    proptest! {
        #[test]
        fn any_rows_are_survived(rows in proptest::collection::vec((proptest::collection::vec(any::<u32>(), 0..16), proptest::collection::vec(any::<u8>(), 0..8)), 0..40)) {
            let rows: Vec<_> = rows.into_iter().map(|(index, bytes)| (index, Value::Bytes(bytes))).collect();
            for table in Table::ALL {
                let told = table.facts(rows.iter().map(|(index, value)| (index.as_slice(), value)));
                prop_assert!(told.len() <= rows.len());
            }
        }
    }
}
