//! Credentials: kept, shown, switched off, refused, and put together of what a browser sealed.

use super::*;

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
