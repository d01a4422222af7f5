//! One request over one TLS connection, by hand: a client library would be measured as well.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::lab::PLATFORM_NAME;

/// Trusts one root and nothing else.
#[derive(Debug)]
pub(super) struct Client(Arc<ClientConfig>);

impl Client {
    pub(super) fn that_trusts(ca: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let certificate =
            CertificateDer::from_pem_file(ca).with_context(|| format!("reading {}", ca.display()))?;
        roots.add(certificate)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Whether `path` is answered with 200; an error while nobody listens.
    pub(super) fn open(&self, server: SocketAddr, path: &str) -> Result<()> {
        let status = self.ask(server, &format!("GET {path} HTTP/1.1\r\n"), "")?;
        ensure!(status == 200, "GET {path} was answered with {status}");
        Ok(())
    }

    /// The first login, which demands a new password.
    pub(super) fn log_in(&self, server: SocketAddr, password: &Path) -> Result<()> {
        let password =
            fs::read_to_string(password).with_context(|| format!("reading {}", password.display()))?;
        let body = json!({
            "account": "admin",
            "password": password.trim_end(),
            "new_password": "measured once, never used again",
        })
        .to_string();
        let head = format!(
            "POST /api/v1/sessions HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        let status = self.ask(server, &head, &body)?;
        ensure!(status == 201, "the login was answered with {status}");
        Ok(())
    }

    fn ask(&self, server: SocketAddr, head: &str, body: &str) -> Result<u16> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let tls = ClientConnection::new(Arc::clone(&self.0), ServerName::try_from(PLATFORM_NAME)?)?;
        let mut stream = StreamOwned::new(tls, stream);
        stream.write_all(
            format!("{head}Host: {PLATFORM_NAME}\r\nConnection: close\r\n\r\n{body}").as_bytes(),
        )?;
        let mut answer = [0; STATUS_LINE];
        stream.read_exact(&mut answer)?;
        let _until_closed = io::copy(&mut stream.take(LONGEST), &mut io::sink());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer
            .strip_prefix("HTTP/1.1 ")
            .and_then(|status| status.parse().ok())
            .with_context(|| format!("an answer that begins with {answer:?}"))
    }
}

/// `HTTP/1.1 200`
const STATUS_LINE: usize = 12;
const LONGEST: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
