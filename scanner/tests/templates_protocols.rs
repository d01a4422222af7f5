//! Templates that speak something else than HTTP, against real servers: dnsmasq, and openssl's s_server; each beside
//! its sound twin.
#![cfg(test)]

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::sync::mpsc;
use vedette_protocol::scope::Resolved;
use vedette_scanner::{
    template::{self, Library, Setting, TemplateScan, TemplatesReport},
    web::{Budget, Site, WebEvent},
};

const NAME: &str = "www.lantern.test";

/// A server that ends with us.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program, and waits until it listens.
fn start(program: &str, arguments: &[&str], port: u16) -> Server {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("starting {program} (see tests/packages): {error}"));
    let server = Server(child);
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{program} does not listen"
        );
        thread::sleep(Duration::from_millis(20));
    }
    server
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn folder(block: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let head = "id: lantern\ninfo:\n  name: x\n  severity: info\n";
    fs::write(folder.path().join("lantern.yaml"), format!("{head}{block}")).unwrap();
    folder
}

async fn run(dir: &Path, url: &str, resolver: Option<SocketAddr>) -> (usize, TemplatesReport) {
    let resolved = [Resolved {
        name: NAME.parse().unwrap(),
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
    }];
    let site = Site::parse(url).unwrap().at(&resolved);
    let scope = site.scope(&[], &resolved);
    let library = Library::open(dir).unwrap();
    assert!(library.refused.is_empty(), "{:?}", library.refused);
    let (tell, mut told) = mpsc::channel(64);
    let scan = TemplateScan {
        site,
        scope,
        library,
        budget: Budget::default(),
        resolver,
        setting: Setting {
            seed: 7,
            // 2026-01-01
            now: 1_767_225_600,
            ..Setting::default()
        },
    };
    let counting = async {
        let mut hits = 0;
        while let Some(event) = told.recv().await {
            hits += usize::from(matches!(event, WebEvent::Found(_)));
        }
        hits
    };
    let (report, hits) = tokio::join!(template::scan(scan, tell), counting);
    (hits, report)
}

/// A resolver that knows the names of one domain.
fn resolver(policy: &str) -> (Server, SocketAddr) {
    let port = free_port();
    let arguments = [
        "--keep-in-foreground".to_owned(),
        "--conf-file=/dev/null".to_owned(),
        "--no-resolv".to_owned(),
        "--no-hosts".to_owned(),
        "--bind-interfaces".to_owned(),
        "--listen-address=127.0.0.1".to_owned(),
        format!("--port={port}"),
        "--pid-file=".to_owned(),
        "--user=root".to_owned(),
        "--address=/www.lantern.test/192.0.2.7".to_owned(),
        format!("--txt-record=lantern.test,{policy}"),
        "--mx-host=lantern.test,mail.lantern.test,10".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = start("dnsmasq", &arguments, port);
    (server, (Ipv4Addr::LOCALHOST, port).into())
}

fn asking(name: &str, type_: &str, matcher: &str) -> TempDir {
    folder(&format!(
        "dns:\n  - name: \"{name}\"\n    type: {type_}\n    matchers:\n      - {matcher}\n"
    ))
}

#[tokio::test]
async fn a_resolver_is_asked_about_the_site_and_its_answer_judged() {
    let weak = "{type: word, part: answer, words: ['\"v=spf1 +all\"']}";
    for (policy, hits) in [("v=spf1 +all", 1), ("v=spf1 -all", 0)] {
        let (_server, resolver) = resolver(policy);
        let dir = asking("{{RDN}}", "TXT", weak);
        let (found, report) = run(dir.path(), "http://www.lantern.test/", Some(resolver)).await;
        assert_eq!(found, hits, "{policy}: {report:?}");
        assert_eq!(report.requests.sent, 1);
    }
    let (_server, resolver) = resolver("v=spf1 -all");
    for (name, type_, matcher, hits) in [
        (
            "{{FQDN}}",
            "A",
            "{type: word, words: [\"IN\\tA\\t192.0.2.7\"]}",
            1,
        ),
        (
            "{{FQDN}}",
            "A",
            "{type: dsl, dsl: ['a == \"192.0.2.7\" && rcode == 0']}",
            1,
        ),
        ("{{RDN}}", "MX", "{type: regex, regex: ['MX\\t10 mail']}", 1),
        (
            "nobody.{{RDN}}",
            "A",
            "{type: word, words: [NXDOMAIN, REFUSED]}",
            1,
        ),
        ("nobody.{{RDN}}", "A", "{type: word, words: [NOERROR]}", 0),
    ] {
        let dir = asking(name, type_, matcher);
        let (found, report) = run(dir.path(), "http://www.lantern.test/", Some(resolver)).await;
        assert_eq!(found, hits, "{name} {type_}: {report:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_a_datagram_is_asked_for_again_over_tcp() {
    let long = vec!["x".repeat(250); 4].join(",");
    let (_server, resolver) = resolver(&format!("{long},the end"));
    let dir = asking("{{RDN}}", "TXT", "{type: word, words: [the end]}");
    let (found, report) = run(dir.path(), "http://www.lantern.test/", Some(resolver)).await;
    assert_eq!(found, 1, "{report:?}");
}

#[tokio::test]
async fn nobody_is_asked_about_others_or_without_a_resolver() {
    let (_server, resolver) = resolver("v=spf1 +all");
    let any = "{type: word, words: [status]}";
    for name in [
        "stranger.test",
        "www.lantern.test.stranger.test",
        "notlantern.test",
        "192.0.2.9",
    ] {
        let dir = asking(name, "TXT", any);
        let (found, report) = run(dir.path(), "http://www.lantern.test/", Some(resolver)).await;
        assert_eq!((found, report.requests.sent), (0, 0), "{name}: {report:?}");
    }
    let dir = asking("{{FQDN}}", "TXT", any);
    let (found, report) = run(dir.path(), "http://www.lantern.test/", None).await;
    assert_eq!((found, report.requests.planned), (0, 0));
    assert_eq!(report.not_run[0].why, "needs a resolver");
}

/// A TLS server whose certificate ends with this year.
fn tls_server(dir: &Path, until: i32, names: &[&str], versions: &str) -> (Server, u16) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let (certificate_at, key_at) = (dir.join("certificate.pem"), dir.join("key.pem"));
    fs::write(&certificate_at, certificate.pem()).unwrap();
    fs::write(&key_at, key.serialize_pem()).unwrap();
    let port = free_port();
    let accept = port.to_string();
    let arguments = [
        "s_server",
        "-quiet",
        "-accept",
        &accept,
        "-cert",
        certificate_at.to_str().unwrap(),
        "-key",
        key_at.to_str().unwrap(),
        versions,
    ];
    (start("openssl", &arguments, port), port)
}

#[tokio::test]
async fn what_a_server_shows_in_its_handshake_is_judged() {
    let shaking = |more: &str, matcher: &str| {
        folder(&format!(
            "ssl:\n  - address: \"{{{{Host}}}}:{{{{Port}}}}\"\n{more}    matchers:\n      - {matcher}\n"
        ))
    };
    let expired = "{type: dsl, dsl: ['unix_time() > not_after', 'expired == true'], condition: and}";
    let mismatched = "{type: dsl, dsl: ['mismatched == true']}";
    let wildcard = "{type: word, part: response, words: ['\"wildcard_certificate\":true']}";
    let old = "    max_version: tls12\n";
    for (until, names, versions, more, matcher, hits) in [
        (2025, [NAME], "-tls1_3", "", expired, 1),
        (2040, [NAME], "-tls1_3", "", expired, 0),
        (2025, [NAME], "-tls1_2", old, expired, 1),
        (2040, ["other.test"], "-tls1_2", "", mismatched, 1),
        (2040, [NAME], "-tls1_2", "", mismatched, 0),
        (2040, ["*.lantern.test"], "-tls1_3", "", wildcard, 1),
        (2040, [NAME], "-tls1_3", "", wildcard, 0),
        (
            2040,
            [NAME],
            "-tls1_2",
            "",
            "{type: word, part: tls_version, words: [tls12]}",
            1,
        ),
        (
            2040,
            [NAME],
            "-tls1_3",
            "",
            "{type: word, part: tls_version, words: [tls12]}",
            0,
        ),
        (
            2040,
            [NAME],
            "-tls1_3",
            old,
            "{type: word, part: tls_version, words: [tls]}",
            0,
        ),
        (
            2040,
            [NAME],
            "-tls1_3",
            "",
            "{type: regex, part: cipher, regex: ['^TLS_AES_']}",
            1,
        ),
    ] {
        let keys = tempfile::tempdir().unwrap();
        let (_server, port) = tls_server(keys.path(), until, &names, versions);
        let dir = shaking(more, matcher);
        let (found, report) = run(dir.path(), &format!("https://{NAME}:{port}/"), None).await;
        assert_eq!(found, hits, "{until} {names:?} {versions} {matcher}: {report:?}");
    }
}

#[tokio::test]
async fn hands_are_not_shaken_with_others() {
    let dir = folder("ssl:\n  - address: \"192.0.2.1:443\"\n    matchers: [{type: word, words: [tls]}]\n");
    let (found, report) = run(dir.path(), "https://127.0.0.1:9/", None).await;
    assert_eq!((found, report.requests.sent), (0, 0));
    assert_eq!(report.requests.unsent["to-another-server"], 1);
}
