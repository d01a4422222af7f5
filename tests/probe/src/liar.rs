//! A worker that lies: granted one scope, it sends to others.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

use vedette_protocol::{
    codec::{read_frame, write_frame},
    finding::{Coverage, Effort, Report},
    keeper::KEEPER_SOCKET,
    scope::Scope,
    worker::{Order, ScopeAnswer, ScopeRequest, WorkerEvent},
};

use crate::attempt::report;

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
    report(WHO, "before-the-grant", first_address(&order).map_or(Ok(()), tcp));

    let mut keeper = UnixStream::connect(KEEPER_SOCKET)?;
    write_frame(
        &mut keeper,
        &ScopeRequest {
            job: order.job,
            names: order.names,
        },
    )
    .map_err(io::Error::other)?;
    let ScopeAnswer::Granted { scope, .. } = read_frame(&mut keeper).map_err(io::Error::other)? else {
        return Err(io::Error::other("the keeper refused the job"));
    };
    attempts(&scope);
    drop(keeper);
    std::thread::sleep(Duration::from_secs(1));
    if let Some(place) = granted(&scope) {
        report(WHO, "after-the-grant", tcp(place));
    }
    let end = Report::close(Effort::default(), Coverage::default(), 0, vec![]);
    write_frame(&mut master, &WorkerEvent::Ended(end)).map_err(io::Error::other)
}

fn attempts(scope: &Scope) {
    let Some(place) = granted(scope) else { return };
    report(WHO, "granted", tcp(place));
    report(
        WHO,
        "granted-host-other-port",
        tcp(SocketAddr::new(place.ip(), place.port() ^ 1)),
    );
    report(WHO, "granted-host-udp", udp(place));
    for (what, other) in neighbours(place.ip()) {
        report(WHO, what, tcp(SocketAddr::new(other, place.port())));
    }
    for (what, text) in [
        ("metadata-service", "169.254.169.254:80"),
        ("loopback", "127.0.0.1:80"),
        ("elsewhere", "192.0.2.1:80"),
    ] {
        report(WHO, what, text.parse().map_err(io::Error::other).and_then(tcp));
    }
}

/// Hosts of the same network that the job does not name: the gateway, which is the resolver and the
/// platform's road, and the next address.
fn neighbours(address: IpAddr) -> Vec<(&'static str, IpAddr)> {
    let IpAddr::V4(v4) = address else { return vec![] };
    let [a, b, c, d] = v4.octets();
    vec![
        ("gateway", IpAddr::from([a, b, c, 1])),
        ("next-host", IpAddr::from([a, b, c, d.wrapping_add(1)])),
        ("next-network", IpAddr::from([a, b, c.wrapping_add(1), d])),
    ]
}

fn granted(scope: &Scope) -> Option<SocketAddr> {
    let (address, _) = scope.addresses().next()?;
    Some(SocketAddr::new(address, scope.ports().iter().next()?))
}

fn first_address(order: &Order) -> Option<SocketAddr> {
    let resolved = order.names.first()?.addresses.first()?;
    Some(SocketAddr::new(*resolved, 80))
}

fn tcp(place: SocketAddr) -> io::Result<()> {
    TcpStream::connect_timeout(&place, PATIENCE).map(drop)
}

fn udp(place: SocketAddr) -> io::Result<()> {
    UdpSocket::bind("0.0.0.0:0")?.send_to(b"probe", place).map(drop)
}
