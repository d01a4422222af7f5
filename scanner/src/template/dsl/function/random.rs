//! Functions of chance.

use ipnet::IpNet;

use super::{Function, MANY, Scene, Value, count, row, string, text};
use crate::template::dsl::LARGEST;

pub(super) const FUNCTIONS: &[Function] = &[
    row("rand_char", (0, 1), |scene, a| drawn(scene, &characters(a, 0), 1)),
    row("rand_base", (1, 3), |scene, a| {
        drawn(scene, &characters(a, 1), count(a, 0)?)
    }),
    row("rand_text_alphanumeric", (1, 2), |scene, a| {
        drawn(scene, &without(&[LETTERS, DIGITS].concat(), a), count(a, 0)?)
    }),
    row("rand_text_alpha", (1, 2), |scene, a| {
        drawn(scene, &without(LETTERS, a), count(a, 0)?)
    }),
    row("rand_text_numeric", (1, 2), |scene, a| {
        drawn(scene, &without(DIGITS, a), count(a, 0)?)
    }),
    row("rand_int", (0, 2), |scene, a| {
        let least = a.first().map_or(Some(0), Value::to_whole)?;
        let bound = a
            .get(1)
            .map_or_else(|| Some(i64::from(i32::MAX)), Value::to_whole)?;
        let width = u64::try_from(bound.checked_sub(least)?).ok()?;
        let number = least + i64::try_from(scene.kit.chance.below(width)).ok()?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "all numbers of the language are of this kind"
        )]
        Some(Value::Number(number as f64))
    }),
    row("rand_ip", (1, MANY), |scene, a| {
        let chosen = usize::try_from(scene.kit.chance.below(a.len() as u64)).ok()?;
        let net: IpNet = string(a, chosen)?.parse().ok()?;
        match net {
            IpNet::V4(net) => {
                let host = u32::try_from(scene.kit.chance.draw() >> 32).ok()? & u32::from(net.hostmask());
                let address = u32::from(net.network()) | host;
                Some(std::net::Ipv4Addr::from(address).to_string().into())
            }
            IpNet::V6(net) => {
                let drawn = u128::from(scene.kit.chance.draw()) << 64 | u128::from(scene.kit.chance.draw());
                let address = u128::from(net.network()) | (drawn & u128::from(net.hostmask()));
                Some(std::net::Ipv6Addr::from(address).to_string().into())
            }
        }
    }),
];

fn drawn(scene: &Scene<'_>, characters: &[u8], length: usize) -> Option<Value> {
    (length <= LARGEST).then(|| scene.kit.chance.text(characters, length).into())
}

/// The characters that were named, or letters and digits.
fn characters(a: &[Value], index: usize) -> Vec<u8> {
    match text(a, index) {
        Some(named) if !named.trim_ascii().is_empty() => named.to_vec(),
        _ => [LETTERS, DIGITS].concat(),
    }
}

fn without(characters: &[u8], a: &[Value]) -> Vec<u8> {
    let unwanted = text(a, 1).unwrap_or_default();
    characters
        .iter()
        .copied()
        .filter(|byte| !unwanted.contains(byte))
        .collect()
}

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"1234567890";
