//! Pools: a queue that several appliances share. What one cannot do or has lost, another does; what comes late is dropped.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use vedette_crypto::{Signer, VerifyingKey, credential::CredentialKey, hpke::SealingKey};
use vedette_platform::{
    escrow::WrappedShare,
    store::{
        Store,
        appliances::{self, NewAppliance},
        audit,
        boots::{self, NewBoot},
        credentials::{self, Credential},
        events,
        jobs::{self, Holder, LEASES_LIMIT, Part},
        orgs, pools,
        scans::{self, NewScan},
    },
};
use vedette_protocol::{
    ApplianceId, BootId, CredentialId, ImageId, Job, OrgId, PoolId, ScanId, Timestamp,
    api::By,
    credential::CredentialUse,
    grant::GrantRefusal,
    job::Checks,
    link::{Event, PollOutcome, What},
    target::Targets,
    vault::Opening,
    worker::{ScopeRefusal, WorkerFailure},
};

use super::{
    appliance::{Appliance, Boot},
    house::{House, Operator},
    owner::{Owner, put_credential, put_grant, say},
    work::{event, finding, shown, whole},
};

const NOW: Timestamp = Timestamp(1_800_000_000);
const LEASE: Duration = Duration::from_secs(90);

/// A store with a pool of two appliances that have booted, and a scan by it that is one job.
struct Cellar {
    _scratch: TempDir,
    store: Store,
    org: OrgId,
    scan: ScanId,
    one: Holder,
    two: Holder,
}

impl Cellar {
    async fn new(login: Option<CredentialId>) -> Self {
        let scratch = TempDir::new().unwrap();
        let store = Store::create(&scratch.path().join("platform.db")).await.unwrap();
        let (org, pool) = (OrgId::random(), PoolId::random());
        let mut writing = store.write().await.unwrap();
        orgs::insert(&mut writing, org, NOW).await.unwrap();
        pools::keep(&mut writing, org, pool, "cellar", NOW).await.unwrap();
        let mut holders = Vec::new();
        for (name, byte) in [("one", 1), ("two", 2)] {
            let appliance = ApplianceId([byte; 16]);
            let new = NewAppliance {
                org,
                id: appliance,
                name,
                identity: VerifyingKey::from_bytes([byte; 32]),
                token: None,
                image: ImageId([2; 32]),
                share: &WrappedShare(vec![3; 60]),
            };
            appliances::insert(&mut writing, &new, NOW).await.unwrap();
            let boot = BootId([byte; 32]);
            let new = NewBoot {
                id: boot,
                appliance,
                image: ImageId([2; 32]),
                sealing_key: SealingKey([0; 32]),
                ticket: 1,
            };
            boots::present(&mut writing, &new, NOW).await.unwrap().unwrap();
            pools::enter(&mut writing, org, pool, appliance).await.unwrap();
            holders.push(Holder { org, appliance, boot });
        }
        let targets: Targets = vec!["192.0.2.1".parse().unwrap()].try_into().unwrap();
        let scan = ScanId::random();
        let new = NewScan {
            org,
            id: scan,
            by: By::Pool(pool),
            targets: &targets,
            exclude: &[],
            ports: &"22,80".parse().unwrap(),
            credentials: &[],
            checks: &Checks::of_endpoints(),
            web: None,
        };
        scans::insert(&mut writing, &new, NOW).await.unwrap();
        let part = Part {
            targets: targets.clone(),
            exclude: vec![],
            hosts: 1,
            checks: Checks::of_endpoints(),
            ports: None,
            login,
        };
        jobs::insert(&mut writing, org, By::Pool(pool), scan, &[part])
            .await
            .unwrap();
        writing.commit().await.unwrap();
        Self {
            _scratch: scratch,
            store,
            org,
            scan,
            one: holders[0],
            two: holders[1],
        }
    }

    /// Takes jobs, as the dispatcher does when they can be sent.
    async fn take(&self, holder: &Holder, now: Timestamp) -> Vec<Job> {
        let mut writing = self.store.write().await.unwrap();
        let claimed = jobs::claim(&mut writing, holder, 8, now, now.after(LEASE))
            .await
            .unwrap();
        for job in &claimed {
            jobs::sent(&mut writing, holder, job.id).await.unwrap();
        }
        writing.commit().await.unwrap();
        claimed
    }

    async fn report(&self, holder: &Holder, first: u64, said: Vec<Event>, now: Timestamp) -> events::Taken {
        let mut writing = self.store.write().await.unwrap();
        let taken = events::take(&mut writing, holder, first, &said, now)
            .await
            .unwrap();
        writing.commit().await.unwrap();
        taken
    }

    async fn scan(&self) -> vedette_protocol::api::Scan {
        let mut reading = self.store.read().await.unwrap();
        scans::with_id(&mut reading, self.org, self.scan)
            .await
            .unwrap()
            .unwrap()
    }
}

#[tokio::test]
async fn another_appliance_takes_over_what_a_dead_one_had_and_what_that_says_late_is_dropped() {
    let cellar = Cellar::new(None).await;
    let job = cellar.take(&cellar.one, NOW).await.remove(0);
    assert_eq!((job.appliance, job.fence), (cellar.one.appliance, 1));
    assert_eq!(cellar.take(&cellar.two, NOW).await, []);
    let seen = vec![event(&job, What::Findings(vec![finding("192.0.2.1", 80)]))];
    cellar.report(&cellar.one, 0, seen, NOW).await;

    // It is silent. The lease runs out, and who waits is the other too.
    let later = NOW.after(LEASE);
    let mut reading = cellar.store.read().await.unwrap();
    let waited_for = jobs::waited_for(&mut reading, later).await.unwrap();
    assert_eq!(waited_for, [cellar.one.appliance, cellar.two.appliance]);
    drop(reading);
    let again = cellar.take(&cellar.two, later).await.remove(0);
    assert_eq!(
        (again.id, again.appliance, again.fence),
        (job.id, cellar.two.appliance, 2)
    );

    // It is back: its lease is not renewed, and what it says counts for nothing.
    let mut writing = cellar.store.write().await.unwrap();
    let renewed = jobs::renew(&mut writing, &cellar.one, &[job.id], later, later.after(LEASE)).await;
    assert_eq!(renewed.unwrap(), []);
    writing.commit().await.unwrap();
    let late = vec![
        event(&job, What::Findings(vec![finding("192.0.2.1", 22)])),
        event(&job, What::Ended(whole(2))),
    ];
    cellar.report(&cellar.one, 1, late, later).await;
    let scan = cellar.scan().await;
    assert_eq!((scan.ended, scan.findings), (None, 1));

    let ended = vec![
        event(&again, What::Findings(vec![finding("192.0.2.1", 80)])),
        event(&again, What::Ended(whole(2))),
    ];
    cellar.report(&cellar.two, 0, ended, later).await;
    let scan = cellar.scan().await;
    // Both saw the same: the scan shows it once.
    assert_eq!((scan.ended, scan.findings), (Some(later), 1));
    let mut reading = cellar.store.read().await.unwrap();
    let listed = jobs::list(&mut reading, cellar.org, cellar.scan, None, 8)
        .await
        .unwrap();
    assert_eq!(
        (listed[0].appliance, listed[0].taken),
        (Some(cellar.two.appliance), 2)
    );
}

#[tokio::test]
async fn a_job_that_every_appliance_of_a_pool_loses_is_given_up() {
    let cellar = Cellar::new(None).await;
    let mut now = NOW;
    for _ in 0..LEASES_LIMIT {
        let holder = if now.0.is_multiple_of(2) {
            &cellar.one
        } else {
            &cellar.two
        };
        assert_eq!(cellar.take(holder, now).await.len(), 1);
        now = now.after(LEASE + Duration::from_secs(1));
    }
    assert_eq!(cellar.take(&cellar.one, now).await, []);
    assert_eq!(cellar.take(&cellar.two, now).await, []);
    let mut writing = cellar.store.write().await.unwrap();
    let given_up = jobs::give_up(&mut writing, now).await.unwrap();
    assert_eq!(given_up, [(cellar.org, cellar.scan)]);
}

#[tokio::test]
async fn an_opening_by_who_had_the_job_before_is_in_the_audit_trail_and_a_strangers_is_not() {
    let credential = CredentialId([9; 16]);
    let cellar = Cellar::new(Some(credential)).await;
    // The version comes of what is kept.
    let mut writing = cellar.store.write().await.unwrap();
    let kept = Credential {
        id: credential,
        version: 1,
        label: "root".to_owned(),
        disabled: false,
        at: NOW,
        sealing: None,
    };
    credentials::keep(&mut writing, cellar.org, &kept).await.unwrap();
    writing.commit().await.unwrap();
    let job = cellar.take(&cellar.one, NOW).await.remove(0);
    let opened = |by: &Holder| {
        let opening = Opening {
            job: job.id,
            credential: CredentialUse {
                id: credential,
                version: 1,
            },
            target: "192.0.2.1".parse().unwrap(),
            port: 22,
            at: NOW,
        };
        (*by, vec![event(&job, What::Opened(opening))])
    };
    let noted = async || {
        let mut reading = cellar.store.read().await.unwrap();
        let all = audit::list(&mut reading, cellar.org, None, 100).await.unwrap();
        all.iter()
            .filter(|entry| entry.action == "credential.open")
            .map(|entry| entry.actor.clone())
            .collect::<Vec<_>>()
    };
    // The other has not had it.
    let (by, said) = opened(&cellar.two);
    cellar.report(&by, 0, said, NOW).await;
    assert_eq!(noted().await, Vec::<String>::new());
    let later = NOW.after(LEASE);
    assert_eq!(cellar.take(&cellar.two, later).await.len(), 1);
    // The dead one has opened it before it died, and tells so late.
    let (by, said) = opened(&cellar.one);
    cellar.report(&by, 0, said, later).await;
    assert_eq!(noted().await, [cellar.one.appliance.to_string()]);
}

const POOL: &str = "00112233445566778899aabbccddeeff";

/// An appliance that has booted.
async fn booted(house: &House) -> (Appliance, Boot) {
    let mut appliance = Appliance::activated(house).await;
    let boot = appliance.boot(house).await.unwrap();
    (appliance, boot)
}

/// Two appliances of one owner, in a pool.
async fn owned_pool() -> (House, Operator, Owner, [(Appliance, Boot); 2]) {
    let house = House::open();
    let operator = house.operator().await;
    let all = [booted(&house).await, booted(&house).await];
    let owner = Owner::of(&all[0].0);
    for (appliance, boot) in &all {
        let pinned = say(&operator, &owner.pin(appliance, 1)).await;
        assert_eq!(pinned.status, StatusCode::CREATED, "{}", pinned.text);
        let credential = CredentialKey::generate();
        let key = Some(owner.key.verifying_key());
        appliance
            .say_keys(&house, boot, credential.public(), key)
            .await
            .unwrap();
    }
    pool_of(&operator, &[&all[0].0, &all[1].0]).await;
    (house, operator, owner, all)
}

async fn pool_of(operator: &Operator, members: &[&Appliance]) {
    let made = operator
        .put(&format!("/api/v1/pools/{POOL}"), json!({"name": "cellar"}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    for member in members {
        let path = format!("/api/v1/pools/{POOL}/appliances/{}", member.id());
        let added = operator.put(&path, Value::Null).await;
        assert_eq!(added.status, StatusCode::OK, "{}", added.text);
    }
}

async fn pool_scan(operator: &Operator, more: Value) -> String {
    let mut body = json!({"pool": POOL, "targets": ["192.0.2.1"], "ports": "80"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let started = operator.post("/api/v1/scans", body).await;
    assert_eq!(started.status, StatusCode::CREATED, "{}", started.text);
    started.json()["id"].as_str().unwrap().to_owned()
}

async fn parts(operator: &Operator, scan: &str) -> Value {
    let page = operator.get(&format!("/api/v1/scans/{scan}/jobs")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    page.json()["items"].clone()
}

/// Two appliances without an owner, in a pool.
async fn free_pool() -> (House, Operator, [(Appliance, Boot); 2]) {
    let house = House::open();
    let operator = house.operator().await;
    let all = [booted(&house).await, booted(&house).await];
    pool_of(&operator, &[&all[0].0, &all[1].0]).await;
    (house, operator, all)
}

#[tokio::test]
async fn jobs_of_a_pool_go_to_whoever_asks_signed_for_that_appliance() {
    let (house, operator, [(one, first), (two, second)]) = free_pool().await;
    let scan = pool_scan(&operator, json!({"targets": ["192.0.2.0/26"]})).await;
    let shown_now = shown(&operator, &scan).await;
    assert_eq!(
        (&shown_now["pool"], &shown_now["appliance"]),
        (&json!(POOL), &Value::Null)
    );
    let mine = one.jobs(&house, &first, 1).await;
    let others = two.jobs(&house, &second, 8).await;
    assert_eq!((mine.len(), others.len()), (1, 1));
    assert_ne!(mine[0].id, others[0].id);
    assert_eq!((mine[0].appliance, others[0].appliance), (one.id(), two.id()));
    let listed = parts(&operator, &scan).await;
    assert_eq!(listed[0]["appliance"], one.id().to_string());
    assert_eq!(listed[1]["appliance"], two.id().to_string());
    one.report(&house, &first, 0, vec![event(&mine[0], What::Ended(whole(32)))])
        .await;
    two.report(
        &house,
        &second,
        0,
        vec![event(&others[0], What::Ended(whole(32)))],
    )
    .await;
    assert_eq!(shown(&operator, &scan).await["state"], "complete");
    // Who is in no pool is given none of it.
    let (stranger, boot) = booted(&house).await;
    pool_scan(&operator, json!({})).await;
    assert_eq!(stranger.jobs(&house, &boot, 8).await, []);
}

#[tokio::test]
async fn who_is_taken_out_or_removed_is_given_nothing_and_others_do_what_it_had() {
    let (house, operator, [(one, first), (two, second)]) = free_pool().await;
    let scan = pool_scan(&operator, json!({})).await;
    let job = one.jobs(&house, &first, 8).await.remove(0);
    let path = format!("/api/v1/pools/{POOL}/appliances/{}", one.id());
    let left = operator.delete(&path).await;
    assert_eq!(left.json()["appliances"], json!([two.id()]), "{}", left.text);
    match one.poll(&house, &first, 8, &[&job], 0).await {
        PollOutcome::Serve { jobs, stop, .. } => assert_eq!((jobs.len(), stop), (0, vec![job.id])),
        PollOutcome::Refused(refusal) => panic!("{refusal}"),
    }
    let again = two.jobs(&house, &second, 8).await.remove(0);
    assert_eq!((again.id, again.fence), (job.id, 2));
    one.report(&house, &first, 0, vec![event(&job, What::Ended(whole(1)))])
        .await;
    assert_eq!(shown(&operator, &scan).await["state"], "running");

    // It is in again when the other is removed from the account for good.
    operator.put(&path, Value::Null).await;
    let removed = operator.delete(&format!("/api/v1/appliances/{}", two.id())).await;
    assert_eq!(removed.status, StatusCode::OK, "{}", removed.text);
    let last = one.jobs(&house, &first, 8).await.remove(0);
    assert_eq!((last.id, last.fence), (job.id, 3));
    one.report(&house, &first, 1, vec![event(&last, What::Ended(whole(1)))])
        .await;
    assert_eq!(shown(&operator, &scan).await["state"], "complete");
    let pool = operator.get(&format!("/api/v1/pools/{POOL}")).await.json();
    assert_eq!(pool["appliances"], json!([one.id()]));
}

#[tokio::test]
async fn a_pool_without_appliances_begins_nothing_and_what_waits_for_it_says_so() {
    let (house, operator, [(one, first), (two, _)]) = free_pool().await;
    let scan = pool_scan(&operator, json!({})).await;
    for appliance in [&one, &two] {
        operator
            .delete(&format!("/api/v1/pools/{POOL}/appliances/{}", appliance.id()))
            .await;
    }
    let waits = shown(&operator, &scan).await;
    assert_eq!(waits["state"], "queued");
    let why = waits["waiting"].as_str().unwrap();
    assert!(
        why.contains("no appliance") && why.contains("vedette pool add"),
        "{why}"
    );
    assert_eq!(one.jobs(&house, &first, 8).await, []);
    let body = json!({"pool": POOL, "targets": ["192.0.2.1"]});
    let detail = operator
        .post("/api/v1/scans", body)
        .await
        .problem(409, "conflict");
    assert!(
        detail.contains("cellar") && detail.contains("vedette pool add"),
        "{detail}"
    );
    // Its end is the end of what waits for it.
    let path = format!("/api/v1/pools/{POOL}");
    assert_eq!(operator.delete(&path).await.status, StatusCode::NO_CONTENT);
    let ended = shown(&operator, &scan).await;
    assert_eq!(ended["state"], "failed");
    assert!(ended["reason"].as_str().unwrap().contains("its pool was removed"));
    operator.get(&path).await.problem(404, "not-found");
    operator
        .put(&path, json!({"name": "again"}))
        .await
        .problem(409, "conflict");
}

#[tokio::test]
async fn a_member_without_a_grant_of_its_own_leaves_the_job_to_the_others() {
    let (house, operator, owner, [(one, first), (two, second)]) = owned_pool().await;
    // A platform that puts somebody into the pool does not put it into the grant.
    let grant = owner.grant(&one, "192.0.2.0/24");
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let scan = pool_scan(&operator, json!({})).await;
    assert_eq!(two.serve(&house, &second, 8).await.0, []);
    let why = shown(&operator, &scan).await["waiting"].to_string();
    assert!(why.contains("the grant does not name this appliance"), "{why}");
    let listed = parts(&operator, &scan).await;
    assert_eq!(listed[0]["passed"][0]["appliance"], two.id().to_string());
    assert_eq!(
        (&listed[0]["state"], &listed[0]["taken"]),
        (&json!("queued"), &json!(0))
    );
    let (sent, _) = one.serve(&house, &first, 8).await;
    assert_eq!(sent.len(), 1);
    assert!(sent[0].grant.is_some());
    // Once it is named, it is asked again.
    let scan = pool_scan(&operator, json!({"targets": ["192.0.2.2"]})).await;
    assert_eq!(two.serve(&house, &second, 8).await.0, []);
    let grant = owner.grant(&two, "192.0.2.0/24");
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    assert_eq!(two.serve(&house, &second, 8).await.0.len(), 1);
    assert_eq!(shown(&operator, &scan).await["waiting"], Value::Null);
}

#[tokio::test]
async fn what_one_keeper_refuses_another_is_asked_and_when_all_have_refused_it_has_failed() {
    let (house, operator, owner, [(one, first), (two, second)]) = owned_pool().await;
    for appliance in [&one, &two] {
        let grant = owner.grant(appliance, "192.0.2.0/24");
        put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    }
    let scan = pool_scan(&operator, json!({})).await;
    let why = GrantRefusal::Appliance;
    let refused = || {
        What::Failed(WorkerFailure::Refused(ScopeRefusal::NotGranted {
            grant: None,
            why,
        }))
    };
    let key = house.pins().key;
    let job = one.serve(&house, &first, 8).await.0[0].job.verify(&key).unwrap();
    one.report(&house, &first, 0, vec![event(&job, refused())]).await;
    // Not again by the same, however often it asks.
    assert_eq!(one.serve(&house, &first, 8).await.0, []);
    let shown_now = shown(&operator, &scan).await;
    assert_eq!(shown_now["ended"], Value::Null);
    let again = two.serve(&house, &second, 8).await.0[0].job.verify(&key).unwrap();
    assert_eq!((again.id, again.fence), (job.id, 2));
    two.report(&house, &second, 0, vec![event(&again, refused())])
        .await;
    let ended = shown(&operator, &scan).await;
    assert_eq!(ended["state"], "failed");
    let reason = ended["reason"].as_str().unwrap();
    assert!(
        reason.contains("no appliance of the pool can do it")
            && reason.matches("the grant does not name this appliance").count() == 2,
        "{reason}"
    );
    let trail = operator.get("/api/v1/audit").await.text;
    assert_eq!(trail.matches("job.refused").count(), 2);
}

#[tokio::test]
async fn a_member_without_an_envelope_of_its_own_leaves_the_login_to_the_others() {
    let (house, operator, owner, [(one, first), (two, second)]) = owned_pool().await;
    let id = CredentialId::random();
    let sealed = owner.owned(&owner.credential(&one, id, 1, &[("192.0.2.1", 22)]));
    put_credential(&operator, id, &sealed).await;
    for appliance in [&one, &two] {
        let mut grant = owner.grant(appliance, "192.0.2.0/24");
        grant.checks = Checks::try_from(vec![vedette_protocol::job::Check::Inventory]).unwrap();
        grant.credentials = vec![CredentialUse { id, version: 1 }];
        put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    }
    let more = json!({"credentials": [id], "checks": ["inventory"]});
    let scan = pool_scan(&operator, more.clone()).await;
    assert_eq!(two.serve(&house, &second, 8).await.0, []);
    let why = shown(&operator, &scan).await["waiting"].to_string();
    assert!(why.contains("is not sealed to this appliance"), "{why}");
    let (sent, _) = one.serve(&house, &first, 8).await;
    assert_eq!(sent[0].credential, Some(sealed));
    // When nobody else is left, the reason ends it.
    let scan = pool_scan(&operator, more).await;
    assert_eq!(two.serve(&house, &second, 8).await.0, []);
    operator
        .delete(&format!("/api/v1/pools/{POOL}/appliances/{}", one.id()))
        .await;
    let ended = shown(&operator, &scan).await;
    assert_eq!(ended["state"], "failed", "{ended}");
    assert!(
        ended["reason"]
            .as_str()
            .unwrap()
            .contains("is not sealed to this appliance")
    );
}

#[tokio::test]
async fn pools_are_made_named_anew_and_refused_with_place_and_cure() {
    let (_house, operator, [(one, _), _]) = free_pool().await;
    let path = format!("/api/v1/pools/{POOL}");
    let named = operator.put(&path, json!({"name": "attic"})).await;
    assert_eq!(
        (named.status, &named.json()["name"]),
        (StatusCode::OK, &json!("attic"))
    );
    let other = format!("/api/v1/pools/{}", "1".repeat(32));
    let detail = operator
        .put(&other, json!({"name": "attic"}))
        .await
        .problem(409, "conflict");
    assert!(detail.contains("attic"), "{detail}");
    operator
        .put(&other, json!({"name": " "}))
        .await
        .problem(400, "bad-request");
    operator
        .put(&format!("{path}/appliances/{}", "0".repeat(32)), Value::Null)
        .await
        .problem(404, "not-found");
    operator
        .put(&format!("{path}/appliances/xyz"), Value::Null)
        .await
        .problem(400, "bad-request");
    operator.delete(&other).await.problem(404, "not-found");
    let both = json!({"pool": POOL, "appliance": one.id(), "targets": ["192.0.2.1"]});
    for body in [both, json!({"targets": ["192.0.2.1"]})] {
        let detail = operator
            .post("/api/v1/scans", body)
            .await
            .problem(400, "bad-request");
        assert!(detail.contains("either `appliance` or `pool`"), "{detail}");
    }
    let page = operator.get("/api/v1/pools").await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let trail = operator.get("/api/v1/audit").await.text;
    for action in ["pool.put", "pool.add"] {
        assert!(trail.contains(action), "{action}");
    }
}

/// A schedule of a pool begins if one of its appliances can do each part.
#[tokio::test]
async fn a_schedule_begins_scans_by_a_pool() {
    let (_house, operator, owner, [_, (two, _)]) = owned_pool().await;
    let put = async |id: &str| {
        let scan = json!({"pool": POOL, "targets": ["192.0.2.1"], "ports": "80"});
        let path = format!("/api/v1/schedules/{}", id.repeat(32));
        let answer = operator.put(&path, json!({"name": "weekly", "scan": scan})).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        answer.json()["last"].clone()
    };
    let skipped = put("1").await;
    assert!(skipped["skipped"].is_string(), "{skipped}");
    let grant = owner.grant(&two, "192.0.2.0/24");
    put_grant(&operator, grant.id, &owner.sign(&grant)).await;
    let begun = put("2").await;
    assert!(begun["scan"].is_string(), "{begun}");
}
