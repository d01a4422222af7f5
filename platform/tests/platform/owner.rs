//! What the owner key signs and what is sealed: carried, shown, and refused with place and cure.

mod credentials;
mod grants;

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
                certificate: None,
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
