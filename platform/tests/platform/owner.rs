//! What the owner key signs and what is sealed: carried, shown, and refused with place and cure.

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    Method, Request, StatusCode,
    header::{CONTENT_TYPE, ETAG, IF_MATCH},
};
use serde::Serialize;
use serde_json::{Value, json};
use vedette_crypto::{
    Signer, SigningKey,
    credential::CredentialKey,
    hpke::Suite,
    roots::{PinnedRoot, PinnedRoots},
};
use vedette_protocol::{
    CredentialId, Envelope, Fingerprint, Grant, GrantId, OrgId, Signed, Timestamp, codec,
    copy::{Collector, CopyOrder, CopyStanding, CopyState, CopyTrouble, Delivery},
    credential::{CredentialKind, CredentialUse, HEADER_VERSION, Header, Login, Place, Trust},
    envelope::Sealing,
    grant::Envelopes,
    job::Checks,
    owner::{Epoch, NewEpoch, OwnerWord, Pin, Release, Rotation},
    signed::key_id,
};

use super::{
    appliance::Appliance,
    house::{Answer, House, Operator},
};

/// An operator's own equipment.
pub(crate) struct Owner {
    pub(crate) key: SigningKey,
    pub(crate) org: OrgId,
}

impl Owner {
    /// One whose organisation this appliance is of.
    pub(crate) fn of(appliance: &Appliance) -> Self {
        Self {
            key: SigningKey::generate(),
            org: appliance.enrolment.as_ref().unwrap().org,
        }
    }

    pub(crate) fn pin(&self, appliance: &Appliance, epoch: u64) -> OwnerWord {
        let pin = Pin {
            owner: self.key.verifying_key(),
            org: self.org,
            appliance: appliance.id(),
            identity: fingerprint(appliance),
            epoch: Epoch(epoch),
        };
        let Ok(signed) = Signed::seal(&pin, &self.key);
        OwnerWord::Pin(signed)
    }

    pub(crate) fn release(&self, appliance: &Appliance) -> OwnerWord {
        let release = Release {
            appliance: appliance.id(),
            identity: fingerprint(appliance),
        };
        let Ok(signed) = Signed::seal(&release, &self.key);
        OwnerWord::Release(signed)
    }

    pub(crate) fn epoch(&self, epoch: u64) -> OwnerWord {
        let word = NewEpoch {
            org: self.org,
            epoch: Epoch(epoch),
        };
        let Ok(signed) = Signed::seal(&word, &self.key);
        OwnerWord::NewEpoch(signed)
    }

    pub(crate) fn rotation(&self, new: &SigningKey, epoch: u64) -> OwnerWord {
        let word = Rotation {
            org: self.org,
            new: new.verifying_key(),
            epoch: Epoch(epoch),
        };
        let Ok(signed) = Signed::seal(&word, &self.key);
        OwnerWord::Rotation(signed)
    }

    /// An order to copy to a collector.
    pub(crate) fn copy(&self, appliance: &Appliance, number: u64) -> Signed<CopyOrder> {
        let order = CopyOrder {
            org: self.org,
            appliance: appliance.id(),
            identity: fingerprint(appliance),
            epoch: Epoch(1),
            number,
            collector: Some(Collector {
                at: "logs.example.com".parse().unwrap(),
                name: None,
                roots: PinnedRoots::new(vec![PinnedRoot::named("ISRG Root X1").unwrap()]).unwrap(),
                delivery: Delivery::Required,
            }),
        };
        let Ok(signed) = Signed::seal(&order, &self.key);
        signed
    }

    /// A grant of everything that needs no login, on a network, for an hour.
    pub(crate) fn grant(&self, appliance: &Appliance, targets: &str) -> Grant {
        let target: vedette_protocol::Target = targets.parse().unwrap();
        let now = Timestamp::now();
        Grant {
            id: GrantId::random(),
            org: self.org,
            appliances: vec![fingerprint(appliance)],
            epoch: Epoch(1),
            targets: vec![target.span().unwrap()],
            exclude: vec![],
            ports: "1-65535".parse().unwrap(),
            checks: Checks::of_endpoints(),
            rate: None,
            windows: vec![],
            from: now,
            until: Timestamp(now.0 + 3600),
            credentials: vec![],
            envelopes: Envelopes::Signed,
        }
    }

    pub(crate) fn sign(&self, grant: &Grant) -> Signed<Grant> {
        let Ok(signed) = Signed::seal(grant, &self.key);
        signed
    }

    /// An SSH password for some places, sealed to one appliance.
    pub(crate) fn credential(
        &self,
        appliance: &Appliance,
        id: CredentialId,
        version: u32,
        places: &[(&str, u16)],
    ) -> Envelope {
        self.credential_of(CredentialKind::SshPassword, appliance, id, version, places)
    }

    /// The same as a credential of another kind that has a user and a password.
    pub(crate) fn credential_of(
        &self,
        kind: CredentialKind,
        appliance: &Appliance,
        id: CredentialId,
        version: u32,
        places: &[(&str, u16)],
    ) -> Envelope {
        let header = Header {
            vedette: HEADER_VERSION,
            org: self.org,
            credential: id,
            version,
            kind,
            places: places
                .iter()
                .map(|(host, port)| Place {
                    host: host.parse().unwrap(),
                    port: *port,
                    trust: Trust::FirstSeen,
                })
                .collect(),
            appliances: vec![fingerprint(appliance)],
        };
        let content = br#"{"user":"scan","secret":"correct horse"}"#;
        let login = Login::from_sealed_form(kind, content).unwrap();
        let key = CredentialKey::generate();
        Envelope::seal(&header, &login, Suite::X25519, &[key.public().clone()]).unwrap()
    }

    pub(crate) fn owned(&self, envelope: &Envelope) -> Sealing {
        let Ok(signed) = Signed::seal(envelope, &self.key);
        Sealing::Owned(signed)
    }
}

pub(crate) fn fingerprint(appliance: &Appliance) -> Fingerprint {
    Fingerprint::of(&appliance.key.verifying_key())
}

pub(crate) fn encoded<T: Serialize>(message: &T) -> String {
    STANDARD.encode(codec::encode(message))
}

pub(crate) async fn say(operator: &Operator, word: &OwnerWord) -> Answer {
    operator
        .post("/api/v1/owner-words", json!({"word": encoded(word)}))
        .await
}

pub(crate) async fn put_grant(operator: &Operator, id: GrantId, signed: &Signed<Grant>) -> Answer {
    operator
        .put(&format!("/api/v1/grants/{id}"), json!({"grant": encoded(signed)}))
        .await
}

pub(crate) async fn put_credential(operator: &Operator, id: CredentialId, sealing: &Sealing) -> Answer {
    operator
        .put(
            &format!("/api/v1/credentials/{id}"),
            json!({"sealing": encoded(sealing)}),
        )
        .await
}

async fn house() -> (House, Operator, Appliance, Owner) {
    let house = House::open();
    let operator = house.operator().await;
    let appliance = Appliance::activated(&house).await;
    let owner = Owner::of(&appliance);
    (house, operator, appliance, owner)
}

async fn actions(operator: &Operator) -> Vec<String> {
    let audit = operator.get("/api/v1/audit").await.json();
    let items = audit["items"].as_array().unwrap().iter();
    items
        .map(|item| item["action"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_appliance_that_has_said_nothing_has_no_keys_and_no_owner() {
    let (_house, operator, appliance, owner) = house().await;
    let path = format!("/api/v1/appliances/{}/keys", appliance.id());
    let known = operator.get(&path).await.json();
    let identity = appliance.key.verifying_key().to_string();
    assert_eq!(
        known,
        json!({"appliance": appliance.id(), "org": owner.org, "identity": identity, "keys": null, "owner": null})
    );
    let nobody = format!("/api/v1/appliances/{}/keys", "0".repeat(32));
    operator.get(&nobody).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_word_is_taken_from_the_key_that_may_say_it_and_again_without_harm() {
    let (_house, operator, appliance, owner) = house().await;
    for _ in 0..2 {
        let kept = say(&operator, &owner.pin(&appliance, 2)).await;
        assert_eq!(kept.status, StatusCode::CREATED, "{}", kept.text);
        assert_eq!(
            kept.json(),
            json!({"kind": "pin", "appliance": appliance.id(), "epoch": 2})
        );
    }
    for _ in 0..2 {
        let kept = say(&operator, &owner.epoch(5)).await;
        assert_eq!(
            kept.json(),
            json!({"kind": "new-epoch", "appliance": null, "epoch": 5})
        );
    }
    let new = SigningKey::generate();
    for _ in 0..2 {
        let kept = say(&operator, &owner.rotation(&new, 6)).await;
        assert_eq!(
            kept.json(),
            json!({"kind": "rotation", "appliance": null, "epoch": 6})
        );
    }
    let rotated = Owner { key: new, ..owner };
    assert_eq!(
        say(&operator, &rotated.epoch(7)).await.status,
        StatusCode::CREATED
    );
    let kept = say(&operator, &rotated.release(&appliance)).await;
    assert_eq!(
        kept.json(),
        json!({"kind": "release", "appliance": appliance.id(), "epoch": null})
    );
    let actions = actions(&operator).await;
    for action in ["owner.pin", "owner.new-epoch", "owner.rotate", "owner.release"] {
        assert!(actions.iter().any(|done| done == action), "{action}: {actions:?}");
    }
}

#[tokio::test]
async fn words_that_would_stand_in_the_owners_way_are_refused() {
    let (house, operator, appliance, owner) = house().await;
    let stranger = Owner::of(&appliance);
    // Nobody is known before a pin.
    for word in [
        owner.epoch(1),
        owner.rotation(&stranger.key, 1),
        owner.release(&appliance),
    ] {
        let detail = say(&operator, &word).await.problem(409, "conflict");
        assert!(detail.contains("pin it first"), "{detail}");
    }
    assert_eq!(
        say(&operator, &owner.pin(&appliance, 3)).await.status,
        StatusCode::CREATED
    );
    assert_eq!(say(&operator, &owner.epoch(4)).await.status, StatusCode::CREATED);
    let other = Appliance::activated(&house).await;
    let elsewhere = Owner {
        key: SigningKey::generate(),
        org: OrgId([9; 16]),
    };
    // Another's name over the same key: the signature is not over what is said.
    let Ok(forged) = Signed::seal(
        &Pin {
            owner: owner.key.verifying_key(),
            org: owner.org,
            appliance: other.id(),
            identity: fingerprint(&other),
            epoch: Epoch(9),
        },
        &stranger.key,
    );
    let Ok(wrong_identity) = Signed::seal(
        &Pin {
            owner: owner.key.verifying_key(),
            org: owner.org,
            appliance: appliance.id(),
            identity: fingerprint(&other),
            epoch: Epoch(9),
        },
        &owner.key,
    );
    for (word, status, name, part) in [
        (owner.pin(&appliance, 2), 409, "conflict", "epoch 3 is kept"),
        (owner.epoch(3), 409, "conflict", "epoch 4 is kept"),
        (stranger.epoch(9), 409, "conflict", "pin it first"),
        (stranger.release(&appliance), 409, "conflict", "pin it first"),
        (
            elsewhere.pin(&appliance, 9),
            400,
            "bad-request",
            "another organisation",
        ),
        (OwnerWord::Pin(forged), 400, "bad-request", "signed by the key"),
        (
            OwnerWord::Pin(wrong_identity),
            409,
            "conflict",
            "compare the fingerprint",
        ),
        (owner.release(&other), 409, "conflict", "nothing to release"),
        (owner.rotation(&owner.key, 9), 400, "bad-request", "to itself"),
    ] {
        let detail = say(&operator, &word).await.problem(status, name);
        assert!(detail.contains(part), "{detail}");
    }
    for (word, part) in [
        (json!("!"), "base64"),
        (json!(STANDARD.encode([0xff; 99])), "what belongs there"),
        (json!("A".repeat(65_536)), "longer than 16392"),
    ] {
        let refused = operator.post("/api/v1/owner-words", json!({"word": word})).await;
        let detail = refused.problem(400, "bad-request");
        assert!(detail.contains(part), "{detail}");
    }
}

#[tokio::test]
async fn an_order_for_a_copy_is_carried_until_it_is_taken_and_shown_with_how_it_goes() {
    let (house, operator, mut appliance, owner) = house().await;
    let path = format!("/api/v1/appliances/{}/copy", appliance.id());
    let said =
        |number: u64, state: &str| json!({"number": number, "state": state, "missed": 0, "refused": null});
    let known = operator.get(&path).await.json();
    assert_eq!((&known["order"], &known["said"]), (&Value::Null, &said(0, "off")));
    // Nobody's key is pinned.
    let refused = say(&operator, &OwnerWord::Copy(owner.copy(&appliance, 7))).await;
    let detail = refused.problem(409, "conflict");
    assert!(detail.contains("vedette appliance confirm"), "{detail}");

    assert_eq!(
        say(&operator, &owner.pin(&appliance, 1)).await.status,
        StatusCode::CREATED
    );
    let order = owner.copy(&appliance, 7);
    for _ in 0..2 {
        let kept = say(&operator, &OwnerWord::Copy(order.clone())).await;
        assert_eq!(
            kept.json(),
            json!({"kind": "copy", "appliance": appliance.id(), "epoch": 1})
        );
    }
    let stranger = Owner::of(&appliance);
    let elsewhere = Appliance::activated(&house).await;
    for (word, part) in [
        (owner.copy(&appliance, 6), "order 7"),
        (stranger.copy(&appliance, 9), "pin it first"),
        (owner.copy(&elsewhere, 9), "does not have this owner key"),
    ] {
        let detail = say(&operator, &OwnerWord::Copy(word))
            .await
            .problem(409, "conflict");
        assert!(detail.contains(part), "{detail}");
    }
    let known = operator.get(&path).await.json();
    assert_eq!(
        (
            &known["number"],
            &known["key"],
            &known["order"],
            &known["collector"]
        ),
        (
            &json!(7),
            &json!(key_id(&owner.key.verifying_key())),
            &json!(STANDARD.encode(order.to_bytes())),
            &json!({"at": "logs.example.com:6514", "name": null, "roots": ["ISRG Root X1"], "delivery": "required"})
        )
    );

    // It goes with each answer until the appliance has taken it.
    let boot = appliance.boot(&house).await.unwrap();
    for _ in 0..2 {
        let (_, words) = appliance.serve(&house, &boot, 0).await;
        assert_eq!(words.last(), Some(&OwnerWord::Copy(order.clone())));
    }
    appliance.copying = CopyStanding {
        number: 7,
        state: CopyState::Stuck(CopyTrouble::Untrusted),
        missed: 0,
        refused: None,
    };
    let (_, words) = appliance.serve(&house, &boot, 0).await;
    assert!(
        !words.iter().any(|word| matches!(word, OwnerWord::Copy(_))),
        "{words:?}"
    );
    let known = operator.get(&path).await.json();
    assert_eq!(known["said"]["state"], json!({"stuck": "untrusted"}));
    assert!(
        actions(&operator)
            .await
            .iter()
            .any(|action| action == "owner.copy")
    );
    let nobody = format!("/api/v1/appliances/{}/copy", "0".repeat(32));
    operator.get(&nobody).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_grant_is_carried_shown_and_replaced_by_later_ones_only() {
    let (_house, operator, appliance, owner) = house().await;
    let mut grant = owner.grant(&appliance, "192.0.2.0/24");
    grant.rate = std::num::NonZeroU32::new(500);
    grant.exclude = vec![
        "192.0.2.9"
            .parse::<vedette_protocol::Target>()
            .unwrap()
            .span()
            .unwrap(),
    ];
    grant.windows = vec!["mon-fri 22:00-05:00".parse().unwrap()];
    grant.credentials = vec![CredentialUse {
        id: CredentialId([5; 16]),
        version: 2,
    }];
    let path = format!("/api/v1/grants/{}", grant.id);
    let signed = owner.sign(&grant);
    let made = put_grant(&operator, grant.id, &signed).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(
        put_grant(&operator, grant.id, &signed).await.status,
        StatusCode::OK
    );
    let shown = operator.get(&path).await;
    let etag = shown.headers[ETAG].clone();
    let shown = shown.json();
    let expected = json!({
        "id": grant.id, "key": key_id(&owner.key.verifying_key()), "appliances": [fingerprint(&appliance)],
        "epoch": 1, "targets": ["192.0.2.0/24"], "exclude": ["192.0.2.9"], "ports": "1-65535",
        "checks": ["ports", "services", "tls", "http"], "rate": 500, "windows": [grant.windows[0].to_string()],
        "from": grant.from, "until": grant.until, "credentials": [{"id": "05".repeat(16), "version": 2}],
        "envelopes": "signed", "kept": shown["kept"], "grant": encoded(&signed),
    });
    assert_eq!(shown, expected);
    let list = operator.get("/api/v1/grants").await.json();
    assert_eq!(
        (&list["items"][0]["id"], &list["items"][0]["grant"]),
        (&expected["id"], &Value::Null)
    );

    let mut older = grant.clone();
    older.epoch = Epoch(0);
    let detail = put_grant(&operator, grant.id, &owner.sign(&older))
        .await
        .problem(409, "conflict");
    assert!(detail.contains("a later version"), "{detail}");
    grant.epoch = Epoch(2);
    assert_eq!(
        put_grant(&operator, grant.id, &owner.sign(&grant)).await.status,
        StatusCode::OK
    );
    // Who read the one before does not delete this one.
    let delete = Request::builder()
        .method(Method::DELETE)
        .uri(&path)
        .header(IF_MATCH, etag);
    operator
        .ask(delete, Default::default())
        .await
        .problem(412, "changed");
    assert_eq!(operator.delete(&path).await.status, StatusCode::NO_CONTENT);
    operator.get(&path).await.problem(404, "not-found");
    operator.delete(&path).await.problem(404, "not-found");
}

#[tokio::test]
async fn grants_that_are_not_what_they_say_are_refused() {
    let (_house, operator, appliance, owner) = house().await;
    say(&operator, &owner.pin(&appliance, 0)).await;
    let grant = owner.grant(&appliance, "192.0.2.0/24");
    let with = |alter: &dyn Fn(&mut Grant)| {
        let mut altered = grant.clone();
        alter(&mut altered);
        owner.sign(&altered)
    };
    // A bit of the signature is another one.
    let mut bytes = owner.sign(&grant).to_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Signed::from_bytes(&bytes).unwrap();
    let many = vec![fingerprint(&appliance); 1025];
    for (signed, part) in [
        (with(&|grant| grant.id = GrantId([1; 16])), "not as in the path"),
        (with(&|grant| grant.org = OrgId([1; 16])), "another organisation"),
        (
            with(&|grant| grant.appliances.clone_from(&many)),
            "more than 1024",
        ),
        (forged, "not signed by the owner key"),
    ] {
        let detail = put_grant(&operator, grant.id, &signed)
            .await
            .problem(400, "bad-request");
        assert!(detail.contains(part), "{detail}");
    }
    let path = format!("/api/v1/grants/{}", grant.id);
    for (body, part) in [
        (json!({"grant": "A".repeat(400_000)}), "longer than 262144"),
        (json!({"grant": STANDARD.encode([7; 400])}), "what belongs there"),
        (json!({"grant": 1}), "grant"),
        (json!({}), "grant"),
    ] {
        let detail = operator.put(&path, body).await.problem(400, "bad-request");
        assert!(detail.contains(part), "{detail}");
    }
    assert_eq!(operator.get("/api/v1/grants").await.json()["items"], json!([]));
}

#[tokio::test]
async fn grants_come_in_pages() {
    let (_house, operator, appliance, owner) = house().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let grant = owner.grant(&appliance, "192.0.2.0/24");
        put_grant(&operator, grant.id, &owner.sign(&grant)).await;
        ids.push(grant.id.to_string());
    }
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = operator.get(&format!("/api/v1/grants{query}")).await.json();
        for item in page["items"].as_array().unwrap() {
            seen.push(item["id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    seen.sort();
    ids.sort();
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn a_credential_is_kept_versioned_labelled_disabled_and_removed_for_good() {
    let (_house, operator, appliance, owner) = house().await;
    let id = CredentialId::random();
    let path = format!("/api/v1/credentials/{id}");
    let first = owner.owned(&owner.credential(&appliance, id, 1, &[("192.0.2.1", 22)]));
    let made = operator
        .put(&path, json!({"sealing": encoded(&first), "label": "web servers"}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let shown = operator.get(&path).await;
    let etag = shown.headers[ETAG].clone();
    let shown = shown.json();
    assert_eq!(
        shown,
        json!({
            "id": id, "version": 1, "kind": "ssh-password", "label": "web servers", "disabled": false,
            "places": [{"host": "192.0.2.1", "port": 22, "trust": "first-seen"}],
            "appliances": [fingerprint(&appliance)], "key": key_id(&owner.key.verifying_key()),
            "first_seen": true, "cleartext": false, "kept": shown["kept"], "sealing": encoded(&first),
        })
    );
    let list = operator.get("/api/v1/credentials").await.json();
    assert_eq!(
        (&list["items"][0]["label"], &list["items"][0]["sealing"]),
        (&json!("web servers"), &Value::Null)
    );
    assert_eq!(put_credential(&operator, id, &first).await.status, StatusCode::OK);

    let changed = operator.patch(&path, json!({"disabled": true})).await;
    assert_eq!(
        (&changed.json()["disabled"], &changed.json()["label"]),
        (&json!(true), &json!("web servers"))
    );
    let late = Request::builder()
        .method(Method::PATCH)
        .uri(&path)
        .header(CONTENT_TYPE, "application/json")
        .header(IF_MATCH, etag);
    operator
        .ask(late, r#"{"disabled": false}"#.into())
        .await
        .problem(412, "changed");

    let envelope = owner.credential(&appliance, id, 2, &[("192.0.2.1", 22)]);
    let second = owner.owned(&envelope);
    let rotated = put_credential(&operator, id, &second).await;
    assert_eq!(
        (rotated.status, &rotated.json()["version"]),
        (StatusCode::OK, &json!(2))
    );
    assert_eq!(
        rotated.json()["disabled"],
        true,
        "a new version is not used against the operator's word"
    );
    for sealing in [
        &first,
        &owner.owned(&owner.credential(&appliance, id, 2, &[("192.0.2.2", 22)])),
    ] {
        let detail = put_credential(&operator, id, sealing)
            .await
            .problem(409, "conflict");
        assert!(detail.contains("seal version 3"), "{detail}");
    }
    // Nobody takes the owner's signature off.
    put_credential(&operator, id, &Sealing::Unsigned(envelope))
        .await
        .problem(409, "conflict");
    assert_eq!(operator.delete(&path).await.status, StatusCode::NO_CONTENT);
    operator.get(&path).await.problem(404, "not-found");
    operator.delete(&path).await.problem(404, "not-found");
    operator.patch(&path, json!({})).await.problem(404, "not-found");
    assert_eq!(
        operator.get("/api/v1/credentials").await.json()["items"],
        json!([])
    );
    // No older version comes back.
    put_credential(&operator, id, &second)
        .await
        .problem(409, "conflict");
    let third = owner.owned(&owner.credential(&appliance, id, 3, &[("192.0.2.1", 22)]));
    assert_eq!(
        put_credential(&operator, id, &third).await.status,
        StatusCode::CREATED
    );
    let actions = actions(&operator).await;
    for action in ["credential.put", "credential.disable", "credential.delete"] {
        assert!(actions.iter().any(|done| done == action), "{action}: {actions:?}");
    }
}

#[tokio::test]
async fn credentials_that_are_not_what_they_say_are_refused() {
    let (_house, operator, appliance, owner) = house().await;
    let id = CredentialId::random();
    let path = format!("/api/v1/credentials/{id}");
    let elsewhere = Owner {
        key: SigningKey::generate(),
        org: OrgId([9; 16]),
    };
    let places = [("192.0.2.1", 22)];
    let other = owner.credential(&appliance, CredentialId::random(), 1, &places);
    let foreign = elsewhere.credential(&appliance, id, 1, &places);
    let unreadable = Envelope::from_parts(b"{}".to_vec(), vec![]);
    let later = Envelope::from_parts(br#"{"vedette": 2}"#.to_vec(), vec![]);
    for (sealing, part) in [
        (Sealing::Unsigned(other), "not the one in the path"),
        (owner.owned(&foreign), "another organisation"),
        (Sealing::Unsigned(unreadable), "cannot be read"),
        (owner.owned(&later), "a version that this one does not know"),
    ] {
        let detail = put_credential(&operator, id, &sealing)
            .await
            .problem(400, "bad-request");
        assert!(detail.contains(part), "{detail}");
    }
    let good = encoded(&Sealing::Unsigned(owner.credential(&appliance, id, 1, &places)));
    for (body, part) in [
        (json!({}), "one of `sealing`"),
        (
            json!({"sealing": good, "parts": {"header": "{}", "sealed": []}}),
            "one of `sealing`",
        ),
        (json!({"sealing": "A".repeat(400_000)}), "longer than 262144"),
        (json!({"sealing": STANDARD.encode([9; 99])}), "what belongs there"),
        (json!({"sealing": good, "label": "a\u{1b}b"}), "`label`"),
        (json!({"sealing": good, "secret": "x"}), "secret"),
        (
            json!({"parts": {"header": "nonsense", "sealed": []}}),
            "cannot be read",
        ),
    ] {
        let detail = operator.put(&path, body).await.problem(400, "bad-request");
        assert!(detail.contains(part), "{detail}");
    }
    assert_eq!(
        operator.get("/api/v1/credentials").await.json()["items"],
        json!([])
    );
}

#[tokio::test]
async fn parts_of_a_browser_become_the_same_envelope_unless_the_owner_must_sign() {
    let (_house, operator, appliance, owner) = house().await;
    let id = CredentialId::random();
    let path = format!("/api/v1/credentials/{id}");
    let envelope = owner.credential(&appliance, id, 1, &[("192.0.2.1", 22)]);
    let sealed: Vec<Value> = envelope
        .sealed()
        .iter()
        .map(|one| {
            json!({
                "appliance": one.appliance, "suite": one.suite,
                "encapsulated": STANDARD.encode(one.sealed.encapsulated()),
                "ciphertext": STANDARD.encode(one.sealed.ciphertext()),
            })
        })
        .collect();
    let header = std::str::from_utf8(envelope.header_bytes()).unwrap();
    let parts = json!({"parts": {"header": header, "sealed": sealed}});
    let settled = json!({"owner_signed_credentials_only": true});
    assert_eq!(
        operator.patch("/api/v1/settings", settled.clone()).await.json(),
        settled
    );
    assert_eq!(operator.get("/api/v1/settings").await.json(), settled);
    let detail = operator.put(&path, parts.clone()).await.problem(409, "conflict");
    assert!(detail.contains("vedette credential seal"), "{detail}");
    operator
        .patch(
            "/api/v1/settings",
            json!({"owner_signed_credentials_only": false}),
        )
        .await;
    let kept = operator.put(&path, parts).await;
    assert_eq!(kept.status, StatusCode::CREATED, "{}", kept.text);
    assert_eq!(kept.json()["sealing"], encoded(&Sealing::Unsigned(envelope)));
    assert_eq!(kept.json()["key"], Value::Null);
}
