//! A login from the signed job to the inventory: the vault, a worker, and a real OpenSSH between them. The keeper's
//! part, which is to join the two, is played by its own code without the packet filter.
#![cfg(test)]

use std::{
    fs,
    io::Read,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{fd::AsFd, unix::net::UnixListener, unix::net::UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use vedette_crypto::share::{ApplianceShare, PlatformShare};
use vedette_crypto::{Signer, SigningKey, hpke::Suite};
use vedette_daemon::{
    conversation::{Conversation, FRAME_LIMIT},
    keeper::{owner::Name, records::RecordKeys, vault::Vault},
    vault,
};
use vedette_protocol::{
    ApplianceId, Assignment, CredentialId, Digest, Envelope, Finding, Fingerprint, Job, JobId, OrgId, ScanId,
    Scope, Signed, Timestamp,
    codec::{read_frame, write_frame},
    credential::{CredentialKind, CredentialUse, HEADER_VERSION, Header, Login, Place, SecretText, Trust},
    envelope::Sealing,
    finding::{Evidence, FindingType, LoginOutcome, Outcome},
    job::{Check, Checks},
    owner::Epoch,
    target::{PortSet, Target},
    vault::Member,
    worker::{Order, ScopeAnswer, ScopeRequest, WorkerEvent},
};
use vedette_scanner::worker::{Keeper, work};
use zeroize::Zeroizing;

const ORG: OrgId = OrgId([1; 16]);
const APPLIANCE: ApplianceId = ApplianceId([2; 16]);
const IDENTITY: Fingerprint = Fingerprint([3; 32]);
const PASSWORD: &str = "correct horse battery staple";

/// OpenSSH with an account of the test's own, over files that only it sees.
struct Sshd {
    process: Child,
    port: u16,
    host_key: Digest,
    log: std::path::PathBuf,
    _files: TempDir,
}

impl Sshd {
    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name);
        let key = path("host_key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-t", "ed25519", "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let hash = Command::new("openssl")
            .args(["passwd", "-6", PASSWORD])
            .output()
            .unwrap();
        let hash = String::from_utf8(hash.stdout).unwrap();
        let account = "scanner:x:4242:4242::/:/bin/sh\n";
        fs::write(
            path("passwd"),
            fs::read_to_string("/etc/passwd").unwrap() + account,
        )
        .unwrap();
        let shadow = format!("scanner:{}:19000:0:99999:7:::\n", hash.trim());
        fs::write(
            path("shadow"),
            fs::read_to_string("/etc/shadow").unwrap() + &shadow,
        )
        .unwrap();
        fs::write(
            path("config"),
            format!(
                "UsePAM no\nPidFile none\nStrictModes no\nPasswordAuthentication yes\nLogLevel VERBOSE\nHostKey {}\n",
                key.display()
            ),
        )
        .unwrap();
        fs::create_dir_all("/run/sshd").unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let dir = files.path().display();
        let script = format!(
            "mount --bind {dir}/passwd /etc/passwd && mount --bind {dir}/shadow /etc/shadow && \
             exec /usr/sbin/sshd -D -e -p {port} -o ListenAddress=127.0.0.1 -f {dir}/config"
        );
        let log = path("log");
        let mut process = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(
                process.try_wait().unwrap().is_none(),
                "{}",
                fs::read_to_string(&log).unwrap()
            );
            assert!(Instant::now() < deadline, "sshd did not start");
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            process,
            port,
            host_key: fingerprint(&key.with_extension("pub")),
            log,
            _files: files,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `ssh-keygen -l` prints of a public key, as the digest that it is.
fn fingerprint(public: &Path) -> Digest {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let printed = Command::new("ssh-keygen")
        .args(["-l", "-f"])
        .arg(public)
        .output()
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let digest = printed
        .split(' ')
        .nth(1)
        .and_then(|word| word.strip_prefix("SHA256:"))
        .unwrap();
    Digest(STANDARD_NO_PAD.decode(digest).unwrap().try_into().unwrap())
}

/// Runs a job that logs in, with this password and this trust, through vault and worker.
fn visit(sshd: &Sshd, password: &str, trust: Trust) -> (Vec<Finding>, Outcome) {
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
    let target: Target = "127.0.0.1".parse().unwrap();
    let credential = CredentialUse {
        id: CredentialId([4; 16]),
        version: 1,
    };
    let header = Header {
        vedette: HEADER_VERSION,
        org: ORG,
        credential: credential.id,
        version: credential.version,
        kind: CredentialKind::SshPassword,
        places: vec![Place {
            host: target.clone(),
            port: sshd.port,
            trust,
        }],
        appliances: vec![IDENTITY],
    };
    let login = Login::SshPassword {
        user: "scanner".to_owned(),
        password: SecretText::new(Zeroizing::new(password.to_owned())),
    };
    let envelope = Envelope::seal(&header, &login, Suite::XWing, &[opened.keys]).unwrap();
    let job = Job {
        id: JobId([6; 16]),
        scan: ScanId([7; 16]),
        org: ORG,
        appliance: APPLIANCE,
        fence: 1,
        targets: vec![target].try_into().unwrap(),
        exclude: vec![],
        ports: PortSet::from_ports([sshd.port]).unwrap(),
        checks: Checks::try_from(vec![Check::Inventory]).unwrap(),
        login: Some(credential),
        expires: Timestamp::now().after(Duration::from_secs(60)),
    };
    let Ok(signed) = Signed::seal(&job, &platform);
    let assignment = Assignment {
        credential: Some(Sealing::Unsigned(envelope)),
        ..Assignment::from(signed)
    };
    let events = run_worker(vault, job, assignment);
    let findings = events.iter().filter_map(|event| match event {
        WorkerEvent::Findings(findings) => Some(findings.clone()),
        _ => None,
    });
    let Some(WorkerEvent::Ended(report)) = events.last() else {
        panic!("{events:?}");
    };
    (findings.flatten().collect(), report.outcome())
}

fn run_worker(mut vault: Vault, job: Job, assignment: Assignment) -> Vec<WorkerEvent> {
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
            scope: Scope::of_job(&job, &[]),
            job: Box::new(job),
            rate: None,
        };
        line.send_with_descriptor(&granted, end.as_fd(), FRAME_LIMIT)
            .unwrap();
        drop(end);
        // Open until the worker leaves.
        line.wait(Some(Duration::from_secs(120))).unwrap();
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
    keeper.join().unwrap();
    let mut said = Vec::new();
    vedetted.read_to_end(&mut said).unwrap();
    let mut rest = said.as_slice();
    std::iter::from_fn(|| read_frame(&mut rest).ok()).collect()
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

#[test]
fn who_may_log_in_learns_what_is_installed() {
    let sshd = Sshd::start();
    for trust in [Trust::SshHostKey(sshd.host_key), Trust::FirstSeen] {
        let (findings, ended) = visit(&sshd, PASSWORD, trust);
        assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{}", sshd.log());
        assert_eq!(ended, Outcome::Complete);
        assert_eq!(findings[0].type_, FindingType::HostInventory);
        let package = |name: &str| {
            findings[0].evidence.iter().find_map(|fact| match fact {
                Evidence::Package {
                    name: found, version, ..
                } if found.as_str() == name => Some(version.to_string()),
                _ => None,
            })
        };
        let truth = Command::new("dpkg-query")
            .args(["-W", "-f", "${Version}", "bash"])
            .output()
            .unwrap();
        assert_eq!(package("bash"), Some(String::from_utf8(truth.stdout).unwrap()));
        let system = |fact: &Evidence| matches!(fact, Evidence::System { name, .. } if name.as_str().contains("Linux"));
        assert!(findings[0].evidence.iter().any(system));
    }
}

#[test]
fn a_wrong_password_is_tried_once_and_said() {
    let sshd = Sshd::start();
    let (findings, ended) = visit(&sshd, "wrong", Trust::SshHostKey(sshd.host_key));
    assert_eq!(findings[0].type_, FindingType::LoginFailed);
    assert_eq!(outcome(&findings), LoginOutcome::WrongCredential);
    assert_eq!(ended, Outcome::Partial);
    assert_eq!(sshd.log().matches("Failed password").count(), 1, "{}", sshd.log());
}

#[test]
fn a_host_with_another_key_is_told_nothing() {
    let sshd = Sshd::start();
    let (findings, ended) = visit(&sshd, PASSWORD, Trust::SshHostKey(Digest([9; 32])));
    assert_eq!(outcome(&findings), LoginOutcome::WrongHostKey);
    assert_eq!(ended, Outcome::Partial);
    let log = sshd.log();
    assert!(!log.contains("password") && !log.contains("scanner"), "{log}");
}
