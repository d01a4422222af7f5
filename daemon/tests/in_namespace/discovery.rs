//! A whole worker that asks who is there: through a real keeper, the shipped packet filter and the sockets that it is
//! lent; with everything that came out of the appliance on a witness's table.

use std::{
    net::{IpAddr, Ipv4Addr},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use vedette_protocol::{
    Finding, Job, JobId, Report, ScanId, Timestamp,
    codec::{read_frame, write_frame},
    finding::{Evidence, FindingType, Outcome, Source},
    job::Check,
    keeper::Enrolled,
    worker::{Order, WorkerEvent},
};
use vedette_scanner::{
    packet::{Body, Icmp, Mac, Payload, arp::Operation, ip, parse},
    worker::{Keeper, work},
};

use crate::{
    filter::listen,
    frames,
    kept::Kept,
    platform::{APPLIANCE, ORG, Platform},
    wire::{become_user, enter, run},
};

const WORKER: u32 = 61_184;
const APPLIANCES: &str = "198.51.100.2";
const EXCLUDED: &str = "198.51.100.11";

fn job(targets: &[&str], checks: &[Check], ports: &str) -> Job {
    let targets: Vec<_> = targets.iter().map(|target| target.parse().unwrap()).collect();
    Job {
        id: JobId([1; 16]),
        scan: ScanId([2; 16]),
        org: ORG,
        appliance: APPLIANCE,
        fence: 1,
        targets: targets.try_into().unwrap(),
        exclude: vec![EXCLUDED.parse().unwrap()],
        ports: ports.parse().unwrap(),
        checks: checks.to_vec().try_into().unwrap(),
        login: None,
        web: None,
        expires: Timestamp::now().after(Duration::from_secs(600)),
    }
}

fn serving(name: &str, platform: &Platform) -> Kept {
    let enrolled = Enrolled {
        appliance: APPLIANCE,
        org: ORG,
        certificate: vec![],
    };
    Kept::serving(name, &platform.config(), enrolled)
}

/// Runs a worker of the appliance to its end: what it tells vedetted.
fn worked(kept: &Kept, platform: &Platform, job: &Job) -> (Vec<Finding>, Report) {
    let keeper = Keeper {
        socket: kept.socket.clone(),
        uid: 0,
    };
    let (mut vedetted, theirs) = UnixStream::pair().unwrap();
    let order = Order {
        assignment: platform.job(job).into(),
        names: vec![],
    };
    write_frame(&mut vedetted, &order).unwrap();
    let space = kept.wire.appliance.clone();
    let worker = thread::spawn(move || {
        enter(&space);
        become_user(WORKER);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            theirs.set_nonblocking(true).unwrap();
            work(tokio::net::UnixStream::from_std(theirs).unwrap(), &keeper).await
        })
    });
    vedetted.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut found = Vec::new();
    let report = loop {
        match read_frame(&mut vedetted).unwrap() {
            WorkerEvent::Findings(findings) => found.extend(findings),
            WorkerEvent::Progress(_) => {}
            WorkerEvent::Ended(report) => break report,
            WorkerEvent::Failed(why) => panic!("{why:?}"),
        }
    };
    worker.join().unwrap().unwrap();
    (found, report)
}

/// Something that the appliance sent, as far as it matters to whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Asked(Ipv4Addr),
    Echo(IpAddr),
    Timestamp(IpAddr),
    Segment(IpAddr, u16),
    Datagram(IpAddr, u16),
    Other(Vec<u8>),
}

/// What a witness saw of the appliance, each once. Its kernel's own IPv6 is not the worker's.
fn seen(frames: Vec<Vec<u8>>, appliance: Mac) -> Vec<Seen> {
    let by_it = |frame: &Vec<u8>| frame[6..12] == appliance.0 && frame[12..14] != [0x86, 0xdd];
    let mut all: Vec<Seen> = frames.into_iter().filter(by_it).map(understood).collect();
    all.sort();
    all.dedup();
    all
}

fn understood(frame: Vec<u8>) -> Seen {
    let Some(packet) = parse(&frame) else {
        return Seen::Other(frame);
    };
    match packet.body {
        Body::Arp(arp) if arp.operation == Operation::Request => Seen::Asked(arp.target.1),
        // The kernel answers whoever asks for its own address.
        Body::Arp(arp) if arp.sender.1.to_string() == APPLIANCES => Seen::Asked(arp.sender.1),
        Body::Ip(ip, Payload::Icmp(Icmp::Echo { .. })) => Seen::Echo(ip.ends.destination()),
        Body::Ip(ip, Payload::Icmp(Icmp::Timestamp { .. })) => Seen::Timestamp(ip.ends.destination()),
        Body::Ip(ip, Payload::Tcp(tcp, _)) => Seen::Segment(ip.ends.destination(), tcp.destination),
        Body::Ip(ip, Payload::Udp(udp, _)) if ip.protocol == ip::UDP => {
            Seen::Datagram(ip.ends.destination(), udp.destination)
        }
        _ => Seen::Other(frame),
    }
}

/// The adapter of an interface in this namespace.
fn adapter(name: &str) -> Mac {
    let own = vedette_daemon::keeper::own::Own::read().unwrap();
    let found = own.interfaces.iter().find(|interface| interface.name == name);
    Mac(found.unwrap().mac.unwrap().0)
}

#[test]
fn hosts_are_found_by_what_was_lent_and_nobody_else_is_asked() {
    let platform = Platform::honest();
    let kept = serving("finds", &platform);
    listen(&kept.wire, &[80]);
    enter(&kept.wire.appliance);
    let appliance = adapter("eth0");
    enter(&kept.wire.network);
    let (hosts, witness) = (adapter("eth0"), frames::on("eth0"));
    let asked = job(
        &["198.51.100.0-15"],
        &[Check::Discovery, Check::Ports],
        "80,U:161",
    );
    let (found, report) = worked(&kept, &platform, &asked);

    let devices: Vec<&Finding> = found
        .iter()
        .filter(|finding| finding.type_ == FindingType::Device)
        .collect();
    let names: Vec<&str> = devices.iter().map(|device| device.target.as_str()).collect();
    assert_eq!(names, ["198.51.100.10", "198.51.100.12", "198.51.100.13"]);
    for device in &devices {
        let says = |wanted: &dyn Fn(&Evidence) -> bool| device.evidence.iter().any(wanted);
        let mac =
            |evidence: &Evidence| matches!(evidence, Evidence::Interface { mac, .. } if mac.0 == hosts.0);
        let by = |source: Source| move |evidence: &Evidence| matches!(evidence, Evidence::Seen { by, .. } if *by == source);
        assert!(says(&mac), "{device:?}");
        for source in [Source::Arp, Source::IcmpEcho, Source::IcmpTimestamp, Source::Tcp] {
            assert!(says(&by(source)), "{source:?} in {device:?}");
        }
    }
    // Ports came after: the same sockets serve both.
    let open = found.iter().filter(|finding| finding.port == Some(80)).count();
    assert_eq!(open, 3, "{found:?}");
    assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");

    let seen = seen(frames::drain(&witness), appliance);
    let in_scope = |address: &IpAddr| {
        let IpAddr::V4(v4) = address else { return false };
        let last = v4.octets()[3];
        v4.octets()[..3] == [198, 51, 100] && last < 16 && address.to_string() != EXCLUDED
    };
    for one in &seen {
        let granted = match one {
            Seen::Asked(address) => in_scope(&IpAddr::V4(*address)),
            Seen::Echo(host)
            | Seen::Timestamp(host)
            | Seen::Segment(host, 80)
            | Seen::Datagram(host, 161) => in_scope(host),
            Seen::Segment(..) | Seen::Datagram(..) | Seen::Other(_) => false,
        };
        assert!(granted, "{one:?}");
    }
    // The witness sees: every address but its own was asked for, and every host by everything.
    let was_asked = |last: &u8| seen.contains(&Seen::Asked(Ipv4Addr::new(198, 51, 100, *last)));
    let asked: Vec<u8> = (0..=u8::MAX)
        .filter(was_asked)
        .filter(|last| *last != 2)
        .collect();
    assert_eq!(asked, [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15]);
    for host in names {
        let host: IpAddr = host.parse().unwrap();
        for one in [
            Seen::Echo(host),
            Seen::Timestamp(host),
            Seen::Segment(host, 80),
            Seen::Datagram(host, 161),
        ] {
            assert!(seen.contains(&one), "{one:?}");
        }
    }
}

/// A network behind a router, which is the network of the test.
struct Beyond {
    name: String,
}

impl Beyond {
    const HOST: &str = "203.0.113.9";
    const ROUTER: &str = "198.51.100.13";

    fn new(kept: &Kept) -> Self {
        let name = format!("daemon-beyond-{}", std::process::id());
        let (appliance, router) = (kept.wire.appliance.as_str(), kept.wire.network.as_str());
        run("ip", &["netns", "add", &name]);
        let beyond = Self { name };
        let far = beyond.name.as_str();
        run(
            "ip",
            &[
                "-n", router, "link", "add", "far", "type", "veth", "peer", "name", "eth0", "netns", far,
            ],
        );
        run(
            "ip",
            &["-n", router, "address", "add", "203.0.113.1/24", "dev", "far"],
        );
        run(
            "ip",
            &["-n", far, "address", "add", "203.0.113.9/24", "dev", "eth0"],
        );
        for (space, link) in [(router, "far"), (far, "eth0")] {
            run("ip", &["-n", space, "link", "set", link, "up"]);
        }
        run(
            "ip",
            &["-n", far, "route", "add", "default", "via", "203.0.113.1"],
        );
        run(
            "ip",
            &[
                "-n",
                appliance,
                "route",
                "add",
                "203.0.113.0/24",
                "via",
                Self::ROUTER,
            ],
        );
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        run("ip", &["netns", "exec", router, "sh", "-c", forward]);
        beyond
    }
}

impl Drop for Beyond {
    fn drop(&mut self) {
        run("ip", &["netns", "del", &self.name]);
    }
}

#[test]
fn the_way_to_a_host_behind_a_router_is_found_and_the_router_is_asked_nothing_but_its_adapter() {
    let platform = Platform::honest();
    let kept = serving("way", &platform);
    let _beyond = Beyond::new(&kept);
    enter(&kept.wire.appliance);
    let appliance = adapter("eth0");
    enter(&kept.wire.network);
    let witness = frames::on("eth0");
    let asked = job(&[Beyond::HOST], &[Check::Topology], "22");
    let (found, report) = worked(&kept, &platform, &asked);

    let path = found.iter().find(|finding| finding.type_ == FindingType::Path);
    let hops: Vec<_> = path
        .iter()
        .flat_map(|path| &path.evidence)
        .map(|hop| match hop {
            Evidence::Hop {
                distance, address, ..
            } => (*distance, address.clone().map(String::from)),
            other => panic!("{other:?}"),
        })
        .collect();
    // By the address that it answers with.
    assert_eq!(hops, [(1, Some("198.51.100.10".to_owned()))], "{found:?}");
    assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
    let host: IpAddr = Beyond::HOST.parse().unwrap();
    let router: Ipv4Addr = Beyond::ROUTER.parse().unwrap();
    let its_own: Ipv4Addr = APPLIANCES.parse().unwrap();
    for one in seen(frames::drain(&witness), appliance) {
        let granted = match one {
            Seen::Asked(address) => [router, its_own].contains(&address),
            Seen::Echo(to) | Seen::Timestamp(to) | Seen::Segment(to, 22) => to == host,
            Seen::Segment(..) | Seen::Datagram(..) | Seen::Other(_) => false,
        };
        assert!(granted, "{one:?}");
    }
}
