//! Frames of a worker's own, in the kernel: what leaves by the socket that it is lent, and what it hears.
//!
//! The worker here is a thread without a capability that holds nothing but the socket.

mod echoes;

use std::{
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr},
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use vedette_daemon::keeper::{
    filter::{Filter, FrameGrant, Sending},
    frames,
};
use vedette_protocol::{JobId, JobScope, scope::Area, target::Target, worker::Adapter};
use vedette_scanner::packet::{
    Arp, Ends, Ethernet, Mac, Tcp, Udp, arp::Operation, checksum::Checksum, ethernet, ip, tcp::Flags,
};
use vedette_sys::packet::{self, Instruction, Membership};

use crate::wire::{Wire, become_user, enter, run};

const WORKER: u32 = 61_184;
const PORT: u16 = 8443;
const JOB: JobId = JobId([1; 16]);
pub(crate) const EVERYTHING: u16 = 3;
const LOOPBACK: u32 = 1;

const OWN: &str = "198.51.100.2";
const HOST: &str = "198.51.100.10";
const EXCLUDED: &str = "198.51.100.11";
const RESOLVER: &str = "198.51.100.12";
const ELSEWHERE: &str = "198.51.100.13";

/// A worker whose job is port 80 of two addresses, one of them a resolver.
struct Stand {
    wire: Wire,
    filter: Filter,
    adapter: Adapter,
    socket: OwnedFd,
    /// A socket on the network's end that hears everything.
    outside: OwnedFd,
    outside_mac: Mac,
}

impl Stand {
    fn new(name: &str, ports: &str, rate: Option<u32>) -> Self {
        Self::sending(name, ports, rate, Sending::Frames)
    }

    fn sending(name: &str, ports: &str, rate: Option<u32>, sending: Sending) -> Self {
        let wire = Wire::new(name);
        wire.load_base();
        enter(&wire.network);
        let (_, outside_mac) = card("eth0");
        let outside = on("eth0");
        enter(&wire.appliance);
        let mut filter = Filter::adopt(PORT).unwrap();
        filter.reach(vec![address(RESOLVER).into()], vec![]).unwrap();
        let targets: Vec<Target> = [HOST, EXCLUDED, RESOLVER]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let exclude: Vec<Target> = vec![EXCLUDED.parse().unwrap()];
        let scope = JobScope {
            area: filter.lawful(Area::new(&targets, &exclude, &[])).unwrap(),
            ports: ports.parse().unwrap(),
        };
        let rate = rate.map(|rate| rate.try_into().unwrap());
        let granted = filter.grant(WORKER, JOB, scope, rate, sending).unwrap();
        let (adapter, socket) = lend(&granted.unwrap());
        packet::bind(&socket, adapter.interface, EVERYTHING).unwrap();
        Self {
            wire,
            filter,
            adapter,
            socket,
            outside,
            outside_mac,
        }
    }

    /// Sends frames as the worker: those that came out at the other end, in order.
    fn come_out(&self, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        drain(&self.outside);
        as_worker(|| frames.iter().for_each(|frame| drop(send(&self.socket, frame))));
        thread::sleep(Duration::from_millis(50));
        // The kernels ask for their neighbours meanwhile; and they take tags out before they show a frame.
        let ours = |frame: &Vec<u8>| {
            let asks = frame[12..14] == [0x86, 0xdd] || frame[12..14] == [0x08, 0x06];
            !asks || frames.contains(frame)
        };
        drain(&self.outside).into_iter().filter(ours).collect()
    }

    /// Sends frames from the network: those that the worker hears, in order.
    fn are_heard(&self, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        drain(&self.socket);
        frames
            .iter()
            .for_each(|frame| assert!(send(&self.outside, frame).is_ok()));
        thread::sleep(Duration::from_millis(50));
        drain(&self.socket)
    }

    fn own_mac(&self) -> Mac {
        Mac(self.adapter.mac.0)
    }

    fn to(&self, source: Mac, type_: u16, payload: &[u8]) -> Vec<u8> {
        Ethernet::new(source, self.outside_mac, type_).frame(payload)
    }

    fn syn(&self, source: &str, destination: &str, port: u16) -> Vec<u8> {
        self.to(
            self.own_mac(),
            ethernet::IPV4,
            &syn(source, destination, self.adapter.ports, port),
        )
    }

    fn from(&self, source: &str, protocol: u8, bytes: impl Fn(Ends) -> Vec<u8>) -> Vec<u8> {
        let ends = ends(source, OWN);
        let packet = ends.packet(protocol, 64, &bytes(ends));
        Ethernet::new(self.outside_mac, self.own_mac(), ethernet::IPV4).frame(&packet)
    }
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn ends(source: &str, destination: &str) -> Ends {
    Ends::between(IpAddr::V4(address(source)), IpAddr::V4(address(destination))).unwrap()
}

pub(crate) fn syn(source: &str, destination: &str, from: u16, to: u16) -> Vec<u8> {
    let ends = ends(source, destination);
    ends.packet(ip::TCP, 64, &Tcp::syn(from, to, 7).segment(ends, b""))
}

/// An interface of this namespace: its number and its address.
fn card(name: &str) -> (u32, Mac) {
    let own = vedette_daemon::keeper::own::Own::read().unwrap();
    let found = own
        .interfaces
        .iter()
        .find(|interface| interface.name == name)
        .unwrap();
    (found.index, found.mac.map_or(Mac::ZERO, |mac| Mac(mac.0)))
}

/// A socket that hears everything on an interface of this namespace.
pub(crate) fn on(name: &str) -> OwnedFd {
    let socket = packet::open().unwrap();
    packet::ignore_outgoing(&socket).unwrap();
    packet::bind(&socket, card(name).0, EVERYTHING).unwrap();
    socket
}

fn lend(grant: &FrameGrant) -> (Adapter, OwnedFd) {
    let mut lent = frames::lend(WORKER, grant).unwrap();
    assert_eq!(lent.len(), 1, "loopback is not lent");
    lent.remove(0)
}

/// Does it without any capability.
pub(crate) fn as_worker(act: impl FnOnce() + Send) {
    thread::scope(|scope| {
        scope.spawn(|| {
            become_user(WORKER);
            act();
        });
    });
}

pub(crate) fn send(socket: &OwnedFd, frame: &[u8]) -> io::Result<usize> {
    let mut nothing = SendAncillaryBuffer::default();
    Ok(sendmsg(
        socket,
        &[IoSlice::new(frame)],
        &mut nothing,
        SendFlags::empty(),
    )?)
}

/// Everything that has come in.
pub(crate) fn drain(socket: &OwnedFd) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut bytes = [0; 2048];
    while let Ok((length, _)) = recv(socket, bytes.as_mut_slice(), RecvFlags::DONTWAIT) {
        frames.push(bytes[..length].to_vec());
    }
    frames
}

/// The frame with an option in its IPv4 header: a loose source route over another host (RFC 791).
fn routed(frame: &[u8]) -> Vec<u8> {
    let option = [&[131, 7, 4][..], &address(ELSEWHERE).octets(), &[0]].concat();
    let mut frame = [&frame[..34], &option, &frame[34..]].concat();
    frame[14] = 0x47;
    frame[17] += 8;
    frame[24..26].fill(0);
    let sum = Checksum::default().over(&frame[14..42]).finish();
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}

#[test]
fn only_what_is_granted_leaves_as_a_frame() {
    let stand = Stand::new("frames", "80", None);
    let granted = stand.syn(OWN, HOST, 80);
    let asked = Arp::request(stand.own_mac(), address(OWN), address(HOST)).frame();
    assert_eq!(
        stand.come_out(&[granted.clone(), asked.clone()]),
        [granted.clone(), asked],
        "what is granted"
    );

    let other = Mac([2, 0, 0, 0, 0, 99]);
    let own = stand.own_mac();
    let datagram = |ends: Ends| {
        Udp {
            source: 9,
            destination: 80,
        }
        .datagram(ends, b"")
    };
    let in_ip =
        |protocol, bytes: &[u8]| stand.to(own, ethernet::IPV4, &ends(OWN, HOST).packet(protocol, 64, bytes));
    let fragment = |offset: u16| {
        let mut frame = granted.clone();
        frame[20..22].copy_from_slice(&offset.to_be_bytes());
        frame
    };
    let tagged = |tag: u16| {
        let inside = [&[0, 7][..], &ethernet::IPV4.to_be_bytes(), &granted[14..]].concat();
        stand.to(own, tag, &inside)
    };
    let claim = Arp {
        operation: Operation::Reply,
        sender: (own, address(ELSEWHERE)),
        target: (stand.outside_mac, address(HOST)),
    };
    let forbidden = [
        ("another port", stand.syn(OWN, HOST, 81)),
        ("an excluded host", stand.syn(OWN, EXCLUDED, 80)),
        ("a resolver", stand.syn(OWN, RESOLVER, 80)),
        ("another host", stand.syn(OWN, ELSEWHERE, 80)),
        ("another's address", stand.syn(ELSEWHERE, HOST, 80)),
        (
            "another's link-layer address",
            stand.to(other, ethernet::IPV4, &granted[14..]),
        ),
        ("a datagram", in_ip(ip::UDP, &datagram(ends(OWN, HOST)))),
        (
            "an echo request",
            in_ip(ip::ICMP, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]),
        ),
        ("a later fragment", fragment(4)),
        ("a first fragment", fragment(0x2000)),
        ("a route among the options", routed(&granted)),
        ("a VLAN tag", tagged(0x8100)),
        ("a service VLAN tag", tagged(0x88a8)),
        (
            "a question for another host",
            Arp::request(own, address(OWN), address(ELSEWHERE)).frame(),
        ),
        (
            "a question in another's name",
            Arp::request(own, address(ELSEWHERE), address(HOST)).frame(),
        ),
        ("a question from another's adapter", {
            let mut frame = Arp::request(other, address(OWN), address(HOST)).frame();
            frame[6..12].copy_from_slice(&own.0);
            frame
        }),
        ("a claim to another's address", claim.frame()),
        ("another protocol", stand.to(own, 0x88b5, &[0; 46])),
        (
            "IPv6",
            stand.to(
                own,
                ethernet::IPV6,
                &[
                    0x60, 0, 0, 0, 0, 0, 59, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                ],
            ),
        ),
        ("nearly nothing", granted[..20].to_vec()),
    ];
    // The kernel takes a frame for what the socket is bound to, whatever stands in it.
    for bound in [EVERYTHING, ethernet::IPV4, ethernet::ARP] {
        packet::bind(&stand.socket, stand.adapter.interface, bound).unwrap();
        for (what, frame) in &forbidden {
            let out = stand.come_out(std::slice::from_ref(frame));
            assert!(out.is_empty(), "{what}, bound to {bound:#06x}: {out:02x?}");
        }
    }
    packet::bind(&stand.socket, stand.adapter.interface, EVERYTHING).unwrap();
    assert_eq!(stand.come_out(std::slice::from_ref(&granted)), [granted], "still");
}

#[test]
fn no_other_interface_lets_frames_out_and_none_that_comes_later() {
    let mut stand = Stand::new("later", "80", None);
    let granted = stand.syn(OWN, HOST, 80);
    let lo = on("lo");
    packet::bind(&stand.socket, LOOPBACK, EVERYTHING).unwrap();
    as_worker(|| drop(send(&stand.socket, &granted)));
    thread::sleep(Duration::from_millis(50));
    assert!(!drain(&lo).contains(&granted), "loopback");

    let (a, n) = (stand.wire.appliance.clone(), stand.wire.network.clone());
    run(
        "ip",
        &[
            "-n", &a, "link", "add", "eth1", "type", "veth", "peer", "name", "eth1", "netns", &n,
        ],
    );
    stand.filter.follow().unwrap();
    for space in [&a, &n] {
        run("ip", &["-n", space, "link", "set", "eth1", "up"]);
    }
    enter(&n);
    let outside = on("eth1");
    enter(&a);
    let (index, mac) = card("eth1");
    packet::bind(&stand.socket, index, EVERYTHING).unwrap();
    let frames = [
        stand.to(mac, ethernet::IPV4, &syn(ELSEWHERE, HOST, 9, 80)),
        stand.to(mac, ethernet::IPV4, &syn(OWN, ELSEWHERE, 9, 80)),
        granted.clone(),
    ];
    as_worker(|| frames.iter().for_each(|frame| drop(send(&stand.socket, frame))));
    thread::sleep(Duration::from_millis(50));
    let out = drain(&outside);
    let ours: Vec<_> = out.iter().filter(|frame| frames.contains(frame)).collect();
    // Where it leaves is the worker's to choose; what, and to whom, is not.
    assert_eq!(ours, [&granted]);

    stand.filter.revoke(WORKER).unwrap();
    packet::bind(&stand.socket, stand.adapter.interface, EVERYTHING).unwrap();
    assert!(stand.come_out(&[granted]).is_empty(), "its grant is over");
}

#[test]
fn a_worker_hears_what_answers_itself_and_no_more() {
    let stand = Stand::new("hears", "80", None);
    let ours = stand.adapter.ports;
    let accepted = |source: &str, to: u16| {
        let segment = Tcp {
            flags: Flags::SYN.and(Flags::ACK),
            ..Tcp::syn(80, to, 1)
        };
        stand.from(source, ip::TCP, |ends| segment.segment(ends, b""))
    };
    // Destination unreachable, with the first bytes of what it is about (RFC 792).
    let unreachable = |from: u16| {
        let about = syn(OWN, HOST, from, 80);
        let bytes = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &about[..28]].concat();
        stand.from(ELSEWHERE, ip::ICMP, |_| bytes.clone())
    };
    let says =
        |host: &str| Arp::request(stand.own_mac(), address(OWN), address(host)).answer(stand.outside_mac);
    let good = [
        accepted(HOST, ours),
        accepted(HOST, ours + 7),
        unreachable(ours),
        says(HOST).frame(),
    ];
    assert_eq!(stand.are_heard(&good), good);
    let others = [
        accepted(HOST, ours - 1),
        accepted(HOST, ours + 8),
        accepted(HOST, 40_000),
        accepted(ELSEWHERE, ours),
        accepted(EXCLUDED, ours),
        unreachable(40_000),
        says(ELSEWHERE).frame(),
        Arp::request(stand.outside_mac, address(HOST), address(OWN)).frame(),
        stand.from(HOST, ip::UDP, |ends| {
            Udp {
                source: 80,
                destination: ours,
            }
            .datagram(ends, b"")
        }),
    ];
    assert_eq!(stand.are_heard(&others), Vec::<Vec<u8>>::new());

    as_worker(|| {
        let all = [Instruction {
            code: 0x06,
            when: 0,
            otherwise: 0,
            operand: u32::MAX,
        }];
        let refused = |done: io::Result<()>| done.unwrap_err().kind() == io::ErrorKind::PermissionDenied;
        assert!(
            refused(packet::attach_filter(&stand.socket, &all)),
            "another filter"
        );
        assert!(refused(packet::mark(&stand.socket, 0)), "no mark");
        assert!(refused(packet::mark(&stand.socket, WORKER + 1)), "another's mark");
        assert!(packet::open().is_err(), "a socket of its own");
        packet::join(&stand.socket, stand.adapter.interface, Membership::Promiscuous).unwrap();
    });
    assert_eq!(
        stand.are_heard(&others),
        Vec::<Vec<u8>>::new(),
        "with everything taken in"
    );
    // What the machine itself sends is not heard either: the link's packets are such.
    let syn = stand.syn(OWN, HOST, 80);
    as_worker(|| assert!(send(&stand.socket, &syn).is_ok()));
    thread::sleep(Duration::from_millis(50));
    assert!(!drain(&stand.socket).contains(&syn));
}

#[test]
fn a_port_of_one_transport_is_none_of_the_other() {
    let stand = Stand::new("udp", "80,U:53", None);
    let ours = stand.adapter.ports;
    let udp = |source, destination| Udp { source, destination };
    let asked = |to: u16| {
        let ends = ends(OWN, HOST);
        let packet = ends.packet(ip::UDP, 64, &udp(ours, to).datagram(ends, b"?"));
        stand.to(stand.own_mac(), ethernet::IPV4, &packet)
    };
    let granted = [asked(53), stand.syn(OWN, HOST, 80)];
    assert_eq!(stand.come_out(&granted), granted);
    let crossed = [asked(80), stand.syn(OWN, HOST, 53)];
    assert_eq!(stand.come_out(&crossed), Vec::<Vec<u8>>::new());

    let answered =
        |source: &str, to: u16| stand.from(source, ip::UDP, |ends| udp(53, to).datagram(ends, b"!"));
    let good = [answered(HOST, ours), answered(HOST, ours + 7)];
    assert_eq!(stand.are_heard(&good), good);
    let others = [
        answered(HOST, ours + 8),
        answered(HOST, 40_000),
        answered(ELSEWHERE, ours),
        answered(EXCLUDED, ours),
    ];
    assert_eq!(stand.are_heard(&others), Vec::<Vec<u8>>::new());
}

#[test]
fn a_rate_holds_for_frames_and_connections_together() {
    const RATE: u32 = 200;
    let stand = Stand::new("rate", "80", Some(RATE));
    let frame = stand.syn(OWN, HOST, 80);
    drain(&stand.outside);
    let begun = Instant::now();
    as_worker(|| {
        while begun.elapsed() < Duration::from_millis(500) {
            let _ = send(&stand.socket, &frame);
            let socket =
                std::net::TcpStream::connect_timeout(&(address(HOST), 80).into(), Duration::from_millis(1));
            drop(socket);
        }
    });
    let lasted = begun.elapsed();
    thread::sleep(Duration::from_millis(50));
    let of_us = |frame: &&Vec<u8>| frame[6..12] == stand.own_mac().0 && frame[12..14] == [8, 0];
    let out = drain(&stand.outside).iter().filter(of_us).count() as f64;
    let most = f64::from(RATE) * lasted.as_secs_f64() + f64::from(RATE / 10 + 1);
    assert!(out <= most, "{out} packets in {lasted:?}");
    assert!(out >= f64::from(RATE / 10), "{out} packets in {lasted:?}");
}
