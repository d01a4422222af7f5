//! The worker between vedetted and the keeper: it does one job, sends nothing before it may, and ends on
//! anything that it does not understand.
#![cfg(test)]

use std::{
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as StdStream, process::ExitStatusExt},
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    net::{UnixListener, UnixStream},
    time::timeout,
};
use vedette_crypto::SigningKey;
use vedette_protocol::{
    ApplianceId, Job, JobId, JobScope, OrgId, PortSet, ScanId, Signed, Timestamp,
    codec::{read_frame, write_frame},
    finding::{Finding, Outcome, PortState},
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
    std::thread::spawn(move || {
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
        std::thread::sleep(Duration::from_millis(20));
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
