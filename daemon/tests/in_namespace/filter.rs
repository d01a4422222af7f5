//! The keeper's sets in the shipped packet filter, in the kernel: what a worker reaches and what not.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use vedette_daemon::keeper::filter::{BaseError, Filter, FilterError, Sending};
use vedette_protocol::{JobId, JobScope, scope::Area, target::Target};

use crate::wire::{Wire, become_user, enter, run};

const WORKER: u32 = 61_184;
const OTHER_WORKER: u32 = 61_185;
const LINK: u32 = 900;
const PORT: u16 = 8443;
const JOB: JobId = JobId([1; 16]);

/// Whether a process of this user reaches the port from the appliance.
pub(crate) fn reaches(wire: &Wire, uid: u32, host: &str, port: u16) -> bool {
    let space = wire.appliance.clone();
    let address = SocketAddr::new(host.parse().unwrap(), port);
    let tried = thread::spawn(move || {
        enter(&space);
        become_user(uid);
        TcpStream::connect_timeout(&address, Duration::from_millis(700)).is_ok()
    });
    tried.join().unwrap()
}

/// Answers on every address of the network, on these ports.
pub(crate) fn listen(wire: &Wire, ports: &[u16]) {
    for port in ports.iter().copied() {
        let space = wire.network.clone();
        let (ready, listening) = std::sync::mpsc::channel();
        thread::spawn(move || {
            enter(&space);
            let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
            ready.send(()).unwrap();
            for socket in listener.incoming() {
                let _ = socket.unwrap().write_all(b"hello");
            }
        });
        listening.recv().unwrap();
    }
}

fn scope(targets: &[&str], ports: &str) -> JobScope {
    let targets: Vec<Target> = targets.iter().map(|text| text.parse().unwrap()).collect();
    JobScope {
        area: Area::new(&targets, &[], &[]),
        ports: ports.parse().unwrap(),
    }
}

fn lawful(filter: &Filter, targets: &[&str], ports: &str) -> JobScope {
    let asked = scope(targets, ports);
    JobScope {
        area: filter.lawful(asked.area).unwrap(),
        ..asked
    }
}

fn grant(filter: &mut Filter, uid: u32, scope: JobScope) -> Result<(), FilterError> {
    let frames = filter.grant(uid, JOB, scope, None, Sending::Sockets)?;
    assert!(frames.is_none());
    Ok(())
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_worker_reaches_its_scope_and_nothing_else() {
    let wire = Wire::new("scope");
    wire.load_base();
    listen(&wire, &[22, 80, 53, PORT]);
    enter(&wire.appliance);
    let mut filter = Filter::adopt(PORT).unwrap();
    assert!(
        !reaches(&wire, WORKER, "198.51.100.10", 80),
        "nothing is granted yet"
    );

    filter
        .reach(addresses(&["198.51.100.12"]), addresses(&["198.51.100.13"]))
        .unwrap();
    let scope = lawful(&filter, &["198.51.100.10-13"], "80,8443,53");
    grant(&mut filter, WORKER, scope).unwrap();
    assert!(reaches(&wire, WORKER, "198.51.100.10", 80));
    assert!(reaches(&wire, WORKER, "198.51.100.11", PORT));
    assert!(!reaches(&wire, WORKER, "198.51.100.10", 22), "another port");
    assert!(!reaches(&wire, WORKER, "198.51.100.12", 53), "a resolver");
    assert!(!reaches(&wire, WORKER, "198.51.100.13", PORT), "the platform");
    assert!(
        !reaches(&wire, OTHER_WORKER, "198.51.100.10", 80),
        "another worker"
    );
    assert!(!reaches(&wire, LINK, "198.51.100.10", 80), "the link");
    assert!(!reaches(&wire, 0, "198.51.100.10", 80), "the keeper");

    assert!(reaches(&wire, LINK, "198.51.100.12", 53));
    assert!(reaches(&wire, LINK, "198.51.100.13", PORT));
    assert!(
        !reaches(&wire, LINK, "198.51.100.13", 80),
        "another port of the platform"
    );

    // What becomes the platform's leaves the running job's scope.
    filter.reach(vec![], addresses(&["198.51.100.11"])).unwrap();
    assert!(!reaches(&wire, WORKER, "198.51.100.11", PORT));
    assert!(!reaches(&wire, LINK, "198.51.100.12", 53));

    filter.stop(&[JobId([2; 16])]).unwrap();
    assert!(reaches(&wire, WORKER, "198.51.100.10", 80));
    filter.stop(&[JOB]).unwrap();
    assert!(!reaches(&wire, WORKER, "198.51.100.10", 80), "stopped");
}

#[test]
fn many_elements_are_one_transaction() {
    let wire = Wire::new("many");
    wire.load_base();
    listen(&wire, &[4001]);
    enter(&wire.appliance);
    let mut filter = Filter::adopt(PORT).unwrap();
    let ports = |count: u16| -> String {
        let ports: Vec<String> = (0..count).map(|port| (1 + 2 * port).to_string()).collect();
        ports.join(",")
    };
    // 2001 ranges of ports on each of two hosts that do not touch.
    let many = scope(&["198.51.100.10", "198.51.100.12"], &ports(2001));
    grant(&mut filter, WORKER, many).unwrap();
    assert!(reaches(&wire, WORKER, "198.51.100.10", 4001));
    let more = scope(&["198.51.100.10", "198.51.100.12"], &ports(20_000));
    assert!(matches!(
        grant(&mut filter, OTHER_WORKER, more),
        Err(FilterError::TooLarge(_))
    ));
    assert!(
        reaches(&wire, WORKER, "198.51.100.10", 4001),
        "a refused grant changes nothing"
    );
    filter.revoke(WORKER).unwrap();
    assert!(!reaches(&wire, WORKER, "198.51.100.10", 4001));
}

#[test]
fn without_the_base_table_nothing_starts() {
    let wire = Wire::new("base");
    enter(&wire.appliance);
    assert!(matches!(Filter::adopt(PORT), Err(BaseError::Missing(_))));
    wire.load_base();
    assert!(Filter::adopt(PORT).is_ok());
    run("nft", &["delete", "chain", "inet", "vedette", "forward"]);
    assert!(matches!(Filter::adopt(PORT), Err(BaseError::Chain("forward"))));
}
