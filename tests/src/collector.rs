//! An operator's collector of logs: rsyslog over TLS, and the CA that its certificate comes from.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SignatureAlgorithm,
};
use serde_json::Value;
use tempfile::TempDir;
use vedette_crypto::VerifyingKey;

/// A CA of the operator's own.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// rsyslog, until it is dropped.
#[derive(Debug)]
pub struct Collector {
    process: Child,
    files: TempDir,
    endpoint: SocketAddr,
}

impl Authority {
    /// Makes one.
    pub fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self {
            pem: params.self_signed(&key)?.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A TLS client's certificate for somebody else's key, DER.
    pub fn name_client(&self, name: &str, key: &VerifyingKey) -> Result<Vec<u8>> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params.signed_by(&Public(key), &self.issuer)?.der().to_vec())
    }
}

impl Collector {
    /// Starts it where this thread stands, with a certificate for these names and addresses. It takes lines of anybody.
    pub fn start(authority: &Authority, names: &[&str], endpoint: SocketAddr) -> Result<Self> {
        Self::with(authority.pem(), "anon", authority, names, endpoint)
    }

    /// Starts one that takes lines of those alone who show a certificate of the CA `clients`.
    pub fn for_clients_of(
        clients: &str,
        authority: &Authority,
        names: &[&str],
        endpoint: SocketAddr,
    ) -> Result<Self> {
        Self::with(clients, "x509/certvalid", authority, names, endpoint)
    }

    fn with(
        clients: &str,
        mode: &str,
        authority: &Authority,
        names: &[&str],
        endpoint: SocketAddr,
    ) -> Result<Self> {
        let files = tempfile::tempdir().context("making a folder for rsyslog")?;
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &authority.issuer)?;
        let config = include_str!("../lab/rsyslog.conf")
            .replace("{dir}", &files.path().to_string_lossy())
            .replace("{mode}", mode)
            .replace("{address}", &endpoint.ip().to_string())
            .replace("{port}", &endpoint.port().to_string());
        for (name, text) in [
            ("ca.pem", clients),
            ("certificate.pem", &certificate.pem()),
            ("key.pem", &key.serialize_pem()),
            ("rsyslog.conf", &config),
            ("copy.jsonl", ""),
        ] {
            fs::write(files.path().join(name), text).with_context(|| format!("writing {name}"))?;
        }
        Ok(Self {
            process: run(files.path(), endpoint)?,
            files,
            endpoint,
        })
    }

    /// Stops it. What it wrote stays.
    pub fn stop(&mut self) -> Result<()> {
        self.process.kill().context("ending rsyslog")?;
        self.process.wait().context("ending rsyslog")?;
        Ok(())
    }

    /// Starts it again where this thread stands.
    pub fn restart(&mut self) -> Result<()> {
        self.process = run(self.files.path(), self.endpoint)?;
        Ok(())
    }

    /// What it has written, line by line.
    pub fn lines(&self) -> Result<Vec<Value>> {
        let path = self.files.path().join("copy.jsonl");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("reading {line}")))
            .collect()
    }

    /// Waits until it has written lines of which this is true.
    pub fn wait_for(&self, limit: Duration, wanted: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        let end = Instant::now() + limit;
        loop {
            let lines = self.lines()?;
            if wanted(&lines) {
                return Ok(lines);
            }
            if Instant::now() > end {
                bail!(
                    "not copied after {limit:?}; rsyslog has {lines:#?} and says {}",
                    self.log()
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(log(self.files.path())).unwrap_or_default()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A public key, as rcgen takes it.
struct Public<'a>(&'a VerifyingKey);

impl PublicKeyData for Public<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

fn run(dir: &Path, endpoint: SocketAddr) -> Result<Child> {
    let output = fs::File::create(log(dir)).context("opening rsyslog's log")?;
    let mut process = Command::new("/usr/sbin/rsyslogd")
        .args(["-n", "-iNONE", "-f"])
        .arg(dir.join("rsyslog.conf"))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("starting rsyslogd; it is in the packages rsyslog and rsyslog-openssl")?;
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect_timeout(&endpoint, Duration::from_secs(1)).is_err() {
        if process.try_wait()?.is_some() || Instant::now() > end {
            let said = fs::read_to_string(log(dir)).unwrap_or_default();
            let _ended_already = process.kill();
            bail!("rsyslogd does not listen at {endpoint}: {said}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(process)
}

fn log(dir: &Path) -> PathBuf {
    dir.join("log")
}
