//! Hosts and networks that mean harm, or break.

use std::{
    collections::BTreeSet,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use vedette_scanner::packet::{
    Arp, Body, Ends, Ethernet, Mac, Packet, Payload, Tcp, ethernet, ip, parse, tcp::Flags,
};

use crate::wire::{Chain, Wire, within};

/// A host that answers SYNs as it likes, beside the kernel, which keeps silent.
struct Liar {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    /// What it says to each SYN: frames, the first at once, the others with it.
    fn start(wire: &Wire, says: impl Fn(&Packet<'_>, Ends, &Tcp) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        wire.rule(Chain::HostsOwn, "ip protocol tcp drop");
        let over = Arc::new(AtomicBool::new(false));
        let (ended, space) = (over.clone(), wire.hosts.clone());
        let socket: OwnedFd = within(&space, || {
            let socket = vedette_sys::packet::open().unwrap();
            let index = rustix::net::netdevice::name_to_index(&socket, "eth0").unwrap();
            vedette_sys::packet::ignore_outgoing(&socket).unwrap();
            vedette_sys::packet::bind(&socket, index, ethernet::IPV4).unwrap();
            socket
        });
        let thread = thread::spawn(move || {
            let mut frame = [0; 2048];
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, _)) = recv(&socket, frame.as_mut_slice(), RecvFlags::empty()) else {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                };
                let Some(packet) = parse(&frame[..length]) else {
                    continue;
                };
                if let Body::Ip(ip, Payload::Tcp(tcp, _)) = &packet.body
                    && tcp.flags == Flags::SYN
                {
                    let back = Ends::between(ip.ends.destination(), ip.ends.source()).unwrap();
                    for answer in says(&packet, back, tcp) {
                        let _ = send(&socket, &answer, SendFlags::empty());
                    }
                }
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A segment in answer to another.
fn answer(to: &Packet<'_>, ends: Ends, asked: &Tcp, flags: Flags, acknowledgement: u32) -> Vec<u8> {
    let tcp = Tcp {
        source: asked.destination,
        destination: asked.source,
        sequence: 7,
        acknowledgement,
        flags: flags.and(Flags::ACK),
        window: 0,
        mss: None,
    };
    let packet = ends.packet(ip::TCP, 64, &tcp.segment(ends, b""));
    Ethernet::new(to.ethernet.destination, to.ethernet.source, ethernet::IPV4).frame(&packet)
}

#[test]
fn a_host_that_accepts_on_every_port_is_told_as_such_and_floods_nothing() {
    let wire = Wire::with_hosts("proxy", 2);
    let _proxy = wire.listen("0.0.0.0", [80]);
    wire.rule(
        Chain::Redirected,
        "ip daddr 10.99.1.2 tcp dport 1-65535 redirect to :80",
    );
    let said = wire.scan("ports --targets 10.99.1.1-2 --ports 1-4000");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        said.open_of("10.99.1.1"),
        BTreeSet::from([80]),
        "the host beside it is as it is"
    );
    assert!(said.types().contains("every-port-accepts"), "{:?}", said.types());
    assert!(
        said.open_of("10.99.1.2").len() < 500,
        "{}",
        said.open_of("10.99.1.2").len()
    );
    assert_eq!(said.report["coverage"]["ports_known"], 8000);
}

#[test]
fn answers_without_a_valid_cookie_are_no_findings() {
    let wire = Wire::with_hosts("spoof", 1);
    let _liar = Liar::start(&wire, |packet, ends, asked| {
        let right = asked.sequence.wrapping_add(1);
        let other = Tcp {
            destination: asked.destination ^ 1,
            ..*asked
        };
        vec![
            answer(packet, ends, asked, Flags::SYN, right ^ 0x0010_0000),
            answer(packet, ends, asked, Flags::SYN, asked.sequence),
            answer(packet, ends, asked, Flags::RST, 0),
            // A cookie is for one port.
            answer(packet, ends, &other, Flags::SYN, right),
        ]
    });
    let said = wire.scan("ports --targets 10.99.1.1 --ports 1000-1199");
    assert!(
        said.in_state("open").is_empty() && said.in_state("closed").is_empty(),
        "{said:?}"
    );
    assert_eq!(said.in_state("filtered")["10.99.1.1"].len(), 200);
    assert_eq!(said.report["coverage"]["hosts_answering"], 0, "{}", said.report);
}

#[test]
fn duplicates_and_late_answers_count_once() {
    let wire = Wire::with_hosts("twice", 1);
    let _liar = Liar::start(&wire, |packet, ends, asked| {
        let right = asked.sequence.wrapping_add(1);
        // Not to the first attempt, whose answer comes when the second is made; and then thrice, with a refusal.
        let accepted = answer(packet, ends, asked, Flags::SYN, right);
        let refused = answer(packet, ends, asked, Flags::RST, right);
        match asked.destination % 3 {
            0 => vec![accepted.clone(), accepted.clone(), accepted, refused],
            1 => vec![refused.clone(), refused, accepted],
            _ => Vec::new(),
        }
    });
    let said = wire.scan("ports --targets 10.99.1.1 --ports 1000-1199");
    let of = |state: &str, rest: u16| {
        let expected: BTreeSet<u16> = (1000..1200).filter(|port| port % 3 == rest).collect();
        assert_eq!(said.in_state(state)["10.99.1.1"], expected, "{state}");
    };
    // The first word counts, and each port is told once (`in_state` sees to that).
    of("open", 0);
    of("closed", 1);
    of("filtered", 2);
    assert_eq!(said.report["coverage"]["ports_known"], 200);
}

#[test]
fn a_trap_that_holds_connections_costs_no_time() {
    let wire = Wire::with_hosts("tarpit", 1);
    // Accepts with a window of nothing, and never says another word.
    let _liar = Liar::start(&wire, |packet, ends, asked| {
        vec![answer(
            packet,
            ends,
            asked,
            Flags::SYN,
            asked.sequence.wrapping_add(1),
        )]
    });
    let begun = Instant::now();
    let said = wire.scan("ports --targets 10.99.1.1 --ports 1-3000 --time 60");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.types().contains("every-port-accepts"));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn a_storm_of_errors_changes_nothing() {
    let wire = Wire::with_hosts("storm", 1);
    let wanted: BTreeSet<u16> = (1000..3000).step_by(50).collect();
    let _open = wire.listen("10.99.1.1", wanted.iter().copied());
    let over = Arc::new(AtomicBool::new(false));
    let ended = over.clone();
    let (socket, index) = within(&wire.hosts, || {
        let socket = vedette_sys::packet::open().unwrap();
        let index = rustix::net::netdevice::name_to_index(&socket, "eth0").unwrap();
        (socket, index)
    });
    vedette_sys::packet::bind(&socket, index, 0).unwrap();
    let storm = thread::spawn(move || {
        let to = Ends::between([10, 99, 1, 1].into(), [10, 99, 0, 1].into()).unwrap();
        let about = Ends::between([10, 99, 0, 1].into(), [10, 99, 1, 1].into()).unwrap();
        let mut number = 0_u32;
        while !ended.load(Ordering::Relaxed) {
            number = number.wrapping_add(0x9e37_79b9);
            // Quotes questions that were never asked, on each port of ours and theirs in turn.
            let [a, b, ..] = number.to_be_bytes();
            let asked = Tcp::syn(20_000 + u16::from(a) * 47, 1000 + u16::from(b) * 8, number);
            let quoted = about.packet(ip::TCP, 60, &asked.segment(about, b""));
            let message = [&[3, 1, 0, 0, 0, 0, 0, 0], &quoted[..28]].concat();
            let packet = to.packet(ip::ICMP, 64, &message);
            let frame = Ethernet::new(Mac([2; 6]), Mac::BROADCAST, ethernet::IPV4).frame(&packet);
            let _ = send(&socket, &frame, SendFlags::empty());
        }
    });
    let said = wire.scan("ports --targets 10.99.1.1 --ports 1000-2999 --time 60");
    over.store(true, Ordering::Relaxed);
    storm.join().unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.open_of("10.99.1.1"), wanted);
    assert_eq!(said.report["coverage"]["ports_known"], 2000);
}

#[test]
fn an_interface_that_goes_away_leaves_a_partial_report() {
    let wire = Wire::with_hosts("gone", 1);
    let _open = wire.listen("10.99.1.1", [80]);
    let scan = wire
        .command("ports --targets 10.99.1.1 --ports 1-65535 --rate 2000 --time 60")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(1));
    let begun = Instant::now();
    crate::wire::run(&format!("ip -n {} link delete eth0", wire.scanner));
    let said = crate::wire::Said::of(scan.wait_with_output().unwrap());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(
        (said.code, &said.report["outcome"]),
        (Some(3), &"partial".into()),
        "{said:?}"
    );
    let known = said.report["coverage"]["ports_known"].as_u64().unwrap();
    assert_eq!(
        known + said.report["unanswered"].as_u64().unwrap(),
        65_535,
        "{}",
        said.report
    );
    assert!(
        said.aside.contains("the network interface went away"),
        "{}",
        said.aside
    );
}

#[test]
fn an_address_that_somebody_uses_is_not_scanned_from() {
    let wire = Wire::with_hosts("taken", 2);
    let _open = wire.listen("10.99.1.1", [80]);
    let refused = |target: &str, source: &str| {
        let output = wire
            .command(&format!("ports --targets {target} --ports 80 --source {source}"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (target, source) in [("10.99.1.1", "10.99.1.2"), ("fd99::1:1", "fd99::1:2")] {
        let said = refused(target, source);
        assert!(
            said.contains(source) && said.contains("uses that address already"),
            "{said}"
        );
    }
    let said = refused("10.99.1.1", "10.99.0.1");
    assert!(said.contains("this machine has that address itself"), "{said}");
}

#[test]
fn an_address_that_somebody_begins_to_use_is_scanned_from_no_more() {
    let wire = Wire::with_hosts("contested", 1);
    let scan = wire
        .command("ports --targets 10.99.1.1 --ports 1-65535 --rate 2000 --time 60 --source 10.99.7.7")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(3));
    let socket = within(&wire.hosts, || {
        let socket = vedette_sys::packet::open().unwrap();
        let index = rustix::net::netdevice::name_to_index(&socket, "eth0").unwrap();
        vedette_sys::packet::bind(&socket, index, 0).unwrap();
        socket
    });
    let address = [10, 99, 7, 7].into();
    let announcement = Arp::request(Mac([2, 0, 0, 0, 0, 9]), address, address).frame();
    send(&socket, &announcement, SendFlags::empty()).unwrap();
    let begun = Instant::now();
    let said = crate::wire::Said::of(scan.wait_with_output().unwrap());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(
        (said.code, &said.report["outcome"]),
        (Some(3), &"partial".into()),
        "{said:?}"
    );
    assert!(
        said.aside.contains("somebody else began to use the address"),
        "{}",
        said.aside
    );
    assert!(
        said.report["coverage"]["ports_known"].as_u64().unwrap() > 0,
        "what was known stays known"
    );
}

#[test]
fn a_whole_ipv6_link_is_partial_and_fits_into_little_memory() {
    let wire = Wire::with_hosts("link", 1);
    let _open = wire.listen("fd99::1:1", [80]);
    let binary = env!("CARGO_BIN_EXE_vedette-scan");
    for subcommand in ["ports", "ports --connect", "discover"] {
        let script = format!(
            "ulimit -v 393216; exec {binary} {subcommand} --targets fd99::/64 --ports 80 --time 3 --rate 20000 --json"
        );
        let begun = Instant::now();
        let output = std::process::Command::new("ip")
            .args(["netns", "exec", &wire.scanner, "sh", "-c", &script])
            .output()
            .unwrap();
        let said = crate::wire::Said::of(output);
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert_eq!(
            (said.code, &said.report["outcome"]),
            (Some(3), &"partial".into()),
            "{said:?}"
        );
        assert!(
            said.aside.contains("the targets have more addresses than"),
            "{}",
            said.aside
        );
        assert!(said.number("miss_probability") > 0.99, "{}", said.report);
    }
}

#[test]
fn what_the_machines_own_filter_forbids_is_unknown() {
    let wire = Wire::with_hosts("forbidden", 1);
    let _open = wire.listen("10.99.1.1", [80, 82]);
    wire.rule(Chain::FromScanner, "ip protocol tcp tcp dport { 82, 83 } drop");
    let said = wire.scan("ports --targets 10.99.1.1 --ports 80-83");
    assert_eq!(said.open_of("10.99.1.1"), BTreeSet::from([80]), "{said:?}");
    assert_eq!(said.in_state("closed")["10.99.1.1"], BTreeSet::from([81]));
    assert_eq!(
        said.in_state("unknown")["10.99.1.1"],
        BTreeSet::from([82, 83]),
        "it was never asked"
    );
    assert_eq!((said.code, &said.report["unanswered"]), (Some(3), &2.into()));
    assert!(
        said.aside
            .contains("2 ports not known: a packet filter on this machine"),
        "{}",
        said.aside
    );
}

#[test]
fn a_million_addresses_fit_into_little_memory_and_into_the_time() {
    let wire = Wire::with_hosts("million", 1);
    crate::wire::run(&format!(
        "ip -n {} route add 172.16.0.0/12 via 10.99.1.1",
        wire.scanner
    ));
    let binary = env!("CARGO_BIN_EXE_vedette-scan");
    let script = format!(
        "ulimit -v 262144; exec {binary} ports --targets 172.16.0.0/12 --ports 1-65535 --time 3 --rate 20000 --json"
    );
    let begun = Instant::now();
    let output = std::process::Command::new("ip")
        .args(["netns", "exec", &wire.scanner, "sh", "-c", &script])
        .output()
        .unwrap();
    let said = crate::wire::Said::of(output);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(said.code, Some(3), "{said:?}");
    assert_eq!(said.report["coverage"]["ports"], 65_535_u64 << 20);
    assert!(said.number("miss_probability") > 0.9, "{}", said.report);
    assert!(said.number("packets") <= 20_000.0 * 5.0, "{}", said.report);
}
