//! A scan that is stopped goes on where it stopped: what was tested is not asked again, nothing is lost, and the file
//! between the two holds no secret.
#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use vedette_protocol::finding::Outcome;
use vedette_scanner::web::{
    About, Budget, Classes, Credential, Listening, Pause, Site, State, WebEvent, WebReport, WebScan,
    report::{What, Why},
    scan,
};

const PAGES: usize = 24;
const VALUE: &str = "quincevalue";
const COOKIE: &str = "0f5c00c1e5e55107";
const PASSWORD: &str = "s3cretword";
const TEXT: &str = "Nobody should keep this sentence";

/// What a shop is asked.
#[derive(Default)]
struct Asked {
    /// How often each page was asked for with another value than its own.
    pages: Mutex<BTreeMap<String, usize>>,
    /// Whether the second half of the pages lets everybody wait who does that.
    is_held: AtomicBool,
}

/// A shop of so many pages, of which each even one repeats what it is asked.
fn shop() -> (String, Arc<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::<Asked>::default();
    let counted = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counted = counted.clone();
            thread::spawn(move || converse(stream, &counted));
        }
    });
    (url, asked)
}

fn converse(mut stream: TcpStream, asked: &Asked) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut first, mut line, mut length) = (String::new(), String::new(), 0_usize);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        let target = first.split(' ').nth(1).unwrap_or("/");
        let answer = answer(target, asked);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: session={COOKIE}; Path=/\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        if stream
            .write_all(&[head.as_bytes(), answer.as_bytes()].concat())
            .is_err()
        {
            return;
        }
    }
}

fn answer(target: &str, asked: &Asked) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some(number) = path
        .strip_prefix("/page")
        .and_then(|number| number.parse::<usize>().ok())
    else {
        let link = |number| format!("<a href='/page{number}?q{number}={VALUE}'>{number}</a>");
        let links: String = (0..PAGES).map(link).collect();
        return format!(
            "<form method=post action=/login><input name=user><input type=password name=word></form>{links}"
        );
    };
    let value = query.split_once('=').map_or("", |(_, value)| value);
    if value != VALUE {
        *asked.pages.lock().unwrap().entry(path.to_owned()).or_default() += 1;
        while number >= PAGES / 2 && asked.is_held.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
    }
    // Slowly, so that it can be stopped in the middle.
    thread::sleep(Duration::from_millis(5));
    let value = url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned());
    match (number % 2, value) {
        (0, Some(value)) => format!("<h1>{TEXT}</h1><p>{value}</p>"),
        _ => format!("<h1>{TEXT}</h1>"),
    }
}

fn about(url: &str) -> About {
    About::new(&Site::parse(url).unwrap(), &classes(), 1)
}

fn classes() -> Classes {
    "xss,redirect,exposed".parse().unwrap()
}

/// Scans on; stops when so many tests are done.
async fn run(url: &str, pause: &Pause, stop_at: u64) -> (BTreeSet<String>, WebReport) {
    let site = Site::parse(url).unwrap();
    let (tell, mut told) = mpsc::channel(1);
    let login = json!({"bearer": {"token": PASSWORD}});
    let credential: Credential = serde_json::from_value(login).unwrap();
    let scanning = scan(
        WebScan {
            scope: site.scope(&[], &[]),
            site,
            headers: Vec::new(),
            credential: Some(credential),
            other: None,
            api: None,
            listening: Listening::No("nobody listens in this test"),
            classes: classes(),
            budget: Budget::default(),
            seed: 9,
            browser: None,
            pause: Some(pause.clone()),
        },
        tell,
    );
    let listening = async {
        let mut found = BTreeSet::new();
        while let Some(event) = told.recv().await {
            match event {
                WebEvent::Found(finding) => {
                    let path = finding.url.as_ref().unwrap().to_string();
                    assert!(found.insert(path.clone()), "{path} is told twice");
                }
                WebEvent::Progress(progress) if progress.done >= stop_at => pause.stop(),
                WebEvent::Progress(_) => {}
            }
        }
        found
    };
    let (report, found) = tokio::join!(scanning, listening);
    (found, report)
}

fn asked_for(asked: &Asked) -> BTreeMap<String, usize> {
    std::mem::take(&mut *asked.pages.lock().unwrap())
}

fn gap(report: &WebReport, what: What, why: Why) -> u64 {
    let gap = report
        .not_done
        .iter()
        .find(|gap| (gap.what, gap.why) == (what, why));
    gap.map_or(0, |gap| gap.count)
}

#[tokio::test]
async fn a_scan_that_was_stopped_goes_on_where_it_stopped() {
    let (url, asked) = shop();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let whole = Pause::new(State::new(about(&url), 7));
    let (all, report) = run(&url, &whole, u64::MAX).await;
    assert_eq!(all.len(), PAGES / 2, "{all:?}");
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    let (total, usual) = (report.tests.planned, asked_for(&asked));

    let pause = Pause::new(State::new(about(&url), 7));
    let (first, report) = run(&url, &pause, total / 3).await;
    let asked_first = asked_for(&asked);
    assert!(!first.is_empty() && first.len() < all.len(), "{first:?}");
    assert_eq!(report.outcome, Outcome::Partial);
    assert!(gap(&report, What::Test, Why::Stopped) > 0, "{report:?}");
    let undone: u64 = report
        .not_done
        .iter()
        .filter(|gap| gap.what == What::Test)
        .map(|gap| gap.count)
        .sum();
    assert_eq!(report.tests.planned, report.tests.done + undone, "{report:?}");

    pause.state().write(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    for secret in [VALUE, COOKIE, PASSWORD, "sentence", "Bearer"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let pause = Pause::new(State::read(&path, &about(&url)).unwrap().unwrap());
    let (rest, report) = run(&url, &pause, u64::MAX).await;
    let asked_then = asked_for(&asked);
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert_eq!(report.tests.planned + report.earlier, total, "{report:?}");
    assert!(report.earlier > 0, "{report:?}");
    assert!(first.is_disjoint(&rest), "{first:?} {rest:?}");
    assert_eq!(&first | &rest, all);
    // What was under way when it was stopped is begun anew; all else is asked as often as in one run.
    let twice = asked_first
        .keys()
        .filter(|page| asked_then.contains_key(*page))
        .count();
    assert!(
        twice <= Budget::default().at_once,
        "{asked_first:?} {asked_then:?}"
    );
    for (page, count) in &usual {
        let counts = [asked_first.get(page), asked_then.get(page)];
        assert!(counts.contains(&Some(count)), "{page}: {count} {counts:?}");
    }

    let (nothing, report) = run(&url, &pause, u64::MAX).await;
    assert!(nothing.is_empty() && asked_for(&asked).is_empty(), "{nothing:?}");
    assert_eq!((report.tests.planned, report.earlier), (0, total));
    assert_eq!(report.places.planned, 0);
}

fn command(url: &str, state: &Path, classes: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette-scan"));
    command.args(["web", "--json", "--url", url, "--classes", classes, "--state"]);
    command.arg(state);
    command
}

fn said(output: &Output) -> (usize, Value) {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let last = text.lines().last().unwrap_or_else(|| panic!("{output:?}"));
    (text.lines().count() - 1, serde_json::from_str(last).unwrap())
}

#[test]
fn the_terminals_scan_stops_at_a_signal_with_its_state_written() {
    let (url, asked) = shop();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    // It cannot come to its end before it is stopped.
    asked.is_held.store(true, Ordering::Relaxed);
    let child = command(&url, &state, "xss")
        .args(["--budget", "patience=2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while asked.pages.lock().unwrap().len() < PAGES / 2 {
        thread::sleep(Duration::from_millis(5));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    asked.is_held.store(false, Ordering::Relaxed);
    let (first, report) = said(&output);
    assert_eq!(
        (output.status.code(), &report["outcome"]),
        (Some(3), &json!("partial")),
        "{report}"
    );
    assert_eq!(state.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let output = command(&url, &state, "xss").output().unwrap();
    let (rest, report) = said(&output);
    assert_eq!(
        (output.status.code(), first + rest),
        (Some(0), PAGES / 2),
        "{report}"
    );
    assert!(report["earlier"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn a_state_that_is_damaged_or_of_another_scan_is_refused_before_anything_is_sent() {
    let (url, asked) = shop();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    State::new(about(&url), 7).write(&state).unwrap();
    let output = command(&url, &state, "sql").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("another site, with other classes"), "{told}");
    let mut bytes = fs::read(&state).unwrap();
    bytes[20] ^= 1;
    fs::write(&state, bytes).unwrap();
    let output = command(&url, &state, "xss").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("damaged; remove it to begin anew"), "{told}");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0));
    let output = command(&url, Path::new("/nowhere/state"), "xss")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(asked.pages.lock().unwrap().is_empty());
}
