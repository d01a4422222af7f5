use vedette_crypto::{Signer, SigningKey};
use vedette_protocol::{
    JobId, ScanId, Signed,
    grant::{Envelopes, Grant},
    id::GrantId,
    job::{Check, Checks},
    owner::{NewEpoch, Pin, Release, Rotation},
    target::{Span, Target},
};

use super::*;

const NAME: Name = Name {
    org: OrgId([1; 16]),
    appliance: ApplianceId([2; 16]),
    identity: Fingerprint([3; 32]),
};

fn signed<T: vedette_protocol::Message>(message: &T, key: &SigningKey) -> Signed<T> {
    let Ok(signed) = Signed::seal(message, key);
    signed
}

fn pin(key: &SigningKey, name: Name) -> OwnerWord {
    let pin = Pin {
        owner: key.verifying_key(),
        org: name.org,
        appliance: name.appliance,
        identity: name.identity,
        epoch: Epoch(3),
    };
    OwnerWord::Pin(signed(&pin, key))
}

fn pinned(key: &SigningKey) -> Ownership {
    Ownership::default().heard(NAME, &pin(key, NAME)).unwrap()
}

#[test]
fn the_first_pin_counts_and_no_second() {
    let (ours, other) = (SigningKey::generate(), SigningKey::generate());
    let known = pinned(&ours);
    assert_eq!((known.owner, known.epoch), (Some(ours.verifying_key()), Epoch(3)));
    assert_eq!(
        known.heard(NAME, &pin(&other, NAME)),
        None,
        "the platform's own key is none"
    );
    assert_eq!(
        known.heard(NAME, &pin(&ours, NAME)),
        None,
        "said again it changes nothing"
    );
}

#[test]
fn a_pin_for_another_appliance_or_not_signed_by_the_key_it_names_is_none() {
    let (ours, other) = (SigningKey::generate(), SigningKey::generate());
    let fresh = Ownership::default();
    for name in [
        Name {
            org: OrgId([9; 16]),
            ..NAME
        },
        Name {
            appliance: ApplianceId([9; 16]),
            ..NAME
        },
        Name {
            identity: Fingerprint([9; 32]),
            ..NAME
        },
    ] {
        assert_eq!(fresh.heard(NAME, &pin(&ours, name)), None);
    }
    let pin = Pin {
        owner: ours.verifying_key(),
        org: NAME.org,
        appliance: NAME.appliance,
        identity: NAME.identity,
        epoch: Epoch(1),
    };
    assert_eq!(fresh.heard(NAME, &OwnerWord::Pin(signed(&pin, &other))), None);
}

#[test]
fn only_the_owner_rotates_releases_and_revokes() {
    let (ours, next, other) = (
        SigningKey::generate(),
        SigningKey::generate(),
        SigningKey::generate(),
    );
    let known = pinned(&ours);
    let rotation = |by: &SigningKey, epoch| {
        let rotation = Rotation {
            org: NAME.org,
            new: next.verifying_key(),
            epoch: Epoch(epoch),
        };
        OwnerWord::Rotation(signed(&rotation, by))
    };
    let release = |by: &SigningKey| {
        let release = Release {
            appliance: NAME.appliance,
            identity: NAME.identity,
        };
        OwnerWord::Release(signed(&release, by))
    };
    let epoch = |by: &SigningKey, epoch| {
        OwnerWord::NewEpoch(signed(
            &NewEpoch {
                org: NAME.org,
                epoch: Epoch(epoch),
            },
            by,
        ))
    };
    for word in [rotation(&other, 9), release(&other), epoch(&other, 9)] {
        assert_eq!(known.heard(NAME, &word), None, "{word:?}");
    }
    assert_eq!(
        known.heard(NAME, &rotation(&ours, 2)),
        None,
        "older than what was revoked"
    );
    let rotated = known.heard(NAME, &rotation(&ours, 4)).unwrap();
    assert_eq!(
        (rotated.owner, rotated.epoch),
        (Some(next.verifying_key()), Epoch(4))
    );
    assert_eq!(
        rotated.heard(NAME, &release(&ours)),
        None,
        "the old key says nothing any more"
    );
    let later = rotated.heard(NAME, &epoch(&next, 7)).unwrap();
    assert_eq!(later.epoch, Epoch(7));
    assert_eq!(
        later.heard(NAME, &epoch(&next, 6)),
        None,
        "an epoch never goes back"
    );
    let released = later.heard(NAME, &release(&next)).unwrap();
    assert_eq!((released.owner, released.epoch), (None, Epoch(7)));
}

fn job(target: &str) -> (Job, JobScope) {
    let targets: Vec<Target> = vec![target.parse().unwrap()];
    let job = Job {
        id: JobId([4; 16]),
        scan: ScanId([5; 16]),
        org: NAME.org,
        appliance: NAME.appliance,
        fence: 1,
        targets: targets.try_into().unwrap(),
        exclude: vec![],
        ports: "80".parse().unwrap(),
        checks: Checks::of_endpoints(),
        login: None,
        web: None,
        expires: Timestamp(2_000),
    };
    let scope = JobScope::of(&job, &[]);
    (job, scope)
}

fn grant(by: &SigningKey, epoch: u64) -> Signed<Grant> {
    let grant = Grant {
        id: GrantId([6; 16]),
        org: NAME.org,
        appliances: vec![NAME.identity],
        epoch: Epoch(epoch),
        targets: vec![Span::one("192.0.2.7".parse().unwrap())],
        exclude: vec![],
        ports: "80".parse().unwrap(),
        checks: Checks::of_endpoints(),
        rate: None,
        windows: vec![],
        from: Timestamp(500),
        until: Timestamp(1_500),
        credentials: vec![],
        envelopes: Envelopes::Signed,
    };
    signed(&grant, by)
}

fn allowed(known: Ownership, grant: Option<Signed<Grant>>, target: &str) -> Result<Permission, ScopeRefusal> {
    let (job, scope) = job(target);
    let assignment = Assignment {
        grant,
        ..Assignment::from(signed(&job, &SigningKey::generate()))
    };
    known.allows(NAME, &assignment, &job, scope, Timestamp(1_000))
}

#[test]
fn without_an_owner_the_job_itself_is_the_bound() {
    let permission = allowed(Ownership::default(), None, "192.0.2.8").unwrap();
    assert_eq!(permission.allowed.life.as_secs(), 1_000);
}

#[test]
fn with_an_owner_nothing_runs_without_its_grant() {
    let (ours, other) = (SigningKey::generate(), SigningKey::generate());
    let known = pinned(&ours);
    let why = |grant, target: &str| match allowed(known, grant, target) {
        Err(ScopeRefusal::NotGranted { grant, why }) => (grant, why),
        otherwise => panic!("{otherwise:?}"),
    };
    assert_eq!(why(None, "192.0.2.7"), (None, GrantRefusal::Missing));
    assert_eq!(
        why(Some(grant(&other, 3)), "192.0.2.7"),
        (None, GrantRefusal::NotSigned)
    );
    let named = Some(GrantId([6; 16]));
    assert_eq!(
        why(Some(grant(&ours, 3)), "192.0.2.8"),
        (named, GrantRefusal::Target)
    );
    assert_eq!(
        why(Some(grant(&ours, 2)), "192.0.2.7"),
        (named, GrantRefusal::Revoked)
    );
    // A job that asks who is there, under a grant for ports alone.
    let (mut job, scope) = job("192.0.2.7");
    job.checks = Checks::try_from(vec![Check::Ports, Check::Discovery]).unwrap();
    let assignment = Assignment {
        grant: Some(grant(&ours, 3)),
        ..Assignment::from(signed(&job, &SigningKey::generate()))
    };
    let refused = known.allows(NAME, &assignment, &job, scope, Timestamp(1_000));
    let why_not = GrantRefusal::Check;
    assert!(
        matches!(refused, Err(ScopeRefusal::NotGranted { why, .. }) if why == why_not),
        "{refused:?}"
    );
    let permission = allowed(known, Some(grant(&ours, 5)), "192.0.2.7").unwrap();
    assert_eq!(permission.allowed.life.as_secs(), 500);
    assert_eq!(
        permission.ownership.epoch,
        Epoch(5),
        "a newer epoch in a grant is remembered"
    );
}
