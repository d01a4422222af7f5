//! Grants: carried, replaced by later ones only, refused.

use super::*;

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
