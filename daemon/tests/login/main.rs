//! A login from the signed job to what it brought: the vault, a worker, and a real server between them. The keeper's
//! part, which is to join the two, is played by its own code without the packet filter.
#![cfg(test)]

mod application;
mod certificate;
mod database;
mod snmp;
mod ssh;
mod web;

use std::{
    io::Read,
    net::{Ipv4Addr, SocketAddr},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    thread,
    time::Duration,
};

use vedette_crypto::{
    Signer, SigningKey,
    hpke::Suite,
    share::{ApplianceShare, PlatformShare},
};
use vedette_daemon::{
    conversation::{Conversation, FRAME_LIMIT},
    keeper::{owner::Name, records::RecordKeys, vault::Vault},
    vault,
};
use vedette_protocol::{
    ApplianceId, Assignment, CredentialId, Envelope, Finding, Fingerprint, Job, JobId, JobScope, OrgId,
    ScanId, Signed, Timestamp, WebTest,
    codec::{read_frame, write_frame},
    credential::{CredentialUse, HEADER_VERSION, Header, Login, Place, SecretText, Trust},
    envelope::Sealing,
    finding::{Evidence, LoginOutcome, Outcome},
    job::{Check, Checks},
    owner::Epoch,
    target::{Ports, Target},
    vault::{Member, Opening},
    worker::{Order, ScopeAnswer, ScopeRequest, WorkerEvent},
};
use vedette_scanner::worker::{Keeper, work};
use zeroize::Zeroizing;

const ORG: OrgId = OrgId([1; 16]);
const APPLIANCE: ApplianceId = ApplianceId([2; 16]);
const IDENTITY: Fingerprint = Fingerprint([3; 32]);

/// A password, a key, a token: what is secret of a credential.
fn secret(text: &str) -> SecretText {
    SecretText::new(Zeroizing::new(text.to_owned()))
}

/// Runs a job that logs in on a port of loopback, with this credential and this trust, through vault and worker.
fn visit(port: u16, login: &Login, trust: Trust) -> (Vec<Finding>, Outcome) {
    visit_and(&[Check::Inventory], port, login, trust)
}

/// The same, for a job of these checks.
fn visit_and(checks: &[Check], port: u16, login: &Login, trust: Trust) -> (Vec<Finding>, Outcome) {
    let visited = visit_at(checks, (Ipv4Addr::LOCALHOST, port).into(), login, trust);
    assert_eq!(
        visited.opened,
        is_opened(&visited.findings),
        "{:?}",
        visited.findings
    );
    (visited.findings, visited.ended)
}

/// What came of a job.
struct Visited {
    findings: Vec<Finding>,
    ended: Outcome,
    /// Whether its credential was opened.
    opened: bool,
}

/// The same, at any endpoint of this machine.
fn visit_at(checks: &[Check], endpoint: SocketAddr, login: &Login, trust: Trust) -> Visited {
    visit_for(None, checks, endpoint, login, trust)
}

/// The same, where a web application is tested like this.
fn visit_for(
    web: Option<WebTest>,
    checks: &[Check],
    endpoint: SocketAddr,
    login: &Login,
    trust: Trust,
) -> Visited {
    let port = endpoint.port();
    let platform = SigningKey::generate();
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::spawn(move || vault::serve(theirs));
    let mut vault = Vault::new(ours);
    let name = Name {
        org: ORG,
        appliance: APPLIANCE,
        identity: IDENTITY,
    };
    let keys = RecordKeys::derive(&PlatformShare::random(), &ApplianceShare::random(), name, None);
    let member = Member {
        appliance: APPLIANCE,
        org: ORG,
        identity: IDENTITY,
        platform: platform.verifying_key(),
        owner: None,
    };
    let opened = vault.open(&keys, &keys, member, None).unwrap();
    let target: Target = endpoint.ip().to_string().parse().unwrap();
    let credential = CredentialUse {
        id: CredentialId([4; 16]),
        version: 1,
    };
    let header = Header {
        vedette: HEADER_VERSION,
        org: ORG,
        credential: credential.id,
        version: credential.version,
        kind: login.kind(),
        places: vec![Place {
            host: target.clone(),
            port,
            trust,
        }],
        appliances: vec![IDENTITY],
    };
    let envelope = Envelope::seal(&header, login, Suite::XWing, &[opened.keys]).unwrap();
    let job = Job {
        id: JobId([6; 16]),
        scan: ScanId([7; 16]),
        org: ORG,
        appliance: APPLIANCE,
        fence: 1,
        targets: vec![target].try_into().unwrap(),
        exclude: vec![],
        ports: Ports::one(login.kind().transport(), port).unwrap(),
        checks: Checks::try_from(checks.to_vec()).unwrap(),
        login: Some(credential),
        web,
        expires: Timestamp::now().after(Duration::from_secs(120)),
    };
    let Ok(signed) = Signed::seal(&job, &platform);
    let assignment = Assignment {
        credential: Some(Sealing::Unsigned(envelope)),
        ..Assignment::from(signed)
    };
    let (events, openings) = run_worker(vault, job.clone(), assignment);
    let findings = events.iter().filter_map(|event| match event {
        WorkerEvent::Findings(findings) => Some(findings.clone()),
        _ => None,
    });
    let Some(WorkerEvent::Ended(report)) = events.last() else {
        panic!("{events:?}");
    };
    let findings: Vec<Finding> = findings.flatten().collect();
    // Whatever was opened is told of, once.
    let told = openings
        .iter()
        .map(|told| (told.job, told.credential, told.target, told.port));
    let opened = !openings.is_empty();
    let expected = (job.id, credential, endpoint.ip(), port);
    assert!(told.eq(opened.then_some(expected)), "{openings:?} {findings:?}");
    Visited {
        findings,
        ended: report.outcome(),
        opened,
    }
}

/// Whether a login over SSH or HTTP that ended so had its credential opened.
fn is_opened(findings: &[Finding]) -> bool {
    match outcome(&findings[..1]) {
        LoginOutcome::Accepted
        | LoginOutcome::WrongCredential
        | LoginOutcome::WrongPassphrase
        | LoginOutcome::UnfitKey => true,
        LoginOutcome::WrongHostKey
        | LoginOutcome::MethodNotOffered
        | LoginOutcome::NoAnswer
        | LoginOutcome::NotOpened => false,
    }
}

fn run_worker(mut vault: Vault, job: Job, assignment: Assignment) -> (Vec<WorkerEvent>, Vec<Opening>) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("keeper.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let keeper = thread::spawn(move || {
        let mut line = Conversation::new(listener.accept().unwrap().0);
        let request: ScopeRequest = line.receive(FRAME_LIMIT).unwrap();
        let end = vault
            .serve(&request.assignment, &request.names, Epoch(0), Timestamp::now())
            .unwrap();
        let granted = ScopeAnswer::Granted {
            scope: JobScope::of(&job, &[]),
            job: Box::new(job),
            rate: None,
            adapters: 0,
        };
        line.send_with_descriptor(&granted, end.as_fd(), FRAME_LIMIT)
            .unwrap();
        drop(end);
        // Open until the worker leaves.
        line.wait(Some(Duration::from_secs(120))).unwrap();
        let openings = vault.openings().unwrap();
        openings.iter().for_each(|opening| vault.told(*opening).unwrap());
        assert_eq!(vault.openings().unwrap(), []);
        openings
    });
    let (mut vedetted, workers) = UnixStream::pair().unwrap();
    let names = vec![];
    write_frame(&mut vedetted, &Order { assignment, names }).unwrap();
    workers.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let ended = runtime.block_on(async {
        let uid = rustix::process::getuid().as_raw();
        work(
            tokio::net::UnixStream::from_std(workers).unwrap(),
            &Keeper { socket, uid },
        )
        .await
    });
    ended.unwrap();
    drop(runtime);
    let openings = keeper.join().unwrap();
    let mut said = Vec::new();
    vedetted.read_to_end(&mut said).unwrap();
    let mut rest = said.as_slice();
    let events = std::iter::from_fn(|| read_frame(&mut rest).ok()).collect();
    (events, openings)
}

fn outcome(findings: &[Finding]) -> LoginOutcome {
    let [finding] = findings else {
        panic!("one finding: {findings:?}");
    };
    let outcome = finding.evidence.iter().find_map(|fact| match fact {
        Evidence::Login { outcome } => Some(*outcome),
        _ => None,
    });
    outcome.unwrap()
}
