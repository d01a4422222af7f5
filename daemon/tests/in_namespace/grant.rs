//! A worker's grant, from its request to its end, in the kernel.

use std::{
    io::{ErrorKind, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use vedette_daemon::conversation::{Conversation, FRAME_LIMIT};
use vedette_protocol::{
    ApplianceId, Job, JobId, ScanId, Signed, Timestamp,
    codec::{read_frame, write_frame},
    job::{Check, Checks},
    keeper::{Enrolled, KeeperAnswer, KeeperRequest},
    scope::Resolved,
    worker::{Adapter, ScopeAnswer, ScopeRefusal, ScopeRequest},
};
use vedette_scanner::packet::{Ends, Ethernet, Icmp, Mac, ethernet, ip};
use vedette_sys::packet;

use crate::{
    filter::{listen, reaches},
    frames,
    kept::Kept,
    platform::{APPLIANCE, ORG, Platform},
    socket,
    wire::{become_user, enter},
};

const WORKER: u32 = 61_184;
const HOST: &str = "198.51.100.10";

fn job(seconds: u64) -> Job {
    Job {
        id: JobId([1; 16]),
        scan: ScanId([2; 16]),
        org: ORG,
        appliance: APPLIANCE,
        fence: 1,
        targets: vec!["198.51.100.10-13".parse().unwrap()].try_into().unwrap(),
        exclude: vec!["198.51.100.11".parse().unwrap()],
        ports: "80".parse().unwrap(),
        checks: Checks::of_endpoints(),
        login: None,
        web: None,
        expires: Timestamp::now().after(Duration::from_secs(seconds)),
    }
}

fn serving(name: &str, platform: &Platform) -> Kept {
    let enrolled = Enrolled {
        appliance: APPLIANCE,
        org: ORG,
        certificate: vec![],
    };
    let kept = Kept::serving(name, &platform.config(), enrolled);
    listen(&kept.wire, &[80]);
    kept
}

/// A worker that asks, and holds its connection until it is told to close.
struct Worker {
    answer: ScopeAnswer,
    lent: Vec<(Adapter, OwnedFd)>,
    close: Sender<()>,
    closed: Receiver<()>,
}

fn ask(kept: &Kept, job: Signed<Job>) -> Worker {
    ask_with_names(kept, job, vec![])
}

fn ask_with_names(kept: &Kept, job: Signed<Job>, names: Vec<Resolved>) -> Worker {
    let socket = kept.socket.clone();
    let (close, told) = channel();
    let (tell, closed) = channel();
    let (say, answer) = channel();
    thread::spawn(move || {
        become_user(WORKER);
        let mut conversation = Conversation::new(UnixStream::connect(socket).unwrap());
        let request = ScopeRequest {
            assignment: job.into(),
            names,
        };
        conversation.send(&request, FRAME_LIMIT).unwrap();
        let answer = conversation.receive::<ScopeAnswer>(FRAME_LIMIT).unwrap();
        let lent: Vec<(Adapter, OwnedFd)> = (0..lent(&answer))
            .map(|_| conversation.receive_with_descriptor(FRAME_LIMIT).unwrap())
            .map(|(adapter, socket): (Adapter, Option<OwnedFd>)| (adapter, socket.unwrap()))
            .collect();
        say.send((answer, lent)).unwrap();
        while told.try_recv().is_err() {
            if conversation.is_over() {
                let _ = tell.send(());
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let (answer, lent) = answer.recv().unwrap();
    Worker {
        answer,
        lent,
        close,
        closed,
    }
}

/// How many adapters follow.
fn lent(answer: &ScopeAnswer) -> u8 {
    match answer {
        ScopeAnswer::Granted { adapters, .. } => *adapters,
        ScopeAnswer::Refused(_) => 0,
    }
}

fn wait_until_unreachable(kept: &Kept, limit: Duration) {
    let end = Instant::now() + limit;
    while reaches(&kept.wire, WORKER, HOST, 80) {
        assert!(Instant::now() < end, "still reachable after {limit:?}");
    }
}

#[test]
fn a_grant_lives_as_long_as_the_workers_connection() {
    let platform = Platform::honest();
    let kept = serving("grant", &platform);
    let worker = ask(&kept, platform.job(&job(600)));
    let ScopeAnswer::Granted { scope, .. } = &worker.answer else {
        panic!("{:?}", worker.answer);
    };
    assert!(scope.area.permits(HOST.parse().unwrap()));
    assert!(reaches(&kept.wire, WORKER, HOST, 80));
    assert!(!reaches(&kept.wire, WORKER, "198.51.100.11", 80), "excluded");
    let second = ask(&kept, platform.job(&job(600)));
    assert_eq!(second.answer, ScopeAnswer::Refused(ScopeRefusal::AlreadyGranted));
    assert!(
        reaches(&kept.wire, WORKER, HOST, 80),
        "a refusal takes nothing away"
    );
    worker.close.send(()).unwrap();
    wait_until_unreachable(&kept, Duration::from_secs(3));
    assert!(matches!(
        ask(&kept, platform.job(&job(600))).answer,
        ScopeAnswer::Granted { .. }
    ));
}

#[test]
fn a_socket_for_frames_is_worth_as_much_as_the_grant() {
    let platform = Platform::honest();
    let kept = serving("lent", &platform);
    enter(&kept.wire.network);
    let outside = frames::on("eth0");
    let worker = ask(&kept, platform.job(&job(600)));
    let [(adapter, socket)] = worker.lent.as_slice() else {
        panic!("{:?}", worker.lent);
    };
    packet::bind(socket, adapter.interface, frames::EVERYTHING).unwrap();
    let own = adapter.address.to_string();
    let syn = |host: &str| {
        let packet = frames::syn(&own, host, adapter.ports, 80);
        Ethernet::new(Mac(adapter.mac.0), Mac([0xff; 6]), ethernet::IPV4).frame(&packet)
    };
    let comes_out = |host: &str| {
        frames::as_worker(|| drop(frames::send(socket, &syn(host))));
        thread::sleep(Duration::from_millis(50));
        frames::drain(&outside).contains(&syn(host))
    };
    assert!(comes_out(HOST));
    assert!(!comes_out("198.51.100.11"), "excluded");
    worker.close.send(()).unwrap();
    wait_until_unreachable(&kept, Duration::from_secs(3));
    assert!(!comes_out(HOST), "whoever still holds it");
}

#[test]
fn icmp_leaves_for_a_job_that_has_the_check_in_its_signature_and_for_no_other() {
    let platform = Platform::honest();
    let kept = serving("icmp", &platform);
    enter(&kept.wire.network);
    let outside = frames::on("eth0");
    let networks = [Check::Discovery, Check::Topology].map(|check| vec![check]);
    let both = vec![Check::Ports, Check::Discovery];
    let without = Vec::from(Checks::of_endpoints());
    for (checks, leaves) in networks
        .map(|checks| (checks, true))
        .into_iter()
        .chain([(both, true), (without, false)])
    {
        let asked = Job {
            checks: checks.clone().try_into().unwrap(),
            ..job(600)
        };
        let worker = ask(&kept, platform.job(&asked));
        let [(adapter, socket)] = worker.lent.as_slice() else {
            panic!("{:?}", worker.lent);
        };
        packet::bind(socket, adapter.interface, frames::EVERYTHING).unwrap();
        let echo = |host: &str| {
            let ends = Ends::between(adapter.address.into(), host.parse().unwrap()).unwrap();
            let echo = Icmp::Echo {
                id: adapter.ports,
                sequence: 1,
                data: b"",
            };
            let packet = ends.packet(ip::ICMP, 64, &echo.bytes().unwrap());
            Ethernet::new(Mac(adapter.mac.0), Mac([0xff; 6]), ethernet::IPV4).frame(&packet)
        };
        let comes_out = |host: &str| {
            frames::as_worker(|| drop(frames::send(socket, &echo(host))));
            thread::sleep(Duration::from_millis(50));
            frames::drain(&outside).contains(&echo(host))
        };
        assert_eq!(comes_out(HOST), leaves, "{checks:?}");
        assert!(!comes_out("198.51.100.11"), "excluded, with {checks:?}");
        worker.close.send(()).unwrap();
        wait_until_unreachable(&kept, Duration::from_secs(3));
        assert!(!comes_out(HOST), "whoever still holds it, with {checks:?}");
    }
}

#[test]
fn a_worker_that_goes_on_talking_loses_its_grant() {
    let platform = Platform::honest();
    let kept = serving("talking", &platform);
    for noise in [&[1][..], &[0xff; 4096]] {
        let socket = kept.socket.clone();
        let request = ScopeRequest {
            assignment: platform.job(&job(600)).into(),
            names: vec![],
        };
        let (say, answer) = channel();
        let (go_on, told) = channel();
        let worker = thread::spawn(move || {
            become_user(WORKER);
            let mut socket = UnixStream::connect(socket).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
            write_frame(&mut socket, &request).unwrap();
            let answer: ScopeAnswer = read_frame(&mut socket).unwrap();
            for _ in 0..lent(&answer) {
                let _: Adapter = read_frame(&mut socket).unwrap();
            }
            say.send(answer).unwrap();
            told.recv().unwrap();
            let _ = socket.write_all(noise);
            // The keeper's end is closed, with bytes of ours unread.
            match socket.read(&mut [0; 16]) {
                Ok(length) => length == 0,
                Err(error) => error.kind() == ErrorKind::ConnectionReset,
            }
        });
        assert!(matches!(answer.recv().unwrap(), ScopeAnswer::Granted { .. }));
        assert!(reaches(&kept.wire, WORKER, HOST, 80));
        go_on.send(()).unwrap();
        wait_until_unreachable(&kept, Duration::from_secs(5));
        assert!(worker.join().unwrap());
    }
    let answers = socket::ask(&kept.socket, vec![KeeperRequest::Standing]);
    assert!(matches!(answers.as_slice(), [KeeperAnswer::Standing(_)]));
}

#[test]
fn a_grant_ends_with_its_job() {
    let platform = Platform::honest();
    let kept = serving("expiry", &platform);
    let worker = ask(&kept, platform.job(&job(3)));
    assert!(matches!(worker.answer, ScopeAnswer::Granted { .. }));
    worker.closed.recv_timeout(Duration::from_secs(6)).unwrap();
    wait_until_unreachable(&kept, Duration::from_secs(1));
}

#[test]
fn jobs_that_are_not_ours_open_nothing() {
    let (platform, rogue) = (Platform::honest(), Platform::honest());
    let kept = serving("rogue", &platform);
    let others = Job {
        appliance: ApplianceId([9; 16]),
        ..job(600)
    };
    let own = Job {
        targets: vec!["127.0.0.1".parse().unwrap(), "198.51.100.2".parse().unwrap()]
            .try_into()
            .unwrap(),
        ..job(600)
    };
    for (signed, refusal) in [
        (rogue.job(&job(600)), ScopeRefusal::NotSigned),
        (platform.job(&others), ScopeRefusal::NotOurs),
        (platform.job(&job(0)), ScopeRefusal::Expired),
        (platform.job(&own), ScopeRefusal::NothingInScope),
    ] {
        assert_eq!(ask(&kept, signed).answer, ScopeAnswer::Refused(refusal));
        assert!(!reaches(&kept.wire, WORKER, HOST, 80));
    }
}

#[test]
fn a_name_stands_for_what_the_link_said_and_not_for_what_a_worker_says() {
    let platform = Platform::honest();
    let kept = serving("names", &platform);
    let named = Job {
        targets: vec!["db.lan".parse().unwrap()].try_into().unwrap(),
        ..job(600)
    };
    let stands_for = |address: &str| {
        vec![Resolved {
            name: "db.lan".parse().unwrap(),
            addresses: vec![address.parse().unwrap()],
        }]
    };
    let granted = |address: &str| ask_with_names(&kept, platform.job(&named), stands_for(address)).answer;
    let refused = ScopeAnswer::Refused(ScopeRefusal::Names);
    assert_eq!(granted(HOST), refused, "the link has said nothing yet");
    let told = KeeperRequest::Names {
        job: named.id,
        names: stands_for(HOST),
    };
    assert_eq!(socket::ask(&kept.socket, vec![told]), [KeeperAnswer::Done]);
    assert_eq!(granted("198.51.100.12"), refused);
    assert!(!reaches(&kept.wire, WORKER, "198.51.100.12", 80));
    assert!(matches!(granted(HOST), ScopeAnswer::Granted { .. }));
    assert!(reaches(&kept.wire, WORKER, HOST, 80));
}
