//! The operator's copy: a real keeper and vedetted, a platform that records what it is sent, and a real rsyslog.

use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    io::Write,
    net::SocketAddr,
    os::{
        fd::AsFd,
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustix::fs::{Mode, OFlags, open};
use serde::de::DeserializeOwned;
use serde_json::Value;
use vedette_crypto::{
    Signer, SigningKey, VerifyingKey,
    roots::{PinnedRoot, PinnedRoots},
};
use vedette_daemon::{
    conversation::{Conversation, FRAME_LIMIT},
    keeper::course::Owned,
    vault::cabinet::Cabinet,
};
use vedette_protocol::{
    Digest, Finding, Fingerprint, Frame, Job, JobId, Message, Report, ScanId, Signed, Timestamp,
    codec::read_frame,
    copy::{self, ClientCertificate, Copied, CopyOrder, CopyRefusal, CopyState, CopyTrouble, Delivery},
    finding::{Confidence, Coverage, Effort, FindingPlace, FindingType, Host},
    job::Checks,
    keeper::{KeeperAnswer, KeeperRequest},
    link::{EventsRequest, PollRequest, Request, What},
    owner::{Epoch, OwnerWord},
    worker::{Order, Progress, WorkerEvent},
};
use vedette_sys::secretmem;
use vedette_tests::collector::{Authority, Collector};

use crate::{
    filter::reaches,
    kept::Kept,
    platform::{APPLIANCE, ORG, Platform},
    wire::{become_user, enter},
};

const LINK: u32 = 900;
const WORKER: u32 = 61_184;
/// A host of the network, and a port where a collector stands.
const HOST: &str = "198.51.100.12";
const ENDPOINT: &str = "198.51.100.12:6514";
const WHILE: Duration = Duration::from_secs(60);

/// An appliance that serves an owner, and what stands around it.
struct Scene {
    owner: SigningKey,
    identity: Fingerprint,
    identity_key: VerifyingKey,
    authority: Authority,
    platform: Platform,
    kept: Kept,
}

impl Scene {
    fn set(name: &str) -> Self {
        let (owner, identity) = (SigningKey::generate(), SigningKey::generate());
        let platform = Platform::honest();
        let owned = Owned {
            records: Some(owner.verifying_key()),
            ..Owned::default()
        };
        let identity_key = identity.verifying_key();
        let enrolled = platform.enrolled(identity_key);
        let kept = Kept::serving_owner(name, &platform.config(), enrolled, identity, owned);
        platform.serve(&kept.wire.network);
        give_a_workspace(&kept);
        employ(&kept);
        Self {
            owner,
            identity: Fingerprint::of(&identity_key),
            identity_key,
            authority: Authority::new("The operator's CA").unwrap(),
            platform,
            kept,
        }
    }

    fn collector(&self, authority: &Authority, names: &[&str]) -> Collector {
        self.start(|endpoint| Collector::start(authority, names, endpoint).unwrap())
    }

    fn start(&self, start: impl FnOnce(SocketAddr) -> Collector + Send) -> Collector {
        let space = &self.kept.wire.network;
        thread::scope(|scope| {
            let started = scope.spawn(|| {
                enter(space);
                start(ENDPOINT.parse().unwrap())
            });
            started.join().unwrap()
        })
    }

    fn restart(&self, collector: &mut Collector) {
        let space = &self.kept.wire.network;
        thread::scope(|scope| {
            let started = scope.spawn(|| {
                enter(space);
                collector.restart().unwrap();
            });
            started.join().unwrap();
        });
    }

    fn order(&self, number: u64, delivery: Delivery) -> CopyOrder {
        let roots = PinnedRoots::new(vec![PinnedRoot::from_pem(self.authority.pem()).unwrap()]).unwrap();
        CopyOrder {
            org: ORG,
            appliance: APPLIANCE,
            identity: self.identity,
            epoch: Epoch(0),
            number,
            collector: Some(copy::Collector {
                at: ENDPOINT.parse().unwrap(),
                name: None,
                roots,
                delivery,
                certificate: None,
            }),
        }
    }

    /// Has the platform carry an order.
    fn say(&self, order: &CopyOrder) {
        let Ok(order) = Signed::seal(order, &self.owner);
        self.platform.say(OwnerWord::Copy(order));
    }

    /// Gives the appliance a job of which its worker tells this many findings, in as many events.
    fn job(&self, id: u8, findings: u16) {
        let job = Job {
            id: JobId([id; 16]),
            scan: ScanId([2; 16]),
            org: ORG,
            appliance: APPLIANCE,
            fence: findings.into(),
            targets: vec!["198.51.100.10".parse().unwrap()].try_into().unwrap(),
            exclude: vec![],
            ports: "80".parse().unwrap(),
            checks: Checks::of_endpoints(),
            login: None,
            web: None,
            expires: Timestamp::now().after(Duration::from_secs(600)),
        };
        self.platform.give(self.platform.job(&job));
    }

    /// Waits until the platform was sent messages of which this is true.
    fn wait_for_platform(&self, wanted: impl Fn(&[(String, Vec<u8>)]) -> bool) -> Vec<(String, Vec<u8>)> {
        let end = std::time::Instant::now() + WHILE;
        loop {
            let bodies = self.platform.bodies();
            if wanted(&bodies) {
                return bodies;
            }
            assert!(
                std::time::Instant::now() < end,
                "the platform was sent {} messages",
                bodies.len()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The last standing of the copy that the platform was told.
    fn wait_for_standing(&self, wanted: impl Fn(&copy::CopyStanding) -> bool) {
        self.wait_for_platform(|bodies| {
            let polls = bodies.iter().rev().find(|(path, _)| path == PollRequest::PATH);
            polls.is_some_and(|(_, body)| wanted(&opened::<PollRequest>(body).copy))
        });
    }
}

fn opened<T: Message>(body: &[u8]) -> T {
    Signed::<T>::from_bytes(body)
        .unwrap()
        .danger_read_unverified()
        .unwrap()
}

/// How the jobs ended of which the platform knows, by the first byte of their ids.
fn ended(bodies: &[(String, Vec<u8>)]) -> BTreeSet<u8> {
    events(bodies)
        .into_iter()
        .filter(|(_, what)| matches!(what, What::Ended(_)))
        .map(|(job, _)| job.0[0])
        .collect()
}

/// The events that the platform was sent, each once, in their order.
fn events(bodies: &[(String, Vec<u8>)]) -> Vec<(JobId, What)> {
    let mut all = Vec::new();
    for (_, body) in bodies.iter().filter(|(path, _)| path == EventsRequest::PATH) {
        let request = opened::<EventsRequest>(body);
        let first = usize::try_from(request.first).unwrap();
        assert_eq!(first, all.len(), "the platform takes every batch");
        all.extend(request.events.into_iter().map(|event| (event.job, event.what)));
    }
    all
}

/// The lines of messages among those that a collector wrote.
fn messages(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["left"].is_string()).collect()
}

fn is_the_same<T: Message + DeserializeOwned + PartialEq + std::fmt::Debug>(line: &Value, body: &[u8]) {
    let copied: Copied<T> = serde_json::from_value(line.clone()).unwrap();
    assert_eq!(copied.message, opened::<T>(body));
    assert_eq!(copied, Copied::of(&copied.left, body).unwrap());
}

/// Stands between vedetted and the keeper, for what a keeper without disks cannot give: a workspace, and the vault's
/// keys of the files in it.
fn give_a_workspace(kept: &Kept) {
    let (socket, workspace) = (kept.socket.clone(), kept.socket.with_file_name("workspace"));
    fs::create_dir(&workspace).unwrap();
    fs::set_permissions(&workspace, Permissions::from_mode(0o777)).unwrap();
    let listener = UnixListener::bind(kept.link_socket()).unwrap();
    fs::set_permissions(kept.link_socket(), Permissions::from_mode(0o777)).unwrap();
    let cabinet = Arc::new(Mutex::new(Cabinet::default()));
    thread::spawn(move || {
        become_user(LINK);
        for vedetted in listener.incoming() {
            let (socket, workspace, cabinet) = (socket.clone(), workspace.clone(), cabinet.clone());
            thread::spawn(move || {
                let mut vedetted = Conversation::new(vedetted.unwrap());
                let mut keeper = Conversation::new(UnixStream::connect(socket).unwrap());
                while vedetted.wait(None).is_ok()
                    && let Ok(request) = vedetted.receive::<KeeperRequest>(FRAME_LIMIT)
                {
                    let (answer, descriptor) = match &request {
                        KeeperRequest::Workspace => {
                            let directory = open(&workspace, OFlags::DIRECTORY, Mode::empty()).unwrap();
                            (KeeperAnswer::Workspace, Some(directory))
                        }
                        KeeperRequest::FileKey { job, kind } => {
                            let mut cabinet = cabinet.lock().unwrap();
                            let key = cabinet.key(*job, *kind).unwrap();
                            let handed = key.with(|key| secretmem::create(key)).unwrap();
                            (KeeperAnswer::FileKey, Some(handed))
                        }
                        KeeperRequest::ForgetFileKey { job, kind } => {
                            cabinet.lock().unwrap().forget(*job, *kind);
                            (KeeperAnswer::Done, None)
                        }
                        _ => {
                            keeper.send(&request, FRAME_LIMIT).unwrap();
                            keeper.wait(Some(WHILE)).unwrap();
                            (keeper.receive(FRAME_LIMIT).unwrap(), None)
                        }
                    };
                    match descriptor {
                        Some(handed) => vedetted.send_with_descriptor(&answer, handed.as_fd(), FRAME_LIMIT),
                        None => vedetted.send(&answer, FRAME_LIMIT),
                    }
                    .unwrap();
                }
            });
        }
    });
}

/// Takes vedetted's orders as a worker does, and tells as many findings as the job's fence says.
fn employ(kept: &Kept) {
    let socket = kept.worker_socket();
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
    thread::spawn(move || {
        for vedetted in listener.incoming() {
            thread::spawn(move || {
                let mut vedetted = vedetted.unwrap();
                let order: Order = read_frame(&mut vedetted).unwrap();
                let job = order.assignment.job.danger_read_unverified().unwrap();
                let mut said = vec![WorkerEvent::Progress(Progress { done: 1, total: 2 })];
                said.extend((0..job.fence).map(|number| {
                    let port = 1000 + u16::try_from(number).unwrap();
                    let place = FindingPlace::port("198.51.100.10".parse::<Host>().unwrap(), port);
                    let finding =
                        Finding::new(FindingType::RedisNoAuthentication, place, Confidence::Certain);
                    WorkerEvent::Findings(vec![finding])
                }));
                let report = Report::close(Effort::default(), Coverage::default(), 0, vec![]);
                said.push(WorkerEvent::Ended(report));
                for event in said {
                    vedetted.write_all(Frame::of(&event).unwrap().bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn every_message_is_one_line_at_the_collector_equal_to_what_the_platform_was_sent() {
    let scene = Scene::set("copy");
    let collector = scene.collector(&scene.authority, &[HOST]);
    assert!(
        !reaches(&scene.kept.wire, LINK, HOST, 6514),
        "before anybody said so"
    );
    scene.kept.boot();
    scene.say(&scene.order(7, Delivery::Required));
    scene.wait_for_standing(|copy| copy.number == 7 && copy.state == CopyState::Flowing);
    scene.job(1, 30);
    scene.job(2, 90);
    scene.wait_for_platform(|bodies| ended(bodies).len() == 2);
    assert!(reaches(&scene.kept.wire, LINK, HOST, 6514));
    assert!(!reaches(&scene.kept.wire, WORKER, HOST, 6514));

    let off = CopyOrder {
        collector: None,
        ..scene.order(8, Delivery::Required)
    };
    scene.say(&off);
    let lines = collector
        .wait_for(WHILE, |lines| lines.iter().any(|line| line["copy"] == "end"))
        .unwrap();
    scene.wait_for_standing(|copy| copy.number == 8 && copy.state == CopyState::Off);
    assert!(!reaches(&scene.kept.wire, LINK, HOST, 6514), "it is over");
    let bodies = scene.platform.bodies();
    // From then on nothing is copied.
    scene.job(3, 10);
    scene.wait_for_platform(|bodies| ended(bodies).contains(&3));
    assert_eq!(collector.lines().unwrap(), lines);

    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    assert_eq!(
        (&first["copy"], &first["order"], &first["delivery"]),
        (&"begin".into(), &7.into(), &"required".into())
    );
    assert_eq!((&last["copy"], &last["order"]), (&"end".into(), &7.into()));
    let copied = messages(&lines);
    assert_eq!(copied.len(), lines.len() - 2, "no gap");
    // What left under the order is what was copied, message by message and in the same order for each kind.
    for (path, number) in [(PollRequest::PATH, 0), (EventsRequest::PATH, 122)] {
        let sent: Vec<_> = bodies
            .iter()
            .filter(|(sent, _)| sent == path)
            .map(|(_, body)| body)
            .collect();
        let copied: Vec<_> = copied
            .iter()
            .copied()
            .filter(|line| line["left"] == path)
            .collect();
        let digests: Vec<Digest> = copied
            .iter()
            .map(|line| serde_json::from_value(line["digest"].clone()).unwrap())
            .collect();
        let begin = sent
            .iter()
            .position(|body| Digest::of(body) == digests[0])
            .unwrap();
        for ((line, digest), body) in copied.iter().zip(&digests).zip(&sent[begin..]) {
            assert_eq!(*digest, Digest::of(body));
            match path {
                PollRequest::PATH => is_the_same::<PollRequest>(line, body),
                _ => is_the_same::<EventsRequest>(line, body),
            }
        }
        let events = copied
            .iter()
            .filter_map(|line| line["message"]["events"].as_array());
        let events: usize = events.map(Vec::len).sum();
        assert!(events >= number, "{events} of {path}");
    }
    // Every event, since the order came before the first job.
    let all = bodies
        .iter()
        .filter(|(path, _)| path == EventsRequest::PATH)
        .count();
    assert_eq!(
        copied
            .iter()
            .filter(|line| line["left"] == EventsRequest::PATH)
            .count(),
        all
    );
}

#[test]
fn a_collector_that_cannot_show_who_it_is_gets_nothing_and_findings_wait() {
    let scene = Scene::set("copy-false");
    let other = Authority::new("The operator's CA").unwrap();
    let false_one = scene.collector(&other, &[HOST]);
    scene.say(&scene.order(7, Delivery::Required));
    scene.job(1, 30);
    scene.kept.boot();
    let untrusted = CopyState::Stuck(CopyTrouble::Untrusted);
    scene.wait_for_standing(|copy| copy.number == 7 && copy.state == untrusted);
    scene
        .kept
        .wait_for(|line| line.contains("its_certificate_is_not_from_the_CA"));
    assert_eq!(events(&scene.platform.bodies()), []);
    assert_eq!(false_one.lines().unwrap(), Vec::<Value>::new());
    drop(false_one);

    // Of the right CA, and another host's.
    let elsewhere = scene.collector(&scene.authority, &["logs.example.com", "198.51.100.13"]);
    scene.wait_for_standing(|copy| {
        copy.state == CopyState::Stuck(CopyTrouble::Unreachable) || copy.state == untrusted
    });
    thread::sleep(Duration::from_secs(4));
    assert_eq!(events(&scene.platform.bodies()), []);
    assert_eq!(elsewhere.lines().unwrap(), Vec::<Value>::new());

    // The owner says that it is the one after all.
    let mut order = scene.order(8, Delivery::Required);
    if let Some(collector) = &mut order.collector {
        collector.name = Some("logs.example.com".parse().unwrap());
    }
    scene.say(&order);
    let bodies = scene.wait_for_platform(|bodies| ended(bodies).contains(&1));
    assert_eq!(events(&bodies).len(), 33);
    scene.wait_for_standing(|copy| copy.number == 8 && copy.state == CopyState::Flowing && copy.missed == 0);
}

#[test]
fn while_the_collector_is_down_batches_wait_and_then_go_in_order() {
    let scene = Scene::set("copy-down");
    let mut collector = scene.collector(&scene.authority, &[HOST]);
    scene.kept.boot();
    scene.say(&scene.order(7, Delivery::Required));
    scene.wait_for_standing(|copy| copy.state == CopyState::Flowing);
    scene.job(1, 5);
    scene.wait_for_platform(|bodies| ended(bodies).contains(&1));
    collector.stop().unwrap();
    scene.wait_for_standing(|copy| matches!(copy.state, CopyState::Stuck(_)));
    let before = events(&scene.platform.bodies()).len();
    scene.job(2, 40);
    scene.job(3, 40);
    scene.kept.wait_for(|line| line.contains("findings_wait"));
    thread::sleep(Duration::from_secs(3));
    assert_eq!(
        events(&scene.platform.bodies()).len(),
        before,
        "nothing leaves without its copy"
    );
    scene.restart(&mut collector);
    let bodies = scene.wait_for_platform(|bodies| ended(bodies).len() == 3);
    let lines = collector
        .wait_for(WHILE, |lines| {
            lines
                .iter()
                .any(|line| line["left"] == "events" && line.to_string().contains("\"Ended\""))
        })
        .unwrap();
    let copied: Vec<Digest> = messages(&lines)
        .iter()
        .filter(|line| line["left"] == "events")
        .map(|line| serde_json::from_value(line["digest"].clone()).unwrap())
        .collect();
    let sent: Vec<Digest> = bodies
        .iter()
        .filter(|(path, _)| path == EventsRequest::PATH)
        .map(|(_, body)| Digest::of(body))
        .collect();
    // A line that was on its way when the collector ended may stand there twice, never not at all.
    let mut once = copied.clone();
    once.dedup();
    assert_eq!(once, sent);
    assert_eq!(
        events(&bodies)
            .iter()
            .filter(|(_, what)| matches!(what, What::Findings(_)))
            .count(),
        85
    );

    // Who prefers findings to their copy says so, and gets them.
    collector.stop().unwrap();
    scene.say(&scene.order(8, Delivery::BestEffort));
    scene.wait_for_standing(|copy| copy.number == 8);
    scene.job(4, 5);
    scene.wait_for_platform(|bodies| ended(bodies).contains(&4));
    scene.restart(&mut collector);
    collector
        .wait_for(WHILE, |lines| {
            let fourth = lines
                .iter()
                .rev()
                .any(|line| line.to_string().contains(&"04".repeat(16)));
            fourth && lines.iter().any(|line| line["delivery"] == "best-effort")
        })
        .unwrap();
}

#[test]
fn an_order_that_is_not_the_owners_is_refused_and_the_platform_told_why() {
    let scene = Scene::set("copy-order");
    scene.kept.boot();
    let order = scene.order(7, Delivery::Required);
    let Ok(forged) = Signed::seal(&order, &SigningKey::generate());
    scene.platform.say(OwnerWord::Copy(forged));
    scene.wait_for_standing(|copy| copy.number == 0 && copy.refused == Some(CopyRefusal::NotSigned));
    assert!(!reaches(&scene.kept.wire, LINK, HOST, 6514));
    let off = CopyOrder {
        collector: None,
        ..order.clone()
    };
    scene.say(&off);
    scene.wait_for_standing(|copy| copy.number == 7 && copy.refused.is_none());
    for (wrong, why) in [
        (
            CopyOrder {
                number: 6,
                ..order.clone()
            },
            CopyRefusal::Older,
        ),
        (
            CopyOrder {
                number: 9,
                appliance: vedette_protocol::ApplianceId([9; 16]),
                ..order
            },
            CopyRefusal::Appliance,
        ),
    ] {
        scene.say(&wrong);
        scene.wait_for_standing(|copy| copy.number == 7 && copy.refused == Some(why));
    }
}

#[test]
fn a_collector_that_asks_who_sends_is_shown_the_owners_certificate_and_takes_no_other() {
    let scene = Scene::set("copy-shown");
    let owner = Authority::new("The owner").unwrap();
    let collector =
        scene.start(|at| Collector::for_clients_of(owner.pem(), &scene.authority, &[HOST], at).unwrap());
    let order = |number, certificate: Option<ClientCertificate>| {
        let mut order = scene.order(number, Delivery::Required);
        order.collector.as_mut().unwrap().certificate = certificate;
        order
    };
    scene.kept.boot();
    scene.job(1, 5);
    // None, and one of another CA.
    let stranger = Authority::new("The owner")
        .unwrap()
        .name_client("office", &scene.identity_key);
    for (number, certificate) in [(7, None), (8, Some(ClientCertificate(stranger.unwrap())))] {
        scene.say(&order(number, certificate));
        let denied = CopyState::Stuck(CopyTrouble::Denied);
        scene.wait_for_standing(|copy| copy.number == number && copy.state == denied);
    }
    assert_eq!(collector.lines().unwrap(), Vec::<Value>::new());
    assert_eq!(events(&scene.platform.bodies()), []);

    let shown = owner.name_client("office", &scene.identity_key).unwrap();
    scene.say(&order(9, Some(ClientCertificate(shown))));
    scene.wait_for_standing(|copy| copy.number == 9 && copy.state == CopyState::Flowing);
    let bodies = scene.wait_for_platform(|bodies| ended(bodies).contains(&1));
    let lines = collector.wait_for(WHILE, |lines| lines.iter().any(|line| line["left"] == "events"));
    let copied: Vec<Digest> = messages(&lines.unwrap())
        .iter()
        .filter(|line| line["left"] == "events")
        .map(|line| serde_json::from_value(line["digest"].clone()).unwrap())
        .collect();
    let sent = bodies.iter().filter(|(path, _)| path == EventsRequest::PATH);
    assert_eq!(copied, sent.map(|(_, body)| Digest::of(body)).collect::<Vec<_>>());
}
