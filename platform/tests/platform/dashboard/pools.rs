//! Pools in the dashboard: made, filled, scanned by, emptied and removed.

use super::*;

#[tokio::test]
async fn a_pool_is_made_filled_scanned_by_and_removed() {
    let house = House::open();
    let browser = Browser::logged_in(&house).await;
    let csrf = browser.csrf().await;
    let mut appliance = Appliance::activated(&house).await;
    let id = appliance.id().to_string();
    assert!(browser.page("/pools").await.contains("No pool yet"));

    let made = browser
        .post("/pools", &[("csrf", &csrf), ("name", "cellar <1>")])
        .await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let path = made.headers[LOCATION].to_str().unwrap().to_owned();
    let twice = browser
        .post("/pools", &[("csrf", &csrf), ("name", "cellar <1>")])
        .await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    assert!(
        twice.text.contains("there is a pool of the name"),
        "{}",
        twice.text
    );

    let empty = browser.page(&path).await;
    assert!(
        empty.contains("No appliance in it") && !empty.contains("<1>"),
        "{empty}"
    );
    let added = browser
        .post(&format!("{path}/add"), &[("csrf", &csrf), ("appliance", &id)])
        .await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text);
    let wrong = browser
        .post(&format!("{path}/add"), &[("csrf", &csrf), ("appliance", "x")])
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    // Nobody else's page can post it.
    let forged = browser.post(&format!("{path}/remove"), &[("csrf", "x")]).await;
    assert_eq!(forged.status, StatusCode::BAD_REQUEST);

    let pool = format!("pool-{}", path.rsplit('/').next().unwrap());
    assert!(browser.page("/scans").await.contains(&pool));
    let fields = [
        ("csrf", csrf.as_str()),
        ("appliance", pool.as_str()),
        ("targets", "192.0.2.1"),
        ("ports", "80"),
        ("endpoints", "yes"),
    ];
    let started = browser.post("/scans", &fields).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text);
    let scan = started.headers[LOCATION].to_str().unwrap().to_owned();
    let boot = appliance.boot(&house).await.unwrap();
    let before = browser.page(&scan).await;
    assert!(
        before.contains("pool cellar") && before.contains(">none<"),
        "{before}"
    );
    assert_eq!(appliance.jobs(&house, &boot, 1).await.len(), 1);
    let name = house
        .operator()
        .await
        .get(&format!("/api/v1/appliances/{id}"))
        .await
        .json()["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let now = browser.page(&scan).await;
    let parts = now.split("id=\"parts\"").nth(1).unwrap();
    assert!(parts.contains(&name), "{parts}");

    let out = browser
        .post(
            &format!("{path}/take-out"),
            &[("csrf", &csrf), ("appliance", &id)],
        )
        .await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{}", out.text);
    assert!(browser.page(&scan).await.contains("its pool has no appliance"));
    let removed = browser.post(&format!("{path}/remove"), &[("csrf", &csrf)]).await;
    assert_eq!(removed.status, StatusCode::SEE_OTHER);
    assert!(browser.page(&scan).await.contains("its pool was removed"));
    assert!(browser.page("/pools").await.contains("No pool yet"));
}
