//! Ethernet frames (IEEE 802.3), with up to two VLAN tags (802.1Q, 802.1ad).

use std::fmt;

/// An address of a network adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// A VLAN tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u16);

/// The header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ethernet {
    /// To whom.
    pub destination: Mac,
    /// From whom.
    pub source: Mac,
    /// The outer and the inner tag.
    pub tags: [Option<Tag>; 2],
    /// What it carries; below 1536 the length of an 802.3 frame.
    pub type_: u16,
}

impl Mac {
    /// Everybody.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// None.
    pub const ZERO: Self = Self([0; 6]);

    /// Whether it stands for several adapters.
    pub fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Tag {
    /// A tag as it stands in the frame: priority, drop indicator, VLAN id.
    pub fn of(control: u16) -> Self {
        Self(control)
    }

    /// The VLAN, 0 to 4095.
    pub fn vlan(self) -> u16 {
        self.0 & 0x0fff
    }
}

impl Ethernet {
    /// The header, and what follows it.
    pub fn parse(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (destination, rest) = frame.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (mut type_, mut rest) = word(rest)?;
        let mut tags = [None; 2];
        for tag in &mut tags {
            if !matches!(type_, VLAN | PROVIDER_VLAN) {
                break;
            }
            let (control, inner) = word(rest)?;
            *tag = Some(Tag(control));
            (type_, rest) = word(inner)?;
        }
        let (destination, source) = (Mac(*destination), Mac(*source));
        Some((
            Self {
                destination,
                source,
                tags,
                type_,
            },
            rest,
        ))
    }

    /// A frame without tags.
    pub fn new(source: Mac, destination: Mac, type_: u16) -> Self {
        let tags = [None; 2];
        Self {
            destination,
            source,
            tags,
            type_,
        }
    }

    /// A frame with this in it. (The adapter adds what a frame lacks in length, and the check sequence.)
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(LENGTH + 8 + payload.len());
        frame.extend_from_slice(&self.destination.0);
        frame.extend_from_slice(&self.source.0);
        let tags = self.tags.iter().flatten().count();
        for (at, tag) in self.tags.iter().flatten().enumerate() {
            let kind = if at + 1 < tags { PROVIDER_VLAN } else { VLAN };
            frame.extend_from_slice(&kind.to_be_bytes());
            frame.extend_from_slice(&tag.0.to_be_bytes());
        }
        frame.extend_from_slice(&self.type_.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    }
}

fn word(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*word), rest))
}

/// Bytes of a header without tags.
pub const LENGTH: usize = 14;
/// Types, as IANA lists them.
pub const IPV4: u16 = 0x0800;
/// RFC 826.
pub const ARP: u16 = 0x0806;
/// RFC 2464.
pub const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const PROVIDER_VLAN: u16 = 0x88a8;
