//! A web application, tested from a booted appliance: its holes come to the platform, those behind its login too.

#![cfg(test)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use vedette_protocol::{
    api::{Scan, ScanState, StoredFinding},
    finding::{Evidence, FindingType, Transport, WebGap},
};
use vedette_tests::{
    gate::Gate,
    lab::Target,
    logins::{Application, Nginx, USER},
    owner::Owner,
    road::Road,
};

const PASSWORD: &str = "correct horse battery staple";
const LABEL: &str = "shop";

#[test]
fn the_holes_of_a_web_application_come_to_the_platform() {
    let road = Road::open(&[Target::GoodWeb]).unwrap();
    let address = road.lab.admit_server(1).unwrap();
    let (application, nginx, _gate) = road
        .lab
        .inside(|| {
            let application = Application::start(PASSWORD).unwrap();
            let nginx = Nginx::start("", "ssl", &[], &application.proxied()).unwrap();
            let server = SocketAddr::from((Ipv4Addr::LOCALHOST, nginx.port));
            let gate = Gate::before(server, Transport::Tcp, (address, 443).into()).unwrap();
            gate.set_open(true);
            (application, nginx, gate)
        })
        .unwrap();
    let mut serving = road.appliance("web").unwrap();
    let owner = Owner::of(&road, &mut serving).unwrap();
    let id = serving.appliance.id.to_string();
    let host = address.to_string();
    let secret = road.lab.dir().join("shop-password");
    std::fs::write(&secret, PASSWORD).unwrap();
    let spki = format!("sha256//{}", STANDARD.encode(nginx.spki.0));
    owner
        .run(&[
            "credential",
            "seal",
            "--kind",
            "form",
            "--label",
            LABEL,
            "--target",
            &format!("{host}:443"),
            "--appliance",
            &id,
            "--user",
            USER,
            "--spki",
            &spki,
            "--secret-file",
            &secret.to_string_lossy(),
        ])
        .unwrap();
    let sign = |checks: &str| {
        let grant = ["grant", "sign", "--appliance", &id, "--targets", &host];
        let what = ["--ports", "443", "--checks", checks, "--credential", LABEL];
        owner.run(&[&grant[..], &what].concat()).unwrap();
    };
    let start = |checks: &str, more: &[&str]| -> Scan {
        let scan = ["scan", "start", "--appliance", &id, "--target", &host];
        let what = ["--ports", "443", "--checks", checks, "--classes", "sql,xss"];
        let bounds = ["--path", "/hello?name=you", "--seconds", "1200"];
        road.operator
            .ask(&[&scan[..], &what, &bounds, more].concat())
            .unwrap()
    };

    // Payloads are more than questions: who may do all but that may not do that.
    sign("ports,services,tls,http,inventory");
    let scan = start("web,inventory", &["--credential", LABEL]);
    std::thread::sleep(Duration::from_secs(10));
    let waiting = road.operator.seen(&scan).unwrap();
    assert_eq!(waiting.state, ScanState::Queued, "{waiting:?}");
    let why = waiting.waiting.as_deref().unwrap_or_default();
    assert!(why.contains("check"), "{why}");

    sign("ports,services,web,inventory");
    let scan = road.operator.ended(&scan, WHILE).unwrap();
    assert_eq!(
        (scan.state, scan.jobs),
        (ScanState::Complete, 1),
        "{scan:?} {}",
        nginx.log()
    );
    let found = road.operator.findings(&scan).unwrap();
    let at = |found: &[StoredFinding], type_| -> Vec<String> {
        let of_type = found.iter().filter(|stored| stored.finding.type_ == type_);
        of_type
            .map(|stored| stored.finding.url.as_ref().unwrap().to_string())
            .collect()
    };
    // Beside each stands a sound one.
    assert_eq!(at(&found, FindingType::WebXssReflected), ["/greet"], "{found:?}");
    assert_eq!(at(&found, FindingType::WebSqlInjection), ["/note"], "{found:?}");
    let weak = found.iter().filter(|stored| stored.finding.url.is_some());
    assert!(weak.clone().all(|stored| stored.finding.is_from_behind_a_login()));
    let gaps = gaps_of(&found);
    assert!(
        gaps.contains(&WebGap::Elsewhere),
        "a page leads out of scope: {gaps:?}"
    );
    let told = serde_json::to_string(&found).unwrap();
    assert!(!told.contains(PASSWORD), "{told}");

    // Where services are looked for, an application is tested where a web server is found.
    let scan = start("ports,services,web", &[]);
    let scan = road.operator.ended(&scan, WHILE).unwrap();
    assert!(
        matches!(scan.state, ScanState::Complete | ScanState::Partial),
        "{scan:?}"
    );
    assert_eq!(scan.jobs, 2, "{scan:?}");
    let found = road.operator.findings(&scan).unwrap();
    let examined = |stored: &StoredFinding| {
        let covered =
            |evidence: &Evidence| matches!(evidence, Evidence::WebCoverage { pages, .. } if *pages > 0);
        stored.finding.type_ == FindingType::WebApplication && stored.finding.evidence.iter().any(covered)
    };
    assert!(found.iter().any(examined), "{found:?}");
    // A stranger comes as far as the door.
    assert_eq!(at(&found, FindingType::WebXssReflected), Vec::<String>::new());
    let tries = application.end().unwrap();
    let right = tries.lines().filter(|line| *line == "try scanner right");
    assert_eq!(right.count(), 1, "once, for the whole scan behind it: {tries}");
}

/// What was not done of a web application, as its own finding says.
fn gaps_of(found: &[StoredFinding]) -> Vec<WebGap> {
    let told = found
        .iter()
        .filter(|stored| stored.finding.type_ == FindingType::WebApplication);
    let gap = |evidence: &Evidence| match evidence {
        Evidence::WebNotDone { why, .. } => Some(*why),
        _ => None,
    };
    told.flat_map(|stored| stored.finding.evidence.iter().filter_map(gap))
        .collect()
}

/// An emulated machine is slow, and a session has many requests.
const WHILE: Duration = Duration::from_secs(1500);
