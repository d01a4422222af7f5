//! Asking an SNMP agent in version 2c (RFC 1901, RFC 3416), with the community that the operator sealed.
//!
//! The protocol shows no key and hides nothing on the way, so the vault opens a community for a place alone that was
//! sealed with `--cleartext-ok`. To a wrong one an agent says nothing (RFC 1157, section 4.1), as nobody does where none
//! is: a community is said in one datagram, and only who has answered is asked more.
//!
//! It can be read by this process from the vault's answer until its end, and by anybody on the way in each question. The
//! allocator wipes the questions; what the kernel sends goes through its own memory, which is wiped when it is freed
//! (`init_on_free`).

use ring::rand::{SystemRandom, generate};
use vedette_protocol::{
    Scope,
    credential::{Login, SecretText},
    finding::{Evidence, LoginOutcome, MacAddress},
    vault::Shown,
};

use super::{
    LoginError, Visit,
    inventory::Inventory,
    not_opened,
    vault::{Line, LineError, Opened, Place},
};
use crate::{
    discover::{device::Fact, signs},
    message::snmp::{self, Answer, Ask, ObjectId, Step, Value, Walk, system_objects},
    probe::{Probe, Silence, Turn, Until, Wrap},
    service::snmp::of_maker,
    vendor::vendor,
    wire::Wire,
};

/// Has the vault open the community, and asks.
pub(super) async fn visit(scope: &Scope, place: &Place, line: &mut Line) -> Result<Visit, LoginError> {
    let community = match line.open(place, Shown::Nothing).await? {
        Ok(Opened::Secret(Login::SnmpCommunity { community })) => community,
        Ok(_) => return Err(LineError::Unexpected.into()),
        Err(refusal) => return Ok(Visit::Out(not_opened(refusal))),
    };
    let agent = Agent {
        wire: Wire::new(scope.clone().into()),
        place: *place,
        community,
    };
    let Some(answer) = agent.answer(Try::Once, Ask::Get, &objects()).await else {
        return Ok(Visit::Out(LoginOutcome::NoAnswer));
    };
    let mut inventory = Inventory::default();
    inventory.add(of_system(&answer.values));
    agent.adapters(&mut inventory).await;
    Ok(Visit::Agent(inventory))
}

/// An agent that is asked.
struct Agent {
    wire: Wire,
    place: Place,
    community: SecretText,
}

/// How often a question is put that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Try {
    Once,
    Again,
}

impl Agent {
    async fn answer(&self, tried: Try, ask: Ask, objects: &[ObjectId]) -> Option<Answer> {
        // Numbers are positive everywhere.
        let id: [u8; 4] = generate(&SystemRandom::new()).ok()?.expose();
        let id = i32::from_be_bytes(id) & i32::MAX;
        let probe = Probe {
            endpoint: self.place.endpoint,
            upgrade: None,
            wrap: Wrap::Datagram,
            turn: Turn::Ours,
            say: self
                .community
                .with(|community| snmp::question(ask, community, id, objects)),
            until: Until::Pause,
            silence: Silence::IsAGap,
        };
        let reply = match tried {
            Try::Once => self.wire.send_once(&probe).await,
            Try::Again => self.wire.send(&probe).await,
        };
        snmp::parse_answer(&reply.heard).filter(|answer| answer.id == id)
    }

    /// The addresses of its interfaces. What does not come to an end is a gap.
    async fn adapters(&self, inventory: &mut Inventory) {
        let mut walk = Walk::new(adapters(), ADAPTERS);
        loop {
            let behind = std::slice::from_ref(walk.at());
            let answer = self.answer(Try::Again, Ask::Bulk(snmp::AT_ONCE), behind).await;
            match answer.map(|answer| walk.heard(answer)) {
                Some(Step::On) => {}
                Some(Step::Done) => break,
                Some(Step::BrokenOff) | None => {
                    inventory.cut = true;
                    break;
                }
            }
        }
        let known = walk.rows().filter_map(|(_, value)| interface(value));
        inventory.add(known.collect());
    }
}

/// What an agent says of its host.
fn of_system(values: &[(ObjectId, Value)]) -> Vec<Evidence> {
    let facts = signs::facts_of_system(values);
    let mut evidence: Vec<Evidence> = facts.iter().filter_map(Fact::evidence).collect();
    let maker = values.iter().find_map(|(_, value)| match value {
        // sysObjectID is the only object of them that names another.
        Value::Object(object) => object.below(&enterprises())?.first().copied(),
        _ => None,
    });
    evidence.extend(maker.and_then(of_maker).and_then(|identity| identity.evidence()));
    evidence
}

fn interface(value: &Value) -> Option<Evidence> {
    let Value::Bytes(bytes) = value else {
        return None;
    };
    let mac = MacAddress(bytes.as_slice().try_into().ok()?);
    // Loopback has one of zeroes.
    (mac.0 != [0; 6]).then(|| Evidence::Interface {
        mac,
        vendor: vendor(mac),
    })
}

/// What it is, its name, what it does (RFC 3418), and which product it is (sysObjectID).
fn objects() -> Vec<ObjectId> {
    let product = literal("1.3.6.1.2.1.1.2.0");
    system_objects().into_iter().chain([product]).collect()
}

/// ifPhysAddress (RFC 2863).
fn adapters() -> ObjectId {
    literal("1.3.6.1.2.1.2.2.1.6")
}

/// Where the makers' numbers stand (IANA's list of private enterprises).
fn enterprises() -> ObjectId {
    literal("1.3.6.1.4.1")
}

fn literal(object: &str) -> ObjectId {
    object.parse().expect("a literal object")
}

/// More than a host has, and fewer than a switch with many modules: the rest is a gap, and said.
const ADAPTERS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use vedette_protocol::finding::{DeviceKind, Label, Source};

    fn label(text: &str) -> Label {
        text.parse().unwrap()
    }

    #[test]
    fn a_device_says_what_it_is() {
        let [description, name, layers] = system_objects();
        let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        let values = [
            (description, text("Linux edge 6.1.0 #1 SMP")),
            (name, text("edge")),
            (layers, Value::Integer(6)),
            (
                literal("1.3.6.1.2.1.1.2.0"),
                Value::Object(literal("1.3.6.1.4.1.8072.3.2.10")),
            ),
        ];
        let by = Source::Snmp;
        let expected = [
            Evidence::System {
                name: label("Linux"),
                version: Some(label("6.1.0")),
                by,
            },
            Evidence::HostName {
                name: label("edge"),
                by,
            },
            Evidence::Device {
                device: DeviceKind::Router,
                by,
            },
            Evidence::Product {
                protocol: label("snmp"),
                product: Some(label("Net-SNMP")),
                version: None,
            },
        ];
        assert_eq!(of_system(&values), expected);
    }

    #[test]
    fn only_addresses_of_the_link_layer_are_interfaces() {
        let bytes = |bytes: &[u8]| interface(&Value::Bytes(bytes.to_vec()));
        let mac = MacAddress([2, 0, 0, 0, 10, 1]);
        let vendor = None;
        assert_eq!(bytes(&mac.0), Some(Evidence::Interface { mac, vendor }));
        assert_eq!(bytes(&[0; 6]), None);
        assert_eq!(bytes(b""), None);
        assert_eq!(interface(&Value::Integer(1)), None);
    }
}
