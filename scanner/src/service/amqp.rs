//! AMQP 0-9-1 (section 4.2 of its specification): greeted with the version that we speak, the broker begins
//! the connection by saying what it is.

use super::{Heard, Identity, Question, Service};

pub(crate) const SERVICE: Service = Service {
    ports: &[5672, 5671],
    question: Some(question),
    follow: None,
    recognise,
    datagram: None,
};

const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

fn question(_: &str) -> Question {
    Question::saying(HEADER)
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_start(heard.bytes)
}

/// Reads `connection.start`, or the header with which a broker turns other protocols away.
pub fn parse_start(bytes: &[u8]) -> Option<Identity> {
    let identity = Identity::certain("amqp");
    if bytes == HEADER {
        return Some(identity);
    }
    // A method frame on channel 0: connection.start of version 0-9.
    let payload = bytes.strip_prefix(b"\x01\x00\x00")?.get(4..)?;
    let table = payload.strip_prefix(b"\x00\x0a\x00\x0a\x00\x09")?;
    let (length, table) = table.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let fields = Fields(&table[..table.len().min(length)]);
    let (mut product, mut version) = (None, None);
    for (name, value) in fields.take(FIELDS_LIMIT) {
        match name {
            b"product" => product = std::str::from_utf8(value).ok(),
            b"version" => version = std::str::from_utf8(value).ok(),
            _ => {}
        }
    }
    Some(match product {
        Some(product) => identity.product(product, version),
        None => identity,
    })
}

/// The fields of a table whose values are texts or tables; it ends at any other.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let ([kind], rest) = rest.split_first_chunk::<1>()?;
        if !matches!(kind, b'S' | b'F' | b'A') {
            return None;
        }
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        self.0 = rest;
        Some((name, value))
    }
}

const FIELDS_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// What RabbitMQ 3.10.8 of Debian 12 answered, with fewer of its capabilities.
    const RABBIT: &[u8] = b"\x01\x00\x00\x00\x00\x01\xeb\x00\n\x00\n\x00\t\x00\x00\x01\x17\x0ccapabilitiesF\x00\x00\x00\x15\x12publisher_confirmst\x01\x0ccluster_nameS\x00\x00\x00\x04r@vm\tcopyrightS\x00\x00\x007Copyright (c) 2007-2022 VMware, Inc. or its affiliates.\x0binformationS\x00\x00\x009Licensed under the MPL 2.0. Website: https://rabbitmq.com\x08platformS\x00\x00\x00\x11Erlang/OTP 25.2.3\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x063.10.8\x00\x00\x00\x0ePLAIN AMQPLAIN\x00\x00\x00\x05en_US\xce";

    #[test]
    fn a_broker_says_what_it_is() {
        let told = parse_start(RABBIT).unwrap();
        assert_eq!(
            told,
            Identity::certain("amqp").product("RabbitMQ", Some("3.10.8"))
        );
        assert_eq!(parse_start(HEADER), Some(Identity::certain("amqp")));
    }

    #[test]
    fn other_bytes_are_not() {
        assert_eq!(parse_start(b"AMQP"), None);
        for cut in 0..RABBIT.len() {
            let told = parse_start(&RABBIT[..cut]);
            assert!(told.is_none_or(|told| told.protocol == "amqp"));
        }
    }
}
