//! Doors: for each kind of credential a real server that asks for it, with a gate before it, at a port of its own of one
//! address of a lab. What is secret of each begins with the same mark, which stands nowhere else.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use ring::digest;
use vedette_protocol::{Digest, credential::CredentialKind};

use crate::{
    gate::Gate,
    lab::Lab,
    logins::{Agent, Application, BASIC, BEARER, COOKIE, LoginHost, Nginx, Postgres, USER, clients_of},
    memory::forms,
};

/// How what is secret begins, in keys too.
pub const MARK: &str = "Zq7canaryVh2";

/// One door.
#[derive(Debug)]
pub struct Door {
    pub kind: CredentialKind,
    pub endpoint: SocketAddr,
    pub gate: Gate,
    /// What is looked for, whole and in whatever form.
    pub secret: Vec<Vec<u8>>,
    seal: Vec<String>,
}

/// All doors of a lab.
#[derive(Debug)]
pub struct Doors {
    pub address: Ipv4Addr,
    pub doors: Vec<Door>,
    servers: Servers,
}

#[derive(Debug)]
struct Servers {
    sshd: LoginHost,
    _nginx: Vec<Nginx>,
    _application: Application,
    _postgres: Postgres,
    _agent: Agent,
}

impl Doors {
    /// Starts the servers in the lab, one of each kind.
    pub fn open(lab: &Lab) -> Result<Self> {
        let address = lab.admit_server(1)?;
        let dir = lab.dir().join("secrets");
        fs::create_dir_all(&dir).context("making a folder for secrets")?;
        lab.inside(|| Self::open_here(address, &dir.to_string_lossy()))?
    }

    fn open_here(address: Ipv4Addr, dir: &str) -> Result<Self> {
        let put = |name: &str, text: &str| -> Result<String> {
            let path = PathBuf::from(dir).join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            Ok(path.to_string_lossy().into_owned())
        };
        let secret = |kind: CredentialKind| format!("{MARK}-{kind}");
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut doors = Vec::new();
        let mut door =
            |kind: CredentialKind, port, server, secret: Vec<Vec<u8>>, seal: &[&str]| -> Result<()> {
                let endpoint = SocketAddr::from((address, port));
                doors.push(Door {
                    kind,
                    endpoint,
                    gate: Gate::before(server, kind.transport(), endpoint)?,
                    secret,
                    seal: seal.iter().map(|&part| part.to_owned()).collect(),
                });
                Ok(())
            };

        let password = secret(CredentialKind::SshPassword);
        let sshd = LoginHost::start(loopback(22), &password)?;
        let (key, pem) = marked_key("ssh-key")?;
        let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], key.public_key_raw()].concat();
        sshd.authorize(&format!("ssh-ed25519 {}", STANDARD.encode(blob)))?;
        let known = ["--user", USER, "--host-key", sshd.host_key(), "--secret-file"];
        let file = put("ssh-password", &password)?;
        door(
            CredentialKind::SshPassword,
            22,
            loopback(22),
            forms(&password),
            &[&known[..], &[&file]].concat(),
        )?;
        let file = put("ssh-key", &pem)?;
        door(
            CredentialKind::SshKey,
            2222,
            loopback(22),
            key_forms("ssh-key"),
            &[&known[..], &[&file]].concat(),
        )?;

        let application = Application::start(&secret(CredentialKind::Form))?;
        let proxied = application.proxied();
        let mut servers = Vec::new();
        for (kind, port, server, user) in [
            (CredentialKind::HttpBasic, 443, BASIC, &["--user", USER][..]),
            (CredentialKind::Bearer, 8443, BEARER, &[]),
            (CredentialKind::Cookie, 9443, COOKIE, &[]),
            (CredentialKind::Form, 10443, &proxied, &["--user", USER]),
        ] {
            let secret = secret(kind);
            let nginx = Nginx::start(&secret, "ssl", &[], server)?;
            let content = match kind {
                CredentialKind::Cookie => format!("sid={secret}"),
                _ => secret.clone(),
            };
            let (file, spki) = (put(kind.name(), &content)?, pin(nginx.spki));
            let seal = [user, &["--spki", &spki, "--secret-file", &file]].concat();
            door(kind, port, loopback(nginx.port), forms(&secret), &seal)?;
            servers.push(nginx);
        }

        let (key, pem) = marked_key("certificate")?;
        let (authority, certificate) = certified(&key)?;
        let nginx = Nginx::start("", "ssl", &[("clients.pem", &authority)], &clients_of(""))?;
        let (file, spki) = (put("certificate-key", &pem)?, pin(nginx.spki));
        let certificate = put("certificate", &certificate)?;
        door(
            CredentialKind::ClientCertificate,
            11443,
            loopback(nginx.port),
            key_forms("certificate"),
            &[
                "--spki",
                &spki,
                "--certificate",
                &certificate,
                "--secret-file",
                &file,
            ],
        )?;
        servers.push(nginx);

        let password = secret(CredentialKind::Database);
        let postgres = Postgres::start(Ipv4Addr::LOCALHOST, &password)?;
        let (file, spki) = (put("database", &password)?, pin(postgres.spki));
        door(
            CredentialKind::Database,
            5432,
            postgres.endpoint,
            forms(&password),
            &["--user", USER, "--spki", &spki, "--secret-file", &file],
        )?;

        let community = secret(CredentialKind::SnmpCommunity);
        let agent = Agent::start(&community)?;
        let file = put("community", &community)?;
        door(
            CredentialKind::SnmpCommunity,
            161,
            loopback(agent.port),
            forms(&community),
            &["--cleartext-ok", "--secret-file", &file],
        )?;
        Ok(Self {
            address,
            doors,
            servers: Servers {
                sshd,
                _nginx: servers,
                _application: application,
                _postgres: postgres,
                _agent: agent,
            },
        })
    }

    /// What sshd has logged.
    pub fn sshd_log(&self) -> Result<String> {
        self.servers.sshd.log()
    }

    /// Something of each secret: where none of it is, none of them is.
    pub fn marks(&self) -> Vec<Vec<u8>> {
        let hashes = self
            .doors
            .iter()
            .filter_map(|door| door.secret.get(forms(MARK).len()));
        forms(MARK).into_iter().chain(hashes.cloned()).collect()
    }

    /// The ports of all of them, as a grant names them.
    pub fn ports(&self) -> String {
        let port = |door: &Door| match door.kind {
            CredentialKind::SnmpCommunity => format!("U:{}", door.endpoint.port()),
            _ => format!("T:{}", door.endpoint.port()),
        };
        self.doors.iter().map(port).collect::<Vec<_>>().join(",")
    }
}

impl Door {
    /// The arguments that seal what opens it, under its kind's name as label.
    pub fn seal<'a>(&'a self, appliance: &'a str, endpoint: &'a str) -> Vec<&'a str> {
        let name = self.kind.name();
        let what = ["credential", "seal", "--kind", name, "--label", name];
        let where_ = ["--target", endpoint, "--appliance", appliance];
        let rest = self.seal.iter().map(String::as_str);
        what.into_iter().chain(where_).chain(rest).collect()
    }
}

/// As `--spki` takes it.
fn pin(spki: Digest) -> String {
    format!("sha256//{}", STANDARD.encode(spki.0))
}

/// The 32 bytes of a private key that is looked for as it stands.
fn seed(name: &str) -> String {
    format!("{:0<32}", format!("{MARK}-{name}"))
}

/// The key as it stands, and the half of its hash that who signs has in memory (RFC 8032, section 5.1.5).
fn key_forms(name: &str) -> Vec<Vec<u8>> {
    let hash = digest::digest(&digest::SHA512, seed(name).as_bytes());
    let mut forms = forms(&seed(name));
    forms.push(hash.as_ref()[32..].to_vec());
    forms
}

/// A private key of Ed25519 that is text (RFC 8410, section 7).
fn marked_key(name: &str) -> Result<(KeyPair, String)> {
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let body = STANDARD.encode([&head[..], seed(name).as_bytes()].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    Ok((KeyPair::from_pem(&pem)?, pem))
}

/// An authority's certificate, and one that it gave to this key.
fn certified(key: &KeyPair) -> Result<(String, String)> {
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Clients");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca_key = KeyPair::generate()?;
    let authority = ca.self_signed(&ca_key)?.pem();
    let mut client = CertificateParams::default();
    client.distinguished_name.push(DnType::CommonName, USER);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = client.signed_by(key, &Issuer::new(ca, ca_key))?;
    Ok((authority, certificate.pem()))
}
