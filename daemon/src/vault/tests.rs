mod signing;

use std::{io, thread::JoinHandle};

use vedette_crypto::{Signer, SigningKey, hpke::Suite, sign::Pkcs8};
use vedette_protocol::{
    ApplianceId, Assignment, CredentialId, Digest, Envelope, Fingerprint, Job, JobId, OrgId, ScanId, Signed,
    Timestamp,
    credential::{CredentialKind, CredentialUse, HEADER_VERSION, Header, Login, Place, SecretText, Trust},
    envelope::{EnvelopeRefusal, Sealing},
    grant::{Envelopes, Grant, GrantRefusal},
    id::GrantId,
    job::{Check, Checks},
    owner::Epoch,
    target::{Span, Target},
    vault::{LoginAnswer, LoginRequest, Shown},
};
use zeroize::Zeroizing;

use super::*;

const ORG: OrgId = OrgId([1; 16]);
const APPLIANCE: ApplianceId = ApplianceId([2; 16]);
const IDENTITY: Fingerprint = Fingerprint([3; 32]);
const CREDENTIAL: CredentialUse = CredentialUse {
    id: CredentialId([4; 16]),
    version: 1,
};
const HOST_KEY: Digest = Digest([5; 32]);
const NOW: Timestamp = Timestamp(1_000);

/// A vault on a thread, the keeper's end of its line, and who signs.
struct House {
    line: Conversation,
    vault: JoinHandle<Result<(), FrameError>>,
    platform: SigningKey,
    owner: SigningKey,
    keys: vedette_crypto::credential::CredentialPublicKey,
    record: Vec<u8>,
}

fn ask(line: &mut Conversation, request: &VaultRequest, descriptor: Option<OwnedFd>) -> VaultAnswer {
    use std::os::fd::AsFd;
    match descriptor {
        Some(descriptor) => line.send_with_descriptor(request, descriptor.as_fd(), FRAME_LIMIT),
        None => line.send(request, FRAME_LIMIT),
    }
    .unwrap();
    line.receive(FRAME_LIMIT).unwrap()
}

fn record_keys(were: u8, are: u8) -> OwnedFd {
    let both = [[were; 32], [are; 32]].concat();
    secretmem::create(&both).unwrap()
}

fn member(platform: &SigningKey, owner: Option<&SigningKey>) -> Member {
    Member {
        appliance: APPLIANCE,
        org: ORG,
        identity: IDENTITY,
        platform: platform.verifying_key(),
        owner: owner.map(SigningKey::verifying_key),
    }
}

impl House {
    fn open() -> Self {
        let (keeper, vault) = UnixStream::pair().unwrap();
        let vault = thread::spawn(move || serve(vault));
        let (platform, owner) = (SigningKey::generate(), SigningKey::generate());
        let mut line = Conversation::new(keeper);
        let open = VaultRequest::Open {
            member: member(&platform, Some(&owner)),
            record: None,
        };
        let VaultAnswer::Open {
            keys,
            record: Some(record),
        } = ask(&mut line, &open, Some(record_keys(1, 1)))
        else {
            panic!("a fresh vault opens");
        };
        Self {
            line,
            vault,
            platform,
            owner,
            keys,
            record,
        }
    }

    fn assignment(&self, change: impl FnOnce(&mut Job, &mut Header, &mut Grant)) -> Assignment {
        let login = Login::SshPassword {
            user: "scanner".to_owned(),
            password: secret("a password"),
        };
        self.assignment_with(&login, change)
    }

    fn assignment_with(
        &self,
        login: &Login,
        change: impl FnOnce(&mut Job, &mut Header, &mut Grant),
    ) -> Assignment {
        let target: Target = "192.0.2.7".parse().unwrap();
        let mut job = Job {
            id: JobId([6; 16]),
            scan: ScanId([7; 16]),
            org: ORG,
            appliance: APPLIANCE,
            fence: 1,
            targets: vec![target.clone()].try_into().unwrap(),
            exclude: vec![],
            ports: "22".parse().unwrap(),
            checks: Checks::try_from(vec![Check::Inventory]).unwrap(),
            login: Some(CREDENTIAL),
            web: None,
            expires: Timestamp(2_000),
        };
        let mut header = Header {
            vedette: HEADER_VERSION,
            org: ORG,
            credential: CREDENTIAL.id,
            version: CREDENTIAL.version,
            kind: login.kind(),
            places: vec![Place {
                host: target,
                port: 22,
                trust: Trust::SshHostKey(HOST_KEY),
            }],
            appliances: vec![IDENTITY],
        };
        let mut grant = Grant {
            id: GrantId([8; 16]),
            org: ORG,
            appliances: vec![IDENTITY],
            epoch: Epoch(1),
            targets: vec![Span::one("192.0.2.7".parse().unwrap())],
            exclude: vec![],
            ports: "22".parse().unwrap(),
            checks: Checks::try_from(vec![Check::Inventory]).unwrap(),
            rate: None,
            windows: vec![],
            from: Timestamp(0),
            until: Timestamp(1_500),
            credentials: vec![CREDENTIAL],
            envelopes: Envelopes::Signed,
        };
        change(&mut job, &mut header, &mut grant);
        let envelope =
            Envelope::seal(&header, login, Suite::X25519, std::slice::from_ref(&self.keys)).unwrap();
        let (Ok(job), Ok(grant), Ok(envelope)) = (
            Signed::seal(&job, &self.platform),
            Signed::seal(&grant, &self.owner),
            Signed::seal(&envelope, &self.owner),
        );
        Assignment {
            job,
            grant: Some(grant),
            credential: Some(Sealing::Owned(envelope)),
        }
    }

    /// Has the vault serve a worker: the worker's end, or why not.
    fn serve(&mut self, assignment: Assignment) -> Result<Conversation, VaultRefusal> {
        let (vaults, workers) = UnixStream::pair().unwrap();
        let request = VaultRequest::Serve {
            assignment: Box::new(assignment),
            names: vec![],
            epoch: Epoch(1),
            now: NOW,
        };
        match ask(&mut self.line, &request, Some(vaults.into())) {
            VaultAnswer::Done => Ok(Conversation::new(workers)),
            VaultAnswer::Refused(refusal) => Err(refusal),
            VaultAnswer::Open { .. } | VaultAnswer::Openings(_) | VaultAnswer::FileKey => {
                panic!("it was asked to serve")
            }
        }
    }

    fn refused(&mut self, change: impl FnOnce(&mut Job, &mut Header, &mut Grant)) -> VaultRefusal {
        let assignment = self.assignment(change);
        self.serve(assignment).map(|_| "served").unwrap_err()
    }
}

fn secret(text: &str) -> SecretText {
    SecretText::new(Zeroizing::new(text.to_owned()))
}

fn open(worker: &mut Conversation, target: &str, shown: Shown) -> (LoginAnswer, Option<OwnedFd>) {
    let request = LoginRequest::Open {
        target: target.parse().unwrap(),
        port: 22,
        shown,
    };
    worker.send(&request, FRAME_LIMIT).unwrap();
    worker.receive_with_descriptor(FRAME_LIMIT).unwrap()
}

#[test]
fn a_credential_is_given_once_and_only_for_the_host_that_shows_its_key() {
    let mut house = House::open();
    let assignment = house.assignment(|_, _, _| ());
    let mut worker = house.serve(assignment).unwrap();
    worker.send(&LoginRequest::Place, FRAME_LIMIT).unwrap();
    let place: LoginAnswer = worker.receive(FRAME_LIMIT).unwrap();
    assert!(
        matches!(
            place,
            LoginAnswer::Place {
                port: 22,
                trust: Trust::SshHostKey(HOST_KEY),
                ..
            }
        ),
        "{place:?}"
    );
    let wrong = LoginAnswer::Refused(VaultRefusal::WrongHost);
    for (target, shown) in [
        ("192.0.2.7", Shown::SshHostKey(Digest([6; 32]))),
        ("192.0.2.7", Shown::TlsSpki(HOST_KEY)),
        ("192.0.2.7", Shown::Nothing),
        ("192.0.2.8", Shown::SshHostKey(HOST_KEY)),
    ] {
        let (answer, memory) = open(&mut worker, target, shown);
        assert!(
            answer == wrong && memory.is_none(),
            "{target} {shown:?}: {answer:?}"
        );
    }
    let (answer, memory) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(HOST_KEY));
    let (LoginAnswer::Secret(length), Some(memory)) = (answer, memory) else {
        panic!("the host is the right one");
    };
    let length = usize::try_from(length).unwrap();
    let login = secretmem::with(&memory, length, |content| {
        Login::from_sealed_form(CredentialKind::SshPassword, content)
    });
    let Login::SshPassword { user, password } = login.unwrap().unwrap() else {
        panic!("a password was sealed");
    };
    assert_eq!(user, "scanner");
    password.with(|password| assert_eq!(password, "a password"));
    let (again, memory) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(HOST_KEY));
    assert_eq!(again, LoginAnswer::Refused(VaultRefusal::Given));
    assert!(memory.is_none());
}

#[test]
fn unknown_kinds_and_versions_are_named() {
    let mut house = House::open();
    let good = house.assignment(|_, _, _| ());
    let Some(Sealing::Owned(envelope)) = &good.credential else {
        panic!("it was signed");
    };
    let envelope = envelope.verify(&house.owner.verifying_key()).unwrap();
    let header = String::from_utf8(envelope.header_bytes().to_vec()).unwrap();
    for (from, to, refusal) in [
        ("\"vedette\":1", "\"vedette\":2", EnvelopeRefusal::Version),
        ("ssh-password", "telepathy", EnvelopeRefusal::Kind),
        ("\"kind\"", "\"kinds\"", EnvelopeRefusal::Kind),
        ("ssh-host-key", "aura", EnvelopeRefusal::Malformed),
        ("{", "", EnvelopeRefusal::Malformed),
    ] {
        assert!(header.contains(from), "{header}");
        let altered = header.replacen(from, to, 1).into_bytes();
        let altered = Envelope::from_parts(altered, envelope.sealed().to_vec());
        let Ok(altered) = Signed::seal(&altered, &house.owner);
        let assignment = Assignment {
            credential: Some(Sealing::Owned(altered)),
            ..good.clone()
        };
        let refused = house.serve(assignment).map(drop).unwrap_err();
        assert_eq!(refused, VaultRefusal::Envelope(refusal), "{to}");
    }
}

#[test]
fn a_worker_that_says_what_cannot_be_read_is_hung_up_on() {
    use std::io::{Read, Write};
    let mut house = House::open();
    let assignment = house.assignment(|_, _, _| ());
    let frame = vedette_protocol::Frame::of(&LoginRequest::Place).unwrap();
    let (version, number) = (0, vedette_protocol::Frame::HEADER);
    for (place, value) in [(version, 200), (number, 99)] {
        let (vaults, mut worker) = UnixStream::pair().unwrap();
        let request = VaultRequest::Serve {
            assignment: Box::new(assignment.clone()),
            names: vec![],
            epoch: Epoch(1),
            now: NOW,
        };
        assert_eq!(
            ask(&mut house.line, &request, Some(vaults.into())),
            VaultAnswer::Done
        );
        let mut bytes = frame.bytes().to_vec();
        bytes[place] = value;
        worker.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        // What it leaves unread makes the end of the line a reset.
        let reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        let ended = worker.read_to_end(&mut answer);
        assert!(ended.is_ok() || ended.is_err_and(|error| reset(&error)));
        assert!(answer.is_empty(), "byte {place}");
    }
    // And the next one is served.
    let mut worker = house.serve(assignment).unwrap();
    assert!(
        open(&mut worker, "192.0.2.7", Shown::SshHostKey(HOST_KEY))
            .1
            .is_some()
    );
}

/// Takes every descriptor that this process may still have.
fn exhaust() -> Vec<std::fs::File> {
    std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect()
}

#[test]
fn without_descriptors_the_vault_refuses_and_goes_on() {
    const ALONE: &str = "VEDETTE_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        // The bound is one of a whole process: in one of its own no other test runs into it.
        let name = "vault::tests::without_descriptors_the_vault_refuses_and_goes_on";
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let limit = rustix::process::Rlimit {
        current: Some(128),
        maximum: Some(128),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut house = House::open();
    let assignment = house.assignment(|_, _, _| ());
    let shown = Shown::SshHostKey(HOST_KEY);
    // A line to a worker that does not arrive is no line.
    let (vaults, _worker) = UnixStream::pair().unwrap();
    let request = VaultRequest::Serve {
        assignment: Box::new(assignment.clone()),
        names: vec![],
        epoch: Epoch(1),
        now: NOW,
    };
    let taken = exhaust();
    use std::os::fd::AsFd;
    house
        .line
        .send_with_descriptor(&request, vaults.as_fd(), FRAME_LIMIT)
        .unwrap();
    let answer: VaultAnswer = house.line.receive(FRAME_LIMIT).unwrap();
    assert_eq!(answer, VaultAnswer::Refused(VaultRefusal::Order));
    drop(taken);
    // Nor is a secret handed over without the memory for it, then or later.
    let mut worker = house.serve(assignment.clone()).unwrap();
    worker.send(&LoginRequest::Place, FRAME_LIMIT).unwrap();
    let _: LoginAnswer = worker.receive(FRAME_LIMIT).unwrap();
    let taken = exhaust();
    let (answer, memory) = open(&mut worker, "192.0.2.7", shown);
    assert_eq!(answer, LoginAnswer::Refused(VaultRefusal::Memory));
    assert!(memory.is_none());
    drop(taken);
    let (answer, memory) = open(&mut worker, "192.0.2.7", shown);
    assert!(answer == LoginAnswer::Refused(VaultRefusal::Given) && memory.is_none());
    // The next job is served as ever.
    let mut worker = house.serve(assignment).unwrap();
    assert!(open(&mut worker, "192.0.2.7", shown).1.is_some());
}

#[test]
fn each_opening_is_told_of_until_it_is_known_to_be_and_none_that_cannot_be() {
    let mut house = House::open();
    let opened = |house: &mut House| match ask(&mut house.line, &VaultRequest::Openings, None) {
        VaultAnswer::Openings(openings) => openings,
        other => panic!("{other:?}"),
    };
    let told = |house: &mut House, opening| {
        assert_eq!(
            ask(&mut house.line, &VaultRequest::Told(opening), None),
            VaultAnswer::Done
        );
    };
    let (right, wrong) = (Shown::SshHostKey(HOST_KEY), Shown::SshHostKey(Digest([6; 32])));
    let assignment = house.assignment(|_, _, _| ());
    let mut worker = house.serve(assignment.clone()).unwrap();
    open(&mut worker, "192.0.2.7", wrong);
    assert_eq!(opened(&mut house), [], "nothing was opened");
    let before = Timestamp::now();
    open(&mut worker, "192.0.2.7", right);
    let openings = opened(&mut house);
    let [opening] = openings[..] else {
        panic!("{openings:?}");
    };
    let entry = (
        opening.job,
        opening.credential,
        opening.target.to_string(),
        opening.port,
    );
    assert_eq!(entry, (JobId([6; 16]), CREDENTIAL, "192.0.2.7".to_owned(), 22));
    assert!(opening.at >= before);
    assert_eq!(opened(&mut house), [opening], "who asked may be gone");
    told(&mut house, opening);
    assert_eq!(opened(&mut house), []);
    // Nobody asks: the vault opens so much, and then nothing more.
    for count in 0..=256 {
        let mut worker = loop {
            // A worker that has hung up keeps its seat for a moment.
            match house.serve(assignment.clone()) {
                Ok(worker) => break worker,
                Err(refusal) => assert_eq!(refusal, VaultRefusal::Busy),
            }
        };
        let (answer, memory) = open(&mut worker, "192.0.2.7", right);
        if count < 256 {
            assert!(memory.is_some(), "{count} {answer:?}");
        } else {
            assert_eq!(answer, LoginAnswer::Refused(VaultRefusal::Unreported));
            assert!(memory.is_none());
        }
    }
    let openings = opened(&mut house);
    assert_eq!(openings.len(), 256);
    openings.into_iter().for_each(|opening| told(&mut house, opening));
    let mut worker = house.serve(assignment).unwrap();
    assert!(open(&mut worker, "192.0.2.7", right).1.is_some());
}

#[test]
fn nothing_is_opened_for_a_job_that_does_not_count() {
    let mut house = House::open();
    let stranger = SigningKey::generate();
    let good = house.assignment(|_, _, _| ());
    let Ok(job) = Signed::seal(
        &good.job.verify(&house.platform.verifying_key()).unwrap(),
        &stranger,
    );
    let forged = Assignment { job, ..good.clone() };
    assert_eq!(house.serve(forged).map(drop).unwrap_err(), VaultRefusal::Job);
    assert_eq!(house.refused(|job, _, _| job.expires = NOW), VaultRefusal::Job);
    assert_eq!(
        house.refused(|job, _, _| job.appliance = ApplianceId([9; 16])),
        VaultRefusal::Job
    );
    assert_eq!(house.refused(|job, _, _| job.login = None), VaultRefusal::NoLogin);
    let without = Assignment {
        credential: None,
        ..good.clone()
    };
    assert_eq!(house.serve(without).map(drop).unwrap_err(), VaultRefusal::NoLogin);
    assert_eq!(
        house.refused(|job, _, grant| {
            job.targets = vec!["192.0.2.6-192.0.2.7".parse().unwrap()].try_into().unwrap();
            grant.targets =
                vec![Span::between("192.0.2.6".parse().unwrap(), "192.0.2.7".parse().unwrap()).unwrap()];
        }),
        VaultRefusal::NoLogin
    );
    let ungranted = Assignment {
        grant: None,
        ..good.clone()
    };
    assert_eq!(
        house.serve(ungranted).map(drop).unwrap_err(),
        VaultRefusal::Grant(GrantRefusal::Missing)
    );
    assert_eq!(
        house.refused(|_, _, grant| grant.credentials = vec![]),
        VaultRefusal::Grant(GrantRefusal::Credential)
    );
    assert_eq!(
        house.refused(|_, _, grant| grant.epoch = Epoch(0)),
        VaultRefusal::Grant(GrantRefusal::Revoked)
    );
    let udp = || "U:22".parse().unwrap();
    let place = |header: &mut Header, port| header.places[0].port = port;
    assert_eq!(
        house.refused(|_, header, _| place(header, 23)),
        VaultRefusal::Envelope(EnvelopeRefusal::Place)
    );
    assert_eq!(
        house.refused(|_, header, _| header.places[0].host = "192.0.2.9".parse().unwrap()),
        VaultRefusal::Envelope(EnvelopeRefusal::Place)
    );
    // The right port, of the other transport: nobody logs in there by this kind.
    assert_eq!(
        house.refused(|job, _, grant| (job.ports, grant.ports) = (udp(), udp())),
        VaultRefusal::Envelope(EnvelopeRefusal::Place)
    );
    assert_eq!(
        house.refused(|_, header, _| header.version = 2),
        VaultRefusal::Envelope(EnvelopeRefusal::OtherVersion)
    );
    let Some(Sealing::Owned(envelope)) = &good.credential else {
        panic!("it was signed");
    };
    let unsigned = envelope.verify(&house.owner.verifying_key()).unwrap();
    let planted = Assignment {
        credential: Some(Sealing::Unsigned(unsigned)),
        ..good
    };
    assert_eq!(
        house.serve(planted).map(drop).unwrap_err(),
        VaultRefusal::Envelope(EnvelopeRefusal::NotSigned)
    );
}

#[test]
fn a_kept_record_is_the_same_key_and_opens_under_its_own_alone() {
    let mut house = House::open();
    let open = VaultRequest::Open {
        member: member(&house.platform, None),
        record: Some(house.record.clone()),
    };
    let wrong = ask(&mut house.line, &open, Some(record_keys(2, 2)));
    assert_eq!(wrong, VaultAnswer::Refused(VaultRefusal::Record));
    // Under another owner: opened under the old key, sealed under the new one.
    let VaultAnswer::Open { keys, record } = ask(&mut house.line, &open, Some(record_keys(1, 2))) else {
        panic!("the record opens under its key");
    };
    assert_eq!(keys, house.keys);
    let moved = VaultRequest::Open {
        member: member(&house.platform, None),
        record,
    };
    let answer = ask(&mut house.line, &moved, Some(record_keys(2, 2)));
    assert!(matches!(answer, VaultAnswer::Open { keys, .. } if keys == house.keys));
}

#[test]
fn a_vault_that_is_not_open_serves_nobody_and_ends_with_its_keeper() {
    let (keeper, vault) = UnixStream::pair().unwrap();
    let vault = thread::spawn(move || serve(vault));
    let mut line = Conversation::new(keeper);
    let answer = ask(&mut line, &VaultRequest::Owner(None), None);
    assert_eq!(answer, VaultAnswer::Refused(VaultRefusal::Closed));
    let House {
        line: other,
        vault: open,
        ..
    } = House::open();
    drop((line, other));
    for ended in [vault, open] {
        let error = ended.join().unwrap().unwrap_err();
        assert!(matches!(error, FrameError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof));
    }
}
