//! The lab itself: its servers are the real ones, and it ends without a trace, however its owner ends.

#![cfg(test)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use vedette_tests::lab::{Lab, PLATFORM_NAME, Target};

#[test]
fn every_target_says_what_it_is() {
    let lab = Lab::start(&Target::ALL).unwrap();

    let greetings = [
        (Target::Ssh, "SSH-2.0-OpenSSH_"),
        (Target::Ftp, "220 (vsFTPd "),
        (Target::Smtp, "220 "),
        (Target::Mariadb, "-MariaDB"),
    ];
    for (target, expected) in greetings {
        let greeting = talk(&lab, target, target.ports()[0], b"");
        assert!(greeting.contains(expected), "{} said {greeting:?}", target.name());
    }

    let pong = talk(&lab, Target::Redis, 6379, b"PING\r\n");
    assert_eq!(pong, "+PONG\r\n");
    // SSLRequest: a server without TLS answers N, and every PostgreSQL answers.
    let refusal = talk(&lab, Target::Postgres, 5432, &[0, 0, 0, 8, 4, 210, 22, 47]);
    assert_eq!(refusal, "N");

    let good = talk(&lab, Target::GoodWeb, 80, b"GET / HTTP/1.0\r\n\r\n");
    assert!(good.contains("\r\nServer: nginx\r\n"), "{good}");
    let bad = talk(&lab, Target::BadWeb, 80, b"GET /files/ HTTP/1.0\r\n\r\n");
    assert!(
        bad.contains("\r\nServer: nginx/1.") && bad.contains("Index of /files/"),
        "{bad}"
    );
    for exposed in ["/.git/HEAD", "/.env"] {
        let answer = talk(
            &lab,
            Target::BadWeb,
            80,
            format!("GET {exposed} HTTP/1.0\r\n\r\n").as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[test]
fn names_are_known_and_nothing_else_is() {
    let lab = Lab::start(&[Target::Redis]).unwrap();
    let resolve = |name: &str| {
        let server = SocketAddr::from((lab.subnet().dns(), 53));
        lab.inside(|| resolve(server, name)).unwrap()
    };
    assert_eq!(resolve(PLATFORM_NAME), Some(lab.subnet().platform()));
    assert_eq!(resolve("redis.vedette.test"), Some(lab.address(Target::Redis)));
    assert_eq!(resolve("ssh.vedette.test"), None);
    assert_eq!(resolve("debian.org"), None);
}

#[test]
fn the_host_reaches_the_targets_and_the_targets_the_host() {
    let lab = Lab::start(&[Target::Redis]).unwrap();
    let redis = SocketAddr::from((lab.address(Target::Redis), 6379));
    TcpStream::connect_timeout(&redis, SECOND).unwrap();

    let listener = std::net::TcpListener::bind((lab.subnet().platform(), 0)).unwrap();
    let platform = listener.local_addr().unwrap();
    lab.inside(|| TcpStream::connect_timeout(&platform, SECOND))
        .unwrap()
        .unwrap();
}

#[test]
fn labs_stand_side_by_side() {
    let one = Lab::start(&[Target::Redis]).unwrap();
    let two = Lab::start(&[Target::Redis]).unwrap();
    assert_ne!(one.number(), two.number());
    let other = SocketAddr::from((two.address(Target::Redis), 6379));
    assert!(
        one.inside(|| TcpStream::connect_timeout(&other, SECOND))
            .unwrap()
            .is_err()
    );
}

#[test]
fn a_lab_whose_owner_is_killed_ends_too() {
    let mut owner = lab_program(&[])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let (number, files) = number_and_files(&mut said);
    let link = format!("/sys/class/net/vdt{number}");
    assert!(Path::new(&link).exists() && Path::new(&files).exists());

    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until("the link is gone", || !Path::new(&link).exists());
    wait_until("no process is left", || processes_naming(&files).is_empty());

    // Whichever lab comes next clears the rest, if only the one that another test starts.
    let _next = Lab::start(&[]).unwrap();
    wait_until("the files are gone", || !Path::new(&files).exists());
}

#[test]
fn a_lab_that_is_left_running_ends_when_told() {
    let kept = lab_program(&["keep"]).output().unwrap();
    assert!(kept.status.success());
    let said = String::from_utf8(kept.stdout).unwrap();
    let (number, files) = number_and_files(&mut said.lines().map(str::to_owned));
    let redis = format!("198.18.{number}.13:6379").parse().unwrap();
    TcpStream::connect_timeout(&redis, SECOND).unwrap();

    let number = number.to_string();
    for _ in ["once", "and again, which changes nothing"] {
        assert!(lab_program(&["end", &number]).status().unwrap().success());
        let left = processes_naming(&files);
        assert!(left.is_empty(), "{left:?}");
        assert!(!Path::new(&files).exists() && !Path::new(&format!("/sys/class/net/vdt{number}")).exists());
    }
}

fn lab_program(arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_vedette-lab"));
    program.args(arguments);
    program
}

fn number_and_files(said: &mut impl Iterator<Item = String>) -> (u8, String) {
    let first = said.next().unwrap();
    let number = first.split(' ').nth(1).unwrap().parse().unwrap();
    let files = said
        .find_map(|line| line.strip_prefix("files: ").map(str::to_owned))
        .unwrap();
    (number, files)
}

fn talk(lab: &Lab, target: Target, port: u16, say: &[u8]) -> String {
    let address = SocketAddr::from((lab.address(target), port));
    let mut stream = lab
        .inside(|| TcpStream::connect_timeout(&address, SECOND))
        .unwrap()
        .unwrap();
    stream.set_read_timeout(Some(5 * SECOND)).unwrap();
    stream.write_all(say).unwrap();
    let mut answer = vec![0; 4096];
    let mut length = stream.read(&mut answer).unwrap();
    if say.starts_with(b"GET") {
        length += stream.read(&mut answer[length..]).unwrap();
    }
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// Asks for an A record, the way any client does.
fn resolve(server: SocketAddr, name: &str) -> Option<Ipv4Addr> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    socket.set_read_timeout(Some(5 * SECOND)).unwrap();
    socket.send_to(&query, server).unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).unwrap();
    let answers = u16::from_be_bytes([answer[6], answer[7]]);
    (answers > 0).then(|| {
        let address: [u8; 4] = answer[length - 4..length].try_into().unwrap();
        Ipv4Addr::from(address)
    })
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + 10 * SECOND;
    while !is_so() {
        assert!(Instant::now() < end, "it is not so that {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn processes_naming(path: &str) -> Vec<String> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok())
        .filter(|line| line.contains(path))
        .collect()
}

const SECOND: Duration = Duration::from_secs(1);
