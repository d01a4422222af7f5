//! ICMP for IPv4 (RFC 792).

use super::{Quote, checksum::Checksum};

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icmp<'a> {
    /// Are you there?
    Echo {
        /// Whose question it is.
        id: u16,
        /// Which of them.
        sequence: u16,
        /// To be sent back.
        data: &'a [u8],
    },
    /// I am.
    EchoReply {
        /// As in the question.
        id: u16,
        /// As in the question.
        sequence: u16,
        /// As in the question.
        data: &'a [u8],
    },
    /// What time is it?
    Timestamp {
        /// Whose question it is.
        id: u16,
        /// Which of them.
        sequence: u16,
    },
    /// The times in milliseconds since midnight UT.
    TimestampReply {
        /// As in the question.
        id: u16,
        /// As in the question.
        sequence: u16,
        /// When the question came in, and when this left.
        times: [u32; 2],
    },
    /// A packet could not be delivered.
    Unreachable {
        /// Why: [`PORT`], [`PROHIBITED`] and others.
        code: u8,
        /// Which one.
        quote: Quote,
    },
    /// A packet went over more hops than it might.
    TimeExceeded {
        /// Which one.
        quote: Quote,
    },
    /// Something else.
    Other {
        /// Its type.
        type_: u8,
        /// Its code.
        code: u8,
    },
}

impl<'a> Icmp<'a> {
    /// What follows the IP header.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[type_, code, _, _, a, b, c, d], rest) = bytes.split_first_chunk()?;
        let (id, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Some(match (type_, code) {
            (ECHO_REPLY, 0) => Self::EchoReply {
                id,
                sequence,
                data: rest,
            },
            (UNREACHABLE, _) => Self::Unreachable {
                code,
                quote: Quote::parse(rest)?,
            },
            (ECHO, 0) => Self::Echo {
                id,
                sequence,
                data: rest,
            },
            (TIME_EXCEEDED, _) => Self::TimeExceeded {
                quote: Quote::parse(rest)?,
            },
            (TIMESTAMP, 0) => Self::Timestamp { id, sequence },
            (TIMESTAMP_REPLY, 0) => {
                let time = |at: usize| rest.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
                Self::TimestampReply {
                    id,
                    sequence,
                    times: [time(4)?, time(8)?],
                }
            }
            _ => Self::Other { type_, code },
        })
    }

    /// A question, as bytes; none for what a scanner never says.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let (type_, id, sequence, data) = match *self {
            Self::Echo { id, sequence, data } => (ECHO, id, sequence, data),
            Self::Timestamp { id, sequence } => (TIMESTAMP, id, sequence, &[0; 12][..]),
            Self::EchoReply { .. }
            | Self::TimestampReply { .. }
            | Self::Unreachable { .. }
            | Self::TimeExceeded { .. }
            | Self::Other { .. } => return None,
        };
        let mut bytes = vec![type_, 0, 0, 0];
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(data);
        let sum = Checksum::default().over(&bytes).finish();
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        Some(bytes)
    }
}

/// Nobody listens on that port.
pub const PORT: u8 = 3;
/// A filter forbids it: to the network (9), to the host (10), at all (13).
pub const PROHIBITED: [u8; 3] = [9, 10, 13];

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const TIMESTAMP: u8 = 13;
const TIMESTAMP_REPLY: u8 = 14;
