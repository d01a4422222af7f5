//! The operator's own authority, on a booted appliance: an owner key that is confirmed, a grant without which nothing
//! runs, a credential that the platform carries and cannot read.

#![cfg(test)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vedette_protocol::api::{Scan, ScanState, StoredFinding};
use vedette_protocol::finding::{Evidence, FindingType, LoginOutcome, PortState};
use vedette_tests::lab::{StatusLine, Target};
use vedette_tests::login_host::{LoginHost, USER};
use vedette_tests::memory::Memory;
use vedette_tests::operator::Operator;
use vedette_tests::road::{Road, Serving};

/// Stands nowhere but in this test, so that whoever holds it was told.
const PASSWORD: &str = "Zq7-canary-Vh2mP9-tR4x";
const LABEL: &str = "machine-under-audit";
/// Rounds of hashing: the host takes some seconds to compare a password, in which it is looked for.
const SLOWLY: u32 = 6_000_000;

#[test]
fn an_appliance_with_an_owner_does_what_the_owner_signed_and_no_more() {
    let road = Road::open(&[Target::GoodWeb, Target::BadWeb, Target::Snmp]).unwrap();
    let address = road.lab.admit_server(1).unwrap();
    let endpoint = SocketAddr::new(address.into(), 22);
    let host = road
        .lab
        .inside(|| LoginHost::start_with(endpoint, PASSWORD, SLOWLY))
        .unwrap()
        .unwrap();
    let mut serving = road.appliance("office").unwrap();
    assert_eq!(serving.status.owner, None);
    let owner = Owner::new(&road.operator, &road.lab.dir().join("owner"));
    owner.run(&["owner", "init"]);

    // The operator types off what the console shows; a wrong one is refused.
    let id = serving.appliance.id.to_string();
    let fingerprint = serving.status.fingerprint.clone().unwrap();
    let wrong = fingerprint.chars().rev().collect::<String>();
    let refused = owner.try_run(&["appliance", "confirm", &id, "--fingerprint", &wrong]);
    assert!(refused.is_err(), "{refused:?}");
    owner.until(&["appliance", "confirm", &id, "--fingerprint", &fingerprint]);
    let shown = serving
        .machine
        .wait_for_line("the owner's key on the console", WHILE, |line| {
            StatusLine::parse(&line.text).is_some_and(|status| status.owner.is_some())
        })
        .unwrap();
    let shown = StatusLine::parse(&shown.text).unwrap().owner.unwrap();
    assert!(owner.run(&["owner", "show"]).contains(&shown), "{shown}");

    // Without a grant nothing runs; with one for another host neither.
    let web = road.lab.address(Target::GoodWeb).to_string();
    let scan: Scan = road
        .operator
        .ask(&[
            "scan",
            "start",
            "--appliance",
            &id,
            "--target",
            &web,
            "--ports",
            "80",
        ])
        .unwrap();
    let other = road.lab.address(Target::BadWeb).to_string();
    let checks = "ports,services,tls,http";
    let sign = |target: &str| {
        owner.run(&[
            "grant",
            "sign",
            "--appliance",
            &id,
            "--targets",
            target,
            "--ports",
            "80",
            "--checks",
            checks,
        ]);
    };
    sign(&other);
    std::thread::sleep(Duration::from_secs(10));
    let waiting = seen(&road, &scan);
    assert_eq!(waiting.state, ScanState::Queued, "{waiting:?}");
    assert!(
        waiting
            .waiting
            .as_deref()
            .is_some_and(|why| why.contains("grant")),
        "{waiting:?}"
    );
    sign(&web);
    let granted = ended(&road, &scan);
    assert_eq!(granted.state, ScanState::Complete, "{granted:?}");
    let open = |finding: &StoredFinding| finding.finding.state == Some(PortState::Open);
    assert!(findings(&road, &granted).iter().any(open));

    // A credential goes through the platform to the vault, and nobody in between can read it.
    let secret = road.lab.dir().join("secret");
    std::fs::write(&secret, PASSWORD).unwrap();
    let place = endpoint.to_string();
    owner.run(&[
        "credential",
        "seal",
        "--kind",
        "ssh-password",
        "--target",
        &place,
        "--host-key",
        host.host_key(),
        "--appliance",
        &id,
        "--label",
        LABEL,
        "--user",
        USER,
        "--secret-file",
        &text(&secret),
    ]);

    // Two boots later the owner is the same and so is the vault's key: in the first its record is sealed anew, bound to
    // the owner, in the second it is opened as it was left.
    for _ in 0..2 {
        drop(serving.machine);
        let (machine, status) = road.boot_to_serving(&serving.disk).unwrap();
        serving.machine = machine;
        let owner = match status.owner {
            Some(owner) => owner,
            None => {
                let is_told = |line: &str| StatusLine::parse(line).and_then(|status| status.owner);
                let line = serving
                    .machine
                    .wait_for_line("the owner's key again", WHILE, |line| {
                        is_told(&line.text).is_some()
                    })
                    .unwrap();
                is_told(&line.text).unwrap()
            }
        };
        assert_eq!(owner, shown);
    }
    let ssh = address.to_string();
    owner.run(&[
        "grant",
        "sign",
        "--appliance",
        &id,
        "--targets",
        &ssh,
        "--ports",
        "22",
        "--checks",
        "inventory",
        "--credential",
        LABEL,
    ]);
    // Sealed, carried and waiting: nobody has read it.
    assert_eq!(in_memory(&road, &serving), 0, "before its use");
    let scan: Scan = road
        .operator
        .ask(&[
            "scan",
            "start",
            "--appliance",
            &id,
            "--target",
            &ssh,
            "--ports",
            "22",
            "--check",
            "inventory",
            "--credential",
            LABEL,
        ])
        .unwrap();
    // The control: while the host compares it, it is there, and is found.
    let end = Instant::now() + WHILE;
    while in_memory(&road, &serving) == 0 {
        let scan = seen(&road, &scan);
        let over = ![ScanState::Queued, ScanState::Running].contains(&scan.state);
        assert!(
            !over && Instant::now() < end,
            "never seen in memory: {scan:?} {}",
            host.log().unwrap()
        );
    }
    let scan = ended(&road, &scan);
    // The worker was reaped before its report went out.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(in_memory(&road, &serving), 0, "after its use");
    let platform = Memory::of_process(road.platform_id().unwrap()).unwrap();
    assert_eq!(platform.count_forms(PASSWORD), 0, "in the platform's memory");
    assert!(platform.count(LABEL.as_bytes()) > 0, "which was searched");
    let disk = Memory::read(serving.disk.path()).unwrap();
    assert_eq!(disk.count_forms(PASSWORD), 0, "on the appliance's disk");
    assert_eq!(
        scan.state,
        ScanState::Complete,
        "{scan:?} {}",
        host.log().unwrap()
    );
    let found = findings(&road, &scan);
    let inventory = found
        .iter()
        .find(|stored| stored.finding.type_ == FindingType::HostInventory)
        .unwrap_or_else(|| panic!("{found:?}"));
    let accepted = Evidence::Login {
        outcome: LoginOutcome::Accepted,
    };
    assert!(inventory.finding.evidence.contains(&accepted));
    let packages = inventory
        .finding
        .evidence
        .iter()
        .filter(|fact| matches!(fact, Evidence::Package { .. }));
    assert!(packages.count() > 50);
    assert_eq!(
        holders(&road.lab.dir().join("platform"), PASSWORD),
        Vec::<PathBuf>::new()
    );
    // The search is not blind.
    assert!(!holders(road.lab.dir(), PASSWORD).is_empty());

    asks_an_agent(&road, &owner, &id);
}

/// An SNMP agent is asked over UDP, which a grant of the same port of TCP does not allow.
fn asks_an_agent(road: &Road, owner: &Owner<'_>, id: &str) {
    let community = road.lab.dir().join("community");
    std::fs::write(&community, "public").unwrap();
    let agent = road.lab.address(Target::Snmp).to_string();
    let seal = [
        "credential",
        "seal",
        "--kind",
        "snmp-community",
        "--target",
        &agent,
    ];
    let how = ["--cleartext-ok", "--label", "agent", "--appliance", id];
    owner.run(&[&seal[..], &how, &["--secret-file", &text(&community)]].concat());
    let sign = |ports: &str| {
        let where_ = [
            "grant",
            "sign",
            "--appliance",
            id,
            "--targets",
            &agent,
            "--ports",
            ports,
        ];
        owner.try_run(&[&where_[..], &["--checks", "inventory", "--credential", "agent"]].concat())
    };
    assert!(sign("161").is_err(), "of TCP");
    sign("U:161").unwrap();
    let start = ["scan", "start", "--appliance", id, "--target", &agent];
    let what = ["--check", "inventory", "--credential", "agent"];
    let scan: Scan = road.operator.ask(&[&start[..], &what].concat()).unwrap();
    let scan = ended(road, &scan);
    assert_eq!(scan.state, ScanState::Complete, "{scan:?}");
    let found = findings(road, &scan);
    let inventory = |stored: &StoredFinding| stored.finding.type_ == FindingType::HostInventory;
    assert!(found.iter().any(inventory), "{found:?}");
}

/// How many times the password is in the whole machine's memory now, in whatever form.
fn in_memory(road: &Road, serving: &Serving) -> usize {
    let (memory, ()) = Memory::of_machine(&serving.machine, road.lab.dir(), || Ok(())).unwrap();
    memory.count_forms(PASSWORD)
}

/// An operator with an owner key.
struct Owner<'a> {
    operator: &'a Operator,
    dir: PathBuf,
    passphrase: PathBuf,
}

impl<'a> Owner<'a> {
    fn new(operator: &'a Operator, dir: &Path) -> Self {
        let passphrase = dir.with_extension("passphrase");
        std::fs::write(&passphrase, "a passphrase of some length\n").unwrap();
        Self {
            operator,
            dir: dir.to_owned(),
            passphrase,
        }
    }

    fn try_run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let (dir, passphrase) = (text(&self.dir), text(&self.passphrase));
        let access = ["--owner-dir", &dir, "--passphrase-file", &passphrase];
        self.operator.run(&[arguments, &access].concat())
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).unwrap()
    }

    /// Again, until the platform knows enough.
    fn until(&self, arguments: &[&str]) {
        let end = Instant::now() + WHILE;
        while let Err(error) = self.try_run(arguments) {
            assert!(Instant::now() < end, "{error:#}");
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn seen(road: &Road, scan: &Scan) -> Scan {
    road.operator
        .ask(&["scan", "show", &scan.id.to_string()])
        .unwrap()
}

fn ended(road: &Road, scan: &Scan) -> Scan {
    let end = Instant::now() + WHILE;
    loop {
        let scan = seen(road, scan);
        match scan.state {
            ScanState::Queued | ScanState::Running => {
                assert!(Instant::now() < end, "{scan:?}");
                std::thread::sleep(Duration::from_millis(500));
            }
            ScanState::Complete | ScanState::Partial | ScanState::Failed => return scan,
        }
    }
}

fn findings(road: &Road, scan: &Scan) -> Vec<StoredFinding> {
    road.operator
        .ask(&["finding", "list", "--scan", &scan.id.to_string()])
        .unwrap()
}

/// The files below a folder in which a text stands.
fn holders(dir: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(holders(&entry.path(), text));
        } else if kind.is_file() && entry.metadata().unwrap().len() < 64 << 20 {
            let bytes = std::fs::read(entry.path()).unwrap();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(entry.path());
            }
        }
    }
    found
}

const WHILE: Duration = Duration::from_secs(120);
