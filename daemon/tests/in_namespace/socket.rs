//! The keeper's socket, with a real keeper behind it: whom it answers, and what ends a conversation.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::Duration,
};

use vedette_crypto::SigningKey;
use vedette_daemon::{
    conversation::{Conversation, FRAME_LIMIT},
    keeper::server::{Desk, serve},
};
use vedette_protocol::{
    ApplianceId, Frame, Job, JobId, OrgId, ScanId, Signed, Timestamp,
    codec::read_frame,
    job::Checks,
    keeper::{Compose, Exchange, KeeperAnswer, KeeperRequest, NotGenuine, Refusal, Unfit},
    vault::FileKind,
    worker::{ScopeAnswer, ScopeRefusal, ScopeRequest},
};

use crate::{
    kept::{Kept, listen},
    platform::Platform,
    wire::become_user,
};

const LINK: u32 = 900;
const WORKER: u32 = 61_184;

fn kept(name: &str) -> Kept {
    let platform = Platform::honest();
    Kept::start(name, &platform.config(), None)
}

/// Connects as a user, and does something with the connection.
pub(crate) fn speaking<T: Send + 'static>(
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

pub(crate) fn ask(socket: &Path, requests: Vec<KeeperRequest>) -> Vec<KeeperAnswer> {
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
    let kept = kept("frames");
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
fn a_conversation_that_turns_to_noise_is_ended_and_others_go_on() {
    let kept = kept("noise");
    let request = Frame::of(&KeeperRequest::Standing).unwrap();
    for noise in [&[9; 64][..], &[1, 0xff, 0xff, 0xff, 0xff], &[1, 1, 0, 0, 0, 0xff]] {
        let bytes = [request.bytes(), noise].concat();
        let answered = speaking(&kept.socket, LINK, move |mut socket| {
            socket.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
            socket.write_all(&bytes).unwrap();
            let answer: KeeperAnswer = read_frame(&mut socket).unwrap();
            let over = match socket.read(&mut [0; 16]) {
                Ok(length) => length == 0,
                Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
            };
            (answer, over)
        });
        assert!(
            matches!(answered, (KeeperAnswer::Standing(_), true)),
            "{answered:?}"
        );
    }
    let answers = ask(&kept.socket, vec![KeeperRequest::Standing]);
    assert!(matches!(answers.as_slice(), [KeeperAnswer::Standing(_)]));
}

#[test]
fn a_frame_that_is_never_finished_is_not_waited_for() {
    let kept = kept("slow");
    assert!(closed_on(&kept.socket, LINK, vec![1, 100, 0, 0, 0, 7]));
}

#[test]
fn nobody_else_is_answered() {
    let kept = kept("peers");
    for uid in [0, 901, 998, 65_534] {
        assert!(closed_on(&kept.socket, uid, vec![]), "{uid}");
    }
}

#[test]
fn a_worker_that_asks_for_a_file_key_is_hung_up_on() {
    let kept = kept("file-key");
    let (job, kind) = (JobId([1; 16]), FileKind::Results);
    for request in [
        KeeperRequest::FileKey { job, kind },
        KeeperRequest::ForgetFileKey { job, kind },
    ] {
        let request = Frame::of(&request).unwrap();
        assert!(closed_on(&kept.socket, WORKER, request.bytes().to_vec()));
    }
}

#[test]
fn forged_answers_are_refused_over_the_socket_as_well() {
    let kept = kept("forged");
    let (job, kind) = (JobId([1; 16]), FileKind::Results);
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
            KeeperRequest::FileKey { job, kind },
            KeeperRequest::ForgetFileKey { job, kind },
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
            refused(Refusal::Order),
            refused(Refusal::Order),
        ]
    );
}

#[test]
fn no_worker_is_granted_anything_before_the_appliance_serves() {
    let kept = kept("worker");
    let job = Job {
        id: JobId([1; 16]),
        scan: ScanId([2; 16]),
        org: OrgId([3; 16]),
        appliance: ApplianceId([4; 16]),
        fence: 1,
        targets: vec!["198.51.100.10".parse().unwrap()].try_into().unwrap(),
        exclude: vec![],
        ports: "80".parse().unwrap(),
        checks: Checks::of_endpoints(),
        login: None,
        web: None,
        expires: Timestamp(2_000_000),
    };
    let Ok(job) = Signed::seal(&job, &SigningKey::generate());
    let answer: ScopeAnswer = speaking(&kept.socket, WORKER, move |socket| {
        let mut conversation = Conversation::new(socket);
        let request = ScopeRequest {
            assignment: job.into(),
            names: vec![],
        };
        conversation.send(&request, FRAME_LIMIT).unwrap();
        conversation.receive(FRAME_LIMIT).unwrap()
    });
    assert_eq!(answer, ScopeAnswer::Refused(ScopeRefusal::NotServing));
}

#[test]
fn an_unfit_appliance_says_why_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let listener = listen(place.path());
    thread::spawn(move || serve(&listener, Desk::Closed(Unfit::Lockdown)).unwrap());
    let socket = place.path().join("keeper.sock");
    let answers = ask(
        &socket,
        vec![KeeperRequest::Standing, KeeperRequest::Compose(Compose::Time)],
    );
    let refused = KeeperAnswer::Refused(Refusal::Unfit(Unfit::Lockdown));
    assert_eq!(answers, [refused.clone(), refused]);
}
