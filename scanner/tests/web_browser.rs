//! What scripts make of a site, seen in a real browser: Debian's Chromium.
#![cfg(test)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, UdpSocket},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use vedette_protocol::finding::{Confidence, Evidence, Finding, Outcome, ShownBy};
use vedette_scanner::web::{
    Browser, Budget, Listening, Site, WebEvent, WebReport, WebScan,
    report::{What, Why},
    scan,
};
use vedette_tests::web::{Amount, Fixture};

const CHROMIUM: &str = "/usr/bin/chromium";

struct Scanned {
    found: Vec<Finding>,
    report: WebReport,
}

/// Scans for these classes, with a browser or without.
async fn scanned(url: &str, classes: &str, browser: Option<Browser>, budget: Budget) -> Scanned {
    let site = Site::parse(url).unwrap();
    let (tell, mut told) = mpsc::channel(64);
    let scanning = scan(
        WebScan {
            scope: site.scope(&[], &[]),
            site,
            headers: Vec::new(),
            credential: None,
            other: None,
            api: None,
            listening: Listening::No("no class of these calls"),
            classes: classes.parse().unwrap(),
            budget,
            seed: 7,
            browser,
            pause: None,
        },
        tell,
    );
    let listening = async {
        let mut found = Vec::new();
        while let Some(event) = told.recv().await {
            if let WebEvent::Found(finding) = event {
                found.push(finding);
            }
        }
        found
    };
    let (report, found) = tokio::join!(scanning, listening);
    Scanned { found, report }
}

fn chromium() -> Browser {
    Browser::at(CHROMIUM.into()).expect("chromium is there: see tests/packages")
}

/// A browser is slow where others compile.
fn patient() -> Budget {
    Budget {
        page_time: Duration::from_secs(900),
        ..Budget::default()
    }
}

fn undone(report: &WebReport, what: What, why: Why) -> u64 {
    let gap = report
        .not_done
        .iter()
        .find(|gap| gap.what == what && gap.why == why);
    gap.map_or(0, |gap| gap.count)
}

#[tokio::test]
async fn what_scripts_make_is_found_and_nothing_is_taken_away() {
    let fixture = Fixture::of_one_page().unwrap();
    let scanned = scanned(&fixture.url(), "mixed", Some(chromium()), patient()).await;
    let pages = fixture.pages().clone();
    let traffic = fixture.end().unwrap();
    let missed: Vec<&String> = pages.difference(&traffic.shown).collect();
    assert!(missed.is_empty(), "{missed:?} {:?}", scanned.report);
    for harm in [
        "/api/logout",
        "/api/deleted",
        "/api/boats/7/gone",
        "/api/boats/8/gone",
    ] {
        assert!(!traffic.shown.contains(harm), "{harm}");
    }
    let report = scanned.report;
    assert!(report.rendered.done >= 5, "{report:?}");
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert_eq!(
        report.requests, traffic.requests,
        "all that the browser asked for is counted"
    );
    assert!(undone(&report, What::Call, Why::EndsSession) > 0, "{report:?}");
    assert!(undone(&report, What::Call, Why::Destructive) > 0, "{report:?}");
    assert!(scanned.found.is_empty());
}

#[tokio::test]
async fn without_a_browser_the_report_says_what_was_not_rendered() {
    let fixture = Fixture::of_one_page().unwrap();
    let report = scanned(&fixture.url(), "mixed", None, Budget::default())
        .await
        .report;
    let traffic = fixture.end().unwrap();
    assert!(!traffic.shown.contains("/api/boats"));
    assert_eq!(undone(&report, What::Rendering, Why::NoBrowser), 1, "{report:?}");
    assert_eq!((report.rendered.planned, report.rendered.done), (1, 0));
}

fn accused(found: &[Finding]) -> Vec<(String, String)> {
    let text = |finding: &Finding| {
        let parameter = finding.parameter.as_ref().map(ToString::to_string);
        (
            finding.url.as_ref().unwrap().to_string(),
            parameter.unwrap_or_default(),
        )
    };
    found.iter().map(text).collect()
}

fn was_executed(finding: &Finding) -> bool {
    finding.confidence == Confidence::Certain
        && finding.evidence.iter().any(|evidence| {
            matches!(
                evidence,
                Evidence::Injected {
                    shown_by: ShownBy::ExecutedScript,
                    ..
                }
            )
        })
}

/// The pages of a class's fixture need no rendering to be found.
fn without_exploring() -> Budget {
    Budget {
        rendered: 1,
        ..patient()
    }
}

#[tokio::test]
async fn what_arises_in_the_browser_alone_is_found_and_sound_twins_are_not() {
    let fixture = Fixture::start("dom", Amount::Few).unwrap();
    let scanned = scanned(&fixture.url(), "dom", Some(chromium()), without_exploring()).await;
    let score = fixture.score(&accused(&scanned.found));
    let weak = score.found + score.missed.len();
    assert!(weak >= 10 && score.sound >= 10, "{score:?}");
    assert!(score.falsely.is_empty(), "{score:?}\n{:#?}", scanned.found);
    assert!(score.missed.is_empty(), "{score:?}\n{:?}", scanned.report);
    assert!(scanned.found.iter().all(was_executed), "{:#?}", scanned.found);
    assert_eq!(scanned.report.tests.planned, scanned.report.tests.done);
}

#[tokio::test]
async fn scripts_that_the_browser_runs_are_certain() {
    let fixture = Fixture::start("xss", Amount::Few).unwrap();
    let scanned = scanned(&fixture.url(), "xss", Some(chromium()), without_exploring()).await;
    let score = fixture.score(&accused(&scanned.found));
    assert!(score.falsely.is_empty() && score.missed.is_empty(), "{score:?}");
    // The page of one is broken by a payload that does not run itself, what the handler of another calls is not there:
    // the browser tells them from the rest.
    let (ran, idle): (Vec<&Finding>, Vec<&Finding>) =
        scanned.found.iter().partition(|finding| was_executed(finding));
    assert!(ran.len() >= 20, "{ran:#?}");
    assert!(
        idle.iter().all(|finding| finding.confidence == Confidence::Firm),
        "{idle:#?}"
    );
}

/// Serves a page for each path on loopback.
fn serve(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            thread::spawn(move || {
                let Ok(mut stream) = stream else { return };
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut first = String::new();
                while reader.read_line(&mut first).unwrap_or(0) > 0 {
                    let mut line = String::new();
                    while reader.read_line(&mut line).unwrap_or(0) > 2 {
                        line.clear();
                    }
                    // The page may be gone.
                    let _ = stream.write_all(answer(first.split(' ').nth(1).unwrap_or("/")).as_bytes());
                    first.clear();
                }
            });
        }
    });
    url
}

fn page(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_page_has_no_road_but_ours() {
    let (elsewhere, datagrams) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        UdpSocket::bind("127.0.0.1:0").unwrap(),
    );
    let (other, udp) = (elsewhere.local_addr().unwrap(), datagrams.local_addr().unwrap());
    let url = serve(move |path| {
        match path {
        "/" => page(&format!(
            "<link rel=preconnect href=http://{other}/><link rel=dns-prefetch href=//{other}><img src=http://{other}/image>
             <iframe src=http://{other}/frame></iframe><iframe src=/away></iframe><script src=http://{other}/s.js></script>
             <script>
               fetch('http://{other}/fetch').catch(() => 0); fetch('/away').catch(() => 0);
               navigator.sendBeacon('http://{other}/beacon', 'x'); new WebSocket('ws://{other}/socket');
               try {{ new Worker(URL.createObjectURL(new Blob([\"fetch('http://{other}/worker')\"]))); }} catch {{}}
               const peer = new RTCPeerConnection({{iceServers: [{{urls: 'stun:{udp}'}}]}});
               peer.createDataChannel('x'); peer.createOffer().then((offer) => peer.setLocalDescription(offer));
               window.open('http://{other}/window'); location.href = 'http://{other}/moved';
             </script>"
        )),
        "/away" => format!("HTTP/1.1 302 Found\r\nLocation: http://{other}/away\r\nContent-Length: 0\r\n\r\n"),
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    }
    });
    let report = scanned(&url, "mixed", Some(chromium()), patient()).await.report;
    assert_eq!(report.rendered.done, 1, "{report:?}");
    assert!(undone(&report, What::Call, Why::Elsewhere) >= 6, "{report:?}");
    elsewhere.set_nonblocking(true).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let blocked = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    assert!(elsewhere.accept().is_err_and(blocked), "somebody came by TCP");
    assert!(
        datagrams.recv_from(&mut [0; 64]).is_err_and(blocked),
        "somebody came by UDP"
    );
}

#[tokio::test]
async fn pages_without_end_are_ended_and_said() {
    let url = serve(|path| {
        match path {
        "/" => page("<a href=/timers>t</a><a href=/loop>l</a><a href=/alerts>a</a><a href=/windows>w</a><a href=/large>l</a>"),
        "/timers" => page("<script>setInterval(() => { document.body.append('x'); fetch('/timers?' + Math.random()); }, 1)</script>"),
        "/loop" => page("<script>setTimeout(() => { for (;;); }, 10)</script>"),
        "/alerts" => page("<script>for (;;) { alert('again'); confirm('again'); }</script>"),
        "/windows" => page("<button onclick='for (let n = 0; n < 50; n++) window.open(\"/windows?\" + n)'>More</button><script>
            history.pushState({}, '', '/windows'); setInterval(() => location.reload(), 5)</script>"),
        "/large" => page("<script>
            const text = 'x'.repeat(1 << 20);
            const grow = () => { for (let n = 0; n < 16; n++) { const part = document.createElement('p'); part.append(text + Math.random());
                for (let m = 0; m < 5000; m++) part.append(document.createElement('b')); document.body.append(part); } setTimeout(grow, 0); };
            setTimeout(grow, 0)</script>"),
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    }
    });
    let budget = Budget {
        pages: 40,
        rendered: 6,
        page_time: Duration::from_secs(20),
        ..Budget::default()
    };
    let begun = Instant::now();
    let report = scanned(&url, "mixed", Some(chromium()), budget).await.report;
    assert_eq!(report.outcome, Outcome::Partial, "{report:?}");
    // A fast machine has asked all that it may before it comes to the loop and the dialogs.
    let ended = undone(&report, What::Rendering, Why::Restless) + undone(&report, What::Call, Why::Requests);
    assert!(ended >= 2, "{report:?}");
    let planned = report.rendered.done
        + report
            .not_done
            .iter()
            .filter(|gap| gap.what == What::Rendering)
            .map(|gap| gap.count)
            .sum::<u64>();
    assert_eq!(report.rendered.planned, planned, "{report:?}");
    assert!(begun.elapsed() < Duration::from_secs(900), "{report:?}");
}
