//! A worker whose job asks who is there: its questions by ICMP, and their answers.

use vedette_scanner::packet::Icmp;

use super::*;

fn asking(name: &str) -> Stand {
    Stand::sending(name, "80", None, Sending::FramesAndEchoes)
}

impl Stand {
    fn icmp(&self, source: &str, destination: &str, bytes: &[u8]) -> Vec<u8> {
        let packet = ends(source, destination).packet(ip::ICMP, 64, bytes);
        self.to(self.own_mac(), ethernet::IPV4, &packet)
    }

    fn echo(&self, destination: &str, id: u16) -> Vec<u8> {
        self.icmp(OWN, destination, &echo(id))
    }

    fn answered(&self, source: &str, bytes: &[u8]) -> Vec<u8> {
        self.from(source, ip::ICMP, |_| bytes.to_vec())
    }

    /// An error about a packet of ours, with as much of it as an error has at least.
    fn error(&self, source: &str, head: [u8; 4], about: &[u8]) -> Vec<u8> {
        self.answered(source, &[&head[..], &[0; 4], &about[14..14 + 28]].concat())
    }
}

fn echo(id: u16) -> Vec<u8> {
    let (sequence, data) = (7, &b"data"[..]);
    Icmp::Echo { id, sequence, data }.bytes().unwrap()
}

fn timestamp(id: u16) -> Vec<u8> {
    Icmp::Timestamp { id, sequence: 7 }.bytes().unwrap()
}

/// The message with another type and code.
fn retyped(mut message: Vec<u8>, type_: u8, code: u8) -> Vec<u8> {
    message[..4].copy_from_slice(&[type_, code, 0, 0]);
    let sum = Checksum::default().over(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

#[test]
fn of_icmp_only_granted_questions_leave() {
    let mut stand = asking("echoes");
    let own = stand.adapter.ports;
    let granted = [
        stand.echo(HOST, own),
        stand.echo(HOST, own + 7),
        stand.icmp(OWN, HOST, &timestamp(own)),
        Arp::request(stand.own_mac(), address(OWN), address(HOST)).frame(),
        stand.syn(OWN, HOST, 80),
    ];
    assert_eq!(stand.come_out(&granted), granted, "what is granted");

    // Every other type there is, redirects and errors among them.
    for type_ in (0..=u8::MAX).filter(|type_| ![8, 13].contains(type_)) {
        let frame = stand.icmp(OWN, HOST, &retyped(echo(own), type_, 0));
        let sent = std::slice::from_ref(&frame);
        as_worker(|| drop(send(&stand.socket, &sent[0])));
    }
    thread::sleep(Duration::from_millis(50));
    let icmp = |frame: &Vec<u8>| frame[12..14] == [8, 0] && frame[23] == ip::ICMP;
    let out: Vec<_> = drain(&stand.outside).into_iter().filter(icmp).collect();
    assert!(out.is_empty(), "{out:02x?}");

    let mut fragment = stand.echo(HOST, own);
    fragment[20..22].copy_from_slice(&0x2000_u16.to_be_bytes());
    let inside = [&[0, 7][..], &ethernet::IPV4.to_be_bytes(), &granted[0][14..]].concat();
    let redirect = |destination: &str| {
        let about = [
            &[5, 1, 0, 0][..],
            &address(ELSEWHERE).octets(),
            &granted[0][14..42],
        ]
        .concat();
        stand.icmp(OWN, destination, &retyped(about, 5, 1))
    };
    let icmpv6 = {
        let ends = Ends::between("fe80::2".parse().unwrap(), "fe80::10".parse().unwrap()).unwrap();
        let packet = ends.packet(ip::ICMPV6, 64, &retyped(echo(own), 128, 0));
        stand.to(stand.own_mac(), ethernet::IPV6, &packet)
    };
    let forbidden = [
        ("an echo of another's number", stand.echo(HOST, own - 1)),
        ("an echo of the next one's number", stand.echo(HOST, own + 8)),
        (
            "an echo with a code",
            stand.icmp(OWN, HOST, &retyped(echo(own), 8, 1)),
        ),
        (
            "a timestamp with a code",
            stand.icmp(OWN, HOST, &retyped(timestamp(own), 13, 1)),
        ),
        ("an echo outside", stand.echo(ELSEWHERE, own)),
        ("a timestamp outside", stand.icmp(OWN, ELSEWHERE, &timestamp(own))),
        ("an echo to an excluded host", stand.echo(EXCLUDED, own)),
        ("an echo to a resolver", stand.echo(RESOLVER, own)),
        ("an echo to all", stand.echo("198.51.100.255", own)),
        ("an echo to a group", stand.echo("224.0.0.1", own)),
        (
            "an echo in another's name",
            stand.icmp(ELSEWHERE, HOST, &echo(own)),
        ),
        ("a fragment", fragment),
        ("a route among the options", routed(&stand.echo(HOST, own))),
        ("a VLAN tag", stand.to(stand.own_mac(), 0x8100, &inside)),
        ("a redirect", redirect(HOST)),
        ("a redirect outside", redirect(ELSEWHERE)),
        ("an echo over IPv6", icmpv6),
        ("half an echo", stand.icmp(OWN, HOST, &echo(own)[..4])),
        (
            "a question for another host",
            Arp::request(stand.own_mac(), address(OWN), address(ELSEWHERE)).frame(),
        ),
        (
            "a question for an excluded host",
            Arp::request(stand.own_mac(), address(OWN), address(EXCLUDED)).frame(),
        ),
        ("another port", stand.syn(OWN, HOST, 81)),
    ];
    for (what, frame) in &forbidden {
        let out = stand.come_out(std::slice::from_ref(frame));
        assert!(out.is_empty(), "{what}: {out:02x?}");
    }
    assert_eq!(stand.come_out(&granted[..1]), granted[..1], "still");

    // A worker that was granted no such thing, with the same targets.
    let scope = JobScope {
        area: stand
            .filter
            .lawful(Area::new(&[HOST.parse().unwrap()], &[], &[]))
            .unwrap(),
        ports: "80".parse().unwrap(),
    };
    let other = stand
        .filter
        .grant(WORKER + 1, JobId([2; 16]), scope, None, Sending::Frames);
    let lent = frames::lend(WORKER + 1, &other.unwrap().unwrap()).unwrap();
    let [(adapter, socket)] = lent.as_slice() else {
        panic!("{lent:?}")
    };
    packet::bind(socket, adapter.interface, EVERYTHING).unwrap();
    drain(&stand.outside);
    for id in [own, adapter.ports] {
        as_worker(|| drop(send(socket, &stand.echo(HOST, id))));
    }
    thread::sleep(Duration::from_millis(50));
    assert!(!drain(&stand.outside).iter().any(icmp), "another worker's");

    stand.filter.revoke(WORKER).unwrap();
    assert!(stand.come_out(&granted[..3]).is_empty(), "its grant is over");
}

#[test]
fn without_the_check_no_icmp_leaves_and_none_is_heard() {
    let stand = Stand::new("silent", "80", None);
    let own = stand.adapter.ports;
    let questions = [stand.echo(HOST, own), stand.icmp(OWN, HOST, &timestamp(own))];
    assert!(stand.come_out(&questions).is_empty());
    let syn = stand.syn(OWN, HOST, 80);
    assert_eq!(stand.come_out(std::slice::from_ref(&syn)), [syn], "the control");
    let answers = [
        stand.answered(HOST, &retyped(echo(own), 0, 0)),
        stand.answered(HOST, &retyped(timestamp(own), 14, 0)),
        stand.error(ELSEWHERE, [11, 0, 0, 0], &stand.echo(HOST, own)),
    ];
    assert_eq!(stand.are_heard(&answers), Vec::<Vec<u8>>::new());
}

#[test]
fn of_icmp_the_answers_to_its_own_questions_are_heard() {
    let stand = asking("answers");
    let own = stand.adapter.ports;
    let good = [
        stand.answered(HOST, &retyped(echo(own), 0, 0)),
        stand.answered(HOST, &retyped(echo(own + 7), 0, 0)),
        stand.answered(HOST, &retyped(timestamp(own), 14, 0)),
        // Whoever is on the way may be anybody.
        stand.error(ELSEWHERE, [11, 0, 0, 0], &stand.echo(HOST, own)),
        stand.error(ELSEWHERE, [11, 0, 0, 0], &stand.syn(OWN, HOST, 80)),
        stand.error(HOST, [3, 3, 0, 0], &stand.syn(OWN, HOST, 80)),
        Arp::request(stand.own_mac(), address(OWN), address(HOST))
            .answer(stand.outside_mac)
            .frame(),
    ];
    assert_eq!(stand.are_heard(&good), good);

    let to_another = {
        let packet = ends(HOST, ELSEWHERE).packet(ip::ICMP, 64, &retyped(echo(own), 0, 0));
        Ethernet::new(stand.outside_mac, Mac([2, 0, 0, 0, 0, 7]), ethernet::IPV4).frame(&packet)
    };
    let others = [
        stand.answered(HOST, &retyped(echo(own - 1), 0, 0)),
        stand.answered(HOST, &retyped(echo(own + 8), 0, 0)),
        stand.answered(HOST, &retyped(echo(own), 0, 1)),
        stand.answered(ELSEWHERE, &retyped(echo(own), 0, 0)),
        stand.answered(EXCLUDED, &retyped(echo(own), 0, 0)),
        stand.answered(RESOLVER, &retyped(timestamp(own), 14, 0)),
        to_another,
        stand.answered(HOST, &echo(own)),
        stand.answered(HOST, &timestamp(own)),
        stand.answered(HOST, &retyped(echo(own), 5, 1)),
        stand.answered(HOST, &retyped(echo(own), 18, 0)),
        stand.error(ELSEWHERE, [11, 0, 0, 0], &stand.echo(HOST, own + 8)),
        stand.error(ELSEWHERE, [11, 0, 0, 0], &stand.icmp(OWN, HOST, &timestamp(own))),
        stand.error(ELSEWHERE, [5, 1, 0, 0], &stand.echo(HOST, own)),
    ];
    as_worker(|| {
        packet::join(&stand.socket, stand.adapter.interface, Membership::Promiscuous).unwrap();
    });
    assert_eq!(stand.are_heard(&others), Vec::<Vec<u8>>::new());
}

#[test]
fn a_rate_counts_questions_by_icmp_and_for_neighbours() {
    const RATE: u32 = 200;
    let stand = Stand::sending("pace", "80", Some(RATE), Sending::FramesAndEchoes);
    let frames = [
        stand.echo(HOST, stand.adapter.ports),
        Arp::request(stand.own_mac(), address(OWN), address(HOST)).frame(),
    ];
    drain(&stand.outside);
    let begun = Instant::now();
    as_worker(|| {
        while begun.elapsed() < Duration::from_millis(500) {
            frames.iter().for_each(|frame| drop(send(&stand.socket, frame)));
        }
    });
    let lasted = begun.elapsed();
    thread::sleep(Duration::from_millis(50));
    let out = drain(&stand.outside)
        .iter()
        .filter(|frame| frames.contains(frame))
        .count() as f64;
    let most = f64::from(RATE) * lasted.as_secs_f64() + f64::from(RATE / 10 + 1);
    assert!(out <= most, "{out} frames in {lasted:?}");
    assert!(out >= f64::from(RATE / 10), "{out} frames in {lasted:?}");
}
