//! Targets that mean harm, die, or answer everything alike: bounded in time, named in the report, accused of
//! nothing that they did not show.
#![cfg(test)]

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use vedette_protocol::{
    Finding, PortSet, Report, Scope,
    finding::{FindingType, Kind, Outcome},
    job::Checks,
};
use vedette_scanner::Aids;
use vedette_tests::scan::{gather, scan_of};

/// A server that treats each connection so; it ends with the test.
fn server(treat: impl Fn(TcpStream) + Send + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let treat = treat.clone();
            thread::spawn(move || treat(stream));
        }
    });
    endpoint
}

/// A web server with one answer for every path.
fn catch_all(answer: &'static str) -> SocketAddr {
    server(move |mut stream| {
        let mut request = [0; 1024];
        if stream
            .read(&mut request)
            .is_ok_and(|length| request[..length].starts_with(b"GET "))
        {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length:";
            let _ = write!(stream, "{head} {}\r\n\r\n{answer}", answer.len());
        }
    })
}

async fn scan(endpoints: &[SocketAddr], time: Duration) -> (Vec<Finding>, Report) {
    let ports = PortSet::from_ports(endpoints.iter().map(SocketAddr::port)).unwrap();
    let scope = Scope::new(&["127.0.0.1".parse().unwrap()], &[], &[], ports);
    gather(scan_of(scope, Checks::of_endpoints(), time), Aids::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn tarpits_and_floods_cost_bounded_time_and_tell_nothing() {
    let servers = [
        // Says nothing, ever.
        server(|stream| {
            thread::sleep(Duration::from_secs(60));
            drop(stream);
        }),
        // Closes at once.
        server(drop),
        // Never ends its greeting.
        server(|mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {}),
        // Never ends its headers.
        server(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            while stream.write_all(b"X-More: more\r\n").is_ok() {}
        }),
        // A byte at a time.
        server(|mut stream| {
            while stream.write_all(b"2").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        }),
        // Speaks TLS as no one else does.
        server(|mut stream| {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"\x16\x03\x03\xff\xff\x02\x00\xff\xff\x03\x03\x00");
            thread::sleep(Duration::from_secs(60));
        }),
    ];
    let begun = Instant::now();
    let (findings, report) = scan(&servers, Duration::from_secs(120)).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(report.coverage().ports_known, servers.len() as u64);
    assert_eq!(
        findings
            .iter()
            .filter(|finding| finding.type_ == FindingType::OpenPort)
            .count(),
        servers.len()
    );
    assert!(
        findings.iter().all(|finding| finding.kind != Kind::Weakness),
        "{findings:?}"
    );
}

/// The services that were recognised.
fn services(findings: &[Finding]) -> Vec<&Finding> {
    let services = findings
        .iter()
        .filter(|finding| finding.type_ == FindingType::Service);
    services.collect()
}

#[tokio::test]
async fn who_repeats_what_is_said_is_taken_for_nothing() {
    let echo = server(|mut stream| {
        let mut heard = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut heard) {
            if stream.write_all(&heard[..length]).is_err() {
                return;
            }
        }
    });
    let (findings, _) = scan(&[echo], Duration::from_secs(60)).await;
    assert!(services(&findings).is_empty(), "{findings:?}");
}

#[tokio::test]
async fn noise_is_taken_for_nothing() {
    // Bytes without a pattern, the same in each run (xorshift), with and without an end.
    let noise = |seed: u64, parts: usize| {
        server(move |mut stream| {
            let mut state = seed;
            for _ in 0..parts {
                let part: [u8; 64] = std::array::from_fn(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_le_bytes()[0]
                });
                if stream.write_all(&part).is_err() {
                    return;
                }
            }
        })
    };
    let servers = [
        noise(1, 1),
        noise(2, 8),
        noise(3, usize::MAX),
        noise(4, usize::MAX),
    ];
    let (findings, _) = scan(&servers, Duration::from_secs(60)).await;
    assert!(services(&findings).is_empty(), "{findings:?}");
}

#[tokio::test]
async fn headers_of_a_gigabyte_cost_no_more_than_the_bound() {
    let endless = server(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nServer: ");
        let part = vec![b'a'; 1 << 20];
        for _ in 0..1024 {
            if stream.write_all(&part).is_err() {
                return;
            }
        }
    });
    let begun = Instant::now();
    let (findings, report) = scan(&[endless], Duration::from_secs(60)).await;
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(report.outcome(), Outcome::Partial);
    assert!(services(&findings).is_empty(), "{findings:?}");
}

#[tokio::test]
async fn who_wears_us_out_is_given_up_and_said_to_be() {
    let slow = server(|mut stream| {
        while stream.write_all(b"+").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let silent = server(|stream| {
        thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    let begun = Instant::now();
    let (findings, report) = scan(&[slow, silent], Duration::from_secs(60)).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(report.outcome(), Outcome::Partial);
    assert!(
        report
            .examples()
            .iter()
            .any(|place| place.port == Some(silent.port()))
    );
    assert!(services(&findings).is_empty(), "{findings:?}");
}

#[tokio::test]
async fn a_host_that_accepts_on_every_port_is_no_service_on_any() {
    let mute: Vec<SocketAddr> = (0..40).map(|_| server(drop)).collect();
    let begun = Instant::now();
    let (findings, report) = scan(&mute, Duration::from_secs(60)).await;
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(report.coverage().ports_known, 40);
    assert!(services(&findings).is_empty(), "{findings:?}");
}

#[tokio::test]
async fn who_answers_every_path_alike_is_accused_of_no_exposed_file() {
    let servers = [
        catch_all("ref: refs/heads/main\n"),
        catch_all("APP_ENV=production\n"),
        catch_all("<html><title>Index of /vedette-control/</title><a href=\"x\">x</a>"),
        catch_all("<!doctype html><title>Welcome</title>"),
    ];
    let (findings, report) = scan(&servers, Duration::from_secs(60)).await;
    assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
    let accusations: Vec<_> = findings
        .iter()
        .filter(|finding| finding.kind == Kind::Weakness)
        .collect();
    assert!(accusations.is_empty(), "{accusations:?}");
}

#[tokio::test]
async fn a_target_that_dies_in_the_middle_makes_the_report_partial() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = listener.local_addr().unwrap();
    thread::spawn(move || {
        // Answers as long as it takes to be recognised, and is gone.
        for stream in listener.incoming().flatten() {
            let mut stream: TcpStream = stream;
            let mut request = [0; 1024];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                return;
            }
        }
    });
    let (_, report) = scan(&[endpoint], Duration::from_secs(60)).await;
    assert_eq!(report.outcome(), Outcome::Partial);
    assert!(report.unanswered() > 0);
    assert_eq!(report.examples()[0].port, Some(endpoint.port()));
}

#[tokio::test]
async fn when_time_is_up_the_scan_ends_and_says_what_is_missing() {
    let silent = server(|stream| {
        thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    let begun = Instant::now();
    let (_, report) = scan(&[silent], Duration::from_secs(2)).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(report.outcome(), Outcome::Partial);
}
