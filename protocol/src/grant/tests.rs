use proptest::prelude::*;

use super::*;
use crate::{
    id::{ApplianceId, CredentialId, JobId, ScanId},
    target::Target,
};

const NOW: Timestamp = Timestamp(1_795_338_000);

fn spans(texts: &[&str]) -> Vec<Span> {
    let span = |text: &&str| match text.parse().unwrap() {
        Target::Span(span) => span,
        Target::Name(name) => panic!("{name:?}"),
    };
    texts.iter().map(span).collect()
}

fn grant() -> Grant {
    Grant {
        id: GrantId([1; 16]),
        org: OrgId([2; 16]),
        appliances: vec![Fingerprint([3; 32])],
        epoch: Epoch(5),
        targets: spans(&["192.0.2.0/25", "192.0.2.128/25"]),
        exclude: spans(&["192.0.2.9"]),
        ports: "22,80-90".parse().unwrap(),
        checks: Checks::try_from(vec![Check::Ports, Check::Inventory]).unwrap(),
        rate: NonZeroU32::new(1000),
        windows: vec![],
        from: Timestamp(NOW.0 - 10),
        until: Timestamp(NOW.0 + 100),
        credentials: vec![CredentialUse {
            id: CredentialId([4; 16]),
            version: 3,
        }],
        envelopes: Envelopes::Signed,
    }
}

fn asker() -> Asker {
    Asker {
        org: OrgId([2; 16]),
        identity: Fingerprint([3; 32]),
        epoch: Epoch(5),
        now: NOW,
    }
}

fn job(targets: &[&str], ports: &str) -> (Job, JobScope) {
    let targets: Vec<Target> = targets.iter().map(|text| text.parse().unwrap()).collect();
    let job = Job {
        id: JobId([6; 16]),
        scan: ScanId([7; 16]),
        org: OrgId([2; 16]),
        appliance: ApplianceId([8; 16]),
        fence: 1,
        targets: targets.try_into().unwrap(),
        exclude: vec![],
        ports: ports.parse().unwrap(),
        checks: Checks::try_from(vec![Check::Ports]).unwrap(),
        login: None,
        web: None,
        expires: Timestamp(NOW.0 + 1000),
    };
    let scope = JobScope::of(&job, &[]);
    (job, scope)
}

fn judged(grant: &Grant, asker: Asker) -> Result<Allowed, GrantRefusal> {
    let (job, scope) = job(&["192.0.2.1-20"], "80");
    grant.judge(asker, &job, scope)
}

#[test]
fn what_a_grant_spans_is_allowed_without_what_it_excludes() {
    // Over the seam of two networks.
    let (job, scope) = job(&["192.0.2.1-200"], "22,85-90");
    let allowed = grant().judge(asker(), &job, scope).unwrap();
    assert!(!allowed.scope.area.permits("192.0.2.9".parse().unwrap()));
    assert_eq!(allowed.scope.area.addresses().count(), 199);
    assert_eq!(allowed.life, Duration::from_secs(100));
    assert_eq!(allowed.rate, NonZeroU32::new(1000));
}

#[test]
fn each_reason_is_named() {
    let good = grant();
    let refused = |grant: &Grant, asker: Asker| judged(grant, asker).unwrap_err();
    assert!(judged(&good, asker()).is_ok());
    assert_eq!(
        refused(
            &good,
            Asker {
                org: OrgId([9; 16]),
                ..asker()
            }
        ),
        GrantRefusal::Organisation
    );
    assert_eq!(
        refused(
            &good,
            Asker {
                identity: Fingerprint([9; 32]),
                ..asker()
            }
        ),
        GrantRefusal::Appliance
    );
    assert_eq!(
        refused(
            &good,
            Asker {
                epoch: Epoch(6),
                ..asker()
            }
        ),
        GrantRefusal::Revoked
    );
    assert_eq!(
        refused(
            &good,
            Asker {
                now: Timestamp(NOW.0 - 11),
                ..asker()
            }
        ),
        GrantRefusal::Early
    );
    assert_eq!(
        refused(
            &good,
            Asker {
                now: good.until,
                ..asker()
            }
        ),
        GrantRefusal::Expired
    );
    let closed = Grant {
        windows: vec!["mon 00:00-01:00".parse().unwrap()],
        ..grant()
    };
    assert_eq!(refused(&closed, asker()), GrantRefusal::Window);
    let tls = Grant {
        checks: Checks::try_from(vec![Check::Tls]).unwrap(),
        ..grant()
    };
    assert_eq!(refused(&tls, asker()), GrantRefusal::Check);
    let ports = Grant {
        ports: "81-90".parse().unwrap(),
        ..grant()
    };
    assert_eq!(refused(&ports, asker()), GrantRefusal::Port);
    let narrow = Grant {
        targets: spans(&["192.0.2.1-19"]),
        ..grant()
    };
    assert_eq!(refused(&narrow, asker()), GrantRefusal::Target);
    let huge = Grant {
        exclude: vec![spans(&["192.0.2.9"])[0]; GRANT_LIST_LIMIT + 1],
        ..grant()
    };
    assert_eq!(refused(&huge, asker()), GrantRefusal::TooLarge);
}

#[test]
fn a_grant_for_ipv4_says_nothing_of_ipv6_and_the_other_way_round() {
    let (job, scope) = job(&["2001:db8::1"], "80");
    assert_eq!(grant().judge(asker(), &job, scope), Err(GrantRefusal::Target));
}

#[test]
fn a_port_of_tcp_grants_none_of_udp() {
    let mut grant = grant();
    grant.ports = "22,U:53".parse().unwrap();
    for (ports, judged) in [
        ("22", Ok(())),
        ("22,U:53", Ok(())),
        ("53", Err(GrantRefusal::Port)),
        ("U:22", Err(GrantRefusal::Port)),
    ] {
        let (job, scope) = job(&["192.0.2.1"], ports);
        assert_eq!(grant.judge(asker(), &job, scope).map(drop), judged, "{ports}");
    }
}

#[test]
fn a_name_that_resolves_elsewhere_is_refused() {
    let (mut job, _) = job(&["192.0.2.1"], "80");
    job.targets = vec!["www.lan".parse().unwrap()].try_into().unwrap();
    let resolved = |address: &str| crate::scope::Resolved {
        name: "www.lan".parse().unwrap(),
        addresses: vec!["192.0.2.1".parse().unwrap(), address.parse().unwrap()],
    };
    let within = JobScope::of(&job, &[resolved("192.0.2.2")]);
    assert!(grant().judge(asker(), &job, within).is_ok());
    let rebound = JobScope::of(&job, &[resolved("198.51.100.1")]);
    assert_eq!(grant().judge(asker(), &job, rebound), Err(GrantRefusal::Target));
}

#[test]
fn a_login_needs_its_credential_in_the_grant_and_no_older_version() {
    let (mut job, scope) = job(&["192.0.2.1"], "22");
    job.checks = Checks::try_from(vec![Check::Inventory]).unwrap();
    let mut with = |login: Option<CredentialUse>| {
        job.login = login;
        grant().judge(asker(), &job, scope.clone()).map(|_| ())
    };
    let granted = CredentialUse {
        id: CredentialId([4; 16]),
        version: 3,
    };
    assert_eq!(with(Some(granted)), Ok(()));
    assert_eq!(
        with(Some(CredentialUse {
            version: 4,
            ..granted
        })),
        Ok(())
    );
    assert_eq!(
        with(Some(CredentialUse {
            version: 2,
            ..granted
        })),
        Err(GrantRefusal::Credential)
    );
    assert_eq!(
        with(Some(CredentialUse {
            id: CredentialId([5; 16]),
            ..granted
        })),
        Err(GrantRefusal::Credential)
    );
}

proptest! {
    /// Whatever a job asks for, what is allowed of it lies in the grant and in no exclusion.
    #[test]
    fn nothing_outside_a_grant_is_ever_allowed(
        job_spans in prop::collection::vec((0u8..=255, 0u8..=255), 1..5),
        granted in prop::collection::vec((0u8..=255, 0u8..=255), 0..5),
        excluded in prop::collection::vec((0u8..=255, 0u8..=255), 0..5),
    ) {
        let text = |&(a, b): &(u8, u8)| format!("192.0.2.{}-192.0.2.{}", a.min(b), a.max(b));
        let list = |pairs: &[(u8, u8)]| -> Vec<String> { pairs.iter().map(text).collect() };
        let spans = |pairs: &[(u8, u8)]| spans(&list(pairs).iter().map(String::as_str).collect::<Vec<_>>());
        let texts = list(&job_spans);
        let (job, scope) = job(&texts.iter().map(String::as_str).collect::<Vec<_>>(), "80");
        let grant = Grant { targets: spans(&granted), exclude: spans(&excluded), ..grant() };
        let asked: Vec<_> = scope.area.addresses().map(|(address, _)| address).collect();
        let within = |spans: &[Span], address| spans.iter().any(|span| span.contains(address));
        let lawful = asked.iter().all(|&address| within(&grant.targets, address) || within(&grant.exclude, address));
        match grant.judge(asker(), &job, scope) {
            Ok(allowed) => for (address, _) in allowed.scope.area.addresses() {
                prop_assert!(within(&grant.targets, address) && !within(&grant.exclude, address));
            },
            Err(refusal) => {
                prop_assert_eq!(refusal, GrantRefusal::Target);
                prop_assert!(!lawful);
            }
        }
    }
}
