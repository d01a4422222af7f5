//! With a community, at a real snmpd.

use std::net::Ipv4Addr;

use vedette_protocol::{
    Digest,
    credential::{Login, Trust},
    finding::{Evidence, FindingType, LoginOutcome, Outcome, Source, Transport},
    job::Check,
};
use vedette_tests::logins::Agent;

use super::{Visited, outcome, secret, visit_at};

const COMMUNITY: &str = "correct-horse-battery-staple";

fn visit(agent: &Agent, community: &str, trust: Trust) -> Visited {
    let login = Login::SnmpCommunity {
        community: secret(community),
    };
    let endpoint = (Ipv4Addr::LOCALHOST, agent.port).into();
    visit_at(&[Check::Inventory], endpoint, &login, trust)
}

#[test]
fn an_agent_tells_who_knows_its_community_what_it_is() {
    let agent = Agent::start(COMMUNITY).unwrap();
    let visited = visit(&agent, COMMUNITY, Trust::Cleartext);
    assert_eq!(outcome(&visited.findings), LoginOutcome::Accepted);
    assert_eq!((visited.ended, visited.opened), (Outcome::Complete, true));
    let finding = &visited.findings[0];
    assert_eq!(
        (finding.type_, finding.port, finding.transport),
        (FindingType::HostInventory, Some(agent.port), Transport::Udp)
    );
    let has = |wanted: &dyn Fn(&Evidence) -> bool| finding.evidence.iter().any(wanted);
    let (text, by_agent) = (|name: &str| name.parse().unwrap(), Source::Snmp);
    assert!(has(&|fact| *fact
        == Evidence::HostName {
            name: text(Agent::NAME),
            by: by_agent
        }));
    assert!(
        has(
            &|fact| matches!(fact, Evidence::System { name, version: Some(_), by } if name.as_str() == "Linux" && *by == by_agent)
        ),
        "{finding:?}"
    );
    assert!(
        has(
            &|fact| matches!(fact, Evidence::Product { product: Some(product), .. } if product.as_str() == "Net-SNMP")
        ),
        "{finding:?}"
    );
    assert_eq!(agent.refused().unwrap(), 0);
}

#[test]
fn a_wrong_community_is_said_once_and_answered_by_nobody() {
    let agent = Agent::start(COMMUNITY).unwrap();
    let visited = visit(&agent, "wrong", Trust::Cleartext);
    let finding = &visited.findings[0];
    assert_eq!(
        (finding.type_, finding.port, finding.transport),
        (FindingType::LoginFailed, Some(agent.port), Transport::Udp)
    );
    assert_eq!(outcome(&visited.findings), LoginOutcome::NoAnswer);
    assert_eq!((visited.ended, visited.opened), (Outcome::Partial, true));
    assert_eq!(agent.refused().unwrap(), 1);
}

#[test]
fn a_community_is_not_opened_for_a_place_that_is_to_be_known_by_a_key() {
    let agent = Agent::start(COMMUNITY).unwrap();
    for trust in [Trust::FirstSeen, Trust::TlsSpki(Digest([9; 32]))] {
        let visited = visit(&agent, "wrong", trust);
        assert_eq!(outcome(&visited.findings), LoginOutcome::WrongHostKey);
        assert!(!visited.opened);
    }
    assert_eq!(agent.refused().unwrap(), 0);
}
