//! What appliances may ask, and how they are refused.

use std::fs;

use hyper::StatusCode;
use serde_json::json;
use vedette_crypto::Signer;
use vedette_platform::store::Store;
use vedette_protocol::{
    ApplianceId, Message, Nonce, Signed, codec,
    copy::CopyStanding,
    image::ImageKind,
    link::{
        ActivateOutcome, ActivateRefusal, ActivateRequest, Activation, Answer, BootRefusal, BootRequest,
        ConfirmRequest, EventsRequest, KeysRequest, PollOutcome, PollRequest, Request, TimeRequest,
    },
};

use super::{
    appliance::{Appliance, Failure},
    house::House,
};

#[tokio::test]
async fn the_time_is_told_to_anybody_and_bound_to_the_nonce() {
    let house = House::open();
    let appliance = Appliance::new();
    let body = codec::encode(&TimeRequest {
        nonce: Nonce::random(),
    });
    // The digest in the answer is compared by `ask_signed`.
    appliance
        .ask_signed::<TimeRequest>(&house, body, None)
        .await
        .unwrap();
    let refused = appliance
        .ask_signed::<TimeRequest>(&house, vec![1; 31], None)
        .await;
    assert_eq!(refused.unwrap_err(), Failure::Status(StatusCode::BAD_REQUEST));
}

#[tokio::test]
async fn an_activated_appliance_is_given_the_same_share_at_each_boot() {
    let house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    let first = appliance.boot(&house).await.unwrap();
    let second = appliance.boot(&house).await.unwrap();
    assert_eq!(first.share.len(), 32);
    assert_eq!(first.share, second.share);
    let shown = house
        .operator()
        .await
        .get(&format!("/api/v1/appliances/{}", appliance.id()))
        .await
        .json();
    assert_eq!(
        (shown["state"].as_str(), shown["boots"].as_u64()),
        (Some("online"), Some(2))
    );
    assert_eq!(shown["fingerprint"], appliance.key.verifying_key().fingerprint());
}

#[tokio::test]
async fn two_appliances_have_two_shares() {
    let house = House::open();
    let mut one = Appliance::activated(&house).await;
    let mut two = Appliance::activated(&house).await;
    assert_ne!(
        one.boot(&house).await.unwrap().share,
        two.boot(&house).await.unwrap().share
    );
}

#[tokio::test]
async fn an_activation_token_serves_one_identity_until_its_first_boot() {
    let house = House::open();
    let token = house.operator().await.activation_token().await;
    let mut appliance = Appliance::new();
    let first = appliance.activate(&house, &token).await.unwrap();
    // The answer may have been lost.
    let again = appliance.activate(&house, &token).await.unwrap();
    let id = |outcome: &ActivateOutcome| match outcome {
        ActivateOutcome::Enrolled(enrolment) => enrolment.appliance,
        ActivateOutcome::Pending { .. } | ActivateOutcome::Refused(_) => panic!("{outcome:?}"),
    };
    assert_eq!(id(&first), id(&again));
    let used = ActivateOutcome::Refused(ActivateRefusal::UsedToken);
    assert_eq!(Appliance::new().activate(&house, &token).await.unwrap(), used);
    appliance.boot(&house).await.unwrap();
    assert_eq!(appliance.activate(&house, &token).await.unwrap(), used);
}

#[tokio::test]
async fn unknown_expired_and_deleted_tokens_are_refused_with_the_reason() {
    let house = House::open();
    let operator = house.operator().await;
    let unknown = format!("vedette-activation-{}", "A".repeat(43));
    let refused = |refusal| Ok(ActivateOutcome::Refused(refusal));
    assert_eq!(
        Appliance::new().activate(&house, &unknown).await,
        refused(ActivateRefusal::UnknownToken)
    );
    let short = json!({"name": "short", "kind": "activation", "valid_for": 1});
    let short = operator.post("/api/v1/tokens", short).await.json();
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(
        Appliance::new()
            .activate(&house, short["secret"].as_str().unwrap())
            .await,
        refused(ActivateRefusal::ExpiredToken)
    );
    let deleted = operator
        .post("/api/v1/tokens", json!({"name": "gone", "kind": "activation"}))
        .await
        .json();
    let path = format!("/api/v1/tokens/{}", deleted["token"]["id"].as_str().unwrap());
    assert_eq!(operator.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        Appliance::new()
            .activate(&house, deleted["secret"].as_str().unwrap())
            .await,
        refused(ActivateRefusal::UnknownToken)
    );
    // An API token activates nothing.
    let api = operator
        .post("/api/v1/tokens", json!({"name": "tool", "kind": "api"}))
        .await
        .json();
    let secret = api["secret"]
        .as_str()
        .unwrap()
        .replace("vedette-api-", "vedette-activation-");
    assert_eq!(
        Appliance::new().activate(&house, &secret).await,
        refused(ActivateRefusal::UnknownToken)
    );
}

#[tokio::test]
async fn a_device_code_waits_for_its_approval() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::new();
    let first = appliance.code(&house).await;
    assert_eq!(first, appliance.code(&house).await);
    let wrong = operator
        .post("/api/v1/appliances/activate", json!({"code": "BBBB-BBBB"}))
        .await;
    assert!(wrong.problem(404, "not-found").contains("letter by letter"));
    let malformed = operator
        .post("/api/v1/appliances/activate", json!({"code": "AAAA"}))
        .await;
    assert!(malformed.problem(400, "bad-request").contains("eight letters"));
    let typed = format!(" {} ", first.to_lowercase().replace('-', ""));
    let approved = operator
        .post(
            "/api/v1/appliances/activate",
            json!({"code": typed, "name": "Basement"}),
        )
        .await;
    assert_eq!(approved.status, StatusCode::CREATED, "{}", approved.text);
    assert_eq!(approved.json()["name"], "Basement");
    let enrolled = appliance
        .activate_by(&house, Activation::DeviceCode)
        .await
        .unwrap();
    assert!(matches!(enrolled, ActivateOutcome::Enrolled(_)));
    appliance.boot(&house).await.unwrap();
    let twice = operator
        .post("/api/v1/appliances/activate", json!({"code": first}))
        .await;
    let used = twice.problem(409, "conflict");
    assert!(used.contains("`code` was used already, at 20"), "{used}");
    assert_eq!(
        operator.get("/api/v1/appliances").await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_device_code_that_has_expired_is_told_from_a_wrong_one_and_replaced() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::new();
    let approve = async |code: &str| {
        let asked = json!({"code": code});
        operator.post("/api/v1/appliances/activate", asked).await
    };
    let late = appliance.code(&house).await;
    // A quarter of an hour later, as far as the platform's tables can tell.
    let store = Store::open(&house.data().join("platform.db")).await.unwrap();
    let mut writing = store.write().await.unwrap();
    sqlx::query("UPDATE codes SET expires = expires - 900")
        .execute(&mut *writing)
        .await
        .unwrap();
    writing.commit().await.unwrap();
    let expired = approve(&late).await.problem(409, "conflict");
    assert!(
        expired.contains("`code` has expired, at 20") && expired.contains("console shows another"),
        "{expired}"
    );
    let fresh = appliance.code(&house).await;
    assert_ne!(fresh, late);
    assert!(
        approve(&late)
            .await
            .problem(409, "conflict")
            .contains("has expired")
    );
    assert_eq!(approve(&fresh).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_test_image_is_refused_unless_the_platform_was_told() {
    let house = House::open();
    let token = house.operator().await.activation_token().await;
    let mut appliance = Appliance::new();
    appliance.kind = ImageKind::Test;
    assert_eq!(
        appliance.activate(&house, &token).await.unwrap(),
        ActivateOutcome::Refused(ActivateRefusal::TestImage)
    );
    let mut appliance = Appliance::activated(&house).await;
    appliance.kind = ImageKind::Test;
    assert_eq!(appliance.boot(&house).await.unwrap_err(), BootRefusal::Image);

    let laboratory = House::open_with(&["--danger-accept-test-images"]);
    let token = laboratory.operator().await.activation_token().await;
    let mut appliance = Appliance::new();
    appliance.kind = ImageKind::Test;
    appliance.activate(&laboratory, &token).await.unwrap();
    appliance.boot(&laboratory).await.unwrap();
}

#[tokio::test]
async fn only_the_key_of_the_connection_speaks_for_an_appliance() {
    let house = House::open();
    let mut one = Appliance::activated(&house).await;
    let mut two = Appliance::activated(&house).await;
    let boot = one.boot(&house).await.unwrap();
    two.boot(&house).await.unwrap();
    let poll = |appliance: &Appliance| PollRequest {
        nonce: Nonce::random(),
        appliance: appliance.id(),
        boot: boot.id,
        wait: 0,
        free: 1,
        running: vec![],
        copy: CopyStanding::NONE,
    };
    let unauthenticated = Failure::Status(StatusCode::UNAUTHORIZED);
    // No client certificate; another's certificate; another's signature; another's name.
    assert_eq!(
        one.ask(&house, &poll(&one), None).await.unwrap_err(),
        unauthenticated
    );
    assert_eq!(
        one.ask(&house, &poll(&one), two.identity()).await.unwrap_err(),
        unauthenticated
    );
    assert_eq!(
        two.ask(&house, &poll(&one), one.identity()).await.unwrap_err(),
        unauthenticated
    );
    assert_eq!(
        two.ask(&house, &poll(&one), two.identity()).await.unwrap_err(),
        unauthenticated
    );
    assert!(one.ask(&house, &poll(&one), one.identity()).await.is_ok());
    // A name that nobody has.
    let mut nobody = poll(&one);
    nobody.appliance = ApplianceId([0; 16]);
    assert_eq!(
        one.ask(&house, &nobody, one.identity()).await.unwrap_err(),
        unauthenticated
    );
}

#[tokio::test]
async fn malformed_and_oversized_bodies_are_refused_and_the_server_goes_on() {
    let house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    for body in [vec![], vec![0], vec![0xff; 4096], b"POST / HTTP/1.1".to_vec()] {
        let refused = appliance
            .ask_signed::<PollRequest>(&house, body, appliance.identity())
            .await;
        assert_eq!(refused.unwrap_err(), Failure::Status(StatusCode::BAD_REQUEST));
    }
    let long = vec![0; (1 << 20) + 1];
    let refused = appliance
        .ask_signed::<PollRequest>(&house, long, appliance.identity())
        .await;
    // The server may close before all is sent.
    assert!(matches!(
        refused.unwrap_err(),
        Failure::Status(StatusCode::PAYLOAD_TOO_LARGE) | Failure::Transport(_)
    ));
    // Signed for another purpose.
    let Ok(signed) = Signed::seal(&poll_of(&appliance, &boot), &appliance.key);
    let refused = appliance
        .ask_signed::<BootRequest>(&house, signed.to_bytes(), appliance.identity())
        .await;
    assert!(matches!(refused.unwrap_err(), Failure::Status(status) if status.is_client_error()));
    assert!(matches!(
        appliance.poll(&house, &boot, 1, &[], 0).await,
        PollOutcome::Serve { .. }
    ));
}

#[tokio::test]
async fn every_route_of_the_link_refuses_noise_and_damage_and_the_server_goes_on() {
    let house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let Ok(signed) = Signed::seal(&poll_of(&appliance, &boot), &appliance.key);
    let good = signed.to_bytes();
    let mut bodies = vec![vec![], vec![0xff; 4096], vec![0; 4096]];
    for length in [1, good.len() / 2, good.len() - 1] {
        bodies.push(good[..length].to_vec());
    }
    for at in [0, 1, 9, good.len() / 2, good.len() - 1] {
        let mut damaged = good.clone();
        damaged[at] ^= 0x40;
        bodies.push(damaged);
    }
    let mut longer = good.clone();
    longer.push(0);
    bodies.push(longer);
    for body in bodies {
        for answer in [
            refused::<TimeRequest>(&house, &appliance, &body).await,
            refused::<ActivateRequest>(&house, &appliance, &body).await,
            refused::<BootRequest>(&house, &appliance, &body).await,
            refused::<ConfirmRequest>(&house, &appliance, &body).await,
            refused::<KeysRequest>(&house, &appliance, &body).await,
            refused::<PollRequest>(&house, &appliance, &body).await,
            refused::<EventsRequest>(&house, &appliance, &body).await,
        ] {
            assert!(
                [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED].contains(&answer),
                "{answer}: {body:?}"
            );
        }
    }
    assert!(matches!(
        appliance.poll(&house, &boot, 1, &[], 0).await,
        PollOutcome::Serve { .. }
    ));
}

/// How a request that is none is answered.
async fn refused<R>(house: &House, appliance: &Appliance, body: &[u8]) -> StatusCode
where
    R: Request<Outcome: std::fmt::Debug>,
    Answer<R::Outcome>: Message,
{
    match appliance
        .ask_signed::<R>(house, body.to_vec(), appliance.identity())
        .await
    {
        Err(Failure::Status(status)) => status,
        other => panic!("{} was answered with {other:?}", R::PATH),
    }
}

fn poll_of(appliance: &Appliance, boot: &super::appliance::Boot) -> PollRequest {
    PollRequest {
        nonce: Nonce::random(),
        appliance: appliance.id(),
        boot: boot.id,
        wait: 0,
        free: 0,
        running: vec![],
        copy: CopyStanding::NONE,
    }
}

#[tokio::test]
async fn a_copy_that_boots_later_is_refused_and_raises_an_alarm() {
    let house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    let mut copy = appliance.copy();
    let boot = appliance.boot(&house).await.unwrap();
    assert_eq!(copy.boot(&house).await.unwrap_err(), BootRefusal::TicketUsed);
    let shown = house.operator().await.get("/api/v1/appliances").await.json();
    assert!(shown["items"][0]["clone_alarm"].is_string());
    // The one that was first goes on.
    assert!(matches!(
        appliance.poll(&house, &boot, 1, &[], 0).await,
        PollOutcome::Serve { .. }
    ));
    appliance.boot(&house).await.unwrap();
}

#[tokio::test]
async fn of_two_copies_that_boot_together_one_is_given_the_share() {
    let house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    let mut copy = appliance.copy();
    let (one, one_key) = appliance.present(&house).await.unwrap();
    let (two, two_key) = copy.present(&house).await.unwrap();
    appliance.confirm(&house, one, one_key).await.unwrap();
    assert_eq!(
        copy.confirm(&house, two, two_key).await.unwrap_err(),
        BootRefusal::TicketUsed
    );
}

#[tokio::test]
async fn a_boot_that_was_cut_short_can_be_tried_again() {
    let house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    // Power fails before the next ticket is kept, then after, then after the confirmation.
    let before = appliance.copy();
    appliance.present(&house).await.unwrap();
    appliance = before;
    appliance.present(&house).await.unwrap();
    let (id, key) = appliance.present(&house).await.unwrap();
    let boot = appliance.confirm(&house, id, key).await.unwrap();
    assert_eq!(appliance.boot(&house).await.unwrap().share, boot.share);
}

#[tokio::test]
async fn a_boot_out_of_order_is_refused() {
    let house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    // A confirmation without a boot.
    let (opening, _) = vedette_crypto::hpke::OpeningKey::generate();
    let refused = appliance
        .confirm(&house, vedette_protocol::BootId([7; 32]), opening)
        .await;
    assert_eq!(refused.unwrap_err(), BootRefusal::Order);
    // A poll of a boot that is not the one.
    let boot = appliance.boot(&house).await.unwrap();
    appliance.boot(&house).await.unwrap();
    assert_eq!(
        appliance.poll(&house, &boot, 1, &[], 0).await,
        PollOutcome::Refused(BootRefusal::TicketUsed)
    );
    // Another appliance's ticket.
    let mut other = Appliance::activated(&house).await;
    other.ticket = appliance.ticket.clone();
    assert_eq!(other.boot(&house).await.unwrap_err(), BootRefusal::Order);
}

#[tokio::test]
async fn a_restored_database_is_not_taken_for_a_clone() {
    let mut house = House::open();
    let mut appliance = Appliance::activated(&house).await;
    appliance.boot(&house).await.unwrap();
    house.stop();
    let database = house.data().join("platform.db");
    let backup = house.scratch().join("backup.db");
    fs::copy(&database, &backup).unwrap();
    house.serve();
    appliance.boot(&house).await.unwrap();
    appliance.boot(&house).await.unwrap();
    let mut late = Appliance::activated(&house).await;
    house.stop();
    fs::copy(&backup, &database).unwrap();
    house.serve();
    assert_eq!(
        appliance.boot(&house).await.unwrap_err(),
        BootRefusal::TicketAhead
    );
    // One that was activated after the backup.
    assert_eq!(late.boot(&house).await.unwrap_err(), BootRefusal::TicketAhead);
}
