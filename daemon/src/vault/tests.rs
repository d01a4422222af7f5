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
            VaultAnswer::Open { .. } | VaultAnswer::Openings(_) => panic!("it was asked to serve"),
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
fn each_opening_is_told_of_once_and_none_that_cannot_be() {
    let mut house = House::open();
    let told = |house: &mut House| match ask(&mut house.line, &VaultRequest::Openings, None) {
        VaultAnswer::Openings(openings) => openings,
        other => panic!("{other:?}"),
    };
    let (right, wrong) = (Shown::SshHostKey(HOST_KEY), Shown::SshHostKey(Digest([6; 32])));
    let assignment = house.assignment(|_, _, _| ());
    let mut worker = house.serve(assignment.clone()).unwrap();
    open(&mut worker, "192.0.2.7", wrong);
    assert_eq!(told(&mut house), [], "nothing was opened");
    let before = Timestamp::now();
    open(&mut worker, "192.0.2.7", right);
    let openings = told(&mut house);
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
    assert_eq!(told(&mut house), []);
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
    assert_eq!(told(&mut house).len(), 256);
    let mut worker = house.serve(assignment).unwrap();
    assert!(open(&mut worker, "192.0.2.7", right).1.is_some());
}

/// A private key in PEM.
fn fresh_key() -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let body = Pkcs8::generate().with(|der| STANDARD.encode(der));
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

/// What a client of SSH signs (RFC 4252, section 7).
fn userauth(user: &str, algorithm: &str, public: &[u8]) -> Vec<u8> {
    let string = |part: &[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
    let session = string(&[7; 32]);
    let request = [user.as_bytes(), b"ssh-connection", b"publickey"]
        .map(string)
        .concat();
    let key = [string(algorithm.as_bytes()), string(public)].concat();
    [session, vec![50], request, vec![1], key].concat()
}

/// A worker to which a key is held, with the key's public half.
fn holding(house: &mut House, pem: &str) -> (Conversation, Vec<u8>) {
    let login = Login::SshKey {
        user: "scanner".to_owned(),
        key: secret(pem),
        passphrase: None,
    };
    let assignment = house.assignment_with(&login, |_, _, _| ());
    let mut worker = house.serve(assignment).unwrap();
    let (answer, memory) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(HOST_KEY));
    let LoginAnswer::SshKey { user, public } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(user, "scanner");
    assert!(memory.is_none(), "a private key does not leave");
    (worker, public)
}

fn sign(worker: &mut Conversation, bytes: Vec<u8>) -> LoginAnswer {
    worker.send(&LoginRequest::SignSsh(bytes), FRAME_LIMIT).unwrap();
    let (answer, memory) = worker.receive_with_descriptor(FRAME_LIMIT).unwrap();
    assert!(memory.is_none());
    answer
}

#[test]
fn a_private_key_signs_one_login_of_its_user_and_nothing_else() {
    let mut house = House::open();
    let pem = fresh_key();
    let (mut worker, public) = holding(&mut house, &pem);
    let good = userauth("scanner", "ssh-ed25519", &public);
    let LoginAnswer::Signature(signature) = sign(&mut worker, good.clone()) else {
        panic!("this is the login");
    };
    let raw = signature
        .strip_prefix(b"\0\0\0\x0bssh-ed25519\0\0\0\x40")
        .unwrap();
    let key: [u8; 32] = public[public.len() - 32..].try_into().unwrap();
    let key = vedette_crypto::VerifyingKey::from_bytes(key);
    assert_eq!(key.verify(&good, raw), Ok(()));
    let given = LoginAnswer::Refused(VaultRefusal::Given);
    assert_eq!(sign(&mut worker, good.clone()), given, "a second signature");
    let (again, memory) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(HOST_KEY));
    assert!(again == given && memory.is_none(), "{again:?}");

    let (_, other) = holding(&mut house, &fresh_key());
    for (wrong, what) in [
        (userauth("root", "ssh-ed25519", &public), "another user"),
        (userauth("scanner", "rsa-sha2-512", &public), "another algorithm"),
        (userauth("scanner", "ssh-ed25519", &other), "another key"),
        (good[..good.len() - 1].to_vec(), "less"),
        ([good.as_slice(), b"\0"].concat(), "more"),
        (b"anything".to_vec(), "other bytes"),
        (vec![], "nothing"),
    ] {
        let (mut worker, held) = holding(&mut house, &pem);
        assert_eq!(held, public);
        let refused = sign(&mut worker, wrong);
        assert_eq!(
            refused,
            LoginAnswer::Refused(VaultRefusal::NotThisLogin),
            "{what}"
        );
        // Whoever asked for that is asked no more: the key is gone.
        assert_eq!(sign(&mut worker, good.clone()), given, "{what}");
    }
}

/// A client certificate and its key, in PEM.
fn certified() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn a_client_certificates_key_signs_one_handshake_and_nothing_else() {
    const ECDSA_SECP256R1_SHA256: u16 = 0x0403;
    let mut house = House::open();
    let (certificate, key) = certified();
    let content = [
        &[b' '; 64],
        b"TLS 1.3, client CertificateVerify\0".as_slice(),
        &[7; 32],
    ]
    .concat();
    let holding = |house: &mut House| {
        let login = Login::ClientCertificate {
            certificate: certificate.clone(),
            key: secret(&key),
        };
        let assignment = house.assignment_with(&login, |_, header, _| {
            header.places[0].trust = Trust::TlsSpki(HOST_KEY);
        });
        let mut worker = house.serve(assignment).unwrap();
        let (answer, memory) = open(&mut worker, "192.0.2.7", Shown::TlsSpki(HOST_KEY));
        let LoginAnswer::Certificate { chain, schemes } = answer else {
            panic!("{answer:?}");
        };
        assert!(memory.is_none(), "a private key does not leave");
        assert_eq!(schemes, [ECDSA_SECP256R1_SHA256]);
        assert_eq!(chain.len(), 1);
        worker
    };
    let sign = |worker: &mut Conversation, scheme, message: &[u8]| {
        let message = message.to_vec();
        worker
            .send(&LoginRequest::SignTls { scheme, message }, FRAME_LIMIT)
            .unwrap();
        worker.receive::<LoginAnswer>(FRAME_LIMIT).unwrap()
    };
    let given = LoginAnswer::Refused(VaultRefusal::Given);
    let mut worker = holding(&mut house);
    let answer = sign(&mut worker, ECDSA_SECP256R1_SHA256, &content);
    assert!(matches!(answer, LoginAnswer::Signature(_)), "{answer:?}");
    assert_eq!(sign(&mut worker, ECDSA_SECP256R1_SHA256, &content), given);
    let server = [
        &[b' '; 64],
        b"TLS 1.3, server CertificateVerify\0".as_slice(),
        &[7; 32],
    ]
    .concat();
    for (scheme, message) in [
        (ECDSA_SECP256R1_SHA256, server.as_slice()),
        (ECDSA_SECP256R1_SHA256, b"anything"),
        (
            ECDSA_SECP256R1_SHA256,
            &userauth("scanner", "ssh-ed25519", b"key"),
        ),
        (0x0807, &content),
        (0, &content),
    ] {
        let mut worker = holding(&mut house);
        let refused = LoginAnswer::Refused(VaultRefusal::NotThisLogin);
        assert_eq!(sign(&mut worker, scheme, message), refused, "{scheme:#x}");
        assert_eq!(sign(&mut worker, ECDSA_SECP256R1_SHA256, &content), given);
    }
}

#[test]
fn a_key_of_one_protocol_signs_nothing_of_the_other() {
    let mut house = House::open();
    let (mut worker, _) = holding(&mut house, &fresh_key());
    let message = [
        &[b' '; 64],
        b"TLS 1.3, client CertificateVerify\0".as_slice(),
        &[7; 32],
    ]
    .concat();
    worker
        .send(
            &LoginRequest::SignTls {
                scheme: 0x0807,
                message,
            },
            FRAME_LIMIT,
        )
        .unwrap();
    let answer: LoginAnswer = worker.receive(FRAME_LIMIT).unwrap();
    assert_eq!(answer, LoginAnswer::Refused(VaultRefusal::NotThisLogin));
}

#[test]
fn nothing_is_signed_before_the_host_has_shown_its_key() {
    let mut house = House::open();
    let pem = fresh_key();
    let (_, public) = holding(&mut house, &pem);
    let login = Login::SshKey {
        user: "scanner".to_owned(),
        key: secret(&pem),
        passphrase: None,
    };
    let assignment = house.assignment_with(&login, |_, _, _| ());
    let mut worker = house.serve(assignment).unwrap();
    let asked = userauth("scanner", "ssh-ed25519", &public);
    let order = LoginAnswer::Refused(VaultRefusal::Order);
    assert_eq!(sign(&mut worker, asked.clone()), order);
    let (answer, _) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(Digest([6; 32])));
    assert_eq!(answer, LoginAnswer::Refused(VaultRefusal::WrongHost));
    assert_eq!(sign(&mut worker, asked), order);
}

#[test]
fn a_key_that_does_not_open_is_named_and_not_tried_again() {
    let mut house = House::open();
    let login = |key: &str, passphrase: Option<&str>| Login::SshKey {
        user: "scanner".to_owned(),
        key: secret(key),
        passphrase: passphrase.map(secret),
    };
    for (login, refusal) in [
        (login("no key", None), VaultRefusal::UnfitKey),
        (login(&fresh_key(), Some("a passphrase")), VaultRefusal::UnfitKey),
    ] {
        let assignment = house.assignment_with(&login, |_, _, _| ());
        let mut worker = house.serve(assignment).unwrap();
        for expected in [refusal, VaultRefusal::Given] {
            let (answer, memory) = open(&mut worker, "192.0.2.7", Shown::SshHostKey(HOST_KEY));
            assert!(answer == LoginAnswer::Refused(expected) && memory.is_none());
        }
    }
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
    let place = |header: &mut Header, port| header.places[0].port = port;
    assert_eq!(
        house.refused(|_, header, _| place(header, 23)),
        VaultRefusal::Envelope(EnvelopeRefusal::Place)
    );
    assert_eq!(
        house.refused(|_, header, _| header.places[0].host = "192.0.2.9".parse().unwrap()),
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
