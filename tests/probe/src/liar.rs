//! A worker that lies: granted one scope, it sends to others.
//!
//! It knows where the lab has open ports, so that what fails is not failing for want of somebody who answers.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread,
    time::Duration,
};

use rustix::net::{AddressFamily, SocketType, ipproto};
use vedette_daemon::conversation::{Conversation, FRAME_LIMIT};
use vedette_protocol::{
    JobScope,
    codec::{read_frame, write_frame},
    finding::{Coverage, Effort, Report, Transport},
    keeper::KEEPER_SOCKET,
    worker::{Order, ScopeAnswer, ScopeRequest, WorkerEvent},
};

use crate::{attempt::report, frames::Lent};

const WHO: &str = "liar";
const PATIENCE: Duration = Duration::from_secs(3);

/// Takes an order and a grant, then tries what is granted and what is not.
pub(crate) fn probe() {
    if let Err(error) = lie() {
        println!("probe {WHO} gave-up denied {:?}", error.to_string());
    }
    println!("probe {WHO} end");
}

fn lie() -> io::Result<()> {
    let connection: OwnedFd = vedette_sys::inherit::sockets()?.remove(0);
    let mut master = UnixStream::from(connection);
    let order: Order = read_frame(&mut master).map_err(io::Error::other)?;
    let resolved = order.names.first().and_then(|name| name.addresses.first());
    let target = *resolved.ok_or_else(|| io::Error::other("give the liar a target by name"))?;
    report(WHO, "before-the-grant", tcp(SocketAddr::new(target, WEB)));

    let mut keeper = Conversation::new(UnixStream::connect(KEEPER_SOCKET)?);
    let request = ScopeRequest {
        assignment: order.assignment,
        names: order.names,
    };
    keeper.send(&request, FRAME_LIMIT).map_err(io::Error::other)?;
    let ScopeAnswer::Granted { scope, adapters, .. } =
        keeper.receive(FRAME_LIMIT).map_err(io::Error::other)?
    else {
        return Err(io::Error::other("the keeper refused the job"));
    };
    let lent = Lent::take(&mut keeper, adapters)?;
    let place = granted(&scope).ok_or_else(|| io::Error::other("nothing was granted"))?;
    attempts(place);
    lent.lie(place);
    malformed_request();
    drop(keeper);
    thread::sleep(Duration::from_secs(1));
    report(WHO, "after-the-grant", tcp(place));
    report(WHO, "frame-after-the-grant", lent.send(&lent.granted(place)));

    let end = Report::close(Effort::default(), Coverage::default(), 0, vec![]);
    write_frame(&mut master, &WorkerEvent::Ended(end)).map_err(io::Error::other)
}

/// All at once, since most of them end by running out of patience.
fn attempts(place: SocketAddr) {
    let IpAddr::V4(target) = place.ip() else { return };
    let [a, b, c, d] = target.octets();
    let neighbour = |d: u8| Ipv4Addr::new(a, b, c, d);
    let (platform, resolver) = (neighbour(1), neighbour(2));
    let to = |address: Ipv4Addr, port: u16| SocketAddr::from((address, port));
    let all_tcp = [
        ("granted", place),
        ("other-port", to(target, WEB_TLS)),
        ("other-target", to(neighbour(d + 1), place.port())),
        ("platform", to(platform, PLATFORM)),
        ("resolver", to(resolver, DNS)),
        ("metadata-service", to(Ipv4Addr::new(169, 254, 169, 254), WEB)),
        ("elsewhere", to(Ipv4Addr::new(192, 0, 2, 1), WEB)),
        ("loopback", to(Ipv4Addr::LOCALHOST, place.port())),
    ];
    let all_udp = [
        ("granted-over-udp", place),
        ("resolver-over-udp", to(resolver, DNS)),
        ("dhcp-server", to(resolver, DHCP)),
        ("broadcast", to(neighbour(255), place.port())),
    ];
    thread::scope(|scope| {
        for (what, to) in all_tcp {
            scope.spawn(move || report(WHO, what, tcp(to)));
        }
        for (what, to) in all_udp {
            scope.spawn(move || report(WHO, what, udp(to)));
        }
        scope.spawn(|| report(WHO, "itself", itself()));
        scope.spawn(|| report(WHO, "echo-request", echo_socket()));
    });
}

/// What is no request ends the conversation, and nothing else.
fn malformed_request() {
    let refused = UnixStream::connect(KEEPER_SOCKET).and_then(|mut keeper| {
        keeper.set_read_timeout(Some(PATIENCE))?;
        write_frame(&mut keeper, &u128::MAX).map_err(io::Error::other)?;
        let answer: Result<ScopeAnswer, _> = read_frame(&mut keeper);
        answer.map(drop).map_err(|_| io::ErrorKind::UnexpectedEof.into())
    });
    report(WHO, "malformed-request", refused);
}

fn granted(scope: &JobScope) -> Option<SocketAddr> {
    let (address, _) = scope.area.addresses().next()?;
    let port = scope.ports.over(Transport::Tcp)?.iter().next()?;
    Some(SocketAddr::new(address, port))
}

fn tcp(place: SocketAddr) -> io::Result<()> {
    TcpStream::connect_timeout(&place, PATIENCE).map(drop)
}

fn udp(place: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_broadcast(true)?;
    socket.send_to(b"probe", place).map(drop)
}

/// A datagram from one of our sockets to another, over the loopback interface.
fn itself() -> io::Result<()> {
    let (from, to) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    to.set_read_timeout(Some(PATIENCE))?;
    from.send_to(b"probe", to.local_addr()?)?;
    to.recv(&mut [0; 8]).map(drop)
}

/// ICMP without privilege, icmp(7).
fn echo_socket() -> io::Result<()> {
    Ok(rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, Some(ipproto::ICMP)).map(drop)?)
}

const DNS: u16 = 53;
const DHCP: u16 = 67;
const WEB: u16 = 80;
const WEB_TLS: u16 = 443;
const PLATFORM: u16 = 8443;
