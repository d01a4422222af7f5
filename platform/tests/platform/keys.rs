//! What appliances say of their keys, and what their owners say to them.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::StatusCode;
use serde_json::{Value, json};
use vedette_crypto::{
    Signer, SigningKey,
    credential::{CredentialKey, CredentialPublicKey},
    hpke::PublicKey,
};
use vedette_protocol::{
    ApplianceId, Fingerprint, OrgId, Signed,
    link::{BootRefusal, KeysOutcome, PollOutcome},
    owner::{ApplianceKeys, OwnerWord},
};

use super::{
    appliance::{Appliance, Boot, Failure},
    house::{House, Operator},
    owner::{Owner, say},
};

async fn house() -> (House, Operator, Appliance, Boot, Owner) {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let owner = Owner::of(&appliance);
    (house, operator, appliance, boot, owner)
}

fn public() -> CredentialPublicKey {
    CredentialKey::generate().public().clone()
}

async fn known(operator: &Operator, appliance: &Appliance) -> Value {
    let path = format!("/api/v1/appliances/{}/keys", appliance.id());
    operator.get(&path).await.json()
}

async fn events(operator: &Operator, action: &str) -> usize {
    let audit = operator.get("/api/v1/audit").await.json();
    let items = audit["items"].as_array().unwrap().iter();
    items.filter(|item| item["action"] == action).count()
}

#[tokio::test]
async fn what_an_appliance_says_of_its_keys_is_shown_as_it_signed_it() {
    let (house, operator, appliance, boot, owner) = house().await;
    let (credential, key) = (public(), owner.key.verifying_key());
    for _ in 0..2 {
        let said = appliance.say_keys(&house, &boot, &credential, Some(key)).await;
        assert_eq!(said, Ok(KeysOutcome::Kept));
    }
    let known = known(&operator, &appliance).await;
    assert_eq!(known["owner"], json!(Fingerprint::of(&key)));
    let signed = STANDARD.decode(known["keys"].as_str().unwrap()).unwrap();
    let said = Signed::<ApplianceKeys>::from_bytes(&signed).unwrap();
    let said = said.verify(&appliance.key.verifying_key()).unwrap();
    assert_eq!((said.credential, said.owner), (credential, Some(key)));
    let shown = operator
        .get(&format!("/api/v1/appliances/{}", appliance.id()))
        .await
        .json();
    assert_eq!(
        (&shown["owner"], &shown["keys_alarm"]),
        (&json!(key.fingerprint()), &Value::Null)
    );
    assert_eq!(events(&operator, "appliance.owner-pinned").await, 1);
    assert_eq!(events(&operator, "appliance.credential-key-changed").await, 0);
}

#[tokio::test]
async fn a_credential_key_that_is_another_one_is_an_alarm() {
    let (house, operator, appliance, boot, _) = house().await;
    appliance.say_keys(&house, &boot, &public(), None).await.unwrap();
    appliance.say_keys(&house, &boot, &public(), None).await.unwrap();
    let shown = operator
        .get(&format!("/api/v1/appliances/{}", appliance.id()))
        .await
        .json();
    assert!(shown["keys_alarm"].is_string(), "{shown}");
    assert_eq!(events(&operator, "appliance.credential-key-changed").await, 1);
}

#[tokio::test]
async fn keys_that_the_appliance_has_not_signed_for_itself_are_refused() {
    let (house, operator, mut appliance, boot, _) = house().await;
    let org = appliance.enrolment.as_ref().unwrap().org;
    let keys = |id: ApplianceId, org: OrgId, credential: CredentialPublicKey| ApplianceKeys {
        appliance: id,
        org,
        credential,
        owner: None,
        proof: None,
    };
    let own = appliance.id();
    let short = CredentialPublicKey {
        x25519: PublicKey::from_bytes(vec![1; 31]),
        ..public()
    };
    let long = CredentialPublicKey {
        xwing: PublicKey::from_bytes(vec![1; 500_000]),
        ..public()
    };
    let other = SigningKey::generate();
    for (said, by, status) in [
        (keys(own, org, public()), &other, StatusCode::UNAUTHORIZED),
        (
            keys(ApplianceId([7; 16]), org, public()),
            &appliance.key,
            StatusCode::UNAUTHORIZED,
        ),
        (
            keys(own, OrgId([7; 16]), public()),
            &appliance.key,
            StatusCode::BAD_REQUEST,
        ),
        (keys(own, org, short), &appliance.key, StatusCode::BAD_REQUEST),
        (keys(own, org, long), &appliance.key, StatusCode::BAD_REQUEST),
    ] {
        let refused = appliance.say_signed_keys(&house, &boot, said, by).await;
        assert_eq!(refused, Err(Failure::Status(status)));
    }
    assert_eq!(known(&operator, &appliance).await["keys"], Value::Null);
    // A boot that is over says nothing any more.
    appliance.boot(&house).await.unwrap();
    assert_eq!(
        appliance.say_keys(&house, &boot, &public(), None).await,
        Ok(KeysOutcome::Refused(BootRefusal::TicketUsed))
    );
}

#[tokio::test]
async fn words_are_told_until_they_were_taken_and_a_lost_answer_loses_none() {
    let (house, operator, mut appliance, boot, owner) = house().await;
    let credential = public();
    appliance
        .say_keys(&house, &boot, &credential, None)
        .await
        .unwrap();
    assert_eq!(appliance.serve(&house, &boot, 1).await.1, []);
    let pin = owner.pin(&appliance, 1);
    say(&operator, &pin).await;
    for _ in 0..3 {
        assert_eq!(
            appliance.serve(&house, &boot, 1).await.1,
            std::slice::from_ref(&pin)
        );
    }
    let key = Some(owner.key.verifying_key());
    appliance.say_keys(&house, &boot, &credential, key).await.unwrap();
    assert_eq!(appliance.serve(&house, &boot, 1).await.1, []);
    // What all of the owner's appliances are told.
    say(&operator, &owner.epoch(2)).await;
    assert_eq!(appliance.serve(&house, &boot, 1).await.1, [owner.epoch(2)]);
    let next = appliance.boot(&house).await.unwrap();
    assert_eq!(appliance.serve(&house, &next, 1).await.1, [owner.epoch(2)]);
    // An appliance that has no owner is told nothing of it.
    let mut other = Appliance::activated(&house).await;
    let others = other.boot(&house).await.unwrap();
    assert_eq!(other.serve(&house, &others, 1).await.1, []);

    let release = owner.release(&appliance);
    say(&operator, &release).await;
    let told = appliance.serve(&house, &next, 1).await.1;
    assert!(told.contains(&release), "{told:?}");
    appliance
        .say_keys(&house, &next, &credential, None)
        .await
        .unwrap();
    assert_eq!(appliance.serve(&house, &next, 1).await.1, []);
    assert_eq!(events(&operator, "appliance.owner-released").await, 1);
    assert_eq!(known(&operator, &appliance).await["owner"], Value::Null);
}

#[tokio::test]
async fn a_rotation_reaches_whoever_has_the_old_key() {
    let (house, operator, appliance, boot, owner) = house().await;
    say(&operator, &owner.pin(&appliance, 1)).await;
    let key = Some(owner.key.verifying_key());
    let credential = public();
    appliance.say_keys(&house, &boot, &credential, key).await.unwrap();
    let new = SigningKey::generate();
    let rotation = owner.rotation(&new, 2);
    say(&operator, &rotation).await;
    let rotated = Owner { key: new, ..owner };
    say(&operator, &rotated.epoch(3)).await;
    let told = appliance.serve(&house, &boot, 1).await.1;
    assert_eq!(told, [rotation, rotated.epoch(3)]);
    let key = Some(rotated.key.verifying_key());
    appliance.say_keys(&house, &boot, &credential, key).await.unwrap();
    assert_eq!(appliance.serve(&house, &boot, 1).await.1, [rotated.epoch(3)]);
}

#[tokio::test]
async fn a_word_cuts_a_waiting_poll_short() {
    let (house, operator, appliance, boot, owner) = house().await;
    appliance.serve(&house, &boot, 1).await;
    let pin = owner.pin(&appliance, 1);
    let begun = Instant::now();
    let (answer, _) = tokio::join!(appliance.poll(&house, &boot, 1, &[], 30), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        say(&operator, &pin).await
    });
    assert!(begun.elapsed() < Duration::from_secs(25));
    match answer {
        PollOutcome::Serve { words, .. } => assert_eq!(words, [pin]),
        PollOutcome::Refused(refusal) => panic!("{refusal}"),
    }
    // It is told once, not for ever at once: the next poll waits again.
    let begun = Instant::now();
    let told: Vec<OwnerWord> = match appliance.poll(&house, &boot, 1, &[], 2).await {
        PollOutcome::Serve { words, .. } => words,
        PollOutcome::Refused(refusal) => panic!("{refusal}"),
    };
    assert_eq!(told.len(), 1);
    assert!(begun.elapsed() >= Duration::from_secs(2));
}
