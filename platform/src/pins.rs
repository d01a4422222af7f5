//! `vedette-platform pins`: what an image must know of this platform, as the `[platform]` section of
//! its manifest.
//!
//! Printed only if an appliance with these pins accepts this server: both shake hands in memory first.
//! An image that pins the wrong root would be lost.

use std::{fmt::Write, sync::Arc};

use anyhow::{Context, Result, ensure};
use rustls::{ClientConnection, ServerConnection, pki_types::ServerName, time_provider::DefaultTimeProvider};
use vedette_crypto::{
    Signer, SigningKey,
    roots::{Dates, PinnedRoot, PinnedRoots},
    sign::Pkcs8,
};
use vedette_protocol::link;

use crate::{
    directory::{self, Directory},
    keystore::{Entry, Keystore},
    settings::Settings,
    tls::{self, Shown, Tls},
};

/// The section for the roots of `tls/root.pem`, or for public roots by their common names.
///
/// # Errors
/// When the directory is damaged, a name is unknown, or the server's chain does not end in a root.
pub fn pins(directory: &Directory, public_roots: &[String]) -> Result<String> {
    let settings = Settings::read(directory)?;
    let keystore = Keystore::open(directory)?;
    let key = SigningKey::from_pkcs8(&Pkcs8::from_bytes(keystore.read(Entry::PlatformSigning)?))?;
    let mut text = format!(
        "[platform]\nurl = \"{}\"\nkey = \"{}\"\n",
        settings.url,
        key.verifying_key()
    );
    let mut roots = Vec::new();
    if public_roots.is_empty() {
        let path = directory.tls().join(tls::ROOT);
        let pem = String::from_utf8(directory::read(&path)?)
            .with_context(|| format!("{} is not text", path.display()))?;
        text.push_str("roots = [\n");
        for block in certificates(&pem) {
            roots.push(PinnedRoot::from_pem(block).with_context(|| format!("pinning {}", path.display()))?);
            write!(text, "\"\"\"\n{block}\n\"\"\",\n")?;
        }
    } else {
        text.push_str("roots = [\n");
        for name in public_roots {
            roots.push(PinnedRoot::named(name)?);
            writeln!(text, "{},", toml::Value::from(name.as_str()))?;
        }
    }
    text.push_str("]\n");
    shake_hands(directory, &settings, PinnedRoots::new(roots)?)?;
    Ok(text)
}

/// The certificates of a PEM text, each from its first line to its last.
fn certificates(pem: &str) -> impl Iterator<Item = &str> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    pem.split_inclusive(END)
        .filter_map(|piece| piece.find(BEGIN).map(|start| &piece[start..]))
}

/// Has an appliance that pins `roots` meet this server, without a network.
fn shake_hands(directory: &Directory, settings: &Settings, roots: PinnedRoots) -> Result<()> {
    let host = settings.url.host().to_owned();
    let name = ServerName::try_from(host).context("the URL's host is no name that TLS knows")?;
    let client = roots.client_config(Arc::new(DefaultTimeProvider), Dates::Clock, link::ALPN, None)?;
    let server = Tls::new(
        Arc::new(Shown::read(directory)?),
        tls::certificate(directory, tls::APPLIANCE_CA)?,
    )?;
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(server.link)?;
    // TLS 1.3 takes two flights from each side (RFC 8446, section 2).
    for _ in 0..2 {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight)?;
        }
        let mut flight = flight.as_slice();
        while !flight.is_empty() {
            server.read_tls(&mut flight)?;
            server.process_new_packets()?;
        }
        let mut flight = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut flight)?;
        }
        let mut flight = flight.as_slice();
        while !flight.is_empty() {
            client.read_tls(&mut flight)?;
            client.process_new_packets().with_context(|| {
                format!(
                    "an appliance with these roots would refuse this server: put the whole chain for {} into {}, \
                     and its root into {}, or name it with --root",
                    settings.url.host(),
                    directory.tls().join(tls::CHAIN).display(),
                    directory.tls().join(tls::ROOT).display(),
                )
            })?;
        }
    }
    ensure!(
        !client.is_handshaking(),
        "the handshake with this server does not end"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::certificates;

    #[test]
    fn certificates_are_cut_out_of_what_stands_around_them() {
        let one = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";
        let text = format!("subject: a\n{one}\n\nsubject: b\n{one}\n");
        assert_eq!(certificates(&text).collect::<Vec<_>>(), [one, one]);
        assert_eq!(certificates("nothing").count(), 0);
    }
}
