//! What a store must do, whatever the database: leases that fence, tickets that die.

use std::time::Duration;

use tempfile::TempDir;
use vedette_crypto::VerifyingKey;
use vedette_platform::{
    escrow::WrappedShare,
    store::{
        Store,
        appliances::{self, NewAppliance},
        boots::{self, NewBoot},
        codes::{self, Admission, Taken, Waiting},
        jobs::{self, End, Holder, Kept, LEASES_LIMIT, Lease, Part},
        orgs,
        scans::{self, NewScan},
        tokens::{self, NewToken, Spent},
    },
};
use vedette_protocol::{
    ApplianceId, BootId, Digest, ImageId, OrgId, ScanId, Timestamp,
    api::{By, TokenKind},
    job::Checks,
    target::Targets,
};

const NOW: Timestamp = Timestamp(1_800_000_000);
const LEASE: Duration = Duration::from_secs(90);

struct Fixture {
    _scratch: TempDir,
    store: Store,
    holder: Holder,
    scan: ScanId,
}

/// A store with one appliance that has booted, and a scan of as many jobs.
async fn fixture(job_count: usize) -> Fixture {
    let scratch = TempDir::new().unwrap();
    let store = Store::create(&scratch.path().join("platform.db")).await.unwrap();
    let (org, appliance) = (OrgId::random(), ApplianceId::random());
    let mut writing = store.write().await.unwrap();
    orgs::insert(&mut writing, org, NOW).await.unwrap();
    let new = NewAppliance {
        org,
        id: appliance,
        name: "one",
        identity: VerifyingKey::from_bytes([1; 32]),
        token: None,
        image: ImageId([2; 32]),
        share: &WrappedShare(vec![3; 60]),
    };
    appliances::insert(&mut writing, &new, NOW).await.unwrap();
    let targets: Targets = vec!["192.0.2.1".parse().unwrap()].try_into().unwrap();
    let scan = NewScan {
        org,
        id: ScanId::random(),
        by: By::Appliance(appliance),
        targets: &targets,
        exclude: &[],
        ports: &"80".parse().unwrap(),
        credentials: &[],
        checks: &Checks::of_endpoints(),
        web: None,
    };
    scans::insert(&mut writing, &scan, NOW).await.unwrap();
    let part = Part {
        targets: targets.clone(),
        exclude: vec![],
        hosts: 1,
        checks: Checks::of_endpoints(),
        ports: None,
        login: None,
    };
    let parts = vec![part; job_count];
    jobs::insert(&mut writing, org, By::Appliance(appliance), scan.id, &parts)
        .await
        .unwrap();
    let scan = scan.id;
    writing.commit().await.unwrap();
    let holder = Holder {
        org,
        appliance,
        boot: BootId([4; 32]),
    };
    Fixture {
        _scratch: scratch,
        store,
        holder,
        scan,
    }
}

impl Fixture {
    async fn claim(&self, holder: &Holder, free: u32, now: Timestamp) -> Vec<vedette_protocol::Job> {
        let mut writing = self.store.write().await.unwrap();
        let jobs = jobs::claim(&mut writing, holder, free, now, now.after(LEASE))
            .await
            .unwrap();
        writing.commit().await.unwrap();
        jobs
    }

    async fn lease(&self, holder: &Holder, job: &vedette_protocol::Job) -> Option<Lease> {
        let mut reading = self.store.read().await.unwrap();
        jobs::lease(&mut reading, holder, job.id, job.fence)
            .await
            .unwrap()
    }

    async fn finish(&self, lease: Lease) -> Kept {
        let mut writing = self.store.write().await.unwrap();
        let kept = lease
            .finish(&mut writing, &End::Failed("test".to_owned()), NOW)
            .await
            .unwrap();
        writing.commit().await.unwrap();
        kept
    }
}

#[tokio::test]
async fn two_claimers_at_a_time_get_different_jobs() {
    let fixture = fixture(40).await;
    let other = Holder {
        boot: BootId([5; 32]),
        ..fixture.holder
    };
    let mut taken = Vec::new();
    for _ in 0..10 {
        let (one, two) = tokio::join!(
            fixture.claim(&fixture.holder, 2, NOW),
            fixture.claim(&other, 2, NOW)
        );
        taken.extend(one.into_iter().chain(two).map(|job| job.id));
    }
    let count = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!((count, taken.len()), (40, 40));
    assert!(fixture.claim(&other, 2, NOW).await.is_empty());
}

#[tokio::test]
async fn a_lease_is_given_again_when_it_has_expired_and_not_before() {
    let fixture = fixture(1).await;
    let first = fixture.claim(&fixture.holder, 1, NOW).await.remove(0);
    let just_before = Timestamp(NOW.0 + LEASE.as_secs() - 1);
    assert!(fixture.claim(&fixture.holder, 1, just_before).await.is_empty());
    // Renewed, it lives longer.
    let mut writing = fixture.store.write().await.unwrap();
    let kept = jobs::renew(
        &mut writing,
        &fixture.holder,
        &[first.id],
        just_before,
        just_before.after(LEASE),
    )
    .await
    .unwrap();
    writing.commit().await.unwrap();
    assert_eq!(kept, [first.id]);
    assert!(
        fixture
            .claim(&fixture.holder, 1, NOW.after(LEASE))
            .await
            .is_empty()
    );
    let again = fixture
        .claim(&fixture.holder, 1, just_before.after(LEASE))
        .await
        .remove(0);
    assert_eq!((again.id, first.fence, again.fence), (first.id, 1, 2));
}

#[tokio::test]
async fn a_job_that_never_ends_is_not_renewed_for_ever() {
    let fixture = fixture(1).await;
    let job = fixture.claim(&fixture.holder, 1, NOW).await.remove(0);
    let renew = async |now: Timestamp| {
        let mut writing = fixture.store.write().await.unwrap();
        let until = now.after(LEASE);
        let kept = jobs::renew(&mut writing, &fixture.holder, &[job.id], now, until)
            .await
            .unwrap();
        writing.commit().await.unwrap();
        kept.len()
    };
    let end = NOW.after(jobs::JOB_TIME);
    assert_eq!(renew(Timestamp(end.0 - 1)).await, 1);
    assert_eq!(renew(end).await, 0);
    assert_eq!(
        fixture
            .claim(&fixture.holder, 1, end.after(LEASE))
            .await
            .remove(0)
            .fence,
        2
    );
}

#[tokio::test]
async fn late_finish_does_not_complete_a_requeued_job() {
    let fixture = fixture(1).await;
    let first = fixture.claim(&fixture.holder, 1, NOW).await.remove(0);
    let late = fixture.lease(&fixture.holder, &first).await.unwrap();
    let other = Holder {
        boot: BootId([5; 32]),
        ..fixture.holder
    };
    let again = fixture.claim(&other, 1, NOW.after(LEASE)).await.remove(0);
    assert_eq!(fixture.finish(late).await, Kept::Lost);
    assert!(fixture.lease(&fixture.holder, &first).await.is_none());
    let ours = fixture.lease(&other, &again).await.unwrap();
    let twice = ours.clone();
    assert_eq!(fixture.finish(ours).await, Kept::Ours);
    assert_eq!(fixture.finish(twice).await, Kept::Lost);
}

#[tokio::test]
async fn an_older_lease_of_the_same_boot_counts_for_nothing() {
    let fixture = fixture(1).await;
    let first = fixture.claim(&fixture.holder, 1, NOW).await.remove(0);
    let late = fixture.lease(&fixture.holder, &first).await.unwrap();
    let again = fixture
        .claim(&fixture.holder, 1, NOW.after(LEASE))
        .await
        .remove(0);
    assert_eq!((first.id, first.fence, again.fence), (again.id, 1, 2));
    assert!(fixture.lease(&fixture.holder, &first).await.is_none());
    assert_eq!(fixture.finish(late).await, Kept::Lost);
    let ours = fixture.lease(&fixture.holder, &again).await.unwrap();
    assert_eq!(fixture.finish(ours).await, Kept::Ours);
}

#[tokio::test]
async fn a_job_that_is_lost_each_time_is_given_up_and_its_scan_ends() {
    let fixture = fixture(1).await;
    let mut now = NOW;
    for _ in 0..LEASES_LIMIT {
        assert_eq!(fixture.claim(&fixture.holder, 1, now).await.len(), 1);
        now = now.after(LEASE);
    }
    assert!(fixture.claim(&fixture.holder, 1, now).await.is_empty());
    let mut writing = fixture.store.write().await.unwrap();
    let given_up = jobs::give_up(&mut writing, now).await.unwrap();
    assert_eq!(given_up, [(fixture.holder.org, fixture.scan)]);
    scans::end_with_last_job(&mut writing, fixture.holder.org, fixture.scan, now)
        .await
        .unwrap();
    let scan = scans::with_id(&mut writing, fixture.holder.org, fixture.scan)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(scan.state, vedette_protocol::api::ScanState::Failed);
    assert!(scan.reason.unwrap().contains("5 attempts"));
}

#[tokio::test]
async fn a_scan_that_nobody_takes_ends() {
    let fixture = fixture(2).await;
    let later = NOW.after(jobs::SCAN_PATIENCE).after(Duration::from_secs(1));
    let mut writing = fixture.store.write().await.unwrap();
    assert!(jobs::give_up(&mut writing, NOW).await.unwrap().is_empty());
    assert_eq!(jobs::give_up(&mut writing, later).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_presented_ticket_kills_the_older_ones() {
    let fixture = fixture(1).await;
    let boot = |byte, ticket| NewBoot {
        id: BootId([byte; 32]),
        appliance: fixture.holder.appliance,
        image: ImageId([2; 32]),
        sealing_key: vedette_crypto::hpke::SealingKey([0; 32]),
        ticket,
    };
    use vedette_protocol::link::BootRefusal::{Order, TicketAhead, TicketUsed};
    let mut writing = fixture.store.write().await.unwrap();
    // Before it was issued; as often as wished while nothing came of it; the next one kills it.
    assert_eq!(
        boots::present(&mut writing, &boot(1, 2), NOW).await.unwrap(),
        Err(TicketAhead)
    );
    assert_eq!(
        boots::present(&mut writing, &boot(2, 1), NOW).await.unwrap(),
        Ok(2)
    );
    assert_eq!(
        boots::present(&mut writing, &boot(3, 1), NOW).await.unwrap(),
        Ok(2)
    );
    assert_eq!(
        boots::present(&mut writing, &boot(4, 2), NOW).await.unwrap(),
        Ok(3)
    );
    assert_eq!(
        boots::present(&mut writing, &boot(5, 1), NOW).await.unwrap(),
        Err(TicketUsed)
    );
    let appliance = fixture.holder.appliance;
    let refusal = |byte, kept| (BootId([byte; 32]), kept);
    for ((id, kept), expected) in [
        (refusal(2, 2), TicketUsed),
        (refusal(4, 2), Order),
        (refusal(9, 3), Order),
    ] {
        let refused = boots::confirm(&mut writing, appliance, id, kept, NOW)
            .await
            .unwrap();
        assert_eq!(refused.err(), Some(expected));
    }
    let confirmed = boots::confirm(&mut writing, appliance, BootId([4; 32]), 3, NOW)
        .await
        .unwrap();
    assert_eq!(confirmed.ok().unwrap().appliance.ticket, 3);
    // The answer was lost: the same boot may ask again, and counts once.
    let again = boots::confirm(&mut writing, appliance, BootId([4; 32]), 3, NOW)
        .await
        .unwrap();
    assert_eq!(again.ok().unwrap().appliance.boots, 1);
}

#[tokio::test]
async fn of_two_that_spend_a_token_one_succeeds() {
    let fixture = fixture(1).await;
    let hash = Digest::of(b"token");
    let new = NewToken {
        org: fixture.holder.org,
        name: "test",
        kind: TokenKind::Activation,
        hash,
        account: "admin",
        expires: NOW.after(LEASE),
    };
    let mut writing = fixture.store.write().await.unwrap();
    tokens::insert(&mut writing, &new, NOW).await.unwrap();
    writing.commit().await.unwrap();
    let spend = || async {
        let mut writing = fixture.store.write().await.unwrap();
        let spent = tokens::spend(&mut writing, hash, NOW).await.unwrap();
        writing.commit().await.unwrap();
        spent
    };
    let (one, two) = tokio::join!(spend(), spend());
    assert!(matches!(
        (one, two),
        (Spent::Now(_), Spent::Before) | (Spent::Before, Spent::Now(_))
    ));
}

#[tokio::test]
async fn one_address_does_not_take_up_all_places() {
    let fixture = fixture(1).await;
    let mut writing = fixture.store.write().await.unwrap();
    let waiting = |number: u64, address: &str| Waiting {
        identity: VerifyingKey::from_bytes(*Digest::of(&number.to_be_bytes()).0.first_chunk().unwrap()),
        image: ImageId([2; 32]),
        address: address.to_owned(),
        code: format!("{number:08}"),
        expires: NOW.after(LEASE),
    };
    for number in 0..codes::WAITING_LIMIT_OF_ADDRESS {
        let admission = codes::admit(&mut writing, waiting(number, "192.0.2.1"), NOW)
            .await
            .unwrap();
        assert!(matches!(admission, Admission::Under(_)));
    }
    let full = codes::admit(&mut writing, waiting(1000, "192.0.2.1"), NOW)
        .await
        .unwrap();
    assert_eq!(full, Admission::Full);
    // Who waits already still does; others may come; and places are free again in time.
    let again = codes::admit(&mut writing, waiting(7, "192.0.2.1"), NOW)
        .await
        .unwrap();
    assert!(matches!(again, Admission::Under(waiting) if waiting.code == "00000007"));
    let other = codes::admit(&mut writing, waiting(1001, "192.0.2.2"), NOW)
        .await
        .unwrap();
    assert!(matches!(other, Admission::Under(_)));
    let later = codes::admit(&mut writing, waiting(1002, "192.0.2.1"), NOW.after(LEASE))
        .await
        .unwrap();
    assert!(matches!(later, Admission::Under(_)));
}

#[tokio::test]
async fn a_code_is_taken_once_and_in_time_and_remembered_for_an_hour() {
    let fixture = fixture(1).await;
    let mut writing = fixture.store.write().await.unwrap();
    let end = NOW.after(LEASE);
    for code in ["BBBBBBBB", "CCCCCCCC"] {
        let waiting = Waiting {
            identity: VerifyingKey::from_bytes(*Digest::of(code.as_bytes()).0.first_chunk().unwrap()),
            image: ImageId([2; 32]),
            address: "192.0.2.1".to_owned(),
            code: code.to_owned(),
            expires: end,
        };
        codes::admit(&mut writing, waiting, NOW).await.unwrap();
    }
    let mut take = async |code, now| codes::take(&mut writing, code, now).await.unwrap();
    assert!(matches!(take("BBBBBBBB", NOW).await, Taken::Now(waiting) if waiting.code == "BBBBBBBB"));
    assert_eq!(take("BBBBBBBB", NOW).await, Taken::Before(NOW));
    assert_eq!(take("BBBBBBBB", end).await, Taken::Before(NOW));
    assert_eq!(take("CCCCCCCC", end).await, Taken::Expired(end));
    assert_eq!(take("DDDDDDDD", NOW).await, Taken::Unknown);
    // Another's arrival is when old ones are forgotten.
    let arrival = |code: &str, now: Timestamp| Waiting {
        identity: VerifyingKey::from_bytes([9; 32]),
        image: ImageId([2; 32]),
        address: "192.0.2.2".to_owned(),
        code: code.to_owned(),
        expires: now.after(LEASE),
    };
    let hour = end.after(Duration::from_hours(1));
    let just_before = Timestamp(hour.0 - 1);
    codes::admit(&mut writing, arrival("FFFFFFFF", just_before), just_before)
        .await
        .unwrap();
    assert_eq!(
        codes::take(&mut writing, "CCCCCCCC", just_before).await.unwrap(),
        Taken::Expired(end)
    );
    codes::admit(&mut writing, arrival("GGGGGGGG", hour), hour)
        .await
        .unwrap();
    assert_eq!(
        codes::take(&mut writing, "CCCCCCCC", hour).await.unwrap(),
        Taken::Unknown
    );
}
