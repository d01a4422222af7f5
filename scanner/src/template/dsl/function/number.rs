//! Functions of numbers.

use std::net::Ipv4Addr;

use super::{Function, Value, row, string};
use crate::template::dsl::value::whole;

pub(super) const FUNCTIONS: &[Function] = &[
    row("to_number", (1, 1), |_, a| {
        let number: f64 = string(a, 0)?.trim().parse().ok()?;
        number.is_finite().then(|| number.into())
    }),
    row("dec_to_hex", (1, 1), |_, a| match a[0] {
        Value::Number(number) => Some(format!("{:x}", whole(number)?).into()),
        _ => None,
    }),
    row("hex_to_dec", (1, 1), |_, a| in_base(a, "0x", 16)),
    row("oct_to_dec", (1, 1), |_, a| in_base(a, "0o", 8)),
    row("bin_to_dec", (1, 1), |_, a| in_base(a, "0b", 2)),
    row("ip_format", (2, 2), |_, a| {
        let address: Ipv4Addr = string(a, 0)?.parse().ok()?;
        written(address, a[1].to_whole()?).map(Value::from)
    }),
];

fn in_base(a: &[Value], prefix: &str, base: u32) -> Option<Value> {
    let text = string(a, 0)?;
    let digits = text.strip_prefix(prefix).unwrap_or(&text);
    let number = u32::from_str_radix(digits, base).ok()?;
    Some(f64::from(number).into())
}

/// Ways to write an address that some parsers take for it and some filters do not.
fn written(address: Ipv4Addr, way: i64) -> Option<String> {
    let octets = address.octets();
    let joined = |write: fn(u8) -> String| octets.map(write).join(".");
    let [a, b, c, d] = octets;
    Some(match way {
        1 => address.to_string(),
        2 => match octets {
            [a, 0, 0, d] => format!("{a}.{d}"),
            [a, b, 0, d] => format!("{a}.{b}.{d}"),
            _ => address.to_string(),
        },
        3 => joined(|octet| format!("0{octet:o}")),
        4 => joined(|octet| format!("{octet:#x}")),
        5 => u32::from(address).to_string(),
        6 => format!("{:032b}", u32::from(address)),
        7 => format!("{a:#x}.0{b:o}.{c}.{d}"),
        8 => format!(
            "::ffff:{:x}:{:x}",
            u16::from_be_bytes([a, b]),
            u16::from_be_bytes([c, d])
        ),
        9 => address
            .to_string()
            .bytes()
            .map(|byte| format!("%{byte:x}"))
            .collect(),
        10 => joined(|octet| format!("{octet:03}")),
        11 => octets.map(|octet| (u16::from(octet) + 256).to_string()).join("."),
        _ => return None,
    })
}
