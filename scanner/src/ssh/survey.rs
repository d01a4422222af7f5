//! What is known of a server of SSH, and what to ask next to know the rest.

use super::packet::{
    Flight, HostKey, Lists, Stage, beginning, group_request, hello, parse_flight, parse_group, parse_host_key,
};
use crate::{
    known::Known,
    probe::{Probe, Silence, Turn, Until, Wrap},
};

/// What a server was seen to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Survey {
    /// The version of the protocol that it greets with.
    pub(crate) protocol: Option<String>,
    /// Its lists of algorithms.
    pub(crate) lists: Option<Lists>,
    /// Its host keys, one of each kind.
    pub(crate) host_keys: Vec<HostKey>,
    /// The smallest group that it gives when asked for 1024 bits, in bits.
    pub(crate) group: Option<u32>,
    /// What to ask to know more.
    pub(crate) next: Vec<Probe>,
}

impl Survey {
    /// What the exchanges so far show.
    pub(crate) fn of(known: &Known) -> Self {
        let mut survey = Self::default();
        let Some(flight) = survey.ask(known, hello(&offer(), None), Stage::Lists) else {
            return survey;
        };
        survey.protocol = flight.protocol;
        if let Some(lists) = flight.lists {
            survey.look_for_host_keys(known, &lists);
            survey.look_for_group(known, &lists);
            survey.lists = Some(lists);
        }
        survey
    }

    fn look_for_host_keys(&mut self, known: &Known, lists: &Lists) {
        let exchanges = lists.exchanges.iter();
        let Some((exchange, begin)) = exchanges
            .filter_map(|exchange| Some((exchange, beginning(exchange)?)))
            .next()
        else {
            return;
        };
        // A key of RSA signs in several ways, and is asked for once.
        let mut kinds: Vec<&str> = Vec::new();
        for algorithm in lists.host_keys.iter().filter(|name| !name.contains("-cert-")) {
            let kind = if algorithm.starts_with("rsa-") {
                "ssh-rsa"
            } else {
                algorithm
            };
            if kinds.contains(&kind) || kinds.len() >= KINDS_LIMIT {
                continue;
            }
            kinds.push(kind);
            let lists = Lists {
                exchanges: vec![exchange.clone()],
                host_keys: vec![algorithm.clone()],
                ..lists.clone()
            };
            let flight = self.ask(known, hello(&lists, Some(&begin)), Stage::Answer);
            let key = flight.and_then(|flight| parse_host_key(&flight.answer?));
            self.host_keys.extend(key);
        }
    }

    fn look_for_group(&mut self, known: &Known, lists: &Lists) {
        let mut exchanges = lists.exchanges.iter();
        let Some(exchange) = exchanges.find(|name| name.starts_with("diffie-hellman-group-exchange-")) else {
            return;
        };
        let lists = Lists {
            exchanges: vec![exchange.clone()],
            ..lists.clone()
        };
        let flight = self.ask(known, hello(&lists, Some(&group_request())), Stage::Answer);
        self.group = flight.and_then(|flight| parse_group(&flight.answer?));
    }

    /// The answer to these bytes; if they were not sent, they are next.
    fn ask(&mut self, known: &Known, say: Vec<u8>, stage: Stage) -> Option<Flight> {
        let probe = Probe {
            endpoint: known.endpoint(),
            upgrade: None,
            wrap: Wrap::Plain,
            turn: Turn::Ours,
            say,
            until: Until::Ssh(stage),
            silence: Silence::IsAGapUnlessTheyHangUp,
        };
        match known.reply(&probe) {
            None => {
                self.next.push(probe);
                None
            }
            Some(reply) => parse_flight(&reply.heard).ok(),
        }
    }
}

/// Something of everything, so that the server says what it has; the exchange goes no further.
fn offer() -> Lists {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Lists {
        exchanges: names(&[
            "curve25519-sha256",
            "ecdh-sha2-nistp256",
            "diffie-hellman-group14-sha256",
        ]),
        host_keys: names(&["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "ssh-rsa"]),
        ciphers: names(&["aes128-ctr", "aes256-gcm@openssh.com", "aes128-cbc"]),
        macs: names(&["hmac-sha2-256", "hmac-sha1"]),
        compressions: names(&["none"]),
    }
}

/// Of host keys of one server.
const KINDS_LIMIT: usize = 8;
