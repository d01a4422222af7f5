//! SNMP version 2c (RFC 3416 inside the message of RFC 1901): questions, answers, and the walk through a
//! table. BER is `crate::ber`'s.

pub mod engine;

use std::{fmt, net::Ipv4Addr, str::FromStr};

use asn1_rs::Oid;

use crate::ber::{INTEGER, NULL, OBJECT, OCTETS, SEQUENCE, whole, write};

/// An object's identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(Vec<u32>);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// These objects.
    Get,
    /// The objects behind these.
    Next,
    /// Up to so many objects behind each of these.
    Bulk(u8),
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The question's number.
    pub id: i32,
    /// Its error status; 0 is none.
    pub error: i64,
    /// The objects.
    pub values: Vec<(ObjectId, Value)>,
}

/// The value of an object (RFC 2578, section 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A signed number.
    Integer(i64),
    /// A counter, a gauge or a time.
    Unsigned(u64),
    /// Bytes, often text.
    Bytes(Vec<u8>),
    /// Another object.
    Object(ObjectId),
    /// An IPv4 address.
    Address(Ipv4Addr),
    /// No such object, or nothing.
    Nothing,
    /// The agent has nothing more.
    End,
    /// Of a kind that nobody here reads.
    Other,
}

impl ObjectId {
    /// The numbers behind a prefix, if it is one.
    pub fn below(&self, root: &Self) -> Option<&[u32]> {
        self.0.strip_prefix(root.0.as_slice())
    }

    /// The object with this number below.
    #[must_use]
    pub fn child(&self, number: u32) -> Self {
        Self([self.0.as_slice(), &[number]].concat())
    }

    fn read(contents: &[u8]) -> Option<Self> {
        // Two numbers in the first byte, and at least one byte for each of the rest.
        if contents.is_empty() || contents.len() > NUMBERS {
            return None;
        }
        let oid = Oid::new(contents.into());
        let numbers = oid.iter()?.map(|number| u32::try_from(number).ok());
        numbers.collect::<Option<Vec<u32>>>().map(Self)
    }

    fn written(&self) -> Vec<u8> {
        let [first, second, rest @ ..] = self.0.as_slice() else {
            return Vec::new();
        };
        let mut bytes = Vec::new();
        for number in std::iter::once(&(first * 40 + second)).chain(rest) {
            base_128(&mut bytes, *number);
        }
        bytes
    }
}

/// Text that is no object identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no object identifier; write numbers with dots between, beginning with 0 or 1 and a number below 40, or 2 and one below 48, as in 1.3.6.1"
)]
pub struct ParseObjectIdError;

impl FromStr for ObjectId {
    type Err = ParseObjectIdError;

    fn from_str(text: &str) -> Result<Self, ParseObjectIdError> {
        let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        match numbers {
            // X.690, 8.19.4; the bound for 2 is ours: both numbers fit into one byte then.
            Ok(numbers)
                if numbers.len() < NUMBERS
                    && matches!(numbers.as_slice(), [0 | 1, 0..40, ..] | [2, 0..48, ..]) =>
            {
                Ok(Self(numbers))
            }
            _ => Err(ParseObjectIdError),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// sysDescr, sysName and sysServices (RFC 3418).
pub(crate) fn system_objects() -> [ObjectId; 3] {
    ["1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.7.0"]
        .map(|object| object.parse().expect("a literal object"))
}

/// The message that asks for objects.
pub fn question(ask: Ask, community: &str, id: i32, objects: &[ObjectId]) -> Vec<u8> {
    let bindings = objects.iter().map(|object| {
        let name = write(OBJECT, &object.written());
        write(SEQUENCE, &[name, write(NULL, &[])].concat())
    });
    let (tag, first, second) = match ask {
        Ask::Get => (0xa0, 0, 0),
        Ask::Next => (0xa1, 0, 0),
        Ask::Bulk(repetitions) => (0xa5, 0, i32::from(repetitions)),
    };
    let pdu = [
        integer(id),
        integer(first),
        integer(second),
        write(SEQUENCE, &bindings.collect::<Vec<_>>().concat()),
    ];
    let message = [
        integer(VERSION_2C),
        write(OCTETS, community.as_bytes()),
        write(tag, &pdu.concat()),
    ];
    write(SEQUENCE, &message.concat())
}

/// Reads an answer.
pub fn parse_answer(bytes: &[u8]) -> Option<Answer> {
    let (message, _) = whole(bytes, SEQUENCE)?;
    let (version, message) = whole(message, INTEGER)?;
    if number(version)? != i64::from(VERSION_2C) {
        return None;
    }
    let (_community, message) = whole(message, OCTETS)?;
    let (pdu, _) = whole(message, RESPONSE)?;
    let (id, pdu) = whole(pdu, INTEGER)?;
    let (error, pdu) = whole(pdu, INTEGER)?;
    let (_index, pdu) = whole(pdu, INTEGER)?;
    let (mut bindings, _) = whole(pdu, SEQUENCE)?;
    let mut values = Vec::new();
    while !bindings.is_empty() && values.len() < VALUES {
        let (binding, rest) = whole(bindings, SEQUENCE)?;
        let (name, found) = whole(binding, OBJECT)?;
        values.push((ObjectId::read(name)?, value(found)?));
        bindings = rest;
    }
    Some(Answer {
        id: number(id)?.try_into().ok()?,
        error: number(error)?,
        values,
    })
}

/// A walk through everything below one object. Pure: it says what to ask, and is told the answer.
#[derive(Debug, Clone)]
pub struct Walk {
    root: ObjectId,
    at: ObjectId,
    rows: Vec<(ObjectId, Value)>,
    limit: usize,
}

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask what comes behind this object.
    On,
    /// All was seen.
    Done,
    /// It was broken off: too many objects, or an agent that goes in circles.
    BrokenOff,
}

impl Walk {
    /// A walk that keeps at most `limit` objects.
    pub fn new(root: ObjectId, limit: usize) -> Self {
        Self {
            at: root.clone(),
            root,
            rows: Vec::new(),
            limit,
        }
    }

    /// The object behind which it goes on.
    pub fn at(&self) -> &ObjectId {
        &self.at
    }

    /// Takes an answer.
    pub fn heard(&mut self, answer: Answer) -> Step {
        if answer.error != 0 || answer.values.is_empty() {
            return Step::Done;
        }
        for (object, value) in answer.values {
            if object.below(&self.root).is_none() || value == Value::End {
                return Step::Done;
            }
            // RFC 3416, 4.2.2: what comes next is greater; an agent that goes back would keep us for ever.
            if object <= self.at || self.rows.len() >= self.limit {
                return Step::BrokenOff;
            }
            self.at = object.clone();
            self.rows.push((object, value));
        }
        Step::On
    }

    /// What was found: the numbers below the root, and the value.
    pub fn rows(&self) -> impl Iterator<Item = (&[u32], &Value)> {
        self.rows
            .iter()
            .filter_map(|(object, value)| Some((object.below(&self.root)?, value)))
    }
}

fn value(bytes: &[u8]) -> Option<Value> {
    let tag = *bytes.first()?;
    let (contents, _) = whole(bytes, tag)?;
    Some(match tag {
        INTEGER => Value::Integer(number(contents)?),
        OCTETS => Value::Bytes(contents.to_vec()),
        OBJECT => Value::Object(ObjectId::read(contents)?),
        NULL | 0x80 | 0x81 => Value::Nothing,
        0x82 => Value::End,
        0x40 => Value::Address(Ipv4Addr::from(<[u8; 4]>::try_from(contents).ok()?)),
        0x41..=0x43 | 0x46 => Value::Unsigned(unsigned(contents)?),
        _ => Value::Other,
    })
}

/// A signed number of at most 8 bytes, in two's complement.
fn number(contents: &[u8]) -> Option<i64> {
    let negative = contents.first()? & 0x80 != 0;
    if contents.len() > 8 {
        return None;
    }
    let start = if negative { -1 } else { 0 };
    Some(
        contents
            .iter()
            .fold(start, |sum, byte| sum << 8 | i64::from(*byte)),
    )
}

/// An unsigned number; a leading zero keeps its first bit from meaning a sign.
fn unsigned(contents: &[u8]) -> Option<u64> {
    let digits = match contents {
        [] => return None,
        [0, rest @ ..] => rest,
        all => all,
    };
    (digits.len() <= 8).then(|| digits.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn integer(value: i32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    // As short as it can be: a leading byte that only repeats the sign is left out (X.690, 8.3.2).
    let spare = bytes
        .windows(2)
        .take_while(|pair| {
            matches!(pair, [0, next] if next & 0x80 == 0) || matches!(pair, [0xff, next] if next & 0x80 != 0)
        })
        .count();
    write(INTEGER, &bytes[spare..])
}

/// A number in groups of seven bits, all but the last with the eighth set (X.690, 8.19.2).
fn base_128(bytes: &mut Vec<u8>, number: u32) {
    for shift in [28, 21, 14, 7] {
        if number >> shift != 0 {
            bytes.push(0x80 | (number >> shift & 0x7f) as u8);
        }
    }
    bytes.push((number & 0x7f) as u8);
}

const VERSION_2C: i32 = 1;
const RESPONSE: u8 = 0xa2;
/// RFC 2578, section 3.5.
const NUMBERS: usize = 128;
/// Of one answer; more do not fit into a datagram that crosses the internet.
const VALUES: usize = 512;
/// How many objects to ask for at once: some 20 fill a datagram of 1,500 bytes.
pub const AT_ONCE: u8 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Answers of net-snmp 5.9.3: to a GET of three objects, and to a GETBULK of the address table.
    const GET: &[u8] = include_bytes!("../../../fuzz/corpus/scan_snmp/net-snmp-get");
    const BULK: &[u8] = include_bytes!("../../../fuzz/corpus/scan_snmp/net-snmp-bulk");

    fn object(text: &str) -> ObjectId {
        text.parse().unwrap()
    }

    #[test]
    fn a_real_answer_is_whole() {
        let answer = parse_answer(GET).unwrap();
        assert_eq!(answer.error, 0);
        assert_eq!(
            answer.values[0],
            (
                object("1.3.6.1.2.1.1.1.0"),
                Value::Bytes(b"Linux edge-router 6.1.0".to_vec())
            )
        );
        assert_eq!(answer.values[2], (object("1.3.6.1.2.1.1.7.0"), Value::Integer(6)));
    }

    #[test]
    fn a_walk_ends_where_the_table_ends() {
        let mut walk = Walk::new(object("1.3.6.1.2.1.4.22.1.2"), 100);
        // The answer begins with the column before, which a walk that asked for this column never sees.
        let mut answer = parse_answer(BULK).unwrap();
        answer.values.retain(|(name, _)| *name >= walk.root);
        assert_eq!(walk.heard(answer), Step::Done);
        let rows: Vec<_> = walk.rows().collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].0, [2, 192, 0, 2, 1]);
        assert_eq!(rows[0].1, &Value::Bytes(vec![2, 0, 0, 0, 0x0a, 1]));
    }

    #[test]
    fn an_agent_that_goes_in_circles_ends_the_walk() {
        let root = object("1.3.6.1.2.1.1");
        let answer = |below: u32| Answer {
            id: 1,
            error: 0,
            values: vec![(root.child(below), Value::Integer(1))],
        };
        let mut walk = Walk::new(root.clone(), 2);
        assert_eq!(walk.heard(answer(5)), Step::On);
        assert_eq!(walk.heard(answer(5)), Step::BrokenOff);
        assert_eq!(walk.heard(answer(6)), Step::On);
        assert_eq!(walk.heard(answer(7)), Step::BrokenOff, "more than may be kept");
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (value, bytes) in [
            (0, vec![0]),
            (127, vec![127]),
            (128, vec![0, 128]),
            (-1, vec![255]),
            (-129, vec![255, 127]),
        ] {
            assert_eq!(integer(value)[2..], bytes, "{value}");
            assert_eq!(number(&bytes), Some(i64::from(value)));
        }
        assert_eq!(unsigned(&[0, 255, 255, 255, 255]), Some(u64::from(u32::MAX)));
        assert_eq!(unsigned(&[1; 9]), None);
    }

    /// What an agent would send: the question turned into its own answer.
    fn echoed(question: &[u8]) -> Vec<u8> {
        let mut answer = question.to_vec();
        let community = answer
            .windows(3)
            .position(|bytes| bytes == [OCTETS, 1, b'c'])
            .unwrap();
        let at = community + 3;
        assert!(matches!(answer[at], 0xa0 | 0xa1 | 0xa5));
        answer[at] = RESPONSE;
        answer
    }

    proptest! {
        #[test]
        fn a_question_is_read_as_it_was_written(
            id in any::<i32>(),
            objects in proptest::collection::vec(proptest::collection::vec(any::<u32>(), 0..20), 1..12),
        ) {
            let objects: Vec<_> = objects.into_iter().map(|rest| ObjectId([vec![1, 3], rest].concat())).collect();
            let answer = parse_answer(&echoed(&question(Ask::Get, "c", id, &objects))).unwrap();
            prop_assert_eq!(answer.id, id);
            let names: Vec<_> = answer.values.into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(names, objects);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0..GET.len()) {
            let _ = parse_answer(&bytes);
            let _ = parse_answer(&[&GET[..cut], &bytes].concat());
        }
    }
}
