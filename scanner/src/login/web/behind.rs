//! What the checks of web servers see that a stranger does not: the same questions, asked by somebody who is in.

use vedette_protocol::{
    Finding, Timestamp,
    job::{Check, Checks},
};

use super::road::Road;
use crate::{
    interpret::interpret,
    known::Known,
    plan,
    probe::{Probe, Until, Wrap},
    reply::{End, Reply},
    web::request::Pair,
    wire::Wire,
};

/// What was found, and how much was not answered.
#[derive(Debug, Default)]
pub(super) struct Behind {
    pub(super) findings: Vec<Finding>,
    pub(super) unanswered: u64,
}

/// Asks what the checks want to know. What is not a request for a page is asked as by anybody.
pub(super) async fn look(wire: &Wire, road: &mut Road, mut known: Known, fields: &[Pair]) -> Behind {
    let Ok(checks) = Checks::try_from(vec![Check::Http]) else {
        return Behind::default();
    };
    let mut left = EXCHANGES;
    loop {
        let probes = plan::next(&known, &checks);
        if probes.is_empty() || left == 0 {
            break;
        }
        for probe in probes.into_iter().take(left) {
            left -= 1;
            let reply = ask(wire, road, &probe, fields).await;
            known.learn(probe, reply);
        }
    }
    let unanswered = known
        .exchanges()
        .iter()
        .filter(|(probe, reply)| !reply.answers(probe));
    Behind {
        unanswered: unanswered.count() as u64,
        findings: interpret(&known, &checks, Timestamp::now()),
    }
}

async fn ask(wire: &Wire, road: &mut Road, probe: &Probe, fields: &[Pair]) -> Reply {
    let same_way = match &probe.wrap {
        Wrap::Plain => !road.is_in_tls(),
        Wrap::Tls(_) => road.is_in_tls(),
        Wrap::Datagram => false,
    };
    if !same_way || probe.until != Until::Response {
        return wire.send(probe).await;
    }
    match road.exchange(&with_fields(&probe.say, fields)).await {
        Some(answer) => Reply {
            session: None,
            heard: answer.heard,
            end: End::Enough,
        },
        None => Reply::silent(End::Closed),
    }
}

/// A request with more header fields, over a connection that stays.
fn with_fields(request: &[u8], fields: &[Pair]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let mut lines = text
        .split("\r\n")
        .filter(|line| !line.eq_ignore_ascii_case("connection: close"));
    let mut said = lines.next().unwrap_or_default().to_owned();
    said.push_str("\r\n");
    for (name, value) in fields {
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        said.push_str(&format!("{name}: {value}\r\n"));
    }
    said.push_str(&lines.collect::<Vec<_>>().join("\r\n"));
    said.into_bytes()
}

/// More than the checks of one server ask.
const EXCHANGES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gets_its_fields_and_keeps_the_rest() {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let field = |value: &str| [("Authorization".to_owned(), value.to_owned())];
        assert_eq!(
            with_fields(request, &field("Bearer t\r\nX: y")),
            b"GET / HTTP/1.1\r\nAuthorization: Bearer tX: y\r\nHost: a\r\n\r\n"
        );
        assert_eq!(with_fields(request, &[]), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
}
