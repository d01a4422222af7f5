//! Web applications: a job for each, with what is asked of it signed in the job, where its operator says that they are
//! or where web servers are found.

use hyper::StatusCode;
use serde_json::{Value, json};
use vedette_protocol::{
    CredentialId, Finding, Job, WebTest,
    credential::{CredentialKind, CredentialUse},
    finding::{Confidence, Evidence, FindingPlace, FindingType, Label},
    job::Check,
    link::What,
};

use super::{
    appliance::{Appliance, Boot},
    granted,
    house::{House, Operator},
    owner::{put_credential, put_grant},
    work::{event, shown, whole},
};

async fn house() -> (House, Operator, Appliance, Boot) {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    (house, operator, appliance, boot)
}

async fn start(operator: &Operator, appliance: &Appliance, more: Value) -> super::house::Answer {
    let mut body = json!({"appliance": appliance.id(), "targets": ["192.0.2.7"], "checks": ["web"]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    operator.post("/api/v1/scans", body).await
}

/// A web server, as its service check tells of it.
fn web_server(target: &str, port: u16) -> Finding {
    let place = FindingPlace::port(target.parse().unwrap(), port);
    let mut found = Finding::new(FindingType::Service, place, Confidence::Certain);
    found.evidence.push(Evidence::Product {
        protocol: Label::cut("http").unwrap(),
        product: None,
        version: None,
    });
    found
}

fn places(jobs: &[Job]) -> Vec<String> {
    let place = |job: &Job| format!("{} {}", job.targets.as_slice()[0], job.ports);
    let mut places: Vec<String> = jobs.iter().map(place).collect();
    places.sort();
    places
}

#[tokio::test]
async fn each_application_is_a_job_that_says_what_is_asked_of_it() {
    let (house, operator, appliance, boot) = house().await;
    let web = json!({"paths": ["/shop/"], "classes": ["sql"], "requests": 500, "seconds": 60});
    let started = start(&operator, &appliance, json!({"ports": "80,8443", "web": web})).await;
    assert_eq!(started.status, StatusCode::CREATED, "{}", started.text);
    let jobs = appliance.jobs(&house, &boot, 4).await;
    assert_eq!(places(&jobs), ["192.0.2.7 80", "192.0.2.7 8443"]);
    let asked: WebTest = serde_json::from_value(web).unwrap();
    for job in &jobs {
        assert_eq!((job.web.as_ref(), job.login), (Some(&asked), None));
        assert!(job.checks.iter().eq([Check::Web]));
    }
    // Unless they are said, ports and bounds are the usual ones.
    start(&operator, &appliance, json!({})).await;
    let jobs = appliance.jobs(&house, &boot, 4).await;
    assert_eq!(places(&jobs), ["192.0.2.7 443", "192.0.2.7 80"]);
    assert_eq!(jobs[0].web, Some(WebTest::default()));
}

#[tokio::test]
async fn an_application_is_tested_once_where_a_web_server_is_found() {
    let (house, operator, appliance, boot) = house().await;
    let asked =
        json!({"targets": ["192.0.2.0/30"], "ports": "80,8080", "checks": ["ports", "services", "web"]});
    let started = start(&operator, &appliance, asked).await;
    let scan = started.json()["id"].as_str().unwrap().to_owned();
    let jobs = appliance.jobs(&house, &boot, 4).await;
    let [first] = jobs.as_slice() else {
        panic!("{jobs:?}")
    };
    assert!(!first.checks.contains(Check::Web) && first.web.is_none());
    let found = vec![
        web_server("192.0.2.1", 8080),
        super::work::finding("192.0.2.2", 80),
    ];
    let again = vec![web_server("192.0.2.1", 8080)];
    let events = [
        What::Findings(found),
        What::Findings(again),
        What::Ended(whole(8)),
    ];
    let events = events.into_iter().map(|what| event(first, what)).collect();
    appliance.report(&house, &boot, 0, events).await;
    // What was found last keeps the scan going.
    assert_eq!(shown(&operator, &scan).await["state"], "running");
    let jobs = appliance.jobs(&house, &boot, 4).await;
    assert_eq!(places(&jobs), ["192.0.2.1 8080"]);
    assert_eq!(jobs[0].web, Some(WebTest::default()));
    // It tells of itself as of a web server, and is not followed for ever.
    let events = [
        What::Findings(vec![web_server("192.0.2.1", 8080)]),
        What::Ended(whole(0)),
    ];
    let events = events.into_iter().map(|what| event(&jobs[0], what)).collect();
    appliance.report(&house, &boot, 3, events).await;
    let ended = shown(&operator, &scan).await;
    assert_eq!(
        (ended["state"].as_str(), ended["jobs"].as_u64()),
        (Some("complete"), Some(2)),
        "{ended}"
    );
}

#[tokio::test]
async fn who_did_not_ask_for_it_gets_no_test_of_what_is_found() {
    let (house, operator, appliance, boot) = house().await;
    let asked = json!({"checks": ["ports", "services"], "ports": "80"});
    let scan = start(&operator, &appliance, asked).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let jobs = appliance.jobs(&house, &boot, 4).await;
    let events = [
        What::Findings(vec![web_server("192.0.2.7", 80)]),
        What::Ended(whole(1)),
    ];
    let events = events.into_iter().map(|what| event(&jobs[0], what)).collect();
    appliance.report(&house, &boot, 0, events).await;
    let ended = shown(&operator, &scan).await;
    assert_eq!(
        (ended["state"].as_str(), ended["jobs"].as_u64()),
        (Some("complete"), Some(1)),
        "{ended}"
    );
}

#[tokio::test]
async fn too_many_web_servers_make_a_scan_partial_and_it_says_why() {
    let (house, operator, appliance, boot) = house().await;
    let asked = json!({"checks": ["services", "web"], "ports": "1-1000"});
    let scan = start(&operator, &appliance, asked).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let jobs = appliance.jobs(&house, &boot, 4).await;
    let found = (1..=300).map(|port| web_server("192.0.2.7", port));
    let (some, rest): (Vec<Finding>, Vec<Finding>) = found.partition(|found| found.port < Some(200));
    let events = [
        What::Findings(some),
        What::Findings(rest),
        What::Ended(whole(1000)),
    ];
    let events = events.into_iter().map(|what| event(&jobs[0], what)).collect();
    appliance.report(&house, &boot, 0, events).await;
    let now = shown(&operator, &scan).await;
    assert_eq!(
        (now["jobs"].as_u64(), now["jobs_done"].as_u64()),
        (Some(258), Some(2)),
        "{now}"
    );
}

#[tokio::test]
async fn what_makes_no_test_is_refused_with_a_reason() {
    let (_house, operator, appliance, _boot) = house().await;
    for (wrong, why) in [
        (
            json!({"web": {"paths": ["http://other.example/"]}}),
            "is no path to begin at",
        ),
        (json!({"web": {"requests": 0}}), "take 1 to"),
        (json!({"web": {"seconds": 100_000}}), "take 1 to"),
        (
            json!({"web": {"classes": ["SQL injection"]}}),
            "is no name of a class",
        ),
        (json!({"checks": ["ports"], "web": {}}), "add it to `checks`"),
        (json!({"targets": ["192.0.2.0/24"]}), "add `services` to `checks`"),
    ] {
        let refused = start(&operator, &appliance, wrong.clone()).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{wrong}: {}",
            refused.text
        );
        assert!(refused.text.contains(why), "{wrong}: {}", refused.text);
    }
}

/// Whoever may do all else may not do that.
#[tokio::test]
async fn a_grant_has_to_name_the_check() {
    let (house, operator, appliance, boot, owner) = granted::house().await;
    let started = start(&operator, &appliance, json!({"ports": "80"})).await;
    let scan = started.json()["id"].as_str().unwrap().to_owned();
    let mut grant = owner.grant(&appliance, "192.0.2.0/24");
    let others = Check::ALL.into_iter().filter(|check| *check != Check::Web);
    grant.checks = others.collect::<Vec<_>>().try_into().unwrap();
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    assert_eq!(appliance.serve(&house, &boot, 4).await.0, []);
    let why = shown(&operator, &scan).await["waiting"].to_string();
    assert!(why.contains("does not allow one of the job's checks"), "{why}");
    let mut grant = owner.grant(&appliance, "192.0.2.0/24");
    grant.checks = vec![Check::Web].try_into().unwrap();
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    assert_eq!(appliance.serve(&house, &boot, 4).await.0.len(), 1);
}

/// Behind the login, and not as a stranger too.
#[tokio::test]
async fn with_a_credential_an_application_is_tested_behind_its_login() {
    let (house, operator, appliance, boot, owner) = granted::house().await;
    let id = CredentialId::random();
    let sealed = owner.credential_of(CredentialKind::Form, &appliance, id, 1, &[("192.0.2.7", 443)]);
    put_credential(&operator, id, &owner.owned(&sealed)).await;
    let mut grant = owner.grant(&appliance, "192.0.2.0/24");
    grant.checks = Check::ALL.to_vec().try_into().unwrap();
    grant.credentials = vec![CredentialUse { id, version: 1 }];
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let asked = json!({"ports": "80,443", "checks": ["web", "inventory"], "credentials": [id]});
    let started = start(&operator, &appliance, asked).await;
    assert_eq!(started.status, StatusCode::CREATED, "{}", started.text);
    let (assignments, _) = appliance.serve(&house, &boot, 4).await;
    let key = house.pins().key;
    let jobs = assignments.iter().map(|one| one.job.verify(&key).unwrap());
    let mut told: Vec<String> = jobs
        .map(|job| {
            let checks: Vec<&str> = job.checks.iter().map(Check::name).collect();
            let who = if job.login.is_some() { "known" } else { "stranger" };
            assert!(job.web.is_some());
            format!("{} {} {who}", job.ports, checks.join(","))
        })
        .collect();
    told.sort();
    assert_eq!(told, ["443 inventory,web known", "80 web stranger"]);
}
