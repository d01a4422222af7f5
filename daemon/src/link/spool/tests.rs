use cap_std::ambient_authority;
use proptest::prelude::*;
use vedette_protocol::worker::{Progress, WorkerFailure};

use super::*;

fn directory(path: &std::path::Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn event(number: u64) -> Event {
    let progress = Progress {
        done: number,
        total: u64::MAX,
    };
    event_of(What::Progress(progress))
}

fn event_of(what: What) -> Event {
    Event {
        job: JobId([1; 16]),
        fence: 3,
        what,
    }
}

fn number(event: &Event) -> u64 {
    match event.what {
        What::Progress(progress) => progress.done,
        _ => panic!("not one of ours"),
    }
}

#[test]
fn a_restart_goes_on_where_the_numbers_are() {
    let place = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(directory(place.path())).unwrap();
    for number in 0..10 {
        spool.push(&event(number)).unwrap();
    }
    spool.kept(10).unwrap();
    spool.push(&event(10)).unwrap();
    drop(spool);
    let (mut spool, _) = Spool::open(directory(place.path())).unwrap();
    // What the platform has already it will not count twice.
    assert_eq!(spool.batch().unwrap().1.len(), 11);
    spool.kept(10).unwrap();
    let (first, events) = spool.batch().unwrap();
    assert_eq!(
        (first, events.iter().map(number).collect::<Vec<_>>()),
        (10, vec![10])
    );
}

#[test]
fn half_a_frame_of_a_killed_process_is_cut_off() {
    let place = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(directory(place.path())).unwrap();
    spool.push(&event(0)).unwrap();
    spool.push(&event(1)).unwrap();
    drop(spool);
    let path = place.path().join(name(0));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let (mut spool, _) = Spool::open(directory(place.path())).unwrap();
    spool.push(&event(7)).unwrap();
    let (_, events) = spool.batch().unwrap();
    assert_eq!(events.iter().map(number).collect::<Vec<_>>(), [0, 7]);
}

#[test]
fn jobs_that_a_killed_process_left_are_named() {
    let place = tempfile::tempdir().unwrap();
    let (mut spool, unfinished) = Spool::open(directory(place.path())).unwrap();
    assert!(unfinished.is_empty());
    spool.push(&event_of(What::Started)).unwrap();
    drop(spool);
    let (mut spool, unfinished) = Spool::open(directory(place.path())).unwrap();
    assert_eq!(unfinished, Unfinished::from([(JobId([1; 16]), 3)]));
    spool
        .push(&event_of(What::Failed(WorkerFailure::Vanished)))
        .unwrap();
    drop(spool);
    assert!(Spool::open(directory(place.path())).unwrap().1.is_empty());
}

#[test]
fn a_lost_segment_is_noticed() {
    let place = tempfile::tempdir().unwrap();
    for first in [0, 5] {
        std::fs::write(place.path().join(name(first)), b"").unwrap();
    }
    assert!(matches!(
        Spool::open(directory(place.path())),
        Err(SpoolError::Gap)
    ));
    let damaged = tempfile::tempdir().unwrap();
    std::fs::write(damaged.path().join(name(0)), [9; 100]).unwrap();
    assert!(matches!(
        Spool::open(directory(damaged.path())),
        Err(SpoolError::Damaged(_))
    ));
}

#[test]
fn segments_that_are_kept_go_and_the_last_stays() {
    let place = tempfile::tempdir().unwrap();
    let (mut spool, _) = Spool::open(directory(place.path())).unwrap();
    let long = "x".repeat(60);
    let findings: Vec<_> = (0..1500)
        .map(|port| {
            use vedette_protocol::finding::{Confidence, Finding, FindingPlace, FindingType, Host, Label};
            let host: Host = "192.0.2.7".parse().unwrap();
            let mut finding = Finding::new(
                FindingType::OpenPort,
                FindingPlace::port(host, port + 1),
                Confidence::Certain,
            );
            finding.product = long.parse::<Label>().ok();
            finding
        })
        .collect();
    for _ in 0..16 {
        spool.push(&event_of(What::Findings(findings.clone()))).unwrap();
    }
    let files = || std::fs::read_dir(place.path()).unwrap().count();
    assert!(files() >= 2, "{}", files());
    loop {
        let (first, events) = spool.batch().unwrap();
        if events.is_empty() {
            break;
        }
        spool.kept(first + u64::try_from(events.len()).unwrap()).unwrap();
    }
    assert_eq!(files(), 1);
    assert_eq!(spool.end(), 16);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever the platform says it keeps, and whenever the process is killed: every event is sent, in
    /// order, under its own number.
    #[test]
    fn events_keep_their_numbers(moves in prop::collection::vec((0u8..4, 0u64..200), 1..60)) {
        let place = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(directory(place.path())).unwrap();
        let mut pushed = 0;
        for (which, argument) in moves {
            match which {
                0 => {
                    for _ in 0..argument {
                        spool.push(&event(pushed)).unwrap();
                        pushed += 1;
                    }
                }
                1 => spool.kept(argument).unwrap(),
                2 => {
                    drop(spool);
                    spool = Spool::open(directory(place.path())).unwrap().0;
                }
                _ => {
                    let (first, events) = spool.batch().unwrap();
                    prop_assert!(events.len() <= EVENTS_PER_REQUEST);
                    for (at, event) in (first..).zip(&events) {
                        prop_assert_eq!(number(event), at);
                    }
                    prop_assert!(!events.is_empty() || first == pushed);
                    spool.kept(first + u64::try_from(events.len()).unwrap()).unwrap();
                }
            }
            prop_assert_eq!(spool.end(), pushed);
        }
    }
}
