//! Scans that begin by themselves: on time, under a grant that stands, and else not at all.

use hyper::StatusCode;
use serde_json::{Value, json};
use vedette_protocol::{Timestamp, link::What};

use super::{
    appliance::Appliance,
    granted,
    house::{House, Operator},
    owner::put_grant,
    work::{event, shown, whole},
};

const ID: &str = "0123456789abcdef0123456789abcdef";

fn asked(appliance: &Appliance, more: Value) -> Value {
    let scan = json!({"appliance": appliance.id(), "targets": ["192.0.2.1"], "ports": "80"});
    let mut asked = json!({"name": "weekly", "scan": scan});
    for (name, value) in more.as_object().unwrap() {
        asked[name] = value.clone();
    }
    asked
}

async fn put(operator: &Operator, asked: &Value) -> (StatusCode, Value) {
    let answer = operator
        .put(&format!("/api/v1/schedules/{ID}"), asked.clone())
        .await;
    assert!(answer.status.is_success(), "{}", answer.text);
    (answer.status, answer.json())
}

async fn actions(operator: &Operator) -> Vec<String> {
    let trail = operator.get("/api/v1/audit").await.json();
    let items = trail["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["action"].as_str().unwrap().to_owned())
        .collect()
}

/// Seconds from now, as the API writes times.
fn at(seconds: i64) -> String {
    Timestamp(Timestamp::now().0.saturating_add_signed(seconds)).to_string()
}

#[tokio::test]
async fn a_schedule_begins_a_scan_and_is_due_again_a_week_later() {
    let house = House::open();
    let operator = house.operator().await;
    let appliance = Appliance::activated(&house).await;
    let before = Timestamp::now().0;
    let (status, kept) = put(&operator, &asked(&appliance, json!({}))).await;
    assert_eq!((status, &kept["every"]), (StatusCode::CREATED, &json!(604_800)));
    let scan = kept["last"]["scan"].as_str().unwrap().to_owned();
    assert_eq!(shown(&operator, &scan).await["targets"], json!(["192.0.2.1"]));
    let next: Timestamp = kept["next"].as_str().unwrap().parse().unwrap();
    assert!((before + 604_800..before + 604_860).contains(&next.0), "{kept}");

    // Sending it again changes nothing.
    let (status, again) = put(&operator, &asked(&appliance, json!({}))).await;
    assert_eq!((status, &again), (StatusCode::OK, &kept));
    let scans = operator.get("/api/v1/scans").await.json();
    assert_eq!(scans["items"].as_array().unwrap().len(), 1);

    let page = operator.get("/api/v1/schedules").await.json();
    assert_eq!(page["items"], json!([kept]));
    let path = format!("/api/v1/schedules/{ID}");
    assert_eq!(operator.delete(&path).await.status, StatusCode::NO_CONTENT);
    operator.delete(&path).await.problem(404, "not-found");
    operator.get(&path).await.problem(404, "not-found");
    for action in ["schedule.put", "scan.start", "schedule.delete"] {
        assert!(actions(&operator).await.contains(&action.to_owned()), "{action}");
    }
}

#[tokio::test]
async fn what_was_missed_is_not_made_up_for_and_one_scan_is_not_begun_over_another() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    // Due three hours and a half ago: it begins once.
    let first = at(-12_600);
    let hourly = json!({"every": 3600, "first": first});
    let (_, kept) = put(&operator, &asked(&appliance, hourly)).await;
    let scan = kept["last"]["scan"].as_str().unwrap().to_owned();
    let next: Timestamp = kept["next"].as_str().unwrap().parse().unwrap();
    let first: Timestamp = first.parse().unwrap();
    assert_eq!((next.0 - first.0) % 3600, 0);
    assert!(next > Timestamp::now());

    let due = json!({"every": 7200, "first": at(-10)});
    let (_, kept) = put(&operator, &asked(&appliance, due)).await;
    let why = kept["last"]["skipped"].as_str().unwrap();
    assert!(why.contains(&scan) && why.contains("has not ended"), "{why}");
    let (jobs, _) = appliance.serve(&house, &boot, 4).await;
    let job = jobs[0].job.verify(&house.pins().key).unwrap();
    appliance
        .report(&house, &boot, 0, vec![event(&job, What::Ended(whole(1)))])
        .await;
    let due = json!({"every": 10_800, "first": at(-10)});
    let (_, kept) = put(&operator, &asked(&appliance, due)).await;
    assert!(kept["last"]["scan"].is_string(), "{kept}");
}

#[tokio::test]
async fn a_schedule_without_a_standing_grant_does_not_begin_and_says_so() {
    let (house, operator, appliance, boot, owner) = granted::house().await;
    let (_, kept) = put(&operator, &asked(&appliance, json!({}))).await;
    let why = kept["last"]["skipped"].as_str().unwrap();
    assert!(
        why.contains("no grant") && why.contains("vedette grant sign"),
        "{why}"
    );
    assert!(actions(&operator).await.contains(&"schedule.skip".to_owned()));
    assert_eq!(operator.get("/api/v1/scans").await.json()["items"], json!([]));

    // Under one that stands it begins, and its job is sent with it.
    let grant = owner.grant(&appliance, "192.0.2.0/24");
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let due = |every: u64| asked(&appliance, json!({"every": every, "first": at(-10)}));
    let (_, kept) = put(&operator, &due(7200)).await;
    assert!(kept["last"]["scan"].is_string(), "{kept}");
    let (jobs, _) = appliance.serve(&house, &boot, 4).await;
    assert_eq!(jobs.len(), 1);
    let job = jobs[0].job.verify(&house.pins().key).unwrap();
    appliance
        .report(&house, &boot, 0, vec![event(&job, What::Ended(whole(1)))])
        .await;

    // Once that has run out, it does not.
    let mut over = grant.clone();
    over.until = Timestamp(Timestamp::now().0 + 1);
    put_grant(&operator, over.id, &owner.sign(&over)).await;
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let (_, kept) = put(&operator, &due(10_800)).await;
    assert!(kept["last"]["scan"].is_null(), "{kept}");
    assert!(
        kept["last"]["skipped"].as_str().unwrap().contains("grant"),
        "{kept}"
    );
}

#[tokio::test]
async fn bad_schedules_are_refused_with_place_and_cure() {
    let house = House::open();
    let operator = house.operator().await;
    let appliance = Appliance::activated(&house).await;
    let path = format!("/api/v1/schedules/{ID}");
    for (more, place) in [
        (json!({"every": 0}), "`every`"),
        (json!({"every": 3599}), "`every`"),
        (json!({"every": 31_622_401}), "`every`"),
        (json!({"name": " "}), "`name`"),
        (json!({"first": "tomorrow"}), "first"),
        (json!({"cron": "* * * * *"}), "cron"),
    ] {
        let detail = operator
            .put(&path, asked(&appliance, more.clone()))
            .await
            .problem(400, "bad-request");
        assert!(detail.contains(place), "{more}: {detail}");
    }
    // What no scan could do is said before the first is due.
    let mut nowhere = asked(&appliance, json!({}));
    nowhere["scan"]["exclude"] = json!(["192.0.2.1"]);
    let detail = operator.put(&path, nowhere).await.problem(400, "bad-request");
    assert!(detail.contains("`exclude`"), "{detail}");
    operator.get(&path).await.problem(404, "not-found");
}
