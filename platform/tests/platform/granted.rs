//! Jobs of an appliance that has an owner: sent with the grant that covers them, and with sealed credentials.

use hyper::StatusCode;
use serde_json::{Value, json};
use vedette_crypto::{Signer, credential::CredentialKey};
use vedette_protocol::{
    Assignment, CredentialId, Finding, Job, Timestamp, VerifyError,
    codec::MESSAGE_LIMIT,
    credential::{CredentialKind, CredentialUse},
    envelope::Sealing,
    finding::{Confidence, Evidence, FindingPlace, FindingType, Source},
    grant::{Envelopes, GrantRefusal},
    job::{Check, Checks},
    link::{EventsOutcome, What},
    vault::{Opening, VaultRefusal},
    worker::{ScopeRefusal, WorkerFailure},
};

use super::{
    appliance::{Appliance, Boot},
    house::{House, Operator},
    owner::{Owner, fingerprint, put_credential, put_grant, say},
    work::{event, scan, shown, whole},
};

/// An appliance, with its owner's key pinned.
pub(crate) async fn house() -> (House, Operator, Appliance, Boot, Owner) {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    let owner = Owner::of(&appliance);
    let pinned = say(&operator, &owner.pin(&appliance, 1)).await;
    assert_eq!(pinned.status, StatusCode::CREATED, "{}", pinned.text);
    let credential = CredentialKey::generate();
    let key = Some(owner.key.verifying_key());
    appliance
        .say_keys(&house, &boot, credential.public(), key)
        .await
        .unwrap();
    (house, operator, appliance, boot, owner)
}

fn job(house: &House, assignment: &Assignment) -> Result<Job, VerifyError> {
    assignment.job.verify(&house.pins().key)
}

async fn login_scan(operator: &Operator, appliance: &Appliance, more: Value) -> super::house::Answer {
    let mut body = json!({"appliance": appliance.id(), "targets": ["192.0.2.0/30"], "ports": "80"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    operator.post("/api/v1/scans", body).await
}

#[tokio::test]
async fn a_job_waits_for_a_grant_and_is_sent_with_it() {
    let (house, operator, appliance, boot, owner) = house().await;
    let scan = scan(&operator, &appliance, &["192.0.2.1"], "80").await;
    assert_eq!(appliance.serve(&house, &boot, 4).await.0, []);
    let waits = shown(&operator, &scan).await;
    assert_eq!(waits["state"], "queued");
    let why = waits["waiting"].as_str().unwrap();
    assert!(
        why.contains("waiting for a grant: the owner has signed no grant") && why.contains("grant sign"),
        "{why}"
    );
    // One for other hosts does not help, and is named.
    let other = owner.grant(&appliance, "198.51.100.0/24");
    put_grant(&operator, other.id, &owner.sign(&other)).await;
    assert_eq!(appliance.serve(&house, &boot, 4).await.0, []);
    let why = shown(&operator, &scan).await["waiting"].to_string();
    assert!(
        why.contains("a target lies outside the grant") && why.contains(&other.id.to_string()),
        "{why}"
    );

    let grant = owner.grant(&appliance, "192.0.2.0/24");
    let signed = owner.sign(&grant);
    put_grant(&operator, grant.id, &signed).await;
    let (jobs, _) = appliance.serve(&house, &boot, 4).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!((&jobs[0].grant, &jobs[0].credential), (&Some(signed), &None));
    let job = job(&house, &jobs[0]).unwrap();
    assert_eq!(job.fence, 1, "waiting costs no attempt");
    assert_eq!(shown(&operator, &scan).await["waiting"], Value::Null);
    appliance
        .report(&house, &boot, 0, vec![event(&job, What::Ended(whole(1)))])
        .await;
    assert_eq!(shown(&operator, &scan).await["state"], "complete");
}

#[tokio::test]
async fn a_scan_that_waits_does_not_stand_before_one_that_need_not() {
    let (house, operator, appliance, boot, owner) = house().await;
    // Many jobs more than are looked at for one answer.
    let waiting = scan(&operator, &appliance, &["10.0.0.0/17"], "80").await;
    let granted = scan(&operator, &appliance, &["192.0.2.1"], "80").await;
    let grant = owner.grant(&appliance, "192.0.2.0/24");
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let mut polls = 0;
    let sent = loop {
        let (jobs, _) = appliance.serve(&house, &boot, 4).await;
        if !jobs.is_empty() {
            break jobs;
        }
        polls += 1;
        assert!(polls < 20);
    };
    assert_eq!(job(&house, &sent[0]).unwrap().scan.to_string(), granted);
    assert!(shown(&operator, &waiting).await["waiting"].is_string());
}

#[tokio::test]
async fn without_an_owner_jobs_are_sent_as_ever() {
    let house = House::open();
    let operator = house.operator().await;
    let mut appliance = Appliance::activated(&house).await;
    let boot = appliance.boot(&house).await.unwrap();
    scan(&operator, &appliance, &["192.0.2.1"], "80").await;
    let (jobs, _) = appliance.serve(&house, &boot, 4).await;
    assert_eq!(
        (jobs.len(), &jobs[0].grant, &jobs[0].credential),
        (1, &None, &None)
    );
}

#[tokio::test]
async fn what_the_appliance_refuses_is_final_and_in_the_audit_trail() {
    let (house, operator, appliance, boot, owner) = house().await;
    let grant = owner.grant(&appliance, "192.0.2.0/24");
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let not_granted = ScopeRefusal::NotGranted {
        grant: Some(grant.id),
        why: GrantRefusal::Revoked,
    };
    let vault = ScopeRefusal::Vault(VaultRefusal::Memory);
    for (number, (refusal, part)) in (0..).zip([(not_granted, "was revoked"), (vault, "secret memory")]) {
        let scan = scan(&operator, &appliance, &["192.0.2.1"], "80").await;
        let (jobs, _) = appliance.serve(&house, &boot, 1).await;
        let job = job(&house, &jobs[0]).unwrap();
        let failed = What::Failed(WorkerFailure::Refused(refusal));
        let kept = appliance
            .report(&house, &boot, number, vec![event(&job, failed)])
            .await;
        assert_eq!(kept, EventsOutcome::Kept { next: number + 1 });
        let ended = shown(&operator, &scan).await;
        assert_eq!(ended["state"], "failed");
        assert!(ended["reason"].as_str().unwrap().contains(part), "{ended}");
        let audit = operator.get("/api/v1/audit").await.json();
        let entry = &audit["items"][0];
        assert_eq!(
            (entry["action"].as_str(), entry["actor"].as_str()),
            (Some("job.refused"), Some(appliance.id().to_string().as_str()))
        );
        let object = entry["object"].as_str().unwrap();
        assert!(object.contains(&scan) && object.contains(part), "{object}");
        assert_eq!(object.contains(&grant.id.to_string()), number == 0, "{object}");
    }
}

#[tokio::test]
async fn each_login_is_a_job_of_its_own_with_the_newest_sealing() {
    let (house, operator, appliance, boot, owner) = house().await;
    let id = CredentialId::random();
    let places = [("192.0.2.0/31", 22), ("192.0.2.1", 2222), ("198.51.100.1", 22)];
    put_credential(
        &operator,
        id,
        &owner.owned(&owner.credential(&appliance, id, 1, &places)),
    )
    .await;
    let mut grant = owner.grant(&appliance, "192.0.2.0/24");
    grant.checks = Checks::try_from(Check::ALL.to_vec()).unwrap();
    grant.credentials = vec![CredentialUse { id, version: 1 }];
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let started = login_scan(&operator, &appliance, json!({"credentials": [id]})).await;
    assert_eq!(started.status, StatusCode::CREATED, "{}", started.text);
    assert_eq!(started.json()["credentials"], json!([id]));
    assert_eq!(started.json()["jobs"], 4);
    // Sealed anew before it was the job's turn.
    let newest = owner.owned(&owner.credential(&appliance, id, 2, &places));
    put_credential(&operator, id, &newest).await;
    let (sent, _) = appliance.serve(&house, &boot, 8).await;
    let mut seen = Vec::new();
    for assignment in &sent {
        let job = job(&house, assignment).unwrap();
        let targets: Vec<String> = job.targets.as_slice().iter().map(ToString::to_string).collect();
        let checks: Vec<&str> = job.checks.iter().map(Check::name).collect();
        seen.push(format!(
            "{} {} {}",
            targets.join(","),
            job.ports,
            checks.join(",")
        ));
        assert!(assignment.grant.is_some());
        match job.login {
            Some(login) => {
                assert_eq!(login, CredentialUse { id, version: 2 });
                assert_eq!(assignment.credential.as_ref(), Some(&newest));
            }
            None => assert_eq!(assignment.credential, None),
        }
    }
    seen.sort();
    assert_eq!(
        seen,
        [
            "192.0.2.0 22 inventory",
            "192.0.2.0/30 80 ports,services,tls,http",
            "192.0.2.1 22 inventory",
            "192.0.2.1 2222 inventory"
        ]
    );
    // Their ends count as any job's, on their own ports.
    let ends: Vec<_> = sent
        .iter()
        .map(|assignment| event(&job(&house, assignment).unwrap(), What::Ended(whole(1))))
        .collect();
    appliance.report(&house, &boot, 0, ends).await;
    let scan = started.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(shown(&operator, &scan).await["state"], "complete");
}

/// A scan of one host that may log in at its web server and over SSH, and its jobs.
async fn logging_in(
    house: &House,
    operator: &Operator,
    appliance: &Appliance,
    boot: &Boot,
    owner: &Owner,
) -> (String, Vec<Job>) {
    let mut grant = owner.grant(appliance, "192.0.2.0/24");
    grant.checks = Checks::try_from(Check::ALL.to_vec()).unwrap();
    let mut ids = Vec::new();
    for (kind, port) in [(CredentialKind::Form, 443), (CredentialKind::SshPassword, 22)] {
        let id = CredentialId::random();
        let sealed = owner.credential_of(kind, appliance, id, 1, &[("192.0.2.1", port)]);
        put_credential(operator, id, &owner.owned(&sealed)).await;
        grant.credentials.push(CredentialUse { id, version: 1 });
        ids.push(id);
    }
    put_grant(operator, grant.id, &owner.sign(&grant)).await;
    let asked = json!({"credentials": ids, "targets": ["192.0.2.1"], "ports": "443"});
    let started = login_scan(operator, appliance, asked).await;
    assert_eq!(started.status, StatusCode::CREATED, "{}", started.text);
    let (sent, _) = appliance.serve(house, boot, 8).await;
    let jobs = sent.iter().map(|assignment| job(house, assignment).unwrap());
    let mut jobs: Vec<Job> = jobs.collect();
    jobs.sort_by_key(|job| (job.login.is_some(), job.ports.to_string()));
    (started.json()["id"].as_str().unwrap().to_owned(), jobs)
}

#[tokio::test]
async fn the_kind_of_a_credential_decides_what_is_checked_behind_its_login() {
    let (house, operator, appliance, boot, owner) = house().await;
    let (_, jobs) = logging_in(&house, &operator, &appliance, &boot, &owner).await;
    let checked = jobs.iter().map(|job| {
        let checks: Vec<&str> = job.checks.iter().map(Check::name).collect();
        format!("{} {}", job.ports, checks.join(","))
    });
    assert!(
        checked.eq([
            "443 ports,services,tls,http",
            "22 inventory",
            "443 http,inventory"
        ]),
        "{jobs:?}"
    );
}

#[tokio::test]
async fn what_is_seen_with_and_without_a_login_is_one_finding_and_a_strangers() {
    let (house, operator, appliance, boot, owner) = house().await;
    let (scan, jobs) = logging_in(&house, &operator, &appliance, &boot, &owner).await;
    let [stranger, _, insider] = jobs.as_slice() else {
        panic!("{jobs:?}")
    };
    let seen = |type_: FindingType| {
        let place = FindingPlace::port("192.0.2.1".parse().unwrap(), 443);
        Finding::new(type_, place, Confidence::Certain)
    };
    let inside = |type_| {
        let mut finding = seen(type_);
        let by = Source::Login;
        finding.evidence.push(Evidence::Seen { by, port: Some(443) });
        finding
    };
    let (both, alone) = (FindingType::HttpHeaderMissing, FindingType::HttpDirectoryListing);
    // Whoever comes first.
    let events = vec![
        event(stranger, What::Findings(vec![seen(both)])),
        event(insider, What::Findings(vec![inside(both), inside(alone)])),
        event(stranger, What::Findings(vec![seen(both)])),
    ];
    appliance.report(&house, &boot, 0, events).await;
    assert_eq!(shown(&operator, &scan).await["findings"], 2);
    let found = operator.get(&format!("/api/v1/findings?scan={scan}")).await;
    let found = found.json();
    let by_login = |type_: FindingType| {
        let items = found["items"].as_array().unwrap().iter();
        let of_it: Vec<_> = items
            .map(|item| &item["finding"])
            .filter(|finding| finding["type"] == type_.name())
            .collect();
        let [finding] = of_it[..] else { panic!("{found}") };
        finding["evidence"] == json!([{"seen": {"by": "login", "port": 443}}])
    };
    assert!(!by_login(both) && by_login(alone), "{found}");
}

#[tokio::test]
async fn each_opening_of_a_credential_is_in_the_audit_trail() {
    let (house, operator, appliance, boot, owner) = house().await;
    let id = CredentialId::random();
    let mut grant = owner.grant(&appliance, "192.0.2.0/24");
    grant.checks = Checks::try_from(Check::ALL.to_vec()).unwrap();
    grant.credentials = vec![CredentialUse { id, version: 1 }];
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let sealing = owner.owned(&owner.credential(&appliance, id, 1, &[("192.0.2.1", 22)]));
    put_credential(&operator, id, &sealing).await;
    let asked = json!({"credentials": [id], "checks": ["inventory"]});
    let started = login_scan(&operator, &appliance, asked).await;
    let scan = started.json()["id"].as_str().unwrap().to_owned();
    let (jobs, _) = appliance.serve(&house, &boot, 1).await;
    let job = job(&house, &jobs[0]).unwrap();
    let opening = Opening {
        job: job.id,
        credential: job.login.unwrap(),
        target: "192.0.2.1".parse().unwrap(),
        port: 22,
        at: Timestamp(1_700_000_000),
    };
    let other = Opening {
        credential: CredentialUse {
            id: CredentialId::random(),
            version: 1,
        },
        ..opening
    };
    let told = |opening: Opening| {
        let mut told = event(&job, What::Opened(opening));
        // It has happened, whoever has the lease now.
        told.fence = 0;
        told
    };
    let kept = appliance
        .report(&house, &boot, 0, vec![told(opening), told(other)])
        .await;
    assert_eq!(kept, EventsOutcome::Kept { next: 2 });
    let audit = operator.get("/api/v1/audit").await.json();
    let entries = audit["items"].as_array().unwrap().iter();
    let opened: Vec<_> = entries
        .filter(|entry| entry["action"] == "credential.open")
        .collect();
    let [entry] = opened[..] else {
        panic!("{audit}");
    };
    assert_eq!(entry["actor"], appliance.id().to_string());
    let object = entry["object"].as_str().unwrap();
    let expected = format!(
        "{id} version 1 for 192.0.2.1:22 at 2023-11-14T22:13:20Z, job {} of scan {scan}",
        job.id
    );
    assert_eq!(object, expected);
}

#[tokio::test]
async fn a_disabled_or_removed_credential_goes_to_no_job() {
    let (house, operator, appliance, boot, owner) = house().await;
    let mut grant = owner.grant(&appliance, "192.0.2.0/24");
    grant.checks = Checks::try_from(Check::ALL.to_vec()).unwrap();
    let ids = [CredentialId::random(), CredentialId::random()];
    grant.credentials = ids
        .iter()
        .map(|id| CredentialUse { id: *id, version: 1 })
        .collect();
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    for (id, part) in ids.into_iter().zip(["is disabled", "was removed"]) {
        let path = format!("/api/v1/credentials/{id}");
        let sealing = owner.owned(&owner.credential(&appliance, id, 1, &[("192.0.2.1", 22)]));
        put_credential(&operator, id, &sealing).await;
        let asked = json!({"credentials": [id], "checks": ["inventory"]});
        let started = login_scan(&operator, &appliance, asked.clone()).await;
        assert_eq!(started.json()["jobs"], 1, "{}", started.text);
        if part == "is disabled" {
            operator.patch(&path, json!({"disabled": true})).await;
        } else {
            operator.delete(&path).await;
        }
        assert_eq!(appliance.serve(&house, &boot, 8).await.0, []);
        let ended = shown(&operator, started.json()["id"].as_str().unwrap()).await;
        assert_eq!(ended["state"], "failed");
        assert!(ended["reason"].as_str().unwrap().contains(part), "{ended}");
        // And no further scan begins with it.
        let status = login_scan(&operator, &appliance, asked).await.status;
        assert!(
            [StatusCode::CONFLICT, StatusCode::NOT_FOUND].contains(&status),
            "{status}"
        );
    }
}

#[tokio::test]
async fn scans_with_credentials_are_refused_with_place_and_cure() {
    let (house, operator, appliance, _, owner) = house().await;
    let mut other = Appliance::activated(&house).await;
    other.boot(&house).await.unwrap();
    let (near, far, others) = (
        CredentialId::random(),
        CredentialId::random(),
        CredentialId::random(),
    );
    let seal =
        |appliance: &Appliance, id, host| owner.owned(&owner.credential(appliance, id, 1, &[(host, 22)]));
    put_credential(&operator, near, &seal(&appliance, near, "192.0.2.1")).await;
    put_credential(&operator, far, &seal(&appliance, far, "198.51.100.1")).await;
    put_credential(&operator, others, &seal(&other, others, "192.0.2.1")).await;
    let unknown = CredentialId::random();
    for (more, status, name, part) in [
        (
            json!({"credentials": [unknown]}),
            404,
            "not-found",
            unknown.to_string(),
        ),
        (
            json!({"credentials": [far]}),
            400,
            "bad-request",
            "at none of `targets`".to_owned(),
        ),
        (
            json!({"credentials": [others]}),
            409,
            "conflict",
            "is not sealed to the appliance".to_owned(),
        ),
        (
            json!({"credentials": [near], "checks": ["ports"]}),
            400,
            "bad-request",
            "add it to `checks`".to_owned(),
        ),
        (
            json!({"checks": ["inventory"]}),
            400,
            "bad-request",
            "name in `credentials`".to_owned(),
        ),
        (
            json!({"credentials": [near], "exclude": ["192.0.2.1"]}),
            400,
            "bad-request",
            "at none of `targets`".to_owned(),
        ),
        (
            json!({"credentials": vec![near; 65]}),
            400,
            "bad-request",
            "more than 64".to_owned(),
        ),
        (
            json!({"credentials": ["x"]}),
            400,
            "bad-request",
            "credential id".to_owned(),
        ),
    ] {
        let detail = login_scan(&operator, &appliance, more)
            .await
            .problem(status, name);
        assert!(detail.contains(&part), "{detail}");
    }
    assert_eq!(operator.get("/api/v1/scans").await.json()["items"], json!([]));
}

#[tokio::test]
async fn an_answer_fits_a_message_however_much_goes_with_its_jobs() {
    let (house, operator, appliance, boot, owner) = house().await;
    let id = CredentialId::random();
    // As large as one may be: 64 appliances, 256 places.
    let places: Vec<String> = (0..8).map(|host| format!("192.0.2.{host}")).collect();
    let places: Vec<(&str, u16)> = places.iter().map(|host| (host.as_str(), 22)).collect();
    let envelope = owner.credential(&appliance, id, 1, &places);
    let one = &envelope.sealed()[0];
    let filler = vedette_protocol::envelope::SealedFor {
        appliance: vedette_protocol::Fingerprint([1; 32]),
        suite: one.suite,
        sealed: vedette_crypto::hpke::Sealed::new(vec![1; 32], vec![2; 200_000]),
    };
    let large =
        vedette_protocol::Envelope::from_parts(envelope.header_bytes().to_vec(), vec![one.clone(), filler]);
    let kept = put_credential(&operator, id, &Sealing::Unsigned(large)).await;
    assert_eq!(kept.status, StatusCode::CREATED, "{}", kept.text);
    let mut grant = owner.grant(&appliance, "192.0.2.0/24");
    grant.checks = Checks::try_from(Check::ALL.to_vec()).unwrap();
    grant.credentials = vec![CredentialUse { id, version: 1 }];
    grant.envelopes = Envelopes::AlsoUnsigned;
    grant.appliances = vec![fingerprint(&appliance); 1024];
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let asked = json!({"credentials": [id], "checks": ["inventory"], "targets": ["192.0.2.0/29"]});
    let started = login_scan(&operator, &appliance, asked).await;
    assert_eq!(started.json()["jobs"], 8, "{}", started.text);
    let mut answers = Vec::new();
    while answers.iter().sum::<usize>() < 8 {
        // An answer that is too long would not be read.
        let (jobs, _) = appliance.serve(&house, &boot, 8).await;
        assert!(!jobs.is_empty() && vedette_protocol::codec::encode(&jobs).len() < MESSAGE_LIMIT);
        assert!(
            jobs.iter()
                .all(|assignment| job(&house, assignment).unwrap().fence == 1)
        );
        answers.push(jobs.len());
    }
    assert!(answers.len() > 1, "{answers:?}");
}
