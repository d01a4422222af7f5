//! BER (X.690), as much of it as LDAP and SNMP need: definite lengths, one byte of tag.

/// An element: its tag, and what is in it.
pub(super) type Element<'a> = (u8, &'a [u8]);

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
pub(super) fn elements(bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (element, behind) = element(rest)?;
        rest = behind;
        Some(element)
    })
    .take(ELEMENTS_LIMIT)
}

/// What is in the first element, if it has this tag.
pub(super) fn inside(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let ((found, inside), behind) = element(bytes)?;
    (found == tag).then_some((inside, behind))
}

/// An element of ours, shorter than 128 bytes.
pub(super) fn write(tag: u8, inside: &[u8]) -> Vec<u8> {
    let length = u8::try_from(inside.len()).ok().filter(|length| *length < 0x80);
    [&[tag, length.expect("a short element of our own")], inside].concat()
}

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const SEQUENCE: u8 = 0x30;
const ELEMENTS_LIMIT: usize = 1024;
