//! Each route of the API: what it does, and what it says to bad input.

use std::time::Duration;

use hyper::{Method, Request, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use vedette_protocol::Timestamp;

use super::house::{House, PASSWORD};

#[tokio::test]
async fn every_route_but_login_and_health_wants_to_know_who_asks() {
    let house = House::open();
    let mut stranger = house.stranger();
    let id = "0".repeat(32);
    for secret in [
        "",
        "vedette-session-x",
        &format!("vedette-api-{}", "A".repeat(43)),
    ] {
        stranger.secret = secret.to_owned();
        for (method, path) in [
            (Method::DELETE, "/api/v1/sessions".to_owned()),
            (Method::GET, "/api/v1/tokens".to_owned()),
            (Method::POST, "/api/v1/tokens".to_owned()),
            (Method::DELETE, format!("/api/v1/tokens/{}", &id[..16])),
            (Method::GET, "/api/v1/appliances".to_owned()),
            (Method::GET, format!("/api/v1/appliances/{id}")),
            (Method::DELETE, format!("/api/v1/appliances/{id}")),
            (Method::POST, "/api/v1/appliances/activate".to_owned()),
            (Method::GET, "/api/v1/scans".to_owned()),
            (Method::POST, "/api/v1/scans".to_owned()),
            (Method::GET, format!("/api/v1/scans/{id}")),
            (Method::GET, "/api/v1/findings".to_owned()),
            (Method::GET, "/api/v1/audit".to_owned()),
            (Method::GET, format!("/api/v1/appliances/{id}/keys")),
            (Method::POST, "/api/v1/owner-words".to_owned()),
            (Method::GET, "/api/v1/grants".to_owned()),
            (Method::GET, format!("/api/v1/grants/{id}")),
            (Method::PUT, format!("/api/v1/grants/{id}")),
            (Method::DELETE, format!("/api/v1/grants/{id}")),
            (Method::GET, "/api/v1/credentials".to_owned()),
            (Method::GET, format!("/api/v1/credentials/{id}")),
            (Method::PUT, format!("/api/v1/credentials/{id}")),
            (Method::PATCH, format!("/api/v1/credentials/{id}")),
            (Method::DELETE, format!("/api/v1/credentials/{id}")),
            (Method::GET, "/api/v1/schedules".to_owned()),
            (Method::GET, format!("/api/v1/schedules/{id}")),
            (Method::PUT, format!("/api/v1/schedules/{id}")),
            (Method::DELETE, format!("/api/v1/schedules/{id}")),
            (Method::GET, format!("/api/v1/scans/{id}/jobs")),
            (Method::GET, "/api/v1/pools".to_owned()),
            (Method::GET, format!("/api/v1/pools/{id}")),
            (Method::PUT, format!("/api/v1/pools/{id}")),
            (Method::DELETE, format!("/api/v1/pools/{id}")),
            (Method::PUT, format!("/api/v1/pools/{id}/appliances/{id}")),
            (Method::DELETE, format!("/api/v1/pools/{id}/appliances/{id}")),
            (Method::GET, "/api/v1/settings".to_owned()),
            (Method::PATCH, "/api/v1/settings".to_owned()),
        ] {
            let body = (method == Method::POST).then(|| json!({}));
            let answer = stranger.send(method, &path, body).await;
            answer.problem(401, "unauthenticated");
        }
    }
    assert_eq!(house.stranger().get("/health").await.text, "ok\n");
}

#[tokio::test]
async fn the_first_login_sets_a_password_and_ends_the_first_one() {
    let house = House::open();
    let first = std::fs::read_to_string(house.first_login()).unwrap();
    let stranger = house.stranger();
    let login = |password: &str, new: Option<&str>| {
        let mut login = json!({"account": "admin", "password": password});
        if let Some(new) = new {
            login["new_password"] = new.into();
        }
        stranger.post("/api/v1/sessions", login)
    };
    login(first.trim(), None)
        .await
        .problem(403, "password-change-required");
    let short = login(first.trim(), Some("short")).await;
    assert!(short.problem(400, "weak-password").contains("at least 15"));
    login(first.trim(), Some(first.trim()))
        .await
        .problem(400, "weak-password");
    assert!(house.first_login().exists(), "nobody has used it yet");
    assert_eq!(
        login(first.trim(), Some(PASSWORD)).await.status,
        StatusCode::CREATED
    );
    assert!(!house.first_login().exists());
    login(first.trim(), Some(PASSWORD))
        .await
        .problem(401, "wrong-password");
    let session = login(PASSWORD, None).await;
    assert_eq!(session.status, StatusCode::CREATED);
    // It can be ended.
    let mut operator = house.stranger();
    operator.secret = session.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(operator.get("/api/v1/tokens").await.status, StatusCode::OK);
    assert_eq!(
        operator.delete("/api/v1/sessions").await.status,
        StatusCode::NO_CONTENT
    );
    operator
        .get("/api/v1/tokens")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_first_login_that_was_left_over_is_destroyed_at_the_next_start_and_an_unused_one_stays() {
    let mut house = House::open();
    let first = std::fs::read(house.first_login()).unwrap();
    house.kill();
    house.serve();
    assert_eq!(std::fs::read(house.first_login()).unwrap(), first);
    house.operator().await;
    house.kill();
    // As if power had failed before it was destroyed, or an old copy had been restored.
    std::fs::write(house.first_login(), &first).unwrap();
    house.serve();
    assert!(!house.first_login().exists());
}

#[tokio::test]
async fn a_token_is_valid_for_as_long_as_was_asked_and_not_longer() {
    let house = House::open();
    let operator = house.operator().await;
    let make = async |kind: &str, seconds: u64| {
        let asked = json!({"name": "short", "kind": kind, "valid_for": seconds});
        operator.post("/api/v1/tokens", asked).await.json()
    };
    let time = |text: &Value| text.as_str().unwrap().parse::<Timestamp>().unwrap();
    let month = make("activation", 30 * 86_400).await;
    let (created, expires) = (time(&month["token"]["created"]), time(&month["token"]["expires"]));
    assert_eq!(expires.0 - created.0, 30 * 86_400);

    let mut tool = house.stranger();
    tool.secret = make("api", 2).await["secret"].as_str().unwrap().to_owned();
    assert_eq!(tool.get("/api/v1/tokens").await.status, StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let refused = tool.get("/api/v1/tokens").await.problem(401, "unauthenticated");
    assert!(refused.contains("expired"), "{refused}");
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let house = House::open();
    let stranger = house.stranger();
    let mut refused = None;
    for _ in 0..9 {
        let guess = json!({"account": "admin", "password": "guess"});
        let answer = stranger.post("/api/v1/sessions", guess).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
        answer.problem(401, "wrong-password");
    }
    let refused = refused.expect("nine guesses are too many");
    refused.problem(429, "too-many-attempts");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(wait >= 1);
}

#[tokio::test]
async fn tokens_are_shown_once_and_can_be_deleted() {
    let house = House::open();
    let operator = house.operator().await;
    let created = operator
        .post("/api/v1/tokens", json!({"name": "tool", "kind": "api"}))
        .await;
    assert_eq!(created.status, StatusCode::CREATED);
    let created = created.json();
    let mut tool = house.stranger();
    tool.secret = created["secret"].as_str().unwrap().to_owned();
    let list = tool.get("/api/v1/tokens").await;
    assert!(!list.text.contains(&tool.secret));
    assert_eq!(list.json()["items"][0]["name"], "tool");
    for (body, place) in [
        (json!({"kind": "api"}), "name"),
        (json!({"name": "", "kind": "api"}), "`name`"),
        (json!({"name": "a\u{1b}b", "kind": "api"}), "`name`"),
        (json!({"name": "x".repeat(129), "kind": "api"}), "`name`"),
        (json!({"name": "x", "kind": "root"}), "kind"),
        (json!({"name": "x", "kind": "api", "valid_for": 0}), "`valid_for`"),
        (
            json!({"name": "x", "kind": "api", "valid_for": u64::MAX}),
            "which are 366 days",
        ),
        (
            json!({"name": "x", "kind": "activation", "valid_for": 30 * 86_400 + 1}),
            "which are 30 days",
        ),
        (json!({"name": "x", "kind": "api", "valid_for": -1}), "valid_for"),
        (
            json!({"name": "x", "kind": "api", "valid_for": "1h"}),
            "valid_for",
        ),
        (json!({"name": "x", "kind": "api", "valid_fro": 1}), "valid_fro"),
    ] {
        let detail = operator
            .post("/api/v1/tokens", body)
            .await
            .problem(400, "bad-request");
        assert!(detail.contains(place), "{detail}");
    }
    let path = format!("/api/v1/tokens/{}", created["token"]["id"].as_str().unwrap());
    assert_eq!(operator.delete(&path).await.status, StatusCode::NO_CONTENT);
    operator.delete(&path).await.problem(404, "not-found");
    operator
        .delete("/api/v1/tokens/xyz")
        .await
        .problem(400, "bad-request");
    tool.get("/api/v1/tokens").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn bad_scans_are_refused_with_place_and_cure() {
    let house = House::open();
    let operator = house.operator().await;
    let id = "0".repeat(32);
    for (body, place, cure) in [
        (
            json!({"appliance": "x", "targets": ["192.0.2.1"]}),
            "appliance",
            "32 hexadecimal digits",
        ),
        (
            json!({"appliance": id, "targets": []}),
            "targets",
            "between 1 and 4096",
        ),
        (
            json!({"appliance": id, "targets": ["192.0.2.1", "192.0.2.1/33"]}),
            "targets[1]",
            "write an address",
        ),
        (
            json!({"appliance": id, "targets": ["192.0.2.1/24"]}),
            "targets[0]",
            "192.0.2.0/24",
        ),
        (
            json!({"appliance": id, "targets": ["192.0.2.9-192.0.2.1"]}),
            "targets[0]",
            "lower address first",
        ),
        (
            json!({"appliance": id, "targets": ["10.0.0.0/8"]}),
            "targets[0]",
            "smaller networks",
        ),
        (
            json!({"appliance": id, "targets": ["192.0.2.1"], "ports": "0"}),
            "ports",
            "1 to 65535",
        ),
        (
            json!({"appliance": id, "targets": ["192.0.2.1"], "checks": []}),
            "checks",
            "ports, services",
        ),
        (
            json!({"appliance": id, "targets": ["192.0.2.1"], "prots": "1"}),
            "prots",
            "`ports`",
        ),
        (
            json!({"appliance": id, "targets": ["192.0.2.1"], "exclude": ["192.0.2.0/24"]}),
            "exclude",
            "`targets`",
        ),
    ] {
        let detail = operator
            .post("/api/v1/scans", body)
            .await
            .problem(400, "bad-request");
        assert!(detail.contains(place) && detail.contains(cure), "{detail}");
    }
    let nobody = json!({"appliance": id, "targets": ["192.0.2.1"]});
    operator
        .post("/api/v1/scans", nobody)
        .await
        .problem(404, "not-found");
    operator
        .get(&format!("/api/v1/scans/{id}"))
        .await
        .problem(404, "not-found");
    operator
        .get("/api/v1/scans/xyz")
        .await
        .problem(400, "bad-request");
    operator
        .get("/api/v1/scans?limit=1001")
        .await
        .problem(400, "bad-request");
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let house = House::open();
    let operator = house.operator().await;
    let post = |content: &'static str| {
        Request::builder()
            .method(Method::POST)
            .uri("/api/v1/scans")
            .header(CONTENT_TYPE, content)
    };
    operator
        .ask(post("text/plain"), "{}".into())
        .await
        .problem(415, "not-json");
    for body in ["", "{", "[1,2", "{\"appliance\": }", "\u{0}", "nonsense"] {
        operator
            .ask(post("application/json"), body.into())
            .await
            .problem(400, "bad-request");
    }
    let deep = "[".repeat(100_000);
    operator
        .ask(post("application/json"), deep.into())
        .await
        .problem(400, "bad-request");
    let long = format!("\"{}\"", "x".repeat(2 << 20));
    operator
        .ask(post("application/json"), long.into())
        .await
        .problem(413, "too-long");
}

#[tokio::test]
async fn every_route_that_takes_a_body_refuses_one_that_does_not_fit() {
    let house = House::open();
    let operator = house.operator().await;
    let bodies: [&[u8]; 12] = [
        b"",
        b"null",
        b"[]",
        b"7",
        b"\"text\"",
        b"{}",
        b"{\"name\": 1, \"kind\": {}, \"code\": [], \"account\": 2, \"password\": null}",
        b"{\"name\": \"a\", \"name\": \"b\"}",
        b"{\"unknown\": true}",
        b"{\"code\": \"\\ud800\"}",
        b"{\"code\": \"\xff\xfe\"}",
        b"{\"valid_for\": 1e400}",
    ];
    for path in ["sessions", "tokens", "appliances/activate", "scans"] {
        for body in bodies {
            let request = Request::builder()
                .method(Method::POST)
                .uri(format!("/api/v1/{path}"))
                .header(CONTENT_TYPE, "application/json");
            let detail = operator
                .ask(request, body.to_vec().into())
                .await
                .problem(400, "bad-request");
            assert!(
                detail.starts_with("the body ") && detail.len() < 1000,
                "{path}: {detail}"
            );
        }
    }
    assert_eq!(house.stranger().get("/health").await.text, "ok\n");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let house = House::open();
    let stranger = house.stranger();
    stranger.get("/api/v1/nothing").await.problem(404, "not-found");
    stranger.get("/api/v2/scans").await.problem(404, "not-found");
    let wrong = stranger.send(Method::PUT, "/api/v1/scans", None).await;
    wrong.problem(405, "method-not-allowed");
    assert!(wrong.headers["allow"].to_str().unwrap().contains("GET"));
    let appliances = format!("/api/v1/appliances/{}", "0".repeat(32));
    let operator = house.operator().await;
    operator.get(&appliances).await.problem(404, "not-found");
    operator.delete(&appliances).await.problem(404, "not-found");
    operator
        .get("/api/v1/appliances/..%2f")
        .await
        .problem(400, "bad-request");
    operator
        .get("/api/v1/appliances/%ff")
        .await
        .problem(400, "bad-request");
}

#[tokio::test]
async fn findings_are_filtered_and_come_in_pages() {
    use super::{
        appliance::Appliance,
        work::{event, finding, scan, whole},
    };
    use vedette_protocol::link::What;
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    scan(&operator, &appliance, &["192.0.2.0/28"], "1-20").await;
    let job = appliance.jobs(&house, &boot, 1).await.remove(0);
    let all: Vec<_> = (0..16)
        .flat_map(|host| (1..=20).map(move |port| finding(&format!("192.0.2.{host}"), port)))
        .collect();
    let events = vec![
        event(&job, What::Findings(all)),
        event(&job, What::Ended(whole(320))),
    ];
    appliance.report(&house, &boot, 0, events).await;

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = operator
            .get(&format!("/api/v1/findings?limit=100{cursor}"))
            .await
            .json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["finding"]["id"].to_string()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((count, seen.len()), (320, 320));

    let count = |path: String| {
        let operator = &operator;
        async move {
            operator.get(&path).await.json()["items"]
                .as_array()
                .unwrap()
                .len()
        }
    };
    assert_eq!(count("/api/v1/findings?target=192.0.2.3".to_owned()).await, 20);
    assert_eq!(
        count("/api/v1/findings?severity=critical&limit=7".to_owned()).await,
        7
    );
    assert_eq!(count("/api/v1/findings?severity=low".to_owned()).await, 0);
    assert_eq!(
        count(format!(
            "/api/v1/findings?appliance={}&limit=1000",
            appliance.id()
        ))
        .await,
        320
    );
    assert_eq!(
        count(format!("/api/v1/findings?appliance={}", "0".repeat(32))).await,
        0
    );
    assert_eq!(
        count(format!("/api/v1/findings?scan={}", "0".repeat(32))).await,
        0
    );
    for query in [
        "severity=worst",
        "cursor=!",
        "cursor=AAAA",
        "limit=0",
        "limit=x",
        "scan=1",
        "sacn=1",
    ] {
        operator
            .get(&format!("/api/v1/findings?{query}"))
            .await
            .problem(400, "bad-request");
    }
}

#[tokio::test]
async fn every_change_is_in_the_audit_trail() {
    let house = House::open();
    let operator = house.operator().await;
    let appliance = super::appliance::Appliance::activated(&house).await;
    super::work::scan(&operator, &appliance, &["192.0.2.1"], "80").await;
    operator
        .delete(&format!("/api/v1/appliances/{}", appliance.id()))
        .await;
    let trail = operator.get("/api/v1/audit").await.json();
    let actions: Vec<_> = trail["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["action"].as_str().unwrap())
        .collect();
    for action in [
        "account.password",
        "session.begin",
        "token.create",
        "appliance.activate",
        "scan.start",
        "appliance.remove",
    ] {
        assert!(actions.contains(&action), "{action} is not in {actions:?}");
    }
    let first = operator.get("/api/v1/audit?limit=2").await.json();
    let cursor = first["next"].as_str().unwrap();
    let second = operator
        .get(&format!("/api/v1/audit?limit=2&cursor={cursor}"))
        .await
        .json();
    assert_eq!(
        first["items"][1]["number"].as_u64().unwrap(),
        second["items"][0]["number"].as_u64().unwrap() + 1
    );
}
