//! sslscan: the peer.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Spoken;
use crate::programs::output_of;

pub(super) fn scan(endpoint: SocketAddr) -> Result<(Duration, Spoken)> {
    let begun = Instant::now();
    let output = output_of(Command::new("sslscan").args(["--xml=-", &endpoint.to_string()]))?;
    let took = begun.elapsed();
    Ok((took, spoken(&output)))
}

/// `<cipher status="accepted" sslversion="TLSv1.2" … id="0xC02F" … />`, one a line.
fn spoken(xml: &str) -> Spoken {
    let row = |line: &str| {
        let line = line.trim().strip_prefix("<cipher ")?;
        let number = u16::from_str_radix(value(line, "id")?.strip_prefix("0x")?, 16).ok()?;
        Some((value(line, "sslversion")?.to_owned(), number))
    };
    xml.lines().filter_map(row).collect()
}

fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_read_under_their_version() {
        let xml = "<document>\n  <protocol type=\"tls\" version=\"1.2\" enabled=\"1\" />\n  \
            <cipher status=\"preferred\" sslversion=\"TLSv1.2\" bits=\"256\" cipher=\"X\" id=\"0xC02F\" strength=\"strong\" />\n";
        assert_eq!(spoken(xml), Spoken::from([("TLSv1.2".to_owned(), 0xc02f)]));
    }
}
