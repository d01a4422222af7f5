use std::{fs, path::Path, sync::Mutex};

use cap_std::ambient_authority;
use proptest::prelude::*;
use vedette_protocol::{
    Finding, Report, Timestamp,
    credential::CredentialUse,
    finding::{Confidence, Coverage, Effort, FindingPlace, FindingType, Label},
    keeper::{Organ, Refusal},
    vault::Opening,
    worker::{Progress, WorkerFailure},
};

use super::{super::keyring::Lender, *};
use crate::vault::cabinet::Cabinet;

const JOB: JobId = JobId([1; 16]);
const OTHER: JobId = JobId([2; 16]);

/// The vault's cabinet, at hand; without one, a vault that is not there.
struct Vault(Mutex<Option<Cabinet>>);

impl Vault {
    fn open() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(Cabinet::default()))))
    }

    fn close(&self) {
        *self.0.lock().unwrap() = None;
    }

    /// What opens a file now, by this name.
    fn opens(&self, name: &str, bytes: &[u8]) -> bool {
        let name: Name = name.parse().unwrap();
        let key = self.lend(name.job(), name.kind()).unwrap();
        let mut content = Vec::new();
        file::open(
            &key,
            name.to_string().as_bytes(),
            &mut { bytes },
            &mut content,
            u64::MAX,
        )
        .is_ok()
    }
}

impl Lender for Vault {
    fn lend(&self, job: JobId, kind: FileKind) -> Result<FileKey, AskError> {
        let mut vault = self.0.lock().unwrap();
        let cabinet = vault
            .as_mut()
            .ok_or(AskError::Refused(Refusal::Appliance(Organ::Vault)))?;
        let key = cabinet.key(job, kind).unwrap();
        Ok(key.with(|bytes| FileKey::from_secret(vedette_crypto::Secret::copied(bytes).unwrap())))
    }

    fn forget(&self, job: JobId, kind: FileKind) -> Result<(), AskError> {
        match self.0.lock().unwrap().as_mut() {
            Some(cabinet) => {
                cabinet.forget(job, kind);
                Ok(())
            }
            None => Err(AskError::Refused(Refusal::Appliance(Organ::Vault))),
        }
    }
}

/// A vedetted's spool: one that is started again has a keyring of its own.
fn spool_of(place: &Path, vault: &Arc<Vault>) -> (Spool, Unfinished) {
    try_spool_of(place, vault).unwrap()
}

fn try_spool_of(place: &Path, vault: &Arc<Vault>) -> Result<(Spool, Unfinished), SpoolError> {
    let directory = Dir::open_ambient_dir(place, ambient_authority()).unwrap();
    Spool::open(directory, Arc::new(Keyring::of(vault.clone())))
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
        job: JOB,
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

fn numbers(spool: &Spool) -> Vec<u64> {
    spool.batch().unwrap().1.iter().map(number).collect()
}

fn ended() -> Event {
    event_of(What::Ended(Report::close(
        Effort::default(),
        Coverage::default(),
        0,
        vec![],
    )))
}

fn finding(version: &str) -> Finding {
    let place = FindingPlace::port("192.0.2.1".parse().unwrap(), 80);
    let mut finding = Finding::new(FindingType::Service, place, Confidence::Firm);
    finding.version = version.parse::<Label>().ok();
    finding
}

/// Name and content of each file.
fn files(place: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    let entries = fs::read_dir(place).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (name(&entry), fs::read(entry.path()).unwrap()))
        .collect()
}

/// The file whose name begins so.
fn file(place: &Path, begin: &str) -> (String, Vec<u8>) {
    let found = files(place).into_iter().find(|(name, _)| name.starts_with(begin));
    found.unwrap_or_else(|| panic!("no file {begin}"))
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn nothing_that_was_found_can_be_read_in_the_spools_files() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    let (mut spool, _) = spool_of(place.path(), &vault);
    let canary = "canary-73b1f0d6";
    let found = event_of(What::Findings(vec![finding(canary)]));
    spool.push(&event_of(What::Started)).unwrap();
    spool.push(&found).unwrap();
    let written = files(place.path());
    assert_eq!(written.len(), 3);
    for (name, bytes) in &written {
        assert!(!holds(bytes, canary) && !holds(name.as_bytes(), canary), "{name}");
        assert!(!holds(bytes, "192.0.2.1"), "{name}");
    }
    // The same bytes, unsealed, do show it: by the key that the vault has.
    let (name, bytes) = file(place.path(), "event-00000000000000000001-");
    let key = vault.lend(JOB, FileKind::Results).unwrap();
    let mut content = Vec::new();
    file::open(
        &key,
        name.as_bytes(),
        &mut bytes.as_slice(),
        &mut content,
        u64::MAX,
    )
    .unwrap();
    assert!(holds(&content, canary));
    assert_eq!(content, codec::encode(&found));
}

#[test]
fn with_a_jobs_end_its_temporary_files_and_their_key_are_gone_and_with_the_last_result_the_other_key() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    let (mut spool, _) = spool_of(place.path(), &vault);
    spool.push(&event_of(What::Started)).unwrap();
    spool.push(&event_of(What::Findings(vec![finding("1")]))).unwrap();
    // A thief's copies.
    let (temporary, result) = (
        file(place.path(), "job-"),
        file(place.path(), "event-00000000000000000001-"),
    );
    assert!(vault.opens(&temporary.0, &temporary.1) && vault.opens(&result.0, &result.1));

    spool.push(&ended()).unwrap();
    assert!(files(place.path()).keys().all(|name| !name.starts_with("job-")));
    assert!(!vault.opens(&temporary.0, &temporary.1));
    // What waits for the platform can still be sent.
    assert!(vault.opens(&result.0, &result.1));
    assert_eq!(spool.batch().unwrap().1.len(), 3);

    spool.kept(2).unwrap();
    assert!(vault.opens(&result.0, &result.1), "its end is not kept yet");
    spool.kept(3).unwrap();
    assert!(!vault.opens(&result.0, &result.1));
    let left = files(place.path());
    assert!(left.values().all(Vec::is_empty), "{:?}", left.keys());
}

#[test]
fn keys_of_one_job_go_while_another_runs() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    let (mut spool, _) = spool_of(place.path(), &vault);
    let of_other = |what| Event {
        job: OTHER,
        ..event_of(what)
    };
    spool.push(&event_of(What::Started)).unwrap();
    spool.push(&of_other(What::Started)).unwrap();
    let (ours, theirs) = (
        file(place.path(), &format!("job-{JOB}")),
        file(place.path(), &format!("job-{OTHER}")),
    );
    spool.push(&ended()).unwrap();
    spool.kept(3).unwrap();
    assert!(!vault.opens(&ours.0, &ours.1));
    assert!(vault.opens(&theirs.0, &theirs.1));
}

#[test]
fn without_keys_nothing_is_written_and_what_was_found_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    vault.close();
    let (mut spool, _) = spool_of(place.path(), &vault);
    let failed = event_of(What::Failed(WorkerFailure::Unsealed));
    spool.push(&failed).unwrap();
    let refused = spool.push(&event_of(What::Findings(vec![finding("1")])));
    assert!(matches!(refused, Err(SpoolError::Key(_))), "{refused:?}");
    assert!(matches!(spool.push(&ended()), Err(SpoolError::Key(_))));
    assert!(files(place.path()).is_empty());
    // Why nothing was done is told all the same.
    assert_eq!(spool.batch().unwrap(), (0, vec![failed]));
    spool.kept(1).unwrap();
    assert_eq!(spool.batch().unwrap(), (1, vec![]));
}

#[test]
fn a_vedetted_whose_vault_is_gone_does_not_go_on() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    let (mut spool, _) = spool_of(place.path(), &vault);
    spool.push(&event_of(What::Started)).unwrap();
    vault.close();
    // Its keys are at hand for as long as it runs.
    spool.push(&ended()).unwrap();
    drop(spool);
    assert!(matches!(
        try_spool_of(place.path(), &vault),
        Err(SpoolError::Key(_))
    ));
}

#[test]
fn a_key_that_could_not_be_forgotten_is_forgotten_with_the_next() {
    let vault = Vault::open();
    let keyring = Keyring::of(vault.clone());
    keyring.begin(JOB).unwrap();
    let cabinet = vault.0.lock().unwrap().take();
    keyring.forget(JOB, FileKind::Results);
    *vault.0.lock().unwrap() = cabinet;
    let bytes = |job| vault.lend(job, FileKind::Results).unwrap().with(|bytes| *bytes);
    let before = bytes(JOB);
    keyring.forget(OTHER, FileKind::Results);
    assert_ne!(bytes(JOB), before);
}

#[test]
fn a_restart_goes_on_where_the_numbers_are() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    let (mut spool, _) = spool_of(place.path(), &vault);
    for number in 0..10 {
        spool.push(&event(number)).unwrap();
    }
    spool.kept(10).unwrap();
    drop(spool);
    let (mut spool, _) = spool_of(place.path(), &vault);
    assert_eq!(spool.batch().unwrap(), (10, vec![]));
    spool.push(&event(10)).unwrap();
    drop(spool);
    let (spool, _) = spool_of(place.path(), &vault);
    assert_eq!((spool.next(), numbers(&spool)), (10, vec![10]));
    assert_eq!(files(place.path()).len(), 1);
}

#[test]
fn a_file_that_a_killed_process_was_writing_is_none() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    let (mut spool, _) = spool_of(place.path(), &vault);
    spool.push(&event(0)).unwrap();
    drop(spool);
    fs::write(place.path().join(UNFINISHED), b"half").unwrap();
    let (mut spool, _) = spool_of(place.path(), &vault);
    spool.push(&event(1)).unwrap();
    assert_eq!(numbers(&spool), [0, 1]);
    // Killed between a new event and the removal of the name of the one before.
    spool.kept(2).unwrap();
    let (empty, _) = file(place.path(), "event-");
    spool.push(&event(2)).unwrap();
    drop(spool);
    fs::write(place.path().join(&empty), b"").unwrap();
    let (spool, _) = spool_of(place.path(), &vault);
    assert_eq!((spool.next(), numbers(&spool)), (2, vec![2]));
    assert_eq!(files(place.path()).len(), 1);
}

#[test]
fn jobs_that_a_killed_process_left_are_named() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    let (mut spool, unfinished) = spool_of(place.path(), &vault);
    assert!(unfinished.is_empty());
    spool.push(&event_of(What::Started)).unwrap();
    // The platform has heard of it; that it ended it has not.
    spool.kept(1).unwrap();
    drop(spool);
    let (mut spool, unfinished) = spool_of(place.path(), &vault);
    assert_eq!(unfinished, Unfinished::from([(JOB, 3)]));
    spool
        .push(&event_of(What::Failed(WorkerFailure::Vanished)))
        .unwrap();
    drop(spool);
    assert!(spool_of(place.path(), &vault).1.is_empty());
}

#[test]
fn what_is_told_of_a_job_after_its_end_is_sealed_and_gone_like_the_rest() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    let (mut spool, _) = spool_of(place.path(), &vault);
    spool.push(&event_of(What::Started)).unwrap();
    spool.push(&ended()).unwrap();
    spool.kept(2).unwrap();
    let opening = Opening {
        job: JOB,
        credential: CredentialUse {
            id: vedette_protocol::CredentialId([4; 16]),
            version: 1,
        },
        target: "192.0.2.7".parse().unwrap(),
        port: 22,
        at: Timestamp(1_000),
    };
    let opened = event_of(What::Opened(opening));
    spool.push(&opened).unwrap();
    assert_eq!(spool.batch().unwrap(), (2, vec![opened]));
    let (name, bytes) = file(place.path(), "event-00000000000000000002-");
    assert!(vault.opens(&name, &bytes));
    spool.kept(3).unwrap();
    assert!(!vault.opens(&name, &bytes));
}

#[test]
fn a_file_that_is_missing_renamed_cut_or_altered_is_noticed() {
    let vault = Vault::open();
    type Harm = fn(&Path, &[String]);
    let harms: [Harm; 4] = [
        |place, names| fs::remove_file(place.join(&names[1])).unwrap(),
        |place, names| {
            fs::rename(place.join(&names[0]), place.join("aside")).unwrap();
            fs::rename(place.join(&names[1]), place.join(&names[0])).unwrap();
            fs::rename(place.join("aside"), place.join(&names[1])).unwrap();
        },
        |place, names| {
            let whole = fs::read(place.join(&names[2])).unwrap();
            fs::write(place.join(&names[2]), &whole[..whole.len() - 1]).unwrap();
        },
        |place, names| {
            let mut bytes = fs::read(place.join(&names[0])).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(place.join(&names[0]), bytes).unwrap();
        },
    ];
    for (which, harm) in harms.into_iter().enumerate() {
        let place = tempfile::tempdir().unwrap();
        let (mut spool, _) = spool_of(place.path(), &vault);
        for number in 0..3 {
            spool.push(&event(number)).unwrap();
        }
        drop(spool);
        let names: Vec<String> = files(place.path()).into_keys().collect();
        harm(place.path(), &names);
        let opened = try_spool_of(place.path(), &vault).map(drop);
        match which {
            0 => assert!(matches!(opened, Err(SpoolError::Gap)), "{opened:?}"),
            _ => assert!(matches!(opened, Err(SpoolError::Open(..))), "{which}: {opened:?}"),
        }
    }
}

#[test]
fn while_a_batch_waits_progress_is_not_kept_and_all_else_is() {
    let place = tempfile::tempdir().unwrap();
    let (mut spool, _) = spool_of(place.path(), &Vault::open());
    let progress = event(7);
    let found = event_of(What::Findings(vec![finding("1.2.3")]));
    for _ in 0..EVENTS_PER_REQUEST {
        assert!(spool.wants(&progress));
        spool.push(&found).unwrap();
    }
    assert!(!spool.wants(&progress));
    assert!(spool.wants(&found) && spool.wants(&ended()));
    spool.kept(1).unwrap();
    assert!(spool.wants(&progress), "the platform is back");
}

#[test]
fn a_full_spool_says_so_and_a_batch_fits_a_request() {
    let place = tempfile::tempdir().unwrap();
    let vault = Vault::open();
    let (mut spool, _) = spool_of(place.path(), &vault);
    let long = "x".repeat(60);
    let findings: Vec<_> = (0..1500).map(|_| finding(&long)).collect();
    let event = event_of(What::Findings(findings));
    let length = codec::encode(&event).len() as u64;
    let mut pushed = 0;
    while spool.has_room() {
        spool.push(&event).unwrap();
        pushed += 1;
    }
    assert!(
        (SPOOL_LIMIT / length).abs_diff(pushed) < 20,
        "{pushed} of {length}"
    );
    let mut sent = 0;
    loop {
        let (first, events) = spool.batch().unwrap();
        if events.is_empty() {
            break;
        }
        let length: usize = events.iter().map(|event| codec::encode(event).len()).sum();
        assert!(length as u64 <= BATCH_LIMIT);
        sent += events.len() as u64;
        spool.kept(first + events.len() as u64).unwrap();
    }
    assert_eq!(sent, pushed);
    assert!(spool.has_room());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the platform says it keeps, and whenever the process is killed: every event is sent, in
    /// order, under its own number.
    #[test]
    fn events_keep_their_numbers(moves in prop::collection::vec((0u8..4, 0u64..30), 1..40)) {
        let place = tempfile::tempdir().unwrap();
        let vault = Vault::open();
        let (mut spool, _) = spool_of(place.path(), &vault);
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
                    spool = spool_of(place.path(), &vault).0;
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
            prop_assert_eq!(spool.end, pushed);
        }
    }
}
