//! Jobs over the link: taken, reported on, ended; findings kept once.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::{Value, json};
use vedette_protocol::{
    Finding, Job, Nonce, Report,
    finding::{Confidence, Coverage, Effort, FindingPlace, FindingType, Kind, Severity, Unanswered},
    link::{Event, EventsOutcome, EventsRequest, PollOutcome, What},
    worker::{Progress, WorkerFailure},
};

use super::{
    appliance::{Appliance, Failure},
    house::{House, Operator},
};

pub(crate) async fn scan(
    operator: &Operator,
    appliance: &Appliance,
    targets: &[&str],
    ports: &str,
) -> String {
    let body = json!({"appliance": appliance.id(), "targets": targets, "ports": ports});
    let started = operator.post("/api/v1/scans", body).await;
    assert_eq!(started.status, StatusCode::CREATED, "{}", started.text);
    started.json()["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn shown(operator: &Operator, scan: &str) -> Value {
    operator.get(&format!("/api/v1/scans/{scan}")).await.json()
}

pub(crate) fn event(job: &Job, what: What) -> Event {
    Event {
        job: job.id,
        fence: job.fence,
        what,
    }
}

pub(crate) fn finding(target: &str, port: u16) -> Finding {
    let place = FindingPlace::port(target.parse().unwrap(), port);
    Finding::new(FindingType::RedisNoAuthentication, place, Confidence::Certain)
}

pub(crate) fn whole(ports: u64) -> Report {
    let coverage = Coverage {
        hosts: 1,
        hosts_answering: 1,
        ports,
        ports_known: ports,
        ..Coverage::default()
    };
    let effort = Effort {
        packets: ports,
        seconds: 0.5,
        ..Effort::default()
    };
    Report::close(effort, coverage, 0, vec![])
}

#[tokio::test]
async fn a_scan_is_done_and_its_findings_are_kept_once() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let scan = scan(&operator, &appliance, &["192.0.2.1"], "22,80").await;
    assert_eq!(shown(&operator, &scan).await["state"], "queued");

    let jobs = appliance.jobs(&house, &boot, 4).await;
    assert_eq!(jobs.len(), 1);
    let job = &jobs[0];
    assert_eq!(
        (job.scan.to_string(), job.appliance, job.fence),
        (scan.clone(), appliance.id(), 1)
    );
    assert_eq!(
        (job.ports.to_string(), job.targets.as_slice()[0].to_string()),
        ("22,80".to_owned(), "192.0.2.1".to_owned())
    );
    assert_eq!(shown(&operator, &scan).await["state"], "running");

    let events = vec![
        event(job, What::Started),
        event(job, What::Progress(Progress { done: 1, total: 2 })),
        event(
            job,
            What::Findings(vec![finding("192.0.2.1", 80), finding("192.0.2.1", 22)]),
        ),
    ];
    let kept = appliance.report(&house, &boot, 0, events.clone()).await;
    assert_eq!(kept, EventsOutcome::Kept { next: 3 });
    assert_eq!(
        shown(&operator, &scan).await["progress"],
        json!({"done": 1, "total": 2})
    );
    // The answer was lost: sent again, with more behind.
    let mut again = events[1..].to_vec();
    again.push(event(job, What::Ended(whole(2))));
    assert_eq!(
        appliance.report(&house, &boot, 1, again).await,
        EventsOutcome::Kept { next: 4 }
    );

    let ended = shown(&operator, &scan).await;
    assert_eq!(
        (ended["state"].as_str(), ended["findings"].as_u64()),
        (Some("complete"), Some(2)),
        "{ended}"
    );
    assert_eq!(ended["report"]["coverage"]["ports_known"], 2);
    let found = operator
        .get(&format!("/api/v1/findings?scan={scan}"))
        .await
        .json();
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    assert_eq!(found["items"][0]["finding"]["port"], 22);
    assert_eq!(found["items"][0]["first_seen"], found["items"][0]["last_seen"]);
}

/// As after the restoring of a database that is older than what the appliance was told to be kept.
#[tokio::test]
async fn what_was_said_in_a_gap_is_done_again() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let scan = scan(&operator, &appliance, &["192.0.2.1"], "22,80").await;
    let jobs = appliance.jobs(&house, &boot, 4).await;
    let started = vec![event(&jobs[0], What::Started)];
    let kept = appliance.report(&house, &boot, 0, started).await;
    assert_eq!(kept, EventsOutcome::Kept { next: 1 });
    // Its findings are lost: an end alone would show a scan that found nothing.
    let ended = vec![event(&jobs[0], What::Ended(whole(2)))];
    let kept = appliance.report(&house, &boot, 5, ended).await;
    assert_eq!(kept, EventsOutcome::Kept { next: 6 });
    assert_ne!(shown(&operator, &scan).await["state"], "complete");
    let again = appliance.jobs(&house, &boot, 4).await;
    assert_eq!((again[0].id, again[0].fence), (jobs[0].id, 2));
    let ended = vec![event(&again[0], What::Ended(whole(2)))];
    let kept = appliance.report(&house, &boot, 6, ended).await;
    assert_eq!(kept, EventsOutcome::Kept { next: 7 });
    assert_eq!(shown(&operator, &scan).await["state"], "complete");
}

#[tokio::test]
async fn a_second_scan_sees_the_same_finding_and_both_name_it() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let mut scans = Vec::new();
    let mut next = 0;
    for _ in 0..2 {
        scans.push(scan(&operator, &appliance, &["192.0.2.1"], "80").await);
        let job = &appliance.jobs(&house, &boot, 1).await[0];
        let events = vec![
            event(job, What::Findings(vec![finding("192.0.2.1", 80)])),
            event(job, What::Ended(whole(1))),
        ];
        appliance.report(&house, &boot, next, events).await;
        next += 2;
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let all = operator.get("/api/v1/findings").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    assert_eq!(all["items"][0]["scan"], scans[1].as_str());
    assert!(all["items"][0]["first_seen"].as_str() < all["items"][0]["last_seen"].as_str());
    for scan in &scans {
        let of_scan = operator
            .get(&format!("/api/v1/findings?scan={scan}"))
            .await
            .json();
        assert_eq!(of_scan["items"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_held_poll_is_answered_when_work_arrives() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let begun = Instant::now();
    let (outcome, ()) = tokio::join!(appliance.poll(&house, &boot, 1, &[], 25), async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        scan(&operator, &appliance, &["192.0.2.1"], "80").await;
    });
    assert!(matches!(outcome, PollOutcome::Serve { jobs, .. } if jobs.len() == 1));
    assert!(begun.elapsed() > Duration::from_millis(700) && begun.elapsed() < Duration::from_secs(10));
    // With nothing to say it is held as long as asked.
    let begun = Instant::now();
    appliance.poll(&house, &boot, 1, &[], 2).await;
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_new_boot_takes_over_what_the_old_one_held() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let old = appliance.boot(&house).await.unwrap();
    let scan = scan(&operator, &appliance, &["192.0.2.0/24"], "80").await;
    let held = appliance.jobs(&house, &old, 3).await;
    assert_eq!(held.len(), 3);
    let new = appliance.boot(&house).await.unwrap();
    let mut taken = Vec::new();
    loop {
        let jobs = appliance.jobs(&house, &new, 3).await;
        if jobs.is_empty() {
            break;
        }
        taken.extend(jobs);
    }
    assert_eq!(taken.len(), 8);
    let again: Vec<_> = taken
        .iter()
        .filter(|job| held.iter().any(|old| old.id == job.id))
        .collect();
    assert!(again.len() == 3 && again.iter().all(|job| job.fence == 2));
    let ends: Vec<_> = taken
        .iter()
        .map(|job| event(job, What::Ended(whole(1))))
        .collect();
    appliance.report(&house, &new, 0, ends).await;
    assert_eq!(shown(&operator, &scan).await["state"], "complete");
}

#[tokio::test]
async fn a_job_that_is_not_ours_any_more_is_told_to_stop() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    scan(&operator, &appliance, &["192.0.2.1"], "80").await;
    let job = appliance.jobs(&house, &boot, 1).await.remove(0);
    let goes_on = appliance.poll(&house, &boot, 0, &[&job], 0).await;
    assert!(matches!(goes_on, PollOutcome::Serve { stop, .. } if stop.is_empty()));
    appliance
        .report(&house, &boot, 0, vec![event(&job, What::Ended(whole(1)))])
        .await;
    let ended = appliance.poll(&house, &boot, 0, &[&job], 0).await;
    assert!(matches!(ended, PollOutcome::Serve { stop, .. } if stop == [job.id]));
}

#[tokio::test]
async fn findings_outside_of_the_job_or_under_a_wrong_id_fail_it() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let mut wrong_id = finding("192.0.2.1", 80);
    wrong_id.id.0[0] ^= 1;
    let bad = [
        wrong_id,
        finding("192.0.2.2", 80),
        finding("192.0.2.1", 81),
        finding("name.lan", 80),
    ];
    for (number, bad) in (0..).zip(bad) {
        let scan = scan(&operator, &appliance, &["192.0.2.1"], "80").await;
        let job = appliance.jobs(&house, &boot, 1).await.remove(0);
        let events = vec![event(&job, What::Findings(vec![bad]))];
        appliance.report(&house, &boot, number, events).await;
        let ended = shown(&operator, &scan).await;
        assert_eq!(
            (ended["state"].as_str(), ended["findings"].as_u64()),
            (Some("failed"), Some(0))
        );
        assert!(
            ended["reason"].as_str().unwrap().contains("does not cover"),
            "{ended}"
        );
    }
    assert_eq!(operator.get("/api/v1/findings").await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_liar_is_not_believed_about_excluded_hosts_other_names_or_how_bad_it_is() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let altered = |alter: &dyn Fn(&mut Finding)| {
        let mut finding = finding("192.0.2.1", 80);
        alter(&mut finding);
        What::Findings(vec![finding])
    };
    let about = |target: &str| What::Findings(vec![finding(target, 80)]);
    let network = json!({"targets": ["192.0.2.0/30"], "exclude": ["192.0.2.2"]});
    let names = json!({"targets": ["web.lan", "old.lan"], "exclude": ["old.lan"]});
    let gap_elsewhere = Unanswered {
        target: "198.51.100.1".parse().unwrap(),
        port: None,
    };
    let lies = [
        (&network, about("192.0.2.2")),
        (&network, about("192.0.2.4")),
        (&network, about("web.lan")),
        (&names, about("other.lan")),
        (&names, about("old.lan")),
        // What the name stands for is told under the name.
        (&names, about("192.0.2.1")),
        (&network, altered(&|finding| finding.severity = Severity::Info)),
        (&network, altered(&|finding| finding.cwe = Some(79))),
        (&network, altered(&|finding| finding.kind = Kind::Port)),
        (
            &network,
            altered(&|finding| finding.type_ = FindingType::OpenPort),
        ),
        (
            &network,
            What::Ended(Report::close(
                Effort::default(),
                Coverage::default(),
                1,
                vec![gap_elsewhere],
            )),
        ),
    ];
    for (number, (asked, lie)) in (0..).zip(lies) {
        let mut asked = asked.clone();
        asked["appliance"] = appliance.id().to_string().into();
        asked["ports"] = "80".into();
        let started = operator.post("/api/v1/scans", asked).await;
        let scan = started.json()["id"].as_str().unwrap().to_owned();
        let job = appliance.jobs(&house, &boot, 1).await.remove(0);
        appliance
            .report(&house, &boot, number, vec![event(&job, lie.clone())])
            .await;
        let ended = shown(&operator, &scan).await;
        assert_eq!(ended["state"], "failed", "{lie:?}");
        assert!(ended["reason"].as_str().unwrap().contains("does not cover"));
    }
    assert_eq!(operator.get("/api/v1/findings").await.json()["items"], json!([]));
}

#[tokio::test]
async fn nobody_reports_on_the_job_of_another_appliance() {
    let house = House::open();
    let operator = house.operator().await;
    let mut victim = Appliance::activated(&house).await;
    let mut liar = Appliance::activated(&house).await;
    let boot = victim.boot(&house).await.unwrap();
    let liars_boot = liar.boot(&house).await.unwrap();
    let scan = scan(&operator, &victim, &["192.0.2.1"], "80").await;
    let job = victim.jobs(&house, &boot, 1).await.remove(0);
    let lies = vec![
        event(&job, What::Findings(vec![finding("192.0.2.1", 80)])),
        event(&job, What::Ended(whole(1))),
    ];
    liar.report(&house, &liars_boot, 0, lies).await;
    let shown = shown(&operator, &scan).await;
    assert_eq!(
        (shown["state"].as_str(), shown["findings"].as_u64()),
        (Some("running"), Some(0))
    );
}

#[tokio::test]
async fn numbers_that_a_liar_makes_up_break_no_list() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let scan = scan(&operator, &appliance, &["192.0.2.0/26"], "80").await;
    let jobs = appliance.jobs(&house, &boot, 2).await;
    let endless = Progress {
        done: u64::MAX,
        total: u64::MAX,
    };
    let endless: Vec<_> = jobs
        .iter()
        .map(|job| event(job, What::Progress(endless)))
        .collect();
    assert_eq!(endless.len(), 2);
    appliance.report(&house, &boot, 0, endless).await;
    assert!(shown(&operator, &scan).await["progress"]["total"].as_u64() < Some(u64::MAX / 2));

    let effort = Effort {
        seconds: f64::NAN,
        ..Effort::default()
    };
    let report = Report::close(effort, Coverage::default(), 0, vec![]);
    let request = EventsRequest {
        nonce: Nonce::random(),
        appliance: appliance.id(),
        boot: boot.id,
        first: 2,
        events: vec![event(&jobs[0], What::Ended(report))],
    };
    assert_eq!(
        appliance
            .ask(&house, &request, appliance.identity())
            .await
            .unwrap_err(),
        Failure::Status(StatusCode::BAD_REQUEST)
    );
    let most = u64::MAX;
    let coverage = Coverage {
        hosts: most,
        hosts_answering: most,
        ports: most,
        ports_known: most,
        checks: most,
        checks_done: most,
        ports_by_connect: most,
    };
    let effort = Effort {
        requests: most,
        packets: most,
        seconds: 1e12,
        miss_probability: 1.0,
    };
    let ends = jobs
        .iter()
        .map(|job| event(job, What::Ended(Report::close(effort, coverage, 0, vec![]))));
    appliance.report(&house, &boot, 2, ends.collect()).await;
    for path in [format!("/api/v1/scans/{scan}"), "/api/v1/scans".to_owned()] {
        let answer = operator.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    assert_eq!(shown(&operator, &scan).await["state"], "complete");
}

#[tokio::test]
async fn a_worker_that_vanished_is_given_another_attempt() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let scan = scan(&operator, &appliance, &["192.0.2.1"], "80").await;
    let job = appliance.jobs(&house, &boot, 1).await.remove(0);
    appliance
        .report(
            &house,
            &boot,
            0,
            vec![event(&job, What::Failed(WorkerFailure::Vanished))],
        )
        .await;
    let begun = Instant::now();
    let again = loop {
        match appliance.poll(&house, &boot, 1, &[], 20).await {
            PollOutcome::Serve { jobs, .. } if jobs.is_empty() => {
                assert!(begun.elapsed() < Duration::from_secs(60))
            }
            PollOutcome::Serve { jobs, .. } => break jobs[0].job.verify(&house.pins().key).unwrap(),
            PollOutcome::Refused(refusal) => panic!("{refusal}"),
        }
    };
    assert_eq!((again.id, again.fence), (job.id, 2));
    // What comes under the first lease still is dropped.
    let late = vec![
        event(&job, What::Findings(vec![finding("192.0.2.1", 80)])),
        event(&job, What::Ended(whole(1))),
    ];
    appliance.report(&house, &boot, 1, late).await;
    let now = shown(&operator, &scan).await;
    assert_eq!(
        (now["state"].as_str(), now["findings"].as_u64()),
        (Some("running"), Some(0))
    );
    appliance
        .report(&house, &boot, 3, vec![event(&again, What::Ended(whole(1)))])
        .await;
    assert_eq!(shown(&operator, &scan).await["state"], "complete");
}
