//! `openssl speed`: a peer.

use std::process::Command;

use anyhow::{Context, Result};

use crate::programs::output_of;

/// Agreements by X25519 in a second.
pub(super) fn agreements_per_second() -> Result<f64> {
    let printed = speed(&["ecdhx25519"])?;
    agreements(&printed).with_context(|| format!("openssl printed no speed of X25519: {printed}"))
}

/// Bytes in a second that AES-256-GCM encrypts in pieces of 64 KiB.
pub(super) fn bytes_per_second() -> Result<f64> {
    let printed = speed(&["-bytes", "65536", "-evp", "aes-256-gcm"])?;
    bytes(&printed).with_context(|| format!("openssl printed no speed of AES-256-GCM: {printed}"))
}

fn speed(what: &[&str]) -> Result<String> {
    output_of(
        Command::new("openssl")
            .args(["speed", "-elapsed", "-seconds", "2", "-mr"])
            .args(what),
    )
}

/// `+F5:22:253:15221.0:0.000066`: operations in a second, and seconds of one.
fn agreements(printed: &str) -> Option<f64> {
    let mut fields = row(printed, "+F5:")?.split(':');
    fields.nth(2)?.parse().ok()
}

/// `+F:25:AES-256-GCM:1738585726.73`.
fn bytes(printed: &str) -> Option<f64> {
    row(printed, "+F:")?.rsplit(':').next()?.parse().ok()
}

fn row<'a>(printed: &'a str, begin: &str) -> Option<&'a str> {
    printed.lines().find_map(|line| line.strip_prefix(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read() {
        assert_eq!(agreements("+F5:22:253:15221.000000:0.000066\n"), Some(15221.0));
        assert_eq!(
            bytes("+H:65536\n+F:25:AES-256-GCM:1738585726.73\n"),
            Some(1_738_585_726.73)
        );
        assert_eq!((agreements("+H:1"), bytes("")), (None, None));
    }
}
