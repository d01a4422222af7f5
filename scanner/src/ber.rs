//! BER (X.690), as much of it as LDAP and SNMP need: definite lengths, one byte of tag.
//!
//! Over a stream, what was heard may be cut short ([`inside`]); a datagram is whole or nothing ([`whole`], by asn1-rs).

use asn1_rs::{Any, FromBer};

/// An element: its tag, and what is in it.
pub(crate) type Element<'a> = (u8, &'a [u8]);

/// The first element of some bytes, and the bytes behind it. What is cut short is taken as far as it came:
/// what was heard need not be all that was said.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let [tag, length, rest @ ..] = bytes else {
        return None;
    };
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(*length & 0x7f))?;
            let length = digits
                .iter()
                .fold(0u64, |length, digit| length << 8 | u64::from(*digit));
            (usize::try_from(length).ok()?, rest)
        }
        _ => return None,
    };
    let (inside, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    Some(((*tag, inside), behind))
}

/// The elements in some bytes, as far as they are well-formed.
pub(crate) fn elements(bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (element, behind) = element(rest)?;
        rest = behind;
        Some(element)
    })
    .take(ELEMENTS_LIMIT)
}

/// What is in the first element, if it has this tag.
pub(crate) fn inside(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let ((found, inside), behind) = element(bytes)?;
    (found == tag).then_some((inside, behind))
}

/// The contents of a whole element that has this tag, and what is behind it.
pub(crate) fn whole(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if *bytes.first()? != tag {
        return None;
    }
    let (rest, element) = Any::from_ber(bytes).ok()?;
    Some((element.data, rest))
}

/// An element of ours.
pub(crate) fn write(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(length @ 0..=127) => bytes.push(length),
        Ok(length) => bytes.extend([0x81, length]),
        // Nothing that we ask comes near 64 KiB; what does not fit would be refused by the agent.
        Err(_) => {
            bytes.push(0x82);
            bytes.extend(u16::try_from(contents.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    bytes.extend_from_slice(contents);
    bytes
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
const ELEMENTS_LIMIT: usize = 1024;
