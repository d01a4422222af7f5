//! The keeper's socket, with a real keeper behind it: whom it answers, and what ends a conversation.

use std::{
    io::{self, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::fs::{Mode, OFlags, open};
use vedette_crypto::{Signer, SigningKey, roots::PinnedRoots};
use vedette_daemon::{
    conversation::{Conversation, FRAME_LIMIT},
    keeper::{
        clock::Reach,
        server::{Desk, serve},
        start::{adopt_filter, with_parts},
        store::Store,
    },
};
use vedette_protocol::{
    ApplianceId, ImageConfig, ImageId, Job, JobId, OrgId, ScanId, Signed, Timestamp,
    image::{ImageKind, PlatformPins},
    job::Checks,
    keeper::{Compose, Exchange, KeeperAnswer, KeeperRequest, NotGenuine, Refusal, Unfit},
    worker::{ScopeAnswer, ScopeRefusal, ScopeRequest},
};

use crate::wire::{Wire, become_user, enter};

const LINK: u32 = 900;
const WORKER: u32 = 61_184;

/// A keeper that serves in a namespace, its state in a directory.
struct Kept {
    socket: PathBuf,
    platform: SigningKey,
    _wire: Wire,
    _state: tempfile::TempDir,
}

fn config(platform: &SigningKey) -> ImageConfig {
    let root = rcgen_root();
    ImageConfig {
        version: 1,
        kind: ImageKind::Test,
        release: "test".to_owned(),
        built: Timestamp(1_000_000),
        platform: PlatformPins {
            url: "https://platform.vedette.test:8443".parse().unwrap(),
            key: platform.verifying_key(),
            roots: PinnedRoots::new(vec![root]).unwrap(),
        },
    }
}

fn rcgen_root() -> vedette_crypto::roots::PinnedRoot {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    vedette_crypto::roots::PinnedRoot::from_pem(&pem).unwrap()
}

impl Kept {
    fn start(name: &str) -> Self {
        let wire = Wire::new(name);
        wire.load_base();
        let state = tempfile::tempdir().unwrap();
        let platform = SigningKey::generate();
        let store = Store::new(open(state.path(), OFlags::DIRECTORY, Mode::empty()).unwrap());
        let (space, config) = (wire.appliance.clone(), config(&platform));
        let listener = Self::listen(state.path());
        thread::spawn(move || {
            // Every thread and every nft that comes of this one is in the namespace.
            enter(&space);
            let filter = adopt_filter(&config).unwrap();
            let keeper = with_parts(&config, ImageId([1; 32]), filter, store, Reach::Process).unwrap();
            serve(&listener, Desk::Open(Box::new(keeper.into()))).unwrap();
        });
        Self {
            socket: state.path().join("keeper.sock"),
            platform,
            _wire: wire,
            _state: state,
        }
    }

    fn listen(place: &Path) -> UnixListener {
        let path = place.join("keeper.sock");
        let listener = UnixListener::bind(&path).unwrap();
        for path in [place, &path] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        listener
    }
}

/// Connects as a user, and does something with the connection.
fn speaking<T: Send + 'static>(
    socket: &Path,
    uid: u32,
    speak: impl FnOnce(UnixStream) -> T + Send + 'static,
) -> T {
    let socket = socket.to_owned();
    let spoken = thread::spawn(move || {
        become_user(uid);
        speak(UnixStream::connect(socket).unwrap())
    });
    spoken.join().unwrap()
}

fn ask(socket: &Path, requests: Vec<KeeperRequest>) -> Vec<KeeperAnswer> {
    speaking(socket, LINK, move |socket| {
        let mut conversation = Conversation::new(socket);
        let asked = requests.iter().map(|request| {
            conversation.send(request, FRAME_LIMIT).unwrap();
            conversation.receive(Duration::from_secs(20)).unwrap()
        });
        asked.collect()
    })
}

/// Whether the keeper closes on somebody who says this.
fn closed_on(socket: &Path, uid: u32, bytes: Vec<u8>) -> bool {
    speaking(socket, uid, move |mut socket| {
        socket.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
        // It may be closed before all of it is said.
        let _ = socket.write_all(&bytes);
        match socket.read(&mut [0; 16]) {
            Ok(length) => length == 0,
            // Closed with bytes of ours unread.
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    })
}

#[test]
fn malformed_frames_end_the_conversation_and_not_the_keeper() {
    let kept = Kept::start("frames");
    for bytes in [
        vec![9, 1, 0, 0, 0, 0],
        vec![1, 0xff, 0xff, 0xff, 0xff],
        vec![1, 3, 0, 0, 0, 0xff, 0xff, 0xff],
        vec![1, 2, 0, 0, 0, 0, 0],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        for uid in [LINK, WORKER] {
            assert!(closed_on(&kept.socket, uid, bytes.clone()), "{uid} {bytes:?}");
        }
    }
    let answers = ask(&kept.socket, vec![KeeperRequest::Standing]);
    assert!(matches!(answers.as_slice(), [KeeperAnswer::Standing(_)]));
}

#[test]
fn a_frame_that_is_never_finished_is_not_waited_for() {
    let kept = Kept::start("slow");
    assert!(closed_on(&kept.socket, LINK, vec![1, 100, 0, 0, 0, 7]));
}

#[test]
fn nobody_else_is_answered() {
    let kept = Kept::start("peers");
    for uid in [0, 901, 998, 65_534] {
        assert!(closed_on(&kept.socket, uid, vec![]), "{uid}");
    }
}

#[test]
fn forged_answers_are_refused_over_the_socket_as_well() {
    let kept = Kept::start("forged");
    let open = |answer: Vec<u8>| KeeperRequest::Open {
        exchange: Exchange::Time,
        answer,
    };
    let answers = ask(
        &kept.socket,
        vec![
            KeeperRequest::Compose(Compose::Boot),
            KeeperRequest::Compose(Compose::Time),
            open(vec![1, 2, 3]),
            open(vec![1, 2, 3]),
            KeeperRequest::SignTls(vec![b' '; 130]),
            KeeperRequest::Workspace,
        ],
    );
    let refused = |refusal| KeeperAnswer::Refused(refusal);
    assert_eq!(answers[0], refused(Refusal::Order));
    assert!(matches!(answers[1], KeeperAnswer::Request(_)));
    assert_eq!(
        answers[2..],
        [
            refused(Refusal::NotGenuine(NotGenuine::Malformed)),
            refused(Refusal::Order),
            refused(Refusal::Order),
            refused(Refusal::Order),
        ]
    );
}

#[test]
fn no_worker_is_granted_anything_before_the_appliance_serves() {
    let kept = Kept::start("worker");
    let job = Job {
        id: JobId([1; 16]),
        scan: ScanId([2; 16]),
        org: OrgId([3; 16]),
        appliance: ApplianceId([4; 16]),
        fence: 1,
        targets: vec!["198.51.100.10".parse().unwrap()].try_into().unwrap(),
        exclude: vec![],
        ports: "80".parse().unwrap(),
        checks: Checks::all(),
        expires: Timestamp(2_000_000),
    };
    let Ok(job) = Signed::seal(&job, &kept.platform);
    let answer: ScopeAnswer = speaking(&kept.socket, WORKER, move |socket| {
        let mut conversation = Conversation::new(socket);
        let request = ScopeRequest { job, names: vec![] };
        conversation.send(&request, FRAME_LIMIT).unwrap();
        conversation.receive(FRAME_LIMIT).unwrap()
    });
    assert_eq!(answer, ScopeAnswer::Refused(ScopeRefusal::NotServing));
}

#[test]
fn an_unfit_appliance_says_why_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let listener = Kept::listen(place.path());
    thread::spawn(move || serve(&listener, Desk::Closed(Unfit::Lockdown)).unwrap());
    let socket = place.path().join("keeper.sock");
    let answers = ask(
        &socket,
        vec![KeeperRequest::Standing, KeeperRequest::Compose(Compose::Time)],
    );
    let refused = KeeperAnswer::Refused(Refusal::Unfit(Unfit::Lockdown));
    assert_eq!(answers, [refused.clone(), refused]);
}
