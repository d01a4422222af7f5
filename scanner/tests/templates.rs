//! Templates: an external corpus loads, a small one of our own runs against a server on loopback.
#![cfg(test)]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use tokio::sync::mpsc;
use vedette_protocol::{
    Finding,
    finding::{Evidence, FindingType, Outcome, Severity},
};
use vedette_scanner::{
    causes::one_line,
    template::{Library, Setting, TemplateScan, TemplatesReport, scan},
    web::{Budget, Site, WebEvent},
};

#[test]
fn almost_all_of_the_external_corpus_loads_and_the_rest_is_named() {
    let Some(data) = env::var_os("VEDETTE_DATA") else {
        println!("not run: external corpus (set VEDETTE_DATA)");
        return;
    };
    let library = Library::open(&PathBuf::from(data).join("nuclei-templates")).unwrap();
    for refused in &library.refused {
        println!("{}: {}", refused.path, one_line(&refused.why));
    }
    let (loaded, refused) = (library.templates.len(), library.refused.len());
    println!("{loaded} templates loaded, {refused} refused by name");
    let mut lacking: BTreeMap<String, usize> = BTreeMap::new();
    for feature in library.templates.iter().filter_map(|one| one.calls_back.lacks()) {
        *lacking.entry(feature.to_string()).or_default() += 1;
    }
    let run = loaded - lacking.values().sum::<usize>();
    println!("{run} of them can be run (as root, with a resolver); the others: {lacking:?}");
    assert!(
        run * 100 >= 97 * (loaded + refused),
        "{run} of {}",
        loaded + refused
    );
    assert!(loaded + refused >= 2604);
    assert!(
        loaded * 100 >= 98 * (loaded + refused),
        "{loaded} of {}",
        loaded + refused
    );
}

/// What a server was asked, by method and target.
type Asked = Arc<Mutex<BTreeMap<String, usize>>>;

/// Serves each request by its first line, headers and body; what `answer` returns is sent as it stands.
fn serve(answer: impl Fn(&str, &str, &str) -> String + Send + Sync + 'static) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (answer, asked) = (Arc::new(answer), Asked::default());
    let counted = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, counted) = (answer.clone(), counted.clone());
            thread::spawn(move || converse(stream, &*answer, &counted));
        }
    });
    (url, asked)
}

fn converse(mut stream: TcpStream, answer: &dyn Fn(&str, &str, &str) -> String, asked: &Asked) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut first, mut headers, mut length) = (String::new(), String::new(), 0_usize);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            headers.push_str(&line);
            line.clear();
        }
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        let target = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
        *asked.lock().unwrap().entry(target.clone()).or_default() += 1;
        let answer = answer(&target, &headers, &String::from_utf8_lossy(&body));
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn own_corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates/corpus")
}

async fn run(dir: &Path, url: &str) -> (Vec<Finding>, TemplatesReport) {
    let site = Site::parse(url).unwrap();
    let scope = site.scope(&[], &[]);
    let (tell, mut told) = mpsc::channel(64);
    let run = scan(
        TemplateScan {
            site,
            scope,
            library: Library::open(dir).unwrap(),
            budget: Budget::default(),
            resolver: None,
            setting: Setting {
                seed: 7,
                now: 1_700_000_000,
                ..Setting::default()
            },
        },
        tell,
    );
    let mut found = Vec::new();
    let listen = async {
        while let Some(event) = told.recv().await {
            if let WebEvent::Found(finding) = event {
                found.push(finding);
            }
        }
    };
    let (report, ()) = tokio::join!(run, listen);
    (found, report)
}

fn names(findings: &[Finding]) -> Vec<String> {
    let mut names: Vec<String> = findings
        .iter()
        .filter_map(|finding| match &finding.evidence[..] {
            [Evidence::Template { id, matcher }] => Some(match matcher {
                Some(matcher) => format!("{id}:{matcher}"),
                None => id.to_string(),
            }),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names
}

/// A server on which every template of our own corpus finds something, or the same mended.
fn lantern(vulnerable: bool) -> impl Fn(&str, &str, &str) -> String + Send + Sync + 'static {
    move |target, headers, body| {
        let missing = || reply("404 Not Found", "", "nothing here");
        if !vulnerable {
            return match target {
                "GET /login" => reply(
                    "200 OK",
                    "Set-Cookie: sid=s1; Path=/\r\n",
                    "<form><input name='csrf' value='c9'></form>",
                ),
                // Others come there, the server itself does not.
                other if other.starts_with("GET /fetch?u=") => {
                    let asked_for = asked_for(other);
                    connect_from([127, 0, 0, 2], asked_for);
                    let other = SocketAddr::new(asked_for.ip(), 19_999);
                    let _ = TcpStream::connect(other);
                    reply("200 OK", "", "not fetched")
                }
                _ => missing(),
            };
        }
        let has_session = headers.contains("sid=s1");
        match target {
            "GET /" => reply(
                "200 OK",
                "Server: lantern/1.4.2\r\nX-Powered-By: Wick\r\n",
                "<title>Lantern Panel</title> build 1.4.2",
            ),
            "GET /panel" => reply("302 Found", "Location: /panel/home\r\n", ""),
            "GET /panel/home" => reply("200 OK", "Content-Type: text/html\r\n", "<h1>Wick admin</h1>"),
            "GET /old" => reply("301 Moved", "Location: http://192.0.2.1/x\r\n", "moved"),
            "GET /login" => reply(
                "200 OK",
                "Set-Cookie: sid=s1; Path=/\r\n",
                "<form><input name='csrf' value='c9'></form>",
            ),
            "POST /login" if has_session && body == "user=admin&pass=lamp&csrf=c9" => {
                reply("200 OK", "", "welcome admin")
            }
            "POST /login" => reply("403 Forbidden", "", "no"),
            "GET /api/users" => reply(
                "200 OK",
                "Content-Type: application/json\r\n",
                "{\"users\":[{\"id\":17,\"name\":\"a\"}]}",
            ),
            "GET /api/users/17" => reply(
                "200 OK",
                "Content-Type: application/json\r\n",
                "{\"secret\":\"q\"}",
            ),
            "GET /dump.bin" => reply("200 OK", "", "PK\u{3}\u{4}data"),
            "GET /a/../..;/wick.ini" => reply("200 OK", "", "[wick]\nkey=1"),
            "GET /?id=1" => reply("200 OK", "", "b706835de79a2b4e80506f582af3676a"),
            other if other.starts_with("GET /fetch?u=") => {
                let _ = TcpStream::connect(asked_for(other));
                reply("200 OK", "", "fetched")
            }
            "GET /Wick" => reply("200 OK", "", "QUEUED wick"),
            other if other.starts_with("GET /echo?x=") => reply("200 OK", "", &other["GET /echo?x=".len()..]),
            _ => missing(),
        }
    }
}

/// The address in a request for a fetch.
fn asked_for(target: &str) -> SocketAddr {
    let url = target.strip_prefix("GET /fetch?u=http://").unwrap();
    url.split('/').next().unwrap().parse().unwrap()
}

/// Connects as another host.
fn connect_from(address: [u8; 4], to: SocketAddr) {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    bind(&socket, &SocketAddr::from((address, 0))).unwrap();
    let _ = connect(&socket, &to);
}

#[tokio::test]
async fn our_own_corpus_finds_what_is_there_and_nothing_where_it_is_not() {
    let (url, asked) = serve(lantern(true));
    let (found, report) = run(&own_corpus(), &url).await;
    assert_eq!(
        names(&found),
        [
            "wick-batteringram",
            "wick-binary",
            "wick-callback",
            "wick-case",
            "wick-dsl",
            "wick-echo",
            "wick-flow",
            "wick-iterate",
            "wick-json",
            "wick-login",
            "wick-panel",
            "wick-raw",
            "wick-redirect",
            "wick-tcp",
            "wick-tech:powered",
            "wick-tech:server",
            "wick-version",
            "wick-xpath",
        ]
    );
    let panel = found.iter().find(|finding| {
        finding
            .parameter
            .as_ref()
            .is_some_and(|name| name.as_str() == "wick-panel")
    });
    let panel = panel.unwrap();
    assert_eq!(
        (panel.type_, panel.severity, panel.cwe),
        (FindingType::TemplateHit, Severity::High, Some(200))
    );
    assert!(found.iter().all(Finding::id_is_right));
    // Several templates begin with the front page; it was fetched once.
    assert_eq!(asked.lock().unwrap()["GET /"], 1);
    assert!(report.requests.shared >= 4, "{report:?}");
    assert!(
        !asked
            .lock()
            .unwrap()
            .keys()
            .any(|target| target.contains("192.0.2.1"))
    );
    books_balance(&report);

    let (url, _) = serve(lantern(false));
    let (found, report) = run(&own_corpus(), &url).await;
    assert_eq!(names(&found), [""; 0]);
    books_balance(&report);
}

#[tokio::test]
async fn what_is_not_done_is_named_with_its_feature() {
    let (url, _) = serve(lantern(false));
    let (_, report) = run(&own_corpus(), &url).await;
    let unsupported: Vec<String> = report
        .unsupported
        .iter()
        .map(|left| format!("{}: {}", left.template, left.why))
        .collect();
    assert_eq!(
        unsupported,
        [
            "unsupported/code.yaml: protocol code",
            "unsupported/elsewhere.yaml: request to another server: https://192.0.2.1",
            "unsupported/flow.yaml: flow in JavaScript",
            "unsupported/function.yaml: function resolve",
            "unsupported/self-contained.yaml: self-contained: names its own servers",
        ]
    );
    let not_run: Vec<String> = report
        .not_run
        .iter()
        .map(|left| format!("{}: {}", left.template, left.why))
        .collect();
    assert_eq!(
        not_run,
        [
            "wick-callback-answer: needs an answer to a callback",
            "wick-callback-name: needs a callback by name",
        ]
    );
    assert_eq!(report.outcome, Outcome::Partial);
}

fn books_balance(report: &TemplatesReport) {
    let requests = &report.requests;
    let unsent: u64 = requests.unsent.values().sum();
    assert_eq!(
        requests.planned,
        requests.sent + requests.shared + unsent,
        "{report:?}"
    );
    assert_eq!(
        report.templates.run + report.not_run.len() as u64,
        report.templates.loaded
    );
}
