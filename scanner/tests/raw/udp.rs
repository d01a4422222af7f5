//! UDP ports: what they are, at whatever pace the hosts tell of closed ones.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::net::{SendFlags, send};
use vedette_scanner::packet::{Ends, Ethernet, Mac, Udp, ethernet, ip};

use crate::wire::{Chain, Said, Wire, run, within};

/// What snmpd 5.9.3 of Debian 12 answered to the discovery of its engine.
const SNMPD: &[u8] = b"0m\x02\x01\x030\x0f\x02\x02VD\x02\x03\x00\xff\xe3\x04\x01\x00\x02\x01\x03\x04!0\x1f\x04\x11\x80\x00\x1f\x88\x80Wo\x00p\x86\xe5\x02k\x00\x00\x00\x00\x02\x01\x01\x02\x01\x19\x04\x00\x04\x00\x04\x0004\x04\x11\x80\x00\x1f\x88\x80Wo\x00p\x86\xe5\x02k\x00\x00\x00\x00\x04\x00\xa8\x1d\x02\x02VD\x02\x01\x00\x02\x01\x000\x110\x0f\x06\n+\x06\x01\x06\x03\x0f\x01\x01\x04\x00A\x01\x01";

/// Services that say something to whoever says something to them.
struct Services {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Services {
    fn start(wire: &Wire, host: &str, ports: impl IntoIterator<Item = u16>) -> Self {
        Self::saying(b"hello", wire, host, ports)
    }

    fn saying(words: &'static [u8], wire: &Wire, host: &str, ports: impl IntoIterator<Item = u16>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for port in ports {
            let endpoint = SocketAddr::new(host.parse().unwrap(), port);
            let socket = wire.at_hosts(move || UdpSocket::bind(endpoint).unwrap());
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let over = over.clone();
            threads.push(thread::spawn(move || {
                let mut bytes = [0; 2048];
                while !over.load(Ordering::Relaxed) {
                    if let Ok((_, from)) = socket.recv_from(&mut bytes) {
                        let _ = socket.send_to(words, from);
                    }
                }
            }));
        }
        Self { over, threads }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The hosts tell one who asks of one closed port in so many milliseconds, beside six at once.
fn refuse_every(wire: &Wire, millis: u32) {
    for sysctl in ["net.ipv4.icmp_ratelimit", "net.ipv6.icmp.ratelimit"] {
        run(&format!(
            "ip netns exec {} sysctl -q -w {sysctl}={millis}",
            wire.hosts
        ));
    }
}

fn ports(ports: impl IntoIterator<Item = u16>) -> BTreeSet<u16> {
    ports.into_iter().collect()
}

fn of(said: &Said, state: &str, host: &str) -> BTreeSet<u16> {
    said.in_state(state).remove(host).unwrap_or_default()
}

/// What must hold of a host with two services, a silent one, a port behind a filter and one that is prohibited.
fn each_state(name: &str, flags: &str, host: &str) {
    let wire = Wire::with_hosts(name, 1);
    refuse_every(&wire, 20);
    let _services = Services::start(&wire, host, [53, 4000]);
    let endpoint = SocketAddr::new(host.parse().unwrap(), 4001);
    let _silent = wire.at_hosts(move || UdpSocket::bind(endpoint).unwrap());
    wire.rule(Chain::HostsOwn, "udp dport 4002 drop");
    wire.rule(
        Chain::HostsOwn,
        "udp dport 4003 reject with icmpx type admin-prohibited",
    );
    wire.rule(Chain::AtHosts, "tcp flags & syn == syn counter");
    let said = wire.scan(&format!(
        "ports --targets {host} --udp 53,4000-4040 --time 60 {flags}"
    ));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(of(&said, "open", host), ports([53, 4000]), "{said:?}");
    assert_eq!(of(&said, "no-answer", host), ports([4001, 4002]), "{said:?}");
    assert_eq!(of(&said, "filtered", host), ports([4003]), "{said:?}");
    assert_eq!(of(&said, "closed", host), ports(4004..=4040));
    assert!(said.findings.iter().all(|finding| finding["transport"] == "udp"));
    assert_eq!(said.report["coverage"]["ports_known"], 42, "{}", said.report);
    assert_eq!(wire.counted(&wire.hosts), [0], "no TCP port was asked");
}

#[test]
fn each_state_over_udp_is_told_as_what_it_is() {
    each_state("udp4", "", "10.99.1.1");
}

#[test]
fn each_state_over_udp_and_ipv6_is_told_as_what_it_is() {
    each_state("udp6", "", "fd99::1:1");
}

#[test]
fn without_packet_sockets_each_state_is_told_alike() {
    each_state("udp-c4", "--connect", "10.99.1.1");
}

#[test]
fn a_host_that_refuses_seldom_slows_the_scan_down_and_hides_nothing() {
    for flags in ["", "--connect"] {
        let wire = Wire::with_hosts("seldom", 1);
        refuse_every(&wire, 60);
        let _services = Services::start(&wire, "10.99.1.1", [4010]);
        wire.rule(Chain::HostsOwn, "udp dport 4020-4500 drop");
        let begun = Instant::now();
        let said = wire.scan(&format!(
            "ports --targets 10.99.1.1 --udp 4000-4500 --time 60 {flags}"
        ));
        // Of 19 closed ports, 6 are told of at once.
        assert!(begun.elapsed() >= Duration::from_millis(13 * 60), "{said:?}");
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(of(&said, "open", "10.99.1.1"), ports([4010]));
        assert_eq!(
            of(&said, "closed", "10.99.1.1"),
            ports((4000..4020).filter(|port| *port != 4010))
        );
        assert_eq!(of(&said, "no-answer", "10.99.1.1"), ports(4020..=4500));
        assert!(
            said.aside
                .contains("at the pace at which the hosts tell of closed ones"),
            "{}",
            said.aside
        );
    }
}

#[test]
fn silence_that_time_did_not_explain_is_unknown() {
    for flags in ["", "--connect"] {
        let wire = Wire::with_hosts("unexplained", 1);
        refuse_every(&wire, 60_000);
        let _services = Services::start(&wire, "10.99.1.1", [4010]);
        let said = wire.scan(&format!(
            "ports --targets 10.99.1.1 --udp 4000-4039 --time 4 {flags}"
        ));
        assert_eq!((said.code, &said.report["outcome"]), (Some(3), &"partial".into()));
        assert_eq!(
            of(&said, "open", "10.99.1.1"),
            ports([4010]),
            "what is open is told at once"
        );
        assert_eq!(of(&said, "no-answer", "10.99.1.1"), ports([]), "{said:?}");
        let (closed, unknown) = (
            of(&said, "closed", "10.99.1.1"),
            of(&said, "unknown", "10.99.1.1"),
        );
        assert!((1..=7).contains(&closed.len()), "{closed:?}");
        assert_eq!(closed.len() + unknown.len(), 39);
        assert!(said.number("miss_probability") > 0.5, "{}", said.report);
    }
}

#[test]
fn an_open_udp_port_is_asked_what_it_is() {
    let wire = Wire::with_hosts("udp-what", 1);
    refuse_every(&wire, 0);
    let _agent = Services::saying(SNMPD, &wire, "10.99.1.1", [161]);
    let _other = Services::start(&wire, "10.99.1.1", [53]);
    for flags in ["", "--connect"] {
        let said = wire.scan(&format!("services --targets 10.99.1.1 --udp 53,161 {flags}"));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(of(&said, "open", "10.99.1.1"), ports([53, 161]));
        let services: Vec<_> = said
            .findings
            .iter()
            .filter(|finding| finding["type"] == "service")
            .collect();
        assert_eq!(services.len(), 1, "what says hello is no DNS: {services:?}");
        let told = |name: &str| services[0][name].clone();
        assert_eq!(
            (told("port"), told("transport"), told("product")),
            (161.into(), "udp".into(), "Net-SNMP".into())
        );
    }
}

#[test]
fn one_port_over_both_transports_is_two_findings() {
    let wire = Wire::with_hosts("both", 1);
    let _tcp = wire.listen("10.99.1.1", [4000]);
    let _udp = Services::start(&wire, "10.99.1.1", [4000]);
    let said = wire.scan("ports --targets 10.99.1.1 --ports 4000 --udp 4000");
    let told: BTreeSet<(&str, &str, &str)> = said
        .findings
        .iter()
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap();
            (text("transport"), text("state"), text("id"))
        })
        .collect();
    let kinds: Vec<(&str, &str)> = told
        .iter()
        .map(|(transport, state, _)| (*transport, *state))
        .collect();
    assert_eq!(kinds, [("tcp", "open"), ("udp", "open")], "{said:?}");
    let ids: BTreeSet<&str> = told.iter().map(|(.., id)| *id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(said.report["coverage"]["hosts"], 1, "{}", said.report);
    assert_eq!(said.report["coverage"]["ports"], 2, "{}", said.report);
}

#[test]
fn what_the_machines_own_filter_forbids_over_udp_is_unknown() {
    for flags in ["", "--connect"] {
        let wire = Wire::with_hosts("udp-forbidden", 1);
        let _services = Services::start(&wire, "10.99.1.1", [80, 82]);
        wire.rule(Chain::FromScanner, "udp dport 82 drop");
        wire.rule(Chain::ScannersOwn, "udp dport 82 reject");
        let said = wire.scan(&format!("ports --targets 10.99.1.1 --udp 80,82 {flags}"));
        assert_eq!(of(&said, "open", "10.99.1.1"), ports([80]), "{said:?}");
        assert_eq!(of(&said, "unknown", "10.99.1.1"), ports([82]), "{said:?}");
        assert_eq!(said.code, Some(3));
    }
}

#[test]
fn a_host_that_answers_on_every_udp_port_is_told_as_such() {
    for flags in ["", "--connect"] {
        let wire = Wire::with_hosts("udp-all", 2);
        let _services = Services::start(&wire, "0.0.0.0", [4000]);
        refuse_every(&wire, 0);
        wire.rule(
            Chain::Redirected,
            "ip daddr 10.99.1.2 udp dport 1-65535 redirect to :4000",
        );
        let said = wire.scan(&format!(
            "ports --targets 10.99.1.1-2 --udp 1-600 --time 60 {flags}"
        ));
        assert_eq!(said.code, Some(0), "{said:?}");
        let all: Vec<_> = said
            .findings
            .iter()
            .filter(|finding| finding["type"] == "every-port-accepts")
            .collect();
        assert_eq!(all.len(), 1, "{:?}", said.types());
        assert_eq!(
            (&all[0]["target"], &all[0]["transport"]),
            (&"10.99.1.2".into(), &"udp".into())
        );
        assert!(said.open_of("10.99.1.2").len() < 500);
        assert_eq!(of(&said, "open", "10.99.1.1"), ports([]));
    }
}

#[test]
fn forged_datagrams_and_errors_are_no_findings() {
    let wire = Wire::with_hosts("udp-forged", 1);
    refuse_every(&wire, 60_000);
    wire.rule(Chain::HostsOwn, "ip protocol udp drop");
    let over = Arc::new(AtomicBool::new(false));
    let ended = over.clone();
    let socket: OwnedFd = within(&wire.hosts, || {
        let socket = vedette_sys::packet::open().unwrap();
        let index = rustix::net::netdevice::name_to_index(&socket, "eth0").unwrap();
        vedette_sys::packet::bind(&socket, index, 0).unwrap();
        socket
    });
    let storm = thread::spawn(move || {
        let to = Ends::between([10, 99, 1, 1].into(), [10, 99, 0, 1].into()).unwrap();
        let about = Ends::between([10, 99, 0, 1].into(), [10, 99, 1, 1].into()).unwrap();
        let frame = |packet: &[u8]| Ethernet::new(Mac([2; 6]), Mac::BROADCAST, ethernet::IPV4).frame(packet);
        let mut number = 0_u32;
        while !ended.load(Ordering::Relaxed) {
            number = number.wrapping_add(0x9e37_79b9);
            let [a, b, c, d] = number.to_be_bytes();
            // Errors that quote what may have been asked, but for its number, to each port of ours in turn.
            let asked = Udp {
                source: 20_000 + (u16::from(a) << 8 | u16::from(b)) % 12_000,
                destination: 1000 + u16::from(c) % 100,
            };
            let quoted = about.packet(ip::UDP, 60, &asked.datagram(about, &[d; 14]));
            let message = [&[3, 3, 0, 0, 0, 0, 0, 0], &quoted[..28]].concat();
            let _ = send(
                &socket,
                &frame(&to.packet(ip::ICMP, 64, &message)),
                SendFlags::empty(),
            );
            // Answers from ports that were never asked, to each port of ours in turn.
            let answer = Udp {
                source: 5000 + u16::from(c),
                destination: asked.source,
            };
            let answer = to.packet(ip::UDP, 64, &answer.datagram(to, b"hello"));
            let _ = send(&socket, &frame(&answer), SendFlags::empty());
            // And from those that were, to no port of ours.
            let answer = Udp {
                source: asked.destination,
                destination: 33_000 + u16::from(a),
            };
            let answer = to.packet(ip::UDP, 64, &answer.datagram(to, b"hello"));
            let _ = send(&socket, &frame(&answer), SendFlags::empty());
        }
    });
    let said = wire.scan("ports --targets 10.99.1.1 --udp 1000-1099 --time 60");
    over.store(true, Ordering::Relaxed);
    storm.join().unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(of(&said, "no-answer", "10.99.1.1"), ports(1000..1100), "{said:?}");
    // Nothing came back that was ours.
    assert!(said.number("miss_probability") > 0.1, "{}", said.report);
}
