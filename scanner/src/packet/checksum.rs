//! The Internet checksum (RFC 1071), with the pseudo-headers of IPv4 (RFC 9293, section 3.1) and IPv6 (RFC 8200,
//! section 8.1).

use super::ip::Ends;

/// A sum under way: bytes are added as 16-bit words, big endian.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checksum(u64);

impl Checksum {
    /// Adds bytes; an odd last one counts as the upper half of a word, so that only the last call may bring one.
    #[must_use]
    pub fn over(self, bytes: &[u8]) -> Self {
        let (words, last) = bytes.as_chunks::<2>();
        let sum: u64 = words
            .iter()
            .map(|word| u64::from(u16::from_be_bytes(*word)))
            .sum();
        let last = last.first().map_or(0, |byte| u64::from(*byte) << 8);
        Self(self.0 + sum + last)
    }

    /// Adds the pseudo-header of a transport protocol's bytes.
    #[must_use]
    pub fn of(ends: Ends, protocol: u8, bytes: &[u8]) -> Self {
        let sum = match ends {
            Ends::V4 { source, destination } => {
                Self::default().over(&source.octets()).over(&destination.octets())
            }
            Ends::V6 { source, destination } => {
                Self::default().over(&source.octets()).over(&destination.octets())
            }
        };
        Self(sum.0 + u64::from(protocol) + bytes.len() as u64).over(bytes)
    }

    /// The checksum.
    #[expect(clippy::cast_possible_truncation, reason = "folded until it fits")]
    pub fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}
