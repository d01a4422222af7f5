//! Over HTTP, at a real nginx.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use vedette_protocol::{
    Digest, Finding, JobScope, Ports, Timestamp,
    credential::{Login, Trust},
    finding::{FindingType, Kind, LoginOutcome, Outcome, Transport},
    job::{Check, Checks},
    scope::Area,
};
use vedette_scanner::{Bounds, Event, Means, Scan, Tell, run};
use vedette_tests::login_host::free_port;

use super::{
    outcome, secret,
    server::{Server, certify},
    visit, visit_and,
};

const USER: &str = "scanner";
const SECRET: &str = "correct-horse-battery-staple";

/// nginx on loopback, with a certificate of its own and a log of what it was shown.
pub(super) struct Nginx {
    _process: Server,
    files: TempDir,
    pub(super) port: u16,
    pub(super) spki: Digest,
}

impl Nginx {
    /// With these directives in its one server, which is spoken to in TLS.
    pub(super) fn start(server: &str) -> Self {
        Self::start_with(&[], server)
    }

    /// The same, with more files in its folder, which the directives call `{dir}`.
    pub(super) fn start_with(files: &[(&str, &str)], server: &str) -> Self {
        Self::speaking("ssl", files, server)
    }

    fn speaking(how: &str, more: &[(&str, &str)], server: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let dir = files.path();
        let spki = certify(dir);
        let put = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        for (name, text) in more {
            put(name, text);
        }
        put("users", &format!("{USER}:{{PLAIN}}{SECRET}\n"));
        fs::create_dir_all(dir.join("site/files")).unwrap();
        put("site/index.html", "<html><title>Inside</title><p>Hello.</html>");
        put("site/files/report.txt", "A listing shows this file.");
        let port = free_port(Ipv4Addr::LOCALHOST.into()).unwrap();
        let dir = dir.display();
        let config = format!(
            "daemon off; user root; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
            events {{ worker_connections 64; }}
            http {{
                types {{ text/html html; }}
                log_format shown '$request_method $request_uri $status authorization=$http_authorization \
                    cookie=$http_cookie certificate=$ssl_client_verify';
                access_log {dir}/access.log shown;
                client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
                uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
                map $http_authorization $token {{ default wrong; 'Bearer {SECRET}' right; }}
                map $http_cookie $session {{ default wrong; 'sid={SECRET}' right; }}
                server {{
                    listen 127.0.0.1:{port} {how};
                    ssl_certificate {dir}/certificate.pem; ssl_certificate_key {dir}/key.pem;
                    root {dir}/site;
                    {server}
                }}
            }}"
        );
        fs::write(
            files.path().join("config"),
            config.replace("{dir}", &dir.to_string()),
        )
        .unwrap();
        let process = Command::new("nginx")
            .arg("-c")
            .arg(files.path().join("config"))
            .arg("-e")
            .arg(files.path().join("error.log"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Server(process);
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        let read = |name: &str| fs::read_to_string(files.path().join(name)).unwrap_or_default();
        process.wait(listens, || read("error.log"));
        Self {
            _process: process,
            files,
            port,
            spki,
        }
    }

    /// A line for each request.
    pub(super) fn log(&self) -> String {
        // nginx writes a line once the answer is sent, which the worker may have heard before.
        thread::sleep(Duration::from_millis(50));
        fs::read_to_string(self.files.path().join("access.log")).unwrap_or_default()
    }

    pub(super) fn pinned(&self) -> Trust {
        Trust::TlsSpki(self.spki)
    }
}

const BASIC: &str = "auth_basic inside; auth_basic_user_file {dir}/users; autoindex on;";
const BEARER: &str =
    "location / { return 404; } location /api/ { if ($token = wrong) { return 401; } alias {dir}/site/; }";
const COOKIE: &str = "location / { if ($session = wrong) { return 302 /enter; } }
    location = /enter { default_type text/html; return 200 '<form><input type=password name=p></form>'; }";

fn basic(password: &str) -> Login {
    Login::HttpBasic {
        user: USER.to_owned(),
        password: secret(password),
    }
}

#[test]
fn basic_authentication_lets_in_and_the_checks_see_what_is_inside() {
    let nginx = Nginx::start(BASIC);
    let (findings, ended) = visit(nginx.port, &basic(SECRET), nginx.pinned());
    assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{}", nginx.log());
    assert_eq!(findings[0].type_, FindingType::LoggedIn);
    assert_eq!(ended, Outcome::Complete);
    let checks = [Check::Http, Check::Inventory];
    let (findings, ended) = visit_and(&checks, nginx.port, &basic(SECRET), nginx.pinned());
    let found = |type_| findings.iter().any(|finding| finding.type_ == type_);
    assert!(found(FindingType::LoggedIn) && found(FindingType::HttpHeaderMissing));
    assert!(
        found(FindingType::HttpDirectoryListing),
        "{findings:?}\n{}",
        nginx.log()
    );
    assert_eq!(ended, Outcome::Complete);
    // The same server keeps a stranger's questions out, and so nothing is found there.
    let (findings, _) = visit_and(&checks, nginx.port, &basic("wrong"), nginx.pinned());
    assert_eq!(findings.len(), 1, "{findings:?}");
}

/// As one should run it; strangers see nothing.
const SOUND: &str = "server_tokens off; auth_basic inside; auth_basic_user_file {dir}/users;
    add_header Strict-Transport-Security max-age=31536000 always;
    add_header Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\" always;
    add_header X-Content-Type-Options nosniff always;
    add_header Referrer-Policy no-referrer always;";

/// What the HTTP checks find without a login.
fn as_stranger(port: u16) -> Vec<Finding> {
    let scan = Scan {
        scope: JobScope {
            area: Area::new(&["127.0.0.1".parse().unwrap()], &[], &[]),
            ports: Ports::one(Transport::Tcp, port).unwrap(),
        },
        checks: Checks::try_from(vec![Check::Http]).unwrap(),
        now: Timestamp::now(),
        time: Duration::from_secs(60),
        means: Means::Connect,
        bounds: Bounds::of_this_process(),
        tell: Tell::OpenPorts,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (tell, mut told) = tokio::sync::mpsc::channel(4096);
    runtime.block_on(run(scan, tell)).unwrap();
    let mut findings = Vec::new();
    while let Ok(event) = told.try_recv() {
        if let Event::Found(finding) = event {
            findings.push(finding);
        }
    }
    findings
}

fn weaknesses(findings: &[Finding]) -> Vec<&Finding> {
    findings
        .iter()
        .filter(|finding| finding.kind == Kind::Weakness)
        .collect()
}

#[test]
fn a_weakness_behind_the_login_is_found_by_who_logs_in_alone() {
    let exposed = "location = /.env { default_type text/plain; alias {dir}/environment; }";
    let files = [("environment", "APP_KEY=0123456789\nDB_HOST=db.example\n")];
    for (more, expected) in [(exposed, Some(FindingType::HttpExposedEnv)), ("", None)] {
        let nginx = Nginx::start_with(&files, &format!("{SOUND} {more}"));
        let checks = [Check::Http, Check::Inventory];
        let (findings, ended) = visit_and(&checks, nginx.port, &basic(SECRET), nginx.pinned());
        assert_eq!(findings[0].type_, FindingType::LoggedIn, "{}", nginx.log());
        assert_eq!(ended, Outcome::Complete);
        let found = weaknesses(&findings);
        assert!(
            found.iter().map(|finding| finding.type_).eq(expected),
            "{findings:?}"
        );
        assert!(found.iter().all(|finding| finding.is_from_behind_a_login()));
        assert_eq!(weaknesses(&as_stranger(nginx.port)), Vec::<&Finding>::new());
    }
}

#[test]
fn what_a_stranger_sees_too_is_the_same_finding_behind_the_login() {
    let inside = "location /admin/ { auth_basic inside; auth_basic_user_file {dir}/users; }";
    let nginx = Nginx::start(inside);
    let outside = as_stranger(nginx.port);
    let checks = [Check::Http, Check::Inventory];
    let (inside, _) = visit_and(&checks, nginx.port, &basic(SECRET), nginx.pinned());
    let (outside, inside) = (weaknesses(&outside), weaknesses(&inside));
    assert!(!outside.is_empty());
    for seen in outside {
        let same = inside.iter().find(|finding| finding.id == seen.id);
        let same = same.unwrap_or_else(|| panic!("{seen:?} in {inside:?}"));
        assert!(same.is_from_behind_a_login() && !seen.is_from_behind_a_login());
    }
}

#[test]
fn each_wrong_credential_is_shown_once_and_said() {
    for (server, wrong, shown) in [
        (BASIC, basic("wrong"), "authorization=Basic"),
        (
            BEARER,
            Login::Bearer {
                token: secret("wrong"),
            },
            "authorization=Bearer",
        ),
        (
            COOKIE,
            Login::Cookie {
                cookie: secret("sid=wrong"),
            },
            "cookie=sid",
        ),
    ] {
        let nginx = Nginx::start(server);
        let (findings, ended) = visit(nginx.port, &wrong, nginx.pinned());
        assert_eq!(findings[0].type_, FindingType::LoginFailed);
        assert_eq!(outcome(&findings), LoginOutcome::WrongCredential);
        assert_eq!(ended, Outcome::Partial);
        let log = nginx.log();
        assert_eq!(log.matches(shown).count(), 1, "{log}");
    }
}

#[test]
fn a_token_and_a_cookie_let_in() {
    let token = Login::Bearer {
        token: secret(SECRET),
    };
    let cookie = Login::Cookie {
        cookie: secret(&format!("sid={SECRET}")),
    };
    for (server, login) in [(BEARER, token), (COOKIE, cookie)] {
        let nginx = Nginx::start(server);
        for trust in [nginx.pinned(), Trust::FirstSeen] {
            let (findings, ended) = visit(nginx.port, &login, trust);
            assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{}", nginx.log());
            assert_eq!(ended, Outcome::Complete);
        }
    }
}

#[test]
fn a_server_with_another_key_is_asked_and_told_nothing() {
    for server in [BASIC, BEARER, COOKIE] {
        let nginx = Nginx::start(server);
        let login = match server {
            BASIC => basic(SECRET),
            BEARER => Login::Bearer {
                token: secret(SECRET),
            },
            _ => Login::Cookie {
                cookie: secret(SECRET),
            },
        };
        let (findings, ended) = visit(nginx.port, &login, Trust::TlsSpki(Digest([9; 32])));
        assert_eq!(outcome(&findings), LoginOutcome::WrongHostKey);
        assert_eq!(ended, Outcome::Partial);
        assert_eq!(nginx.log(), "", "not a single request");
    }
}

#[test]
fn a_server_that_shuts_nobody_out_is_shown_nothing() {
    let nginx = Nginx::start("");
    let (findings, _) = visit(nginx.port, &basic(SECRET), nginx.pinned());
    assert_eq!(outcome(&findings), LoginOutcome::MethodNotOffered);
    let log = nginx.log();
    assert!(!log.is_empty() && !log.contains("authorization=B"), "{log}");
}

#[test]
fn in_clear_only_where_the_operator_said_so() {
    let nginx = Nginx::speaking("", &[], BASIC);
    for trust in [nginx.pinned(), Trust::FirstSeen] {
        let (findings, _) = visit(nginx.port, &basic(SECRET), trust);
        assert_eq!(outcome(&findings), LoginOutcome::NoAnswer);
        assert!(!nginx.log().contains("authorization=B"));
    }
    let (findings, _) = visit(nginx.port, &basic(SECRET), Trust::Cleartext);
    assert_eq!(outcome(&findings), LoginOutcome::Accepted);
}

/// An application behind nginx.
struct Application {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl Application {
    fn start() -> Self {
        let port = free_port(Ipv4Addr::LOCALHOST.into()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/login/backend.py");
        let mut process = Command::new("python3")
            .arg(script)
            .args([&port.to_string(), USER, SECRET])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self {
            process,
            output,
            port,
        }
    }

    /// Ends it; what it has printed.
    fn end(mut self) -> String {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut rest).unwrap();
        rest
    }
}

#[test]
fn a_form_is_filled_in_once_and_lets_in_who_is_known() {
    let application = Application::start();
    let proxy = format!(
        "location / {{ proxy_pass http://127.0.0.1:{}; }}",
        application.port
    );
    let nginx = Nginx::start(&proxy);
    let form = |password: &str| Login::Form {
        user: USER.to_owned(),
        password: secret(password),
    };
    let (findings, ended) = visit(nginx.port, &form(SECRET), nginx.pinned());
    assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{}", nginx.log());
    assert_eq!(ended, Outcome::Complete);
    let checks = [Check::Http, Check::Inventory];
    let (findings, _) = visit_and(&checks, nginx.port, &form(SECRET), nginx.pinned());
    let root = |finding: &Finding| {
        finding.type_ == FindingType::HttpHeaderMissing
            && finding.url.as_ref().is_some_and(|url| url.to_string() == "/")
    };
    assert!(
        findings.iter().any(root),
        "a stranger is sent to /login: {findings:?}"
    );
    let (findings, ended) = visit(nginx.port, &form("wrong"), nginx.pinned());
    assert_eq!(outcome(&findings), LoginOutcome::WrongCredential);
    assert_eq!(ended, Outcome::Partial);
    let (findings, _) = visit(nginx.port, &form(SECRET), Trust::TlsSpki(Digest([9; 32])));
    assert_eq!(outcome(&findings), LoginOutcome::WrongHostKey);
    let tries = application.end();
    assert_eq!(tries, "try scanner right\ntry scanner right\ntry scanner wrong\n");
}
