//! DNS messages (RFC 1035) as three protocols use them: DNS itself, multicast DNS with its service discovery
//! (RFC 6762, RFC 6763), and LLMNR (RFC 4795). Reading and writing is hickory-proto's.

use std::net::IpAddr;

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, RecordType},
};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The name of an address.
    Reverse(IpAddr),
    /// Which kinds of service there are (RFC 6763, section 9).
    Services,
    /// Who offers a service, as `_ipp._tcp`.
    Instances(&'static str),
    /// All that is known of a name.
    Anything(String),
    /// Which server it is (`version.bind` in the class CHAOS, RFC 4892).
    Version,
}

/// Who is asked: the same message means something else to each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A DNS server, which shall ask others.
    Server,
    /// The host itself.
    Host,
}

/// What a message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The question that it answers.
    pub id: u16,
    /// Whether it is an answer.
    pub turn: Turn,
    /// Its records, at most [`RECORDS`].
    pub records: Vec<Record>,
}

/// Whether a message asks or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It asks.
    Asks,
    /// It answers.
    Answers,
}

/// A record that says something of a host. Names are without the dot at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A host has an address.
    Address {
        /// The host.
        host: String,
        /// The address.
        address: IpAddr,
    },
    /// An address has a name.
    Reverse {
        /// The address.
        address: IpAddr,
        /// The name.
        host: String,
    },
    /// A service is offered.
    Service {
        /// Its kind, as `_ipp._tcp`.
        service: String,
    },
    /// A host offers an instance of a service.
    Offer {
        /// The instance, with the service behind it.
        instance: String,
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// A key of a text record that tells what a device is.
    Model {
        /// The record's owner.
        owner: String,
        /// The model, as in `model=` or `ty=`.
        model: String,
    },
    /// The system of a host.
    System {
        /// The host.
        host: String,
        /// Its processor.
        processor: String,
        /// Its operating system.
        system: String,
    },
}

/// The message that asks a question; none for a name that is none.
pub fn question(id: u16, asked: Asked, question: &Question) -> Option<Vec<u8>> {
    let (name, kind) = match question {
        Question::Reverse(address) => (Name::from(*address), RecordType::PTR),
        Question::Services => (Name::from_ascii(ALL_SERVICES).ok()?, RecordType::PTR),
        Question::Instances(service) => (
            Name::from_ascii(format!("{service}.local.")).ok()?,
            RecordType::PTR,
        ),
        Question::Anything(name) => (Name::from_utf8(name).ok()?, RecordType::ANY),
        Question::Version => (Name::from_ascii(VERSION).ok()?, RecordType::TXT),
    };
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = asked == Asked::Server;
    let mut query = Query::query(name, kind);
    if *question == Question::Version {
        query.set_query_class(DNSClass::CH);
    }
    message.add_query(query);
    message.to_vec().ok()
}

/// Reads what a server answers to [`Question::Version`] under this number; what it says of itself, if it does.
/// Nothing, if it is no such answer: an echo is none.
pub fn parse_version(id: u16, bytes: &[u8]) -> Option<Option<String>> {
    let message = Message::from_vec(bytes).ok()?;
    let head = &message.metadata;
    if head.id != id || head.message_type != MessageType::Response || head.op_code != OpCode::Query {
        return None;
    }
    let asked = Name::from_ascii(VERSION).ok()?;
    let is_ours = |query: &Query| {
        *query.name() == asked && query.query_type() == RecordType::TXT && query.query_class() == DNSClass::CH
    };
    match message.queries.as_slice() {
        // Some refuse without repeating what was asked.
        [] if head.response_code != ResponseCode::NoError => return Some(None),
        [query] if is_ours(query) => {}
        _ => return None,
    }
    let text = message.answers.first().and_then(|record| match &record.data {
        RData::TXT(text) => text.txt_data.first(),
        _ => None,
    });
    Some(text.map(|text| {
        let printable = text.iter().filter(|byte| (b' '..=b'~').contains(byte));
        printable.map(|byte| char::from(*byte)).collect()
    }))
}

/// Reads a message of any of the three.
pub fn parse_names(bytes: &[u8]) -> Option<Told> {
    // RFC 6762, section 17: no message is longer.
    if bytes.len() > LONGEST {
        return None;
    }
    let message = Message::from_vec(bytes).ok()?;
    let sections = message
        .answers
        .iter()
        .chain(&message.authorities)
        .chain(&message.additionals);
    Some(Told {
        id: message.metadata.id,
        turn: match message.metadata.message_type {
            MessageType::Query => Turn::Asks,
            MessageType::Response => Turn::Answers,
        },
        records: sections
            .take(RECORDS)
            .filter_map(|record| told(&record.name, &record.data))
            .collect(),
    })
}

fn told(owner: &Name, data: &RData) -> Option<Record> {
    let host = plain(owner);
    Some(match data {
        RData::A(address) => Record::Address {
            host,
            address: address.0.into(),
        },
        RData::AAAA(address) => Record::Address {
            host,
            address: address.0.into(),
        },
        RData::PTR(name) => {
            if let Ok(network) = owner.parse_arpa_name() {
                // The name of a whole network is no host's.
                return (network.prefix_len() == network.max_prefix_len()).then(|| Record::Reverse {
                    address: network.addr(),
                    host: plain(&name.0),
                });
            }
            let service = if host == ALL_SERVICES.trim_end_matches('.') {
                plain(&name.0)
            } else {
                host
            };
            Record::Service {
                service: service.strip_suffix(".local")?.to_owned(),
            }
        }
        RData::SRV(service) => Record::Offer {
            instance: host,
            host: plain(&service.target),
            port: service.port,
        },
        RData::TXT(text) => Record::Model {
            owner: host,
            model: text.txt_data.iter().find_map(|entry| model(entry))?,
        },
        RData::HINFO(info) => Record::System {
            host,
            processor: String::from_utf8_lossy(&info.cpu).into_owned(),
            system: String::from_utf8_lossy(&info.os).into_owned(),
        },
        _ => return None,
    })
}

/// `model=` of _device-info._tcp, `ty=` of printers, `md=` of speakers and screens.
fn model(entry: &[u8]) -> Option<String> {
    let entry = String::from_utf8_lossy(entry);
    let (key, value) = entry.split_once('=')?;
    let tells = ["model", "ty", "md"]
        .iter()
        .any(|tells| key.eq_ignore_ascii_case(tells));
    (tells && !value.is_empty()).then(|| value.to_owned())
}

fn plain(name: &Name) -> String {
    name.to_utf8().trim_end_matches('.').to_owned()
}

/// The most records that are read of one message.
pub const RECORDS: usize = 128;
const LONGEST: usize = 9000;
const VERSION: &str = "version.bind.";
const ALL_SERVICES: &str = "_services._dns-sd._udp.local.";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Answers of avahi-daemon 0.8 to unicast questions; the first to [`Question::Reverse`].
    const REVERSE: &[u8] = include_bytes!("../../../fuzz/corpus/scan_dns/mdns-reverse");
    const SERVICES: &[u8] = include_bytes!("../../../fuzz/corpus/scan_dns/mdns-services");
    const WORKSTATION: &[u8] = include_bytes!("../../../fuzz/corpus/scan_dns/mdns-workstation");
    const ANYTHING: &[u8] = include_bytes!("../../../fuzz/corpus/scan_dns/mdns-any");

    #[test]
    fn a_real_answer_names_its_address() {
        let told = parse_names(REVERSE).unwrap();
        let address = "192.0.2.2".parse().unwrap();
        assert_eq!((told.id, told.turn), (0x1234, Turn::Answers));
        assert_eq!(
            told.records,
            [Record::Reverse {
                address,
                host: "printer-3f.local".into()
            }]
        );
        // It brings the question back as it was put.
        let question = question(0x1234, Asked::Host, &Question::Reverse(address)).unwrap();
        assert_eq!(question[12..], REVERSE[12..question.len()]);
    }

    #[test]
    fn real_answers_tell_services_hosts_and_systems() {
        let services = parse_names(SERVICES).unwrap().records;
        assert_eq!(
            services,
            [Record::Service {
                service: "_workstation._tcp".into()
            }]
        );
        let workstation = parse_names(WORKSTATION).unwrap().records;
        let offered =
            |record: &Record| matches!(record, Record::Offer { host, .. } if host == "printer-3f.local");
        assert!(workstation.iter().any(offered), "{workstation:?}");
        let anything = parse_names(ANYTHING).unwrap().records;
        let linux = |record: &Record| matches!(record, Record::System { system, .. } if system == "LINUX");
        assert!(anything.iter().any(linux), "{anything:?}");
    }

    #[test]
    fn the_name_of_a_network_is_no_hosts() {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        let name = Name::from_ascii("2.0.192.in-addr.arpa.").unwrap();
        let data = RData::PTR(hickory_proto::rr::rdata::PTR(
            Name::from_ascii("net.example.").unwrap(),
        ));
        message.add_answer(hickory_proto::rr::Record::from_rdata(name, 1, data));
        assert_eq!(parse_names(&message.to_vec().unwrap()).unwrap().records, []);
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        assert_eq!(parse_names(&[REVERSE, &[0; LONGEST]].concat()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_little_is_kept(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            records in any::<u16>(),
        ) {
            let header = [[0, 1, 0x84, 0, 0, 0], [0; 6]].concat();
            let mut message = [header, bytes].concat();
            message[6..8].copy_from_slice(&records.to_be_bytes());
            prop_assert!(parse_names(&message).is_none_or(|told| told.records.len() <= RECORDS));
        }
    }
}
