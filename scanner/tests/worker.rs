//! The worker between vedetted and the keeper: it does one job, sends nothing before it may, and ends on
//! anything that it does not understand.
#![cfg(test)]

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as StdStream, process::ExitStatusExt},
    },
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    net::{UnixListener, UnixStream},
    time::timeout,
};
use vedette_crypto::SigningKey;
use vedette_protocol::{
    ApplianceId, Job, JobId, JobScope, OrgId, PortSet, ScanId, Signed, Timestamp, WebTest,
    codec::{read_frame, write_frame},
    finding::{Evidence, Finding, FindingType, Outcome, PortState, WebGap, WebPart},
    job::{Check, Checks},
    target::{Target, Targets},
    worker::{Order, ScopeAnswer, ScopeRefusal, ScopeRequest, WorkerEvent, WorkerFailure},
};
use vedette_scanner::worker::{Failure, Keeper, WorkerError, work};

fn job(ports: PortSet) -> Job {
    let targets: Vec<Target> = vec!["127.0.0.1".parse().unwrap()];
    Job {
        id: JobId::random(),
        scan: ScanId::random(),
        org: OrgId::random(),
        appliance: ApplianceId::random(),
        fence: 1,
        targets: Targets::try_from(targets).unwrap(),
        exclude: Vec::new(),
        ports: ports.into(),
        checks: Checks::try_from(vec![Check::Ports]).unwrap(),
        login: None,
        web: None,
        expires: Timestamp::now().after(Duration::from_secs(60)),
    }
}

/// What the keeper does once it has read the request.
enum Verdict {
    Grant,
    Refuse(ScopeRefusal),
    /// Grants, and closes the connection.
    GrantAndLeave,
    Say(Vec<u8>),
    Nothing,
}

/// A keeper for one request, on a thread of its own.
fn keeper(dir: &Path, job: &Job, verdict: Verdict) -> Keeper {
    let socket = dir.join("keeper.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let (job, scope) = (job.clone(), JobScope::of(job, &[]));
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let _: ScopeRequest = read_frame(&mut stream).unwrap();
        let granted = ScopeAnswer::Granted {
            job: Box::new(job),
            scope,
            rate: None,
            adapters: 0,
        };
        match verdict {
            Verdict::Grant => {
                write_frame(&mut stream, &granted).unwrap();
                // Open until the worker leaves.
                let _ = stream.set_read_timeout(None);
                let _ = stream.read(&mut [0]);
            }
            Verdict::GrantAndLeave => write_frame(&mut stream, &granted).unwrap(),
            Verdict::Refuse(refusal) => write_frame(&mut stream, &ScopeAnswer::Refused(refusal)).unwrap(),
            Verdict::Say(bytes) => stream.write_all(&bytes).unwrap(),
            Verdict::Nothing => {}
        }
    });
    Keeper {
        socket,
        uid: rustix::process::getuid().as_raw(),
    }
}

/// Everything that the worker says to vedetted, in order.
fn heard(mut vedetted: StdStream) -> Vec<WorkerEvent> {
    vedetted.set_nonblocking(false).unwrap();
    vedetted.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    std::iter::from_fn(|| read_frame(&mut vedetted).ok()).collect()
}

/// Runs one worker to its end.
async fn run(job: &Job, keeper: &Keeper) -> (Result<(), WorkerError>, Vec<WorkerEvent>) {
    let (ours, theirs) = StdStream::pair().unwrap();
    let mut vedetted = ours;
    let Ok(signed) = Signed::seal(job, &SigningKey::generate());
    write_frame(
        &mut vedetted,
        &Order {
            assignment: signed.into(),
            names: Vec::new(),
        },
    )
    .unwrap();
    theirs.set_nonblocking(true).unwrap();
    let worker = work(UnixStream::from_std(theirs).unwrap(), keeper);
    let ended = timeout(Duration::from_secs(50), worker)
        .await
        .expect("a worker ends");
    (ended, heard(vedetted))
}

fn listener() -> (TcpListener, PortSet) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ports = PortSet::from_ports([listener.local_addr().unwrap().port()]).unwrap();
    listener.set_nonblocking(true).unwrap();
    (listener, ports)
}

fn was_visited(listener: &TcpListener) -> bool {
    listener.accept().is_ok()
}

#[tokio::test]
async fn a_granted_job_is_done_and_reported() {
    let (listener, ports) = listener();
    let (dir, job) = (TempDir::new().unwrap(), job(ports));
    let (ended, events) = run(&job, &keeper(dir.path(), &job, Verdict::Grant)).await;
    ended.unwrap();
    assert!(was_visited(&listener));
    let findings: Vec<&Finding> = events
        .iter()
        .flat_map(|event| match event {
            WorkerEvent::Findings(findings) => findings.as_slice(),
            _ => &[],
        })
        .collect();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].state, Some(PortState::Open));
    let Some(WorkerEvent::Ended(report)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(report.outcome(), Outcome::Complete);
}

#[tokio::test]
async fn a_target_whose_name_has_no_address_makes_the_report_partial() {
    let (_listener, ports) = listener();
    let (dir, mut job) = (TempDir::new().unwrap(), job(ports));
    let targets = ["127.0.0.1", "gone.example"].map(|target| target.parse::<Target>().unwrap());
    job.targets = Targets::try_from(targets.to_vec()).unwrap();
    let (ended, events) = run(&job, &keeper(dir.path(), &job, Verdict::Grant)).await;
    ended.unwrap();
    let Some(WorkerEvent::Ended(report)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(report.outcome(), Outcome::Partial);
    assert_eq!(report.examples()[0].target.as_str(), "gone.example");
}

#[tokio::test]
async fn nothing_is_sent_for_a_job_that_is_not_granted() {
    let malformed = || vec![1, 3, 0, 0, 0, 0xff, 0xff, 0xff];
    for verdict in [
        Verdict::Refuse(ScopeRefusal::NotSigned),
        Verdict::Say(malformed()),
        Verdict::Say(vec![9; 64]),
        Verdict::Say(vec![1, 0xff, 0xff, 0xff, 0xff]),
        Verdict::Nothing,
    ] {
        let (listener, ports) = listener();
        let (dir, job) = (TempDir::new().unwrap(), job(ports));
        let (ended, events) = run(&job, &keeper(dir.path(), &job, verdict)).await;
        assert!(
            matches!(
                ended,
                Err(WorkerError::Failed(Failure::Refused(_) | Failure::Keeper(_)))
            ),
            "{ended:?}"
        );
        assert!(
            matches!(events.as_slice(), [WorkerEvent::Failed(_)]),
            "{events:?}"
        );
        assert!(!was_visited(&listener));
    }
}

#[tokio::test]
async fn a_keeper_that_is_not_the_keeper_is_told_nothing() {
    let (listener, ports) = listener();
    let (dir, job) = (TempDir::new().unwrap(), job(ports));
    let socket = dir.path().join("keeper.sock");
    let impostor = UnixListener::bind(&socket).unwrap();
    let other = Keeper {
        socket,
        uid: rustix::process::getuid().as_raw() + 1,
    };
    let (ended, events) = run(&job, &other).await;
    assert!(
        matches!(ended, Err(WorkerError::Failed(Failure::Impostor { .. }))),
        "{ended:?}"
    );
    assert_eq!(events, [WorkerEvent::Failed(WorkerFailure::NoKeeper)]);
    assert!(!was_visited(&listener));
    let (stream, _) = impostor.accept().await.unwrap();
    assert_eq!(stream.try_read(&mut [0]).unwrap(), 0, "closed without a word");
}

#[tokio::test]
async fn without_a_keeper_vedetted_hears_so() {
    let (_listener, ports) = listener();
    let (dir, job) = (TempDir::new().unwrap(), job(ports));
    let nobody = Keeper {
        socket: dir.path().join("keeper.sock"),
        uid: 0,
    };
    let (ended, events) = run(&job, &nobody).await;
    assert!(
        matches!(ended, Err(WorkerError::Failed(Failure::Connect { .. }))),
        "{ended:?}"
    );
    assert_eq!(events, [WorkerEvent::Failed(WorkerFailure::NoKeeper)]);
}

#[tokio::test]
async fn when_the_keeper_leaves_scanning_stops() {
    let dir = TempDir::new().unwrap();
    let mut job = job(PortSet::all());
    // Long enough that it cannot be over before the keeper leaves.
    job.targets = Targets::try_from(vec!["127.0.0.0/20".parse::<Target>().unwrap()]).unwrap();
    let (ended, events) = run(&job, &keeper(dir.path(), &job, Verdict::GrantAndLeave)).await;
    assert!(
        matches!(ended, Err(WorkerError::Failed(Failure::Withdrawn))),
        "{ended:?}"
    );
    assert_eq!(events.last(), Some(&WorkerEvent::Failed(WorkerFailure::NoKeeper)));
}

#[tokio::test]
async fn when_vedetted_hangs_up_the_worker_ends() {
    let dir = TempDir::new().unwrap();
    let mut job = job(PortSet::all());
    job.targets = Targets::try_from(vec!["127.0.0.0/20".parse::<Target>().unwrap()]).unwrap();
    let keeper = keeper(dir.path(), &job, Verdict::Grant);
    let (mut vedetted, theirs) = StdStream::pair().unwrap();
    let Ok(signed) = Signed::seal(&job, &SigningKey::generate());
    write_frame(
        &mut vedetted,
        &Order {
            assignment: signed.into(),
            names: Vec::new(),
        },
    )
    .unwrap();
    theirs.set_nonblocking(true).unwrap();
    let worker = work(UnixStream::from_std(theirs).unwrap(), &keeper);
    let hang_up = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(vedetted);
    };
    let (ended, ()) = tokio::join!(timeout(Duration::from_secs(20), worker), hang_up);
    assert!(
        matches!(ended, Ok(Err(WorkerError::Abandoned | WorkerError::Vedetted(_)))),
        "{ended:?}"
    );
}

/// The program itself, with this as its descriptor 3, as systemd starts it. None: it had to be killed.
fn program(connection: OwnedFd) -> Option<i32> {
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\"";
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_vedette-worker")])
        .stdin(Stdio::from(File::from(connection)))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..500 {
        if let Some(status) = child.try_wait().unwrap() {
            assert_eq!(status.signal(), None, "it ended by itself");
            return status.code();
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

#[test]
fn malformed_orders_end_the_program_with_an_error_and_no_panic() {
    for bytes in [
        vec![],
        vec![1],
        vec![1, 4, 0, 0, 0, 1],
        vec![2, 1, 0, 0, 0, 0],
        vec![1, 0xff, 0xff, 0xff, 0xff, 0],
        vec![1, 8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let (mut ours, theirs) = StdStream::pair().unwrap();
        ours.write_all(&bytes).unwrap();
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        // 101 would be a panic.
        assert_eq!(program(theirs.into()), Some(1), "{bytes:?}");
    }
}

/// A web application of ours on loopback: what each path answers, and how often anybody asked.
fn site(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (PortSet, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ports = PortSet::from_ports([listener.local_addr().unwrap().port()]).unwrap();
    let (answer, asked) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (answer, count) = (answer.clone(), count.clone());
            thread::spawn(move || {
                let mut first = [0];
                // A handshake of TLS begins so (RFC 8446, section 5.1).
                if stream.peek(&mut first).is_err() || first == [22] {
                    return;
                }
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
                    let mut length = 0;
                    while line.len() > 2 {
                        line.clear();
                        reader.read_line(&mut line).unwrap();
                        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                    }
                    reader.read_exact(&mut vec![0; length]).unwrap();
                    line.clear();
                    count.fetch_add(1, Ordering::Relaxed);
                    if stream.write_all(answer(&target).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (ports, asked)
}

fn page(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// A value of a query as the application reads it.
fn value(target: &str) -> String {
    let raw = target.split_once('=').map_or("", |(_, value)| value);
    let url = url::Url::parse(&format!("http://a/?v={raw}")).unwrap();
    let (_, value) = url.query_pairs().next().unwrap();
    value.into_owned()
}

fn web_job(ports: PortSet, web: WebTest) -> Job {
    Job {
        checks: Checks::try_from(vec![Check::Web]).unwrap(),
        web: Some(web),
        expires: Timestamp::now().after(Duration::from_secs(120)),
        ..job(ports)
    }
}

fn findings(events: &[WorkerEvent]) -> Vec<&Finding> {
    let mut all = Vec::new();
    for event in events {
        if let WorkerEvent::Findings(findings) = event {
            all.extend(findings);
        }
    }
    all
}

/// How often each thing was left out of a test of a web application, and why.
fn gaps(events: &[WorkerEvent]) -> Vec<(WebPart, WebGap, u64)> {
    let told: Vec<&Finding> = findings(events)
        .into_iter()
        .filter(|finding| finding.type_ == FindingType::WebApplication)
        .collect();
    let [told] = told.as_slice() else {
        panic!("{events:?}")
    };
    let gap = |evidence: &Evidence| match evidence {
        Evidence::WebNotDone { what, why, count } => Some((*what, *why, *count)),
        _ => None,
    };
    told.evidence.iter().filter_map(gap).collect()
}

#[tokio::test]
async fn a_web_application_is_tested_and_nothing_else_is_connected_to() {
    let (elsewhere, there) = listener();
    let elsewhere_port = elsewhere.local_addr().unwrap().port();
    let (ports, _) = site(move |target| match target.split('?').next().unwrap_or_default() {
        "/" => page(&format!(
            "<a href='/go?x=1'>on</a> <a href='http://127.0.0.1:{elsewhere_port}/'>off</a>"
        )),
        "/go" => format!(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{elsewhere_port}/\r\nContent-Length: 0\r\n\r\n"
        ),
        "/shop/" => page("<a href='/greet?name=you'>greet</a> <a href='/hello?name=you'>hello</a>"),
        "/greet" => page(&format!("<p>Good day, {}.</p>", value(target))),
        "/hello" => page(&format!(
            "<p>Good day, {}.</p>",
            value(target)
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('"', "&quot;")
                .replace('\'', "&#39;")
        )),
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    });
    assert_ne!(ports, there);
    let asked = WebTest {
        paths: vec!["/shop/".parse().unwrap()],
        classes: vec!["xss".parse().unwrap()],
        ..WebTest::default()
    };
    let (dir, job) = (TempDir::new().unwrap(), web_job(ports, asked));
    let (ended, events) = run(&job, &keeper(dir.path(), &job, Verdict::Grant)).await;
    ended.unwrap();
    let weak: Vec<String> = findings(&events)
        .into_iter()
        .filter(|finding| finding.type_ == FindingType::WebXssReflected)
        .map(|finding| {
            format!(
                "{} {}",
                finding.url.as_ref().unwrap(),
                finding.parameter.as_ref().unwrap()
            )
        })
        .collect();
    assert_eq!(weak, ["/greet query:name"], "{events:?}");
    assert!(!was_visited(&elsewhere), "a link and a redirect lead there");
    let gaps = gaps(&events);
    let out = gaps
        .iter()
        .find(|(what, why, _)| (*what, *why) == (WebPart::Page, WebGap::Elsewhere));
    assert!(out.is_some_and(|(_, _, count)| *count >= 1), "{gaps:?}");
    let Some(WorkerEvent::Ended(report)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(report.outcome(), Outcome::Complete, "{gaps:?}");
}

#[tokio::test]
async fn a_web_application_that_has_no_end_is_left_at_the_jobs_bounds() {
    // Each page leads to more, with many inputs, and is large.
    let (ports, asked) = site(|target| {
        let links: String = (0..200)
            .map(|n| format!("<a href='{target}{n}/?a{n}=1&b{n}=2'>on</a>"))
            .collect();
        page(&format!("{links}{}", "x".repeat(100_000)))
    });
    let test = WebTest {
        requests: 60,
        classes: vec!["xss".parse().unwrap(), "gone".parse().unwrap()],
        ..WebTest::default()
    };
    let (dir, job) = (TempDir::new().unwrap(), web_job(ports, test));
    let (ended, events) = run(&job, &keeper(dir.path(), &job, Verdict::Grant)).await;
    ended.unwrap();
    let sent = asked.load(Ordering::Relaxed);
    // Those under way when the last was counted, and what it takes to see whether this is TLS.
    assert!((30..=70).contains(&sent), "{sent}");
    let gaps = gaps(&events);
    assert!(
        gaps.iter().any(|(_, why, _)| *why == WebGap::Requests),
        "{gaps:?}"
    );
    assert!(gaps.contains(&(WebPart::Class, WebGap::Unknown, 1)), "{gaps:?}");
    let Some(WorkerEvent::Ended(report)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(report.outcome(), Outcome::Partial);
}

#[tokio::test]
async fn where_no_web_application_is_the_report_says_so() {
    let (closed, ports) = listener();
    drop(closed);
    let (dir, job) = (TempDir::new().unwrap(), web_job(ports, WebTest::default()));
    let (ended, events) = run(&job, &keeper(dir.path(), &job, Verdict::Grant)).await;
    ended.unwrap();
    let [WorkerEvent::Ended(report)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(report.outcome(), Outcome::Complete);
    assert_eq!(
        (report.coverage().hosts, report.coverage().hosts_answering),
        (1, 0)
    );
}

#[tokio::test]
async fn a_web_job_is_about_one_port_of_one_host() {
    let (listener, ports) = listener();
    let also = PortSet::from_ports(ports.iter().chain([9])).unwrap();
    let two: Vec<Target> = vec!["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()];
    let hosts = Job {
        targets: two.try_into().unwrap(),
        ..web_job(ports, WebTest::default())
    };
    for job in [hosts, web_job(also, WebTest::default())] {
        let dir = TempDir::new().unwrap();
        let (ended, events) = run(&job, &keeper(dir.path(), &job, Verdict::Grant)).await;
        assert!(
            matches!(ended, Err(WorkerError::Failed(Failure::NotOneApplication))),
            "{ended:?}"
        );
        assert_eq!(events, [WorkerEvent::Failed(WorkerFailure::Engine)]);
        assert!(!was_visited(&listener));
    }
}
