//! Requests that are sent again create nothing more.

use hyper::{Method, Request, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tempfile::TempDir;
use vedette_platform::store::{
    Store, orgs,
    repeated::{self, Answered, KEPT, Sender},
};
use vedette_protocol::{Digest, OrgId, Timestamp};

use super::{
    appliance::Appliance,
    house::{Answer, House, Operator},
};

async fn start(operator: &Operator, key: &str, body: &Value) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/scans")
        .header(CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", key);
    operator.ask(request, body.to_string().into()).await
}

async fn scans(operator: &Operator) -> usize {
    let page = operator.get("/api/v1/scans").await.json();
    page["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_request_that_is_sent_again_begins_no_second_scan() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let body = json!({"appliance": appliance.id(), "targets": ["192.0.2.1"], "ports": "80"});
    let other = json!({"appliance": appliance.id(), "targets": ["192.0.2.2"], "ports": "80"});
    let key = "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"";
    let (one, two) = tokio::join!(start(&operator, key, &body), start(&operator, key, &body));
    assert_eq!(
        (one.status, two.status),
        (StatusCode::CREATED, StatusCode::CREATED)
    );
    assert_eq!(one.text, two.text);
    assert_eq!(appliance.jobs(&house, &boot, 8).await.len(), 1);
    // It has begun meanwhile, and the answer is the same still.
    assert_eq!(start(&operator, key, &body).await.text, one.text);
    assert_eq!(scans(&operator).await, 1);

    let detail = start(&operator, key, &other).await.problem(422, "key-reused");
    assert!(detail.contains("take a new key"), "{detail}");
    assert_eq!(
        start(&operator, "another", &other).await.status,
        StatusCode::CREATED
    );
    assert_eq!(scans(&operator).await, 2);
    for wrong in ["\"\"", "a b", &"a".repeat(200)] {
        let detail = start(&operator, wrong, &body).await.problem(400, "bad-request");
        assert!(detail.contains("`Idempotency-Key`"), "{detail}");
    }
}

/// What was refused created nothing: the key is free for the request that is right.
#[tokio::test]
async fn a_key_whose_request_was_refused_can_be_used_again() {
    let house = House::open();
    let operator = house.operator().await;
    let appliance = Appliance::activated(&house).await;
    let nobody = json!({"appliance": "0".repeat(32), "targets": ["192.0.2.1"]});
    start(&operator, "k", &nobody).await.problem(404, "not-found");
    let body = json!({"appliance": appliance.id(), "targets": ["192.0.2.1"], "ports": "80"});
    assert_eq!(start(&operator, "k", &body).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_key_is_known_for_a_day_to_its_sender_alone() {
    let scratch = TempDir::new().unwrap();
    let store = Store::create(&scratch.path().join("platform.db")).await.unwrap();
    let mut writing = store.write().await.unwrap();
    let now = Timestamp(1_800_000_000);
    let (org, other) = (OrgId([1; 16]), OrgId([2; 16]));
    for org in [org, other] {
        orgs::insert(&mut writing, org, now).await.unwrap();
    }
    let sender = |org, account| Sender {
        org,
        account,
        key: "k",
    };
    let answered = Answered {
        request: Digest::of(b"request"),
        answer: "{}".to_owned(),
    };
    repeated::keep(&mut writing, sender(org, "admin"), &answered, now)
        .await
        .unwrap();
    let last = Timestamp(now.after(KEPT).0 - 1);
    for (sender, at, known) in [
        (sender(org, "admin"), last, true),
        (sender(org, "admin"), now.after(KEPT), false),
        (sender(org, "other"), now, false),
        (sender(other, "admin"), now, false),
    ] {
        let found = repeated::find(&mut writing, sender, at).await.unwrap();
        assert_eq!(found.is_some(), known, "{sender:?} {at}");
    }
    repeated::forget_older(&mut writing, now.after(KEPT))
        .await
        .unwrap();
    let found = repeated::find(&mut writing, sender(org, "admin"), now)
        .await
        .unwrap();
    assert!(found.is_none());
}
