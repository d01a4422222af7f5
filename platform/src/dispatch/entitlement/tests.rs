use vedette_crypto::{Signer, SigningKey};
use vedette_protocol::{
    ApplianceId, CredentialId, Envelope, Fingerprint, JobId, OrgId, ScanId, Timestamp,
    credential::{CredentialKind, CredentialUse, HEADER_VERSION, Place, Trust},
    job::{Check, Checks},
    owner::Epoch,
};

use super::*;

const ORG: OrgId = OrgId([1; 16]);
const IDENTITY: Fingerprint = Fingerprint([2; 32]);
const CREDENTIAL: CredentialId = CredentialId([3; 16]);
const NOW: Timestamp = Timestamp(1_795_338_000);

fn job(target: &str, login: Option<u32>) -> Job {
    let target: vedette_protocol::Target = target.parse().unwrap();
    let checks = match login {
        Some(_) => vec![Check::Inventory].try_into().unwrap(),
        None => Checks::of_endpoints(),
    };
    Job {
        id: JobId([4; 16]),
        scan: ScanId([5; 16]),
        org: ORG,
        appliance: ApplianceId([6; 16]),
        fence: 1,
        targets: vec![target].try_into().unwrap(),
        exclude: vec![],
        ports: "22".parse().unwrap(),
        checks,
        login: login.map(|version| CredentialUse {
            id: CREDENTIAL,
            version,
        }),
        web: None,
        expires: Timestamp(NOW.0 + 600),
    }
}

fn grant(number: u8) -> Grant {
    let network: vedette_protocol::Target = "192.0.2.0/24".parse().unwrap();
    Grant {
        id: GrantId([number; 16]),
        org: ORG,
        appliances: vec![IDENTITY],
        epoch: Epoch(1),
        targets: vec![network.span().unwrap()],
        exclude: vec![],
        ports: "1-1024".parse().unwrap(),
        checks: Check::ALL.to_vec().try_into().unwrap(),
        rate: None,
        windows: vec![],
        from: Timestamp(NOW.0 - 60),
        until: Timestamp(NOW.0 + 60),
        credentials: vec![CredentialUse {
            id: CREDENTIAL,
            version: 1,
        }],
        envelopes: Envelopes::Signed,
    }
}

fn envelope(place: &str, port: u16) -> Envelope {
    let header = Header {
        vedette: HEADER_VERSION,
        org: ORG,
        credential: CREDENTIAL,
        version: 2,
        kind: CredentialKind::SshPassword,
        places: vec![Place {
            host: place.parse().unwrap(),
            port,
            trust: Trust::FirstSeen,
        }],
        appliances: vec![IDENTITY],
    };
    Envelope::from_parts(serde_json::to_vec(&header).unwrap(), vec![])
}

fn kept(sealing: Sealing) -> Credential {
    Credential {
        id: CREDENTIAL,
        version: 2,
        label: String::new(),
        disabled: false,
        at: NOW,
        sealing: Some(sealing),
    }
}

fn shelf(owner: Option<&SigningKey>, grants: &[Signed<Grant>]) -> Shelf {
    Shelf {
        asker: Asker {
            org: ORG,
            identity: IDENTITY,
            epoch: Epoch(1),
            now: NOW,
        },
        owner: owner.map(Signer::verifying_key),
        grants: grants.to_vec(),
        settings: OrgSettings {
            owner_signed_credentials_only: false,
        },
        credential: None,
    }
}

fn sign<T: vedette_protocol::Message>(message: &T, key: &SigningKey) -> Signed<T> {
    let Ok(signed) = Signed::seal(message, key);
    signed
}

fn waits(shelf: &Shelf, job: &Job) -> (String, Duration) {
    match shelf.entitle(job) {
        Err(Unsent::Waits { why, patience }) => (why, patience),
        other => panic!("{other:?}"),
    }
}

fn fails(shelf: &Shelf, job: &Job) -> String {
    match shelf.entitle(job) {
        Err(Unsent::NotHere(why) | Unsent::Fails(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_an_owner_no_grant_is_needed() {
    let entitled = shelf(None, &[]).entitle(&job("192.0.2.1", None)).unwrap();
    assert_eq!((entitled.grant, entitled.credential), (None, None));
}

#[test]
fn the_newest_grant_that_fits_is_picked() {
    let key = SigningKey::generate();
    let mut narrow = grant(3);
    narrow.ports = "80".parse().unwrap();
    let grants = [sign(&narrow, &key), sign(&grant(2), &key), sign(&grant(1), &key)];
    let entitled = shelf(Some(&key), &grants)
        .entitle(&job("192.0.2.1", None))
        .unwrap();
    assert_eq!(entitled.grant, Some(grants[1].clone()));
}

#[test]
fn a_forged_grant_does_not_stand_before_a_real_one() {
    let (key, forger) = (SigningKey::generate(), SigningKey::generate());
    let grants = [sign(&grant(2), &forger), sign(&grant(1), &key)];
    let shelf = shelf(Some(&key), &grants);
    assert_eq!(
        shelf.entitle(&job("192.0.2.1", None)).unwrap().grant,
        Some(grants[1].clone())
    );
}

#[test]
fn a_job_without_a_grant_waits_and_says_for_what() {
    let key = SigningKey::generate();
    let (why, patience) = waits(&shelf(Some(&key), &[]), &job("192.0.2.1", None));
    assert_eq!(
        why,
        "waiting for a grant: the owner has signed no grant for it; sign one with `vedette grant sign`"
    );
    assert_eq!(patience, Duration::from_hours(1));
    let with = |alter: &dyn Fn(&mut Grant)| {
        let mut altered = grant(9);
        alter(&mut altered);
        sign(&altered, &key)
    };
    let id = GrantId([9; 16]);
    for (grant, part) in [
        (
            with(&|grant| grant.from = Timestamp(NOW.0 + 1)),
            "does not hold yet",
        ),
        (with(&|grant| grant.until = NOW), "has expired"),
        (with(&|grant| grant.epoch = Epoch(0)), "was revoked"),
        (
            with(&|grant| grant.appliances = vec![]),
            "does not name this appliance",
        ),
        (with(&|grant| grant.targets = vec![]), "a target lies outside"),
        (
            with(&|grant| grant.ports = "80".parse().unwrap()),
            "a port lies outside",
        ),
        (
            with(&|grant| grant.checks = vec![Check::Ports].try_into().unwrap()),
            "does not allow one of the job's checks",
        ),
        (
            sign(&grant(9), &SigningKey::generate()),
            "not signed by the owner key",
        ),
    ] {
        let (why, _) = waits(&shelf(Some(&key), &[grant]), &job("192.0.2.1", None));
        assert!(why.contains(part) && why.contains(&id.to_string()), "{why}");
    }
    // The nearest is told, whatever its place.
    let far = with(&|grant| grant.org = OrgId([8; 16]));
    let near = with(&|grant| grant.windows = vec!["tue 00:00-00:01".parse().unwrap()]);
    let (why, patience) = waits(&shelf(Some(&key), &[near, far]), &job("192.0.2.1", None));
    assert!(why.contains("time of the week"), "{why}");
    assert_eq!(patience, Duration::from_mins(1), "it comes with time");
}

#[test]
fn a_login_brings_its_sealing() {
    let key = SigningKey::generate();
    let owned = Sealing::Owned(sign(&envelope("192.0.2.0/28", 22), &key));
    let mut shelf = shelf(Some(&key), &[sign(&grant(1), &key)]);
    shelf.credential = Some(kept(owned.clone()));
    let login = job("192.0.2.1", Some(2));
    assert_eq!(shelf.entitle(&login).unwrap().credential, Some(owned));
    assert_eq!(shelf.entitle(&job("192.0.2.1", None)).unwrap().credential, None);

    let unsigned = Sealing::Unsigned(envelope("192.0.2.1", 22));
    shelf.credential = Some(kept(unsigned.clone()));
    let (why, _) = waits(&shelf, &login);
    assert!(why.contains("sealed without the owner key"), "{why}");
    let mut lenient = grant(2);
    lenient.envelopes = Envelopes::AlsoUnsigned;
    shelf.grants.push(sign(&lenient, &key));
    assert_eq!(shelf.entitle(&login).unwrap().credential, Some(unsigned));
    shelf.settings.owner_signed_credentials_only = true;
    assert!(fails(&shelf, &login).contains("as this organisation demands"));
}

#[test]
fn a_credential_that_may_not_be_used_goes_to_no_job() {
    let key = SigningKey::generate();
    let login = job("192.0.2.1", Some(2));
    let seal = |place: &str, port| Sealing::Owned(sign(&envelope(place, port), &key));
    let with = |credential: Option<Credential>| {
        let mut shelf = shelf(Some(&key), &[sign(&grant(1), &key)]);
        shelf.credential = credential;
        shelf
    };
    let good = || kept(seal("192.0.2.1", 22));
    assert!(with(Some(good())).entitle(&login).is_ok());
    let disabled = Credential {
        disabled: true,
        ..good()
    };
    let removed = Credential {
        sealing: None,
        ..good()
    };
    let other = Sealing::Owned(sign(&envelope("192.0.2.1", 22), &SigningKey::generate()));
    for (credential, part) in [
        (None, "was removed"),
        (Some(removed), "was removed"),
        (Some(disabled), "is disabled"),
        (
            Some(kept(seal("192.0.2.2", 22))),
            "may not be used at this target",
        ),
        (
            Some(kept(seal("192.0.2.1", 23))),
            "may not be used at this target",
        ),
        (Some(kept(seal("web.lan", 22))), "may not be used at this target"),
        (Some(kept(other)), "not signed by the owner key"),
    ] {
        let why = fails(&with(credential), &login);
        assert!(why.contains(part), "{why}");
    }
    let mut elsewhere = with(Some(good()));
    elsewhere.asker.identity = Fingerprint([7; 32]);
    assert!(fails(&elsewhere, &login).contains("not sealed to this appliance"));
}
