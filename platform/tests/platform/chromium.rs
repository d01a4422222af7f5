//! A real browser: Debian's Chromium, told what to do by its driver over WebDriver (W3C), which is HTTP and
//! JSON on loopback. It trusts the test platform's certificate, by its key, and no other.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream as BlockingStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, header::HOST};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use vedette_protocol::Digest;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::house::House;

/// Keys as WebDriver names them (section 17.4.2).
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

/// A browser with one window.
pub(crate) struct Chromium {
    driver: Child,
    port: u16,
    session: String,
    site: String,
    _profile: TempDir,
}

impl Chromium {
    /// Starts it for a house.
    pub(crate) async fn start(house: &House) -> Self {
        Self::start_at(house, house.port()).await
    }

    /// Starts it for a house that is reached at another port.
    pub(crate) async fn start_at(house: &House, site: u16) -> Self {
        // The free port that it takes for one family may be taken for the other; it ends then.
        let (driver, port) = (0..5).find_map(|_| driver()).expect("chromedriver listens");
        let profile = TempDir::new().unwrap();
        let arguments = [
            "--headless=new".to_owned(),
            // Its sandbox needs another user than root, which the tests run as; what it loads is ours.
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            // So that the width of a page is all of the screen's.
            "--hide-scrollbars".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--no-first-run".to_owned(),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--ignore-certificate-errors-spki-list={}", key_of(&house.data())),
        ];
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            site: format!("https://localhost:{site}"),
            _profile: profile,
        };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let made = browser.post("/session", wanted).await;
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// Opens a page of the house.
    pub(crate) async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.site);
        self.ask("url", json!({"url": url})).await;
    }

    /// Lays pages out as on a screen of this width.
    pub(crate) async fn be_wide(&self, pixels: u32) {
        let metrics = json!({"width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics});
        self.ask("goog/cdp/execute", command).await;
    }

    /// What the body of a function gives in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", json!({"script": script, "args": []}))
            .await
    }

    /// Presses and releases a key.
    pub(crate) async fn press(&self, key: &str) {
        self.type_keys(&[key]).await;
    }

    /// Types a text, wherever the keyboard's focus is.
    pub(crate) async fn type_text(&self, text: &str) {
        let keys: Vec<String> = text.chars().map(String::from).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.type_keys(&keys).await;
    }

    async fn type_keys(&self, keys: &[&str]) {
        let strokes: Vec<Value> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        self.ask("actions", json!({"actions": [keyboard]})).await;
    }

    /// Waits until a script gives true.
    pub(crate) async fn wait_until(&self, script: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.run(script).await != true {
            if Instant::now() > end {
                let page = self
                    .run("return location.href + '\\n' + document.body.innerText")
                    .await;
                panic!("never true: {script}\n{}", page.as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the page of this path.
    pub(crate) async fn wait_for_path(&self, path: &str) {
        let script = format!("return location.pathname === {path:?} && document.readyState === 'complete'");
        self.wait_until(&script).await;
    }

    /// What the browser complained of: scripts that failed, what the content policy stopped.
    pub(crate) async fn complaints(&self) -> Vec<Value> {
        let log = self.ask("se/log", json!({"type": "browser"})).await;
        let mut all = log.as_array().unwrap().clone();
        // A page that is not there is one of those that are looked at.
        all.retain(|entry| entry["level"] == "SEVERE" && entry["source"] != "network");
        all
    }

    async fn ask(&self, command: &str, body: Value) -> Value {
        self.post(&format!("/session/{}/{command}", self.session), body)
            .await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, "localhost")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let mut answer: Value = serde_json::from_slice(&bytes).unwrap();
        let value = answer["value"].take();
        assert!(value.get("error").is_none(), "{path}: {value:#}");
        value
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver ends its browser, and then we end the driver.
        if let Ok(mut stream) = BlockingStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = write!(
                stream,
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                self.session
            );
            let _ = stream.read_to_end(&mut Vec::new());
        }
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
    }
}

/// A driver, and the port that it says it listens on.
fn driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is there: see tests/packages");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        line.split_once("successfully on port ")?
            .1
            .trim_end_matches('.')
            .parse()
            .ok()
    });
    let Some(port) = port else {
        driver.wait().unwrap();
        return None;
    };
    // It must be able to go on writing.
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

/// The server's key as Chromium's list of trusted keys takes it.
fn key_of(data: &Path) -> String {
    let pem = fs::read(data.join("tls/chain.pem")).unwrap();
    let der = CertificateDer::from_pem_slice(&pem).unwrap();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    STANDARD.encode(Digest::of(certificate.public_key().raw).0)
}
