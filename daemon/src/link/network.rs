//! The network as systemd-networkd tells it: which interface is up, and which DNS servers the lease named.
//!
//! networkd writes a file for each interface (`/run/systemd/netif/links/N`, lines of `KEY=value`). What
//! stands there came from a DHCP server and is believed in nothing but plain addresses.

use std::{
    fs, io,
    io::Read,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::PathBuf,
};

use vedette_protocol::keeper::REACH_LIMIT;

/// Where networkd writes.
const LINKS: &str = "/run/systemd/netif/links";

/// The longest file that is read.
const LINK_LIMIT: u64 = 16 * 1024;

/// Where to read.
#[derive(Debug)]
pub struct Network {
    links: PathBuf,
}

/// The network at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leased {
    /// Whether an interface has an address with which others are reached.
    pub routable: bool,
    /// DNS servers, in the lease's order.
    pub resolvers: Vec<IpAddr>,
}

impl Network {
    /// As networkd of this appliance tells it.
    pub fn of_networkd() -> Self {
        Self::at(LINKS.into())
    }

    /// As files of the same form in another place tell it.
    pub fn at(links: PathBuf) -> Self {
        Self { links }
    }

    /// Reads it. What is not there yet is no network yet.
    pub fn leased(&self) -> io::Result<Leased> {
        let mut whole = Leased::default();
        let entries = match fs::read_dir(&self.links) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(whole),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let mut bytes = Vec::new();
            let file = match fs::File::open(entry?.path()) {
                Ok(file) => file,
                // An interface that has just gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            file.take(LINK_LIMIT).read_to_end(&mut bytes)?;
            let link = parse_link(&bytes);
            whole.routable |= link.routable;
            whole.resolvers.extend(link.resolvers);
        }
        let mut seen = Vec::new();
        whole.resolvers.retain(|address| {
            let new = !seen.contains(address);
            seen.push(*address);
            new
        });
        whole.resolvers.truncate(REACH_LIMIT);
        Ok(whole)
    }
}

impl Leased {
    /// The appliance's own address on the way to its first resolver. Connecting a datagram socket sends
    /// nothing; it asks the routing table.
    pub fn address(&self) -> Option<IpAddr> {
        let beyond = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let towards = SocketAddr::new(self.resolvers.first().copied().unwrap_or(beyond), 53);
        let any: SocketAddr = match towards {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0; 16], 0).into(),
        };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(towards).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    }
}

/// Reads the file of one interface.
pub fn parse_link(bytes: &[u8]) -> Leased {
    let text = String::from_utf8_lossy(bytes);
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
    };
    Leased {
        routable: value("OPER_STATE") == "routable",
        resolvers: value("DNS")
            .split_ascii_whitespace()
            .filter_map(|server| server.parse().ok())
            .filter(|address: &IpAddr| !address.is_unspecified() && !address.is_multicast())
            .take(REACH_LIMIT)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_link_file_of_networkd_is_read() {
        // As systemd 252 wrote it for a leased interface.
        let text = "# This is private data. Do not parse.\nADMIN_STATE=configured\nOPER_STATE=routable\n\
                    CARRIER_STATE=carrier\nADDRESS_STATE=routable\nIPV4_ADDRESS_STATE=routable\n\
                    NETWORK_FILE=/usr/lib/systemd/network/10-ethernet.network\nDNS=192.0.2.53 2001:db8::53\nNTP=\n";
        let link = parse_link(text.as_bytes());
        assert!(link.routable);
        assert_eq!(
            link.resolvers,
            ["192.0.2.53", "2001:db8::53"].map(|text| text.parse::<IpAddr>().unwrap())
        );
    }

    #[test]
    fn only_plain_addresses_are_resolvers() {
        let link = parse_link(b"DNS=192.0.2.53:5353#name dns.example 0.0.0.0 224.0.0.1 \x1b[2J\n");
        assert_eq!(link, Leased::default());
    }

    #[test]
    fn two_interfaces_are_one_network() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("1"), "OPER_STATE=carrier\n").unwrap();
        fs::write(
            directory.path().join("2"),
            "OPER_STATE=routable\nDNS=192.0.2.53\n",
        )
        .unwrap();
        fs::write(directory.path().join("3"), "OPER_STATE=off\nDNS=192.0.2.53\n").unwrap();
        let leased = Network::at(directory.path().to_owned()).leased().unwrap();
        assert!(leased.routable && leased.resolvers.len() == 1);
        assert_eq!(
            Network::at("/nowhere".into()).leased().unwrap(),
            Leased::default()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse_link(&bytes);
        }
    }
}
