//! Peers that mean harm: what they cost is bounded, what they hide is a gap, and they are accused of nothing.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use vedette_protocol::finding::{Kind, Outcome};

use crate::{audit, by_hand::record};

/// A peer that answers the first kilobyte so, every time.
fn peer(answer: impl Fn(&mut TcpStream) + Send + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                // Whoever says nothing only looked whether the port is open.
                if stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {
                    answer(&mut stream);
                }
            });
        }
    });
    endpoint
}

/// What each such peer must come to: an end in time, and no accusation.
fn is_borne(answer: impl Fn(&mut TcpStream) + Send + Clone + 'static) -> Outcome {
    let begun = Instant::now();
    let audited = audit(peer(answer));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let accused = audited
        .findings
        .iter()
        .find(|finding| finding.kind == Kind::Weakness);
    assert_eq!(accused, None);
    audited.report.outcome()
}

#[test]
fn endless_records_are_cut_and_leave_a_gap() {
    // Handshake records without end, whose one message claims 16 MiB.
    let outcome = is_borne(|stream| {
        let first = record(22, 0x0303, &[&[11, 0xff, 0xff, 0xff][..], &[0; 1000]].concat());
        let more = record(22, 0x0303, &[0; 16_000]);
        let mut words = first;
        while stream.write_all(&words).is_ok() {
            words.clone_from(&more);
        }
    });
    assert_eq!(outcome, Outcome::Partial);
}

#[test]
fn a_byte_a_second_leaves_a_gap() {
    let met = Arc::new(AtomicBool::new(false));
    let outcome = is_borne(move |stream| {
        // Whoever comes first learns that TLS is spoken here.
        if !met.swap(true, Ordering::Relaxed) {
            let _ = stream.write_all(&record(21, 0x0303, &[2, 40]));
            return;
        }
        for byte in record(22, 0x0303, &[2, 0, 0, 70, 3, 3]) {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
        thread::sleep(Duration::from_secs(60));
    });
    assert_eq!(outcome, Outcome::Partial);
}

#[test]
fn a_hello_that_contradicts_itself_is_no_tls() {
    for body in [
        // Lengths beyond the message, a version that does not exist, a message within a message.
        &[2, 0, 0, 40, 3, 3][..],
        &[2, 0, 0, 4, 3, 3, 0xff, 0xff],
        &[&[2, 0, 0, 38, 9, 9][..], &[0; 36]].concat(),
        &[0xff; 64],
    ] {
        let body = body.to_vec();
        let outcome = is_borne(move |stream| {
            let _ = stream.write_all(&record(22, 0x0303, &body));
        });
        assert_eq!(outcome, Outcome::Complete);
    }
}

#[test]
fn a_suite_that_was_not_offered_is_believed_by_nobody() {
    // The same ServerHello whatever was said: TLS 1.2 with a suite of export.
    let outcome = is_borne(|stream| {
        let hello = [&[2, 0, 0, 38, 3, 3][..], &[7; 32], &[0, 0x13, 0x37, 0]].concat();
        let _ = stream.write_all(&record(22, 0x0303, &hello));
        thread::sleep(Duration::from_millis(100));
    });
    assert_eq!(outcome, Outcome::Complete);
}
