//! A platform of its own for a test: a data directory that is thrown away, and the real process.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use vedette_crypto::{
    VerifyingKey,
    roots::{PinnedRoot, PinnedRoots},
};

/// A password that is good enough.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A platform.
pub(crate) struct House {
    scratch: TempDir,
    arguments: Vec<String>,
    serving: Option<Serving>,
    pins: OnceLock<Pins>,
}

struct Serving {
    process: Child,
    port: u16,
}

/// What an image would pin.
#[derive(Clone)]
pub(crate) struct Pins {
    pub(crate) key: VerifyingKey,
    pub(crate) roots: PinnedRoots,
}

/// A person with a session.
pub(crate) struct Operator {
    port: u16,
    root: PathBuf,
    pub(crate) secret: String,
}

/// An answer of the API.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) text: String,
}

impl House {
    /// Makes a platform and serves it.
    pub(crate) fn open() -> Self {
        Self::open_with(&[])
    }

    /// The same, with more arguments for `serve`.
    pub(crate) fn open_with(arguments: &[&str]) -> Self {
        let scratch = TempDir::new().unwrap();
        let mut house = Self {
            scratch,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            serving: None,
            pins: OnceLock::new(),
        };
        let made = program("init", &house.data())
            .args(["--url", "https://localhost"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        house.serve();
        house
    }

    /// Starts the process.
    pub(crate) fn serve(&mut self) {
        let mut process = program("serve", &self.data())
            .args(["--listen", "127.0.0.1:0"])
            .args(&self.arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .strip_prefix("listening on ")
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        self.serving = Some(Serving { process, port });
    }

    /// Ends the process at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            serving.process.kill().unwrap();
            serving.process.wait().unwrap();
        }
    }

    /// Asks the process to end, and waits.
    pub(crate) fn stop(&mut self) {
        let mut serving = self.serving.take().unwrap();
        let told = Command::new("kill")
            .arg(serving.process.id().to_string())
            .status()
            .unwrap();
        assert!(told.success());
        assert!(serving.process.wait().unwrap().success());
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn first_login(&self) -> PathBuf {
        self.data().join("first-login")
    }

    pub(crate) fn port(&self) -> u16 {
        self.serving.as_ref().unwrap().port
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.data().join("tls/root.pem")
    }

    /// What an image would pin: read from `vedette-platform pins`, as the image builder does.
    pub(crate) fn pins(&self) -> Pins {
        self.pins.get_or_init(|| self.printed_pins()).clone()
    }

    fn printed_pins(&self) -> Pins {
        let printed = program("pins", &self.data()).output().unwrap();
        assert!(
            printed.status.success(),
            "{}",
            String::from_utf8_lossy(&printed.stderr)
        );
        let text = String::from_utf8(printed.stdout).unwrap();
        let pins: toml::Table = toml::from_str(&text).unwrap();
        let section = &pins["platform"];
        let roots = section["roots"].as_array().unwrap().iter();
        let roots = roots.map(|pem| PinnedRoot::from_pem(pem.as_str().unwrap()).unwrap());
        Pins {
            key: section["key"].as_str().unwrap().parse().unwrap(),
            roots: PinnedRoots::new(roots.collect()).unwrap(),
        }
    }

    /// The first login, or a later one.
    pub(crate) async fn operator(&self) -> Operator {
        let mut stranger = self.stranger();
        let login = match std::fs::read_to_string(self.first_login()) {
            Ok(first) => json!({"account": "admin", "password": first.trim(), "new_password": PASSWORD}),
            Err(_) => json!({"account": "admin", "password": PASSWORD}),
        };
        let answer = stranger.post("/api/v1/sessions", login).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        stranger.secret = answer.json()["token"].as_str().unwrap().to_owned();
        stranger
    }

    /// Somebody without a session.
    pub(crate) fn stranger(&self) -> Operator {
        Operator {
            port: self.port(),
            root: self.root(),
            secret: String::new(),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Operator {
    /// Sends a request with a JSON body, if there is one.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.ask(request, body.into()).await
    }

    /// Sends any request.
    pub(crate) async fn ask(&self, request: hyper::http::request::Builder, body: Bytes) -> Answer {
        let mut request = request.header(HOST, "localhost");
        if !self.secret.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.secret));
        }
        let request = request.body(Full::new(body)).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(&self.root).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let response = exchange(self.port, config, request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// A fresh activation token.
    pub(crate) async fn activation_token(&self) -> String {
        let created = self
            .post("/api/v1/tokens", json!({"name": "test", "kind": "activation"}))
            .await;
        assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
        created.json()["secret"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Asserts that it is a problem of this name, and gives its detail.
    pub(crate) fn problem(&self, status: u16, name: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{name}"));
        assert_eq!(problem["status"], status);
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// One request over a connection of its own.
pub(crate) async fn exchange(
    port: u16,
    config: ClientConfig,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost")?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

fn program(verb: &str, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette-platform"));
    command.arg(verb).arg("--data").arg(data);
    command
}
