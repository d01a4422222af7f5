//! Hostile and broken web servers: bounded, named, partial. Servers of ours, on loopback.
#![cfg(test)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use tokio::sync::mpsc;
use vedette_protocol::finding::Outcome;
use vedette_scanner::web::{
    ApiSource, Budget, Classes, Credential, Listening, Site, WebReport, WebScan,
    report::{What, Why},
    scan,
};

/// Serves each request by its target; what `answer` returns is sent as it stands.
fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, counted) = (answer.clone(), counted.clone());
            thread::spawn(move || {
                let Ok(mut stream) = stream else { return };
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let (mut first, mut length) = (String::new(), 0_usize);
                    if reader.read_line(&mut first).unwrap_or(0) == 0 {
                        return;
                    }
                    let mut line = String::new();
                    while reader.read_line(&mut line).unwrap_or(0) > 2 {
                        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap_or(0);
                        }
                        line.clear();
                    }
                    let mut body = vec![0; length];
                    let _ = std::io::Read::read_exact(&mut reader, &mut body);
                    counted.fetch_add(1, Ordering::Relaxed);
                    let target = format!(
                        "{}?{}",
                        first.split(' ').nth(1).unwrap_or("/"),
                        String::from_utf8_lossy(&body)
                    );
                    answer(&target, &mut stream);
                }
            });
        }
    });
    (url, count)
}

fn page(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

fn small() -> Budget {
    Budget {
        pages: 40,
        depth: 5,
        requests: 3000,
        time: Duration::from_secs(20),
        patience: Duration::from_secs(1),
        ..Budget::default()
    }
}

async fn scanned(url: &str, budget: Budget, credential: Option<Credential>) -> WebReport {
    scanned_as_described(url, budget, credential, None).await
}

async fn scanned_as_described(
    url: &str,
    budget: Budget,
    credential: Option<Credential>,
    api: Option<ApiSource>,
) -> WebReport {
    let site = Site::parse(url).unwrap();
    let scope = site.scope(&[], &[]);
    let (tell, mut told) = mpsc::channel(64);
    let listening = async { while told.recv().await.is_some() {} };
    let scan = scan(
        WebScan {
            site,
            scope,
            headers: Vec::new(),
            credential,
            other: None,
            api,
            listening: Listening::Own,
            classes: Classes::default(),
            budget,
            seed: 7,
            browser: None,
            pause: None,
        },
        tell,
    );
    let begun = Instant::now();
    let (report, ()) = tokio::join!(scan, listening);
    assert!(
        begun.elapsed() < Duration::from_secs(40),
        "{:?} {report:?}",
        begun.elapsed()
    );
    let undone = |what: What| {
        report
            .not_done
            .iter()
            .filter(|gap| gap.what == what)
            .map(|gap| gap.count)
            .sum::<u64>()
    };
    assert_eq!(
        report.pages.planned,
        report.pages.done + undone(What::Page),
        "{report:?}"
    );
    assert_eq!(
        report.tests.planned,
        report.tests.done + undone(What::Test),
        "{report:?}"
    );
    report
}

fn is_partial_for(report: &WebReport, why: Why) {
    assert_eq!(report.outcome, Outcome::Partial, "{report:?}");
    assert!(report.not_done.iter().any(|gap| gap.why == why), "{report:?}");
}

#[tokio::test]
async fn endless_links_end_at_the_budget() {
    let (url, count) = serve(|target, stream| {
        let links: String = (0..500)
            .map(|n| {
                format!(
                    "<a href='{}{n}a/?x{n}=1'>on</a>",
                    target.split('?').next().unwrap_or("/")
                )
            })
            .collect();
        page(stream, "200 OK", "", links.as_bytes());
    });
    let budget = Budget {
        requests: 400,
        ..small()
    };
    let report = scanned(&url, budget, None).await;
    is_partial_for(&report, Why::Pages);
    assert!(count.load(Ordering::Relaxed) <= 420, "{count:?}");
}

#[tokio::test]
async fn an_endless_body_and_a_gzip_bomb_are_cut() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let (url, _) = serve(move |target, stream| match target.split('?').next() {
        Some("/") => page(stream, "200 OK", "", b"<a href=/endless>e</a><a href=/bomb>b</a>"),
        Some("/endless") => {
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 10737418240\r\n\r\n",
            );
            while stream.write_all(&[b'a'; 65536]).is_ok() {}
        }
        Some("/bomb") => page(stream, "200 OK", "Content-Encoding: gzip\r\n", &bomb),
        _ => page(stream, "404 Not Found", "", b""),
    });
    is_partial_for(&scanned(&url, small(), None).await, Why::TooLarge);
}

#[tokio::test]
async fn redirect_loops_and_redirects_out_of_the_grant_are_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let out = format!("Location: http://{}/\r\n", elsewhere.local_addr().unwrap());
    let (url, count) = serve(move |target, stream| match target.split('?').next() {
        Some("/") => page(stream, "200 OK", "", b"<a href=/a>a</a><a href=/out>o</a>"),
        Some("/a") => page(stream, "302 Found", "Location: /b\r\n", b""),
        Some("/b") => page(stream, "302 Found", "Location: /a\r\n", b""),
        Some("/out") => page(stream, "302 Found", &out, b""),
        _ => page(stream, "404 Not Found", "", b""),
    });
    let report = scanned(&url, small(), None).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert!(
        report.not_done.iter().any(|gap| gap.why == Why::Elsewhere),
        "{report:?}"
    );
    assert!(elsewhere.accept().is_err() && count.load(Ordering::Relaxed) < 400);
}

#[tokio::test]
async fn invalid_text_and_broken_pages_are_read_as_far_as_they_go() {
    let (url, _) = serve(|target, stream| match target.split('?').next() {
        Some("/") => page(
            stream,
            "200 \u{fe}",
            "X: \u{80}\r\n",
            b"\xff\xfe<a href='/\xc3\x28'><p><form><table><input name=\xff><a href=/next?q=1",
        ),
        _ => page(stream, "200 OK", "", b"<table><a href=/next?q=1><script>'"),
    });
    let report = scanned(&url, small(), None).await;
    assert!(report.pages.done >= 3, "{report:?}");
}

#[tokio::test]
async fn a_server_that_trickles_is_left_as_too_slow() {
    let (url, _) = serve(|_, stream| {
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
            .iter()
            .chain([&b'a'; 1000])
        {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    let budget = Budget {
        patience: Duration::from_millis(300),
        ..small()
    };
    is_partial_for(&scanned(&url, budget, None).await, Why::TooSlow);
}

#[tokio::test]
async fn a_site_that_dies_in_mid_scan_is_given_up() {
    let alive = Arc::new(AtomicUsize::new(30));
    let (url, _) = serve(move |_, stream| {
        if alive
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_err()
        {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
        page(
            stream,
            "200 OK",
            "",
            b"<a href=/x?a=1&b=2&c=3&d=4>x</a><a href=/y?a=1&b=2>y</a>",
        );
    });
    let report = scanned(&url, small(), None).await;
    is_partial_for(&report, Why::SiteDied);
}

#[tokio::test]
async fn what_is_not_http_and_what_is_not_there_is_said() {
    let (url, _) = serve(|_, stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
    });
    is_partial_for(&scanned(&url, small(), None).await, Why::NotHttp);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    is_partial_for(
        &scanned(&format!("http://{gone}/"), small(), None).await,
        Why::NoAnswer,
    );
}

const LOGIN: &[u8] =
    b"<form method=post action=/login><input name=user><input type=password name=password></form>";

fn credential() -> Option<Credential> {
    let text = r#"{"form": {"page": "/login", "fields": [["user", "ann"], ["password", "right"]]}}"#;
    Some(serde_json::from_str(text).unwrap())
}

#[tokio::test]
async fn a_login_that_fails_is_said() {
    let (url, _) = serve(|target, stream| match target.split('?').next() {
        Some("/login") => page(stream, "200 OK", "", LOGIN),
        _ => page(stream, "200 OK", "", b"public"),
    });
    is_partial_for(&scanned(&url, small(), credential()).await, Why::LoginFailed);
}

/// A site whose session dies every few requests, and that has a form with a token good for one use.
#[tokio::test]
async fn a_session_that_dies_is_made_anew_and_logout_is_never_followed() {
    let (uses, logins, logouts, saved) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (used, entered, left, stored) = (uses.clone(), logins.clone(), logouts.clone(), saved.clone());
    let (url, _) = serve(move |target, stream| {
        let (path, rest) = target.split_once('?').unwrap();
        match path {
            "/login" if rest.contains("password=right") => {
                used.store(0, Ordering::Relaxed);
                entered.fetch_add(1, Ordering::Relaxed);
                page(stream, "302 Found", "Set-Cookie: session=1\r\nLocation: /\r\n", b"");
            }
            "/login" => page(stream, "200 OK", "", LOGIN),
            "/logout" | "/account/sign-out" => {
                left.fetch_add(1, Ordering::Relaxed);
                page(stream, "200 OK", "", b"bye");
            }
            _ if used.fetch_add(1, Ordering::Relaxed) >= 60 => page(stream, "302 Found", "Location: /login\r\n", b""),
            "/save" if rest.contains(&format!("csrf={}&", stored.load(Ordering::Relaxed))) => {
                stored.fetch_add(1, Ordering::Relaxed);
                page(stream, "200 OK", "", b"saved");
            }
            "/save" => page(stream, "403 Forbidden", "", b"stale token"),
            _ => page(
                stream,
                "200 OK",
                "",
                format!(
                    "<a href=/logout>x</a><a href=/account/sign-out>y</a><a href=/in?a=1>z</a>\
                     <form method=post action=/save><input type=hidden name=csrf value={}><input name=note value=1></form>",
                    stored.load(Ordering::Relaxed)
                )
                .as_bytes(),
            ),
        }
    });
    let report = scanned(&url, small(), credential()).await;
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert!(
        logins.load(Ordering::Relaxed) > 1 && logouts.load(Ordering::Relaxed) == 0,
        "{logins:?} {logouts:?}"
    );
    assert!(
        saved.load(Ordering::Relaxed) > 5,
        "the form's token was not renewed: {saved:?}"
    );
    assert_eq!(
        report
            .not_done
            .iter()
            .find(|gap| gap.why == Why::EndsSession)
            .unwrap()
            .what,
        What::Page
    );
}

/// Descriptions of an API that are endless, in circles, or full of other servers.
#[tokio::test]
async fn a_hostile_description_is_read_within_bounds() {
    let (url, asked) = serve(|target, stream| {
        let path = target.split('?').next().unwrap();
        let circle = r##"{"openapi": "3.0.0", "servers": [{"url": "http://192.0.2.77/"}], "paths": {
            "/turn/{n}": {"$ref": "#/paths/~1turn~1{n}"},
            "/buy": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/a"}}}}}},
            "/else": {"$ref": "http://192.0.2.77/api.json#/paths/x"}},
            "components": {"schemas": {"a": {"allOf": [{"$ref": "#/components/schemas/a"}, {"properties": {"b": {"$ref": "#/components/schemas/a"}, "c": {}}}]}}}}"##;
        match path {
            "/large.json" => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n{\"openapi\": \"3.0.0\"";
                let mut sent = stream.write_all(head.as_bytes());
                let spaces = vec![b' '; 1 << 20];
                while sent.is_ok() {
                    sent = stream.write_all(&spaces);
                }
            }
            "/circle.json" => page(stream, "200 OK", "", circle.as_bytes()),
            "/buy" => page(stream, "200 OK", "", b"bought"),
            _ => page(stream, "404 Not Found", "", b""),
        }
    });
    let at = |path: &str| Some(ApiSource::At(path.to_owned()));
    let large = scanned_as_described(&url, small(), None, at("/large.json")).await;
    let gap = |report: &WebReport, what: What, why: Why| {
        let gap = report
            .not_done
            .iter()
            .find(|gap| (gap.what, gap.why) == (what, why));
        gap.map(|gap| gap.count)
    };
    assert_eq!(
        gap(&large, What::Description, Why::TooLarge),
        Some(1),
        "{large:?}"
    );
    let circle = scanned_as_described(&url, small(), None, at("/circle.json")).await;
    assert_eq!(gap(&circle, What::Page, Why::Undescribed), Some(2), "{circle:?}");
    assert_eq!(
        (large.outcome, circle.outcome),
        (Outcome::Partial, Outcome::Partial)
    );
    assert!(circle.inputs >= 1, "{circle:?}");
    assert!(asked.load(Ordering::Relaxed) < 500);
}
