//! Serialised objects of Java (Object Serialization Specification, chapter 6): a class of the runtime with its version, and the
//! same with another version, which Java refuses when it has loaded the class. They are named where a class may have notes of
//! its own (`classAnnotation`), which every reader reads and drops; nothing is made of them.

use super::Twins;

pub(super) fn twins(value: &[u8], _: &str) -> Option<Twins> {
    let (at, handles) = annotation(value)?;
    let (head, tail) = value.split_at(at);
    let tail = shifted(tail, handles);
    let naming = |name: &str, version: i64| {
        let length = u16::try_from(name.len()).unwrap_or_default().to_be_bytes();
        let class = [
            &[CLASS, CLASS_DESC],
            &length[..],
            name.as_bytes(),
            &version.to_be_bytes(),
            &[SERIALIZABLE, 0, 0, END, NULL],
        ];
        [head, &class.concat(), &tail].concat()
    };
    let [(one, version), (other, other_version)] = CLASSES;
    Some(Twins {
        load: [naming(one, version), naming(other, other_version)],
        fail: [naming(one, version ^ 1), naming(other, other_version ^ 1)],
    })
}

/// Where the notes of the first class end, and how many things have a number by then.
fn annotation(value: &[u8]) -> Option<(usize, u16)> {
    let rest = value.strip_prefix(&[0xac, 0xed, 0, 5, OBJECT, CLASS_DESC])?;
    let mut at = value.len() - rest.len();
    let take = |at: &mut usize, count: usize| {
        let part = value.get(*at..at.checked_add(count)?)?;
        *at += count;
        Some(part)
    };
    let number = |at: &mut usize| {
        let bytes: [u8; 2] = take(at, 2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    };
    let length = number(&mut at)?;
    take(&mut at, length.into())?;
    // Version and flags.
    take(&mut at, 9)?;
    let mut handles = 1_u16;
    for _ in 0..number(&mut at)? {
        let kind = take(&mut at, 1)?[0];
        let length = number(&mut at)?;
        take(&mut at, length.into())?;
        if matches!(kind, b'[' | b'L') {
            match take(&mut at, 1)?[0] {
                STRING => {
                    let length = number(&mut at)?;
                    take(&mut at, length.into())?;
                    handles = handles.checked_add(1)?;
                }
                REFERENCE => {
                    take(&mut at, 4)?;
                }
                _ => return None,
            }
        }
    }
    (value.get(at) == Some(&END)).then_some((at, handles))
}

/// What follows, in which things from a number on have numbers that are higher by two.
fn shifted(tail: &[u8], from: u16) -> Vec<u8> {
    let mut tail = tail.to_vec();
    let mut at = 0;
    while at + 5 <= tail.len() {
        let [REFERENCE, 0, 0x7e, high, low] = tail[at..at + 5] else {
            at += 1;
            continue;
        };
        let number = u16::from_be_bytes([high, low]);
        if number >= from {
            tail[at + 3..at + 5].copy_from_slice(&number.saturating_add(2).to_be_bytes());
        }
        at += 5;
    }
    tail
}

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS_DESC: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const CLASS: u8 = 0x76;
const END: u8 = 0x78;
const SERIALIZABLE: u8 = 2;
/// Classes that no list of an application names, and their `serialVersionUID`.
const CLASSES: [(&str, i64); 2] = [
    ("java.util.BitSet", 7_997_698_588_986_878_753),
    (
        "java.util.concurrent.atomic.AtomicLong",
        1_927_816_293_512_124_184,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A map of two texts and two integers, the second of which refers to the class of the first; written by
    /// `ObjectOutputStream` of Java 17.
    const MAP: &str = "aced0005737200116a6176612e7574696c2e486173684d61700507dac1c31660d103000246000a6c6f6164466163746f7249\
        00097468726573686f6c6478703f4000000000000c770800000010000000037400057468656d657400046461726b7400016b737200116a617661\
        2e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94\
        e08b0200007870000000087400016e7371007e00050000000778";

    #[test]
    fn a_class_is_named_behind_the_fields_and_numbers_move_on() {
        let value: Vec<u8> = (0..MAP.len() / 2)
            .map(|at| u8::from_str_radix(&MAP[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        assert_eq!(annotation(&value), Some((61, 1)));
        let [load, _] = twins(&value, "").unwrap().load;
        assert_eq!(load[61..64], [CLASS, CLASS_DESC, 0]);
        assert!(load.ends_with(&[REFERENCE, 0, 0x7e, 0, 7, 0, 0, 0, 7, END]));
    }
}
