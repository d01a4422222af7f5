//! `vedette grant`.

use std::num::NonZeroU32;

use vedette_cli::Item;
use vedette_protocol::grant::{Asker, Envelopes, GrantRefusal};
use vedette_protocol::job::{Check, Checks, Job};
use vedette_protocol::owner::{Epoch, OwnerWord};
use vedette_protocol::{Grant, JobId, JobScope, ScanId, Target, Timestamp};

use crate::desk::{Appliance, Desk};

const SIGN: [&str; 8] = [
    "grant",
    "sign",
    "--appliance",
    "lab",
    "--ports",
    "22,80-90",
    "--checks",
    "ports,services",
];

fn signed(desk: &Desk, more: &[&str], out: &str) -> Grant {
    desk.run(&[&SIGN[..], more, &["--out", &desk.path(out)]].concat());
    desk.grants(out).pop().unwrap()
}

fn judged(grant: &Grant, appliance: &Appliance, target: &str, epoch: Epoch) -> Result<(), GrantRefusal> {
    let job = Job {
        id: JobId::random(),
        scan: ScanId::random(),
        org: appliance.org,
        appliance: appliance.id,
        fence: 1,
        targets: vec![target.parse::<Target>().unwrap()].try_into().unwrap(),
        exclude: vec![],
        ports: "80".parse().unwrap(),
        checks: Checks::try_from(vec![Check::Ports]).unwrap(),
        login: None,
        web: None,
        expires: Timestamp::LAST,
    };
    let asker = Asker {
        org: appliance.org,
        identity: appliance.fingerprint(),
        epoch,
        now: Timestamp::now(),
    };
    let scope = JobScope::of(&job, &[]);
    grant.judge(asker, &job, scope).map(drop)
}

#[test]
fn an_appliance_takes_what_was_signed_and_nothing_beyond() {
    let (desk, appliance) = Desk::with_appliance();
    let grant = signed(
        &desk,
        &[
            "--targets",
            "192.0.2.0/24,198.51.100.7",
            "--exclude",
            "192.0.2.9",
            "--rate",
            "500",
            "--until",
            "7d",
        ],
        "grant",
    );
    assert_eq!(grant.rate, NonZeroU32::new(500));
    assert_eq!((grant.epoch, grant.envelopes), (Epoch(1), Envelopes::Signed));
    let asked = |target| judged(&grant, &appliance, target, Epoch(1));
    assert_eq!(asked("192.0.2.1-8"), Ok(()));
    assert_eq!(asked("198.51.100.7"), Ok(()));
    assert_eq!(asked("198.51.100.8"), Err(GrantRefusal::Target));
    assert_eq!(
        judged(&grant, &Appliance::new(), "192.0.2.1", Epoch(1)),
        Err(GrantRefusal::Appliance)
    );
    assert_eq!(
        judged(&grant, &appliance, "192.0.2.1", Epoch(2)),
        Err(GrantRefusal::Revoked)
    );
}

#[test]
fn names_are_resolved_when_signing_and_their_addresses_shown() {
    let (desk, _) = Desk::with_appliance();
    let shown = desk.shown(
        &[
            &SIGN[..],
            &["--targets", "localhost", "--out", &desk.path("grant")],
        ]
        .concat(),
    );
    assert!(
        shown.contains("localhost is ") && shown.contains("127.0.0.1"),
        "{shown}"
    );
    let grant = desk.grants("grant").pop().unwrap();
    assert!(
        grant
            .targets
            .iter()
            .any(|span| span.contains("127.0.0.1".parse().unwrap()))
    );
    desk.refused(
        &[
            &SIGN[..],
            &["--targets", "no-such-name.invalid", "--out", &desk.path("no")],
        ]
        .concat(),
        "no-such-name.invalid",
    );
    desk.refused(
        &[
            &SIGN[..],
            &[
                "--targets",
                "192.0.2.1",
                "--exclude",
                "no-such-name.invalid",
                "--out",
                &desk.path("no"),
            ],
        ]
        .concat(),
        "resolving the exclusions",
    );
}

#[test]
fn overlapping_exclusions_are_shown_and_win() {
    let (desk, appliance) = Desk::with_appliance();
    let exclude = "192.0.2.0/28,192.0.2.8-20,203.0.113.1";
    let shown = desk.shown(
        &[
            &SIGN[..],
            &[
                "--targets",
                "192.0.2.0/24",
                "--exclude",
                exclude,
                "--out",
                &desk.path("grant"),
            ],
        ]
        .concat(),
    );
    assert!(
        shown.contains("exclusions 192.0.2.0/28 and 192.0.2.8-192.0.2.20 overlap"),
        "{shown}"
    );
    assert!(shown.contains("203.0.113.1 lies outside all targets"), "{shown}");
    let grant = desk.grants("grant").pop().unwrap();
    assert_eq!(judged(&grant, &appliance, "192.0.2.1-21", Epoch(1)), Ok(()));
    desk.refused(
        &[
            &SIGN[..],
            &[
                "--targets",
                "192.0.2.0/24",
                "--exclude",
                "192.0.2.0/23",
                "--out",
                &desk.path("no"),
            ],
        ]
        .concat(),
        "leave nothing of the targets",
    );
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_do() {
    let (desk, _) = Desk::with_appliance();
    let with = |more: &[&str]| -> Vec<String> {
        let out = desk.path("no");
        let all = [&SIGN[..], &["--targets", "192.0.2.1"], more, &["--out", &out]].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    for (more, part) in [
        (
            &["--targets", "0.0.0.0/0"][..],
            "spans more than a /12 of IPv4 or a /64 of IPv6; split it",
        ),
        (&["--targets", "::/0"], "spans more than"),
        (&["--targets", "10.0.0.0/8"], "spans more than"),
        (&["--targets", "2001:db8::/63"], "spans more than"),
        (&["--targets", "192.0.2.1/24"], "did you mean 192.0.2.0/24"),
        (&["--exclude", "0.0.0.0/0"], "spans more than"),
        (
            &["--checks", "everything"],
            "there are discovery, topology, ports",
        ),
        (&["--window", "always"], "mon-fri 22:00-05:00"),
        (&["--until", "tomorrow"], "2026-12-31T18:00:00Z"),
        (&["--rate", "0"], "non-zero"),
    ] {
        let arguments = with(more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        desk.misused(&arguments, part);
    }
    for (more, part) in [
        (
            &["--until", "2020-01-01"][..],
            "would have ended before it is signed",
        ),
        (&["--from", "20d", "--until", "10d"], "before it begins"),
        (&["--until", "400d"], "366 days at most"),
        (&["--appliance", "other"], "vedette appliance confirm"),
        (&["--credential", "none"], "vedette credential list"),
    ] {
        let arguments = with(more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        desk.refused(&arguments, part);
    }
    assert_eq!(desk.run(&["grant", "list"]).as_array().unwrap().len(), 0);
    assert_eq!(desk.epoch(), 1);
}

#[test]
fn revoking_raises_the_epoch_and_signs_what_remains_anew() {
    let (desk, appliance) = Desk::with_appliance();
    let gone = signed(&desk, &["--targets", "192.0.2.0/24"], "one");
    let stays = signed(
        &desk,
        &["--targets", "198.51.100.0/24", "--window", "sat,sun 00:00-24:00"],
        "two",
    );
    desk.refused(
        &["grant", "revoke", "zzz", "--out", &desk.path("no")],
        "vedette grant list",
    );
    desk.run(&[
        "grant",
        "revoke",
        &gone.id.to_string(),
        "--out",
        &desk.path("revoked"),
    ]);

    let items = desk.items("revoked");
    let [
        Item::Grant { id, .. },
        Item::Word(OwnerWord::NewEpoch(word)),
        Item::NoGrant(end),
    ] = items.as_slice()
    else {
        panic!("{items:?}")
    };
    assert_eq!((*id, *end), (stays.id, gone.id));
    let word = word.verify(&desk.key()).unwrap();
    assert_eq!((word.epoch, word.org), (Epoch(2), appliance.org));
    let anew = desk.grants("revoked").pop().unwrap();
    assert_eq!(
        anew,
        Grant {
            epoch: Epoch(2),
            ..stays
        }
    );
    assert_eq!(
        judged(&gone, &appliance, "192.0.2.1", word.epoch),
        Err(GrantRefusal::Revoked)
    );

    assert_eq!(desk.epoch(), 2);
    let listed = desk.run(&["grant", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], id.to_string());
    desk.refused(&["grant", "show", &gone.id.to_string()], "vedette grant list");
    let shown = desk.shown(&["grant", "show", &id.to_string()]);
    assert!(
        shown.contains("lab (") && shown.contains("sat,sun 00:00-24:00 UTC"),
        "{shown}"
    );
}
