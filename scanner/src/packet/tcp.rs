//! TCP segments (RFC 9293): the header, and of its options the maximum segment size.

use super::{checksum::Checksum, ip, ip::Ends};

/// The header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// From which port.
    pub source: u16,
    /// To which port.
    pub destination: u16,
    /// The number of its first byte.
    pub sequence: u32,
    /// The number of the byte that is expected next.
    pub acknowledgement: u32,
    /// SYN and the like.
    pub flags: Flags,
    /// How much may be sent.
    pub window: u16,
    /// The largest segment that the sender takes.
    pub mss: Option<u16>,
}

/// The flags of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more will be sent.
    pub const FIN: Self = Self(0x01);
    /// A connection begins.
    pub const SYN: Self = Self(0x02);
    /// There is no such connection.
    pub const RST: Self = Self(0x04);
    /// The acknowledgement counts.
    pub const ACK: Self = Self(0x10);

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of these are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Tcp {
    /// The first segment of a connection.
    pub fn syn(source: u16, destination: u16, sequence: u32) -> Self {
        Self {
            source,
            destination,
            sequence,
            acknowledgement: 0,
            flags: Flags::SYN,
            window: 1024,
            mss: Some(1460),
        }
    }

    /// The header, and the data behind it.
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let fixed: &[u8; 20] = bytes.first_chunk()?;
        let header = usize::from(fixed[12] >> 4) * 4;
        let options = bytes.get(fixed.len()..header)?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let long = |at: usize| u32::from(word(at)) << 16 | u32::from(word(at + 2));
        let tcp = Self {
            source: word(0),
            destination: word(2),
            sequence: long(4),
            acknowledgement: long(8),
            flags: Flags(fixed[13]),
            window: word(14),
            mss: mss(options),
        };
        Some((tcp, &bytes[header..]))
    }

    /// The segment with this data in it, with its checksum.
    pub fn segment(&self, ends: Ends, data: &[u8]) -> Vec<u8> {
        let offset: u8 = if self.mss.is_some() { 6 } else { 5 };
        let mut bytes = Vec::with_capacity(usize::from(offset) * 4 + data.len());
        bytes.extend_from_slice(&self.source.to_be_bytes());
        bytes.extend_from_slice(&self.destination.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.acknowledgement.to_be_bytes());
        bytes.extend_from_slice(&[offset << 4, self.flags.0]);
        bytes.extend_from_slice(&self.window.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        if let Some(mss) = self.mss {
            bytes.extend_from_slice(&[MSS, 4]);
            bytes.extend_from_slice(&mss.to_be_bytes());
        }
        bytes.extend_from_slice(data);
        let sum = Checksum::of(ends, ip::TCP, &bytes).finish();
        bytes[16..18].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

/// The option, in a list of at most 40 bytes.
fn mss(mut options: &[u8]) -> Option<u16> {
    loop {
        options = match *options {
            [MSS, 4, high, low, ..] => return Some(u16::from_be_bytes([high, low])),
            [NO_OPERATION, ref rest @ ..] => rest,
            [END, ..] => return None,
            [_, length, ..] if length >= 2 => options.get(usize::from(length)..)?,
            _ => return None,
        };
    }
}

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
