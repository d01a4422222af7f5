//! DHCP for IPv4 (RFC 2131, options by RFC 2132), overheard: nothing is ever sent.
//!
//! Own code, since it reads six options of fixed form; the usual crate takes a stranger's length for that of
//! an array.

use std::net::Ipv4Addr;

use vedette_protocol::finding::MacAddress;

/// What a message tells of its client and its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dhcp {
    /// What kind of message it is.
    pub kind: Kind,
    /// The client's interface.
    pub client: MacAddress,
    /// The address that the client has, asks for or is given.
    pub address: Option<Ipv4Addr>,
    /// The client's name, as it says itself.
    pub host_name: Option<String>,
    /// The make of the client's DHCP program.
    pub vendor_class: Option<String>,
    /// The server that the message is from or for.
    pub server: Option<Ipv4Addr>,
    /// The routers that the server names.
    pub routers: Vec<Ipv4Addr>,
}

/// Messages that tell something (RFC 2132, 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A client looks for a server.
    Discover,
    /// A server offers an address.
    Offer,
    /// A client asks for an address.
    Request,
    /// A server gives an address.
    Ack,
    /// A client has an address and asks for the rest.
    Inform,
}

/// Reads the payload of a UDP datagram from or to port 67.
pub fn parse_dhcp(bytes: &[u8]) -> Option<Dhcp> {
    let fixed = bytes.get(..FIXED)?;
    // Ethernet, with addresses of 6 bytes.
    if fixed.get(1..3)? != [1, 6] || fixed.get(236..240)? != MAGIC {
        return None;
    }
    let options = || options(&bytes[FIXED..]);
    let option = |wanted: u8| options().find_map(move |(code, value)| (code == wanted).then_some(value));
    let kind = match option(53)? {
        [1] => Kind::Discover,
        [2] => Kind::Offer,
        [3] => Kind::Request,
        [5] => Kind::Ack,
        [8] => Kind::Inform,
        _ => return None,
    };
    let field = |at: usize| address(fixed.get(at..at + 4)?);
    let (ours, given) = (field(12), field(16));
    let server = option(54).and_then(address);
    Some(Dhcp {
        kind,
        client: MacAddress(*fixed.get(28..)?.first_chunk()?),
        address: match kind {
            Kind::Offer | Kind::Ack => given.or(ours),
            Kind::Discover | Kind::Request | Kind::Inform => ours.or_else(|| option(50).and_then(address)),
        },
        host_name: option(12).and_then(text),
        vendor_class: option(60).and_then(text),
        server,
        routers: option(3)
            .unwrap_or_default()
            .chunks_exact(4)
            .take(ROUTERS)
            .filter_map(address)
            .collect(),
    })
}

/// The options up to the end mark, or to the first that does not fit.
fn options(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        loop {
            match rest.split_first()? {
                (0, behind) => rest = behind,
                (255, _) => return None,
                (code, behind) => {
                    let (length, behind) = behind.split_first()?;
                    let value = behind.get(..usize::from(*length))?;
                    rest = &behind[usize::from(*length)..];
                    return Some((*code, value));
                }
            }
        }
    })
}

fn address(value: &[u8]) -> Option<Ipv4Addr> {
    let address = Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?);
    (!address.is_unspecified()).then_some(address)
}

fn text(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(value);
    let text = text.trim_end_matches('\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Up to the options: RFC 2131, figure 1, with the cookie of section 3.
const FIXED: usize = 240;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
const ROUTERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// dnsmasq 2.90 answers a client that said its name; nmap's broadcast-dhcp-discover asks.
    const OFFER: &[u8] = include_bytes!("../../../fuzz/corpus/scan_dhcp/dnsmasq-offer");
    const DISCOVER: &[u8] = include_bytes!("../../../fuzz/corpus/scan_dhcp/nmap-discover");
    const NAMED: &[u8] = include_bytes!("../../../fuzz/corpus/scan_dhcp/named-discover");

    #[test]
    fn a_real_offer_names_client_address_server_and_router() {
        let offer = parse_dhcp(OFFER).unwrap();
        assert_eq!(offer.kind, Kind::Offer);
        assert_eq!(offer.client.to_string(), "02:00:00:00:0a:01");
        assert_eq!(offer.server, Some(Ipv4Addr::new(192, 0, 2, 2)));
        assert_eq!(offer.routers, [Ipv4Addr::new(192, 0, 2, 2)]);
        assert_eq!(offer.address.unwrap().octets()[..3], [192, 0, 2]);
    }

    #[test]
    fn a_client_says_its_name_if_it_has_one() {
        let named = parse_dhcp(NAMED).unwrap();
        assert_eq!(
            (named.kind, named.host_name.as_deref()),
            (Kind::Discover, Some("laptop"))
        );
        assert_eq!(named.vendor_class.as_deref(), Some("MSFT 5.0"));
        let nameless = parse_dhcp(DISCOVER).unwrap();
        assert_eq!(
            (nameless.kind, nameless.host_name, nameless.address),
            (Kind::Discover, None, None)
        );
    }

    #[test]
    fn a_message_of_another_medium_or_without_its_cookie_tells_nothing() {
        let mut other = OFFER.to_vec();
        other[2] = 16;
        assert_eq!(parse_dhcp(&other), None);
        let mut bootp = OFFER.to_vec();
        bootp[236] = 0;
        assert_eq!(parse_dhcp(&bootp), None);
        assert_eq!(parse_dhcp(&OFFER[..FIXED]), None, "no kind");
    }

    proptest! {
        #[test]
        fn any_options_are_survived(options in proptest::collection::vec(any::<u8>(), 0..600)) {
            let bytes = [&OFFER[..FIXED], &[53, 1, 5], &options].concat();
            let told = parse_dhcp(&bytes);
            prop_assert!(told.is_none_or(|told| told.routers.len() <= ROUTERS));
        }
    }
}
