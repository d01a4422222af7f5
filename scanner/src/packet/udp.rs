//! UDP datagrams (RFC 768).

use super::{checksum::Checksum, ip, ip::Ends};

/// The header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Udp {
    /// From which port.
    pub source: u16,
    /// To which port.
    pub destination: u16,
}

impl Udp {
    /// The header, and the data behind it: no more than its length says, and all of that.
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let fixed: &[u8; 8] = bytes.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let (source, destination) = (word(0), word(2));
        let data = bytes.get(fixed.len()..word(4).into())?;
        Some((Self { source, destination }, data))
    }

    /// The datagram with this data in it, with its checksum. More than 65,507 bytes are cut off.
    pub fn datagram(&self, ends: Ends, data: &[u8]) -> Vec<u8> {
        let data = &data[..data.len().min(MOST)];
        let length = u16::try_from(8 + data.len()).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(8 + data.len());
        for word in [self.source, self.destination, length, 0] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        bytes.extend_from_slice(data);
        // Zero would say that there is none.
        let sum = match Checksum::of(ends, ip::UDP, &bytes).finish() {
            0 => u16::MAX,
            sum => sum,
        };
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

const MOST: usize = 65_507;
