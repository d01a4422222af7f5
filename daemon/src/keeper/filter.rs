//! The kernel's packet filter: the sets of the base tables, kept equal to [`Rules`].
//!
//! The tables themselves are loaded before any interface is up, and are not ours. If they are not there, or not
//! whole, nothing is started ([`Filter::adopt`]). The hook that judges whole frames is each interface's own: it is
//! put on every interface that there is before the network is started, and on each that comes later.

use std::{collections::BTreeSet, net::IpAddr, num::NonZeroU32};

use serde_json::{Value, json};
use vedette_protocol::{JobId, JobScope, scope::Area};

use super::{
    frames::Heard,
    own::{Own, OwnError},
    program::{self, ProgramError},
    rules::{self, ECHOES, Grant, RATES, Rules, SETS, TABLE, TooLarge},
};

/// The filter could not be set.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error(transparent)]
    Own(#[from] OwnError),
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error("setting the packet filter")]
    Program(#[from] ProgramError),
}

/// The base table is not in force.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    #[error("the tables {TABLE} of families inet and netdev are not loaded")]
    Missing(#[source] ProgramError),
    #[error("nft's list of the table cannot be read")]
    Malformed,
    #[error("set {0} is missing")]
    Set(&'static str),
    #[error("there is no chain on hook {0} that drops what it does not accept")]
    Chain(&'static str),
    #[error("chain {0} is missing")]
    Frames(&'static str),
    #[error("emptying the sets")]
    Empty(#[source] FilterError),
}

/// The filter, with what was put into it.
#[derive(Debug)]
pub struct Filter {
    rules: Rules,
    own: Own,
    /// The interfaces whose frames are judged, by number.
    guarded: BTreeSet<u32>,
}

/// By what a worker sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// By the sockets that any program has.
    Sockets,
    /// By frames of its own as well.
    Frames,
    /// By frames, and among them questions by ICMP whether its targets are there.
    FramesAndEchoes,
}

/// What a worker may do with frames of its own, beside its scope.
#[derive(Debug)]
pub struct FrameGrant {
    /// This machine, as it was when the filter was set.
    pub own: Own,
    /// What it may hear.
    pub heard: Heard,
}

impl Filter {
    /// Takes over the base tables: checks that they are whole, and empties their sets.
    pub fn adopt(port: u16) -> Result<Self, BaseError> {
        let mut objects = Vec::new();
        for family in ["inet", "netdev"] {
            let list = json!({"nftables": [{"list": {"table": {"family": family, "name": TABLE}}}]});
            let listed = program::nft(&list.to_string()).map_err(BaseError::Missing)?;
            let listed: Value = serde_json::from_slice(&listed).map_err(|_| BaseError::Malformed)?;
            objects.extend(
                listed["nftables"]
                    .as_array()
                    .ok_or(BaseError::Malformed)?
                    .iter()
                    .cloned(),
            );
        }
        judge(&objects)?;
        let mut filter = Self {
            rules: Rules {
                port,
                ..Rules::default()
            },
            own: Own::default(),
            guarded: BTreeSet::new(),
        };
        let empty = filter.rules.clone();
        filter.put(empty).map_err(BaseError::Empty)?;
        Ok(filter)
    }

    /// Lets the link reach these and no others.
    pub fn reach(&mut self, resolvers: Vec<IpAddr>, platform: Vec<IpAddr>) -> Result<(), FilterError> {
        self.change(|rules| {
            rules.resolvers = resolvers;
            rules.platform = platform;
        })
    }

    /// Lets the link reach the operator's collector there, and nowhere else.
    pub fn reach_collector(&mut self, addresses: Vec<IpAddr>, port: u16) -> Result<(), FilterError> {
        if self.rules.collector == addresses && self.rules.collector_port == port {
            return Ok(());
        }
        self.change(|rules| {
            rules.collector = addresses;
            rules.collector_port = port;
        })
    }

    /// What of an area may be scanned at all.
    pub fn lawful(&self, area: Area) -> Result<Area, FilterError> {
        Ok(self.rules.lawful(area, &Own::read()?.addresses))
    }

    /// Lets a worker send to its job's scope, at its rate. Frames of its own only as far as they can be had: none when
    /// the targets are more than a filter holds, or too many workers have them already.
    pub fn grant(
        &mut self,
        uid: u32,
        job: JobId,
        scope: JobScope,
        rate: Option<NonZeroU32>,
        sending: Sending,
    ) -> Result<Option<FrameGrant>, FilterError> {
        let heard = match (sending, self.rules.free_ports()) {
            (Sending::Sockets, _) | (_, None) => None,
            (Sending::Frames | Sending::FramesAndEchoes, Some(ports)) => {
                Heard::of(&scope, Own::read()?.gateways(), ports, sending)
            }
        };
        let grant = Grant {
            job,
            scope,
            rate,
            ports: heard.as_ref().map(|heard| heard.ports),
            echoes: sending == Sending::FramesAndEchoes,
        };
        self.change(|rules| drop(rules.grants.insert(uid, grant)))?;
        let own = self.own.clone();
        Ok(heard.map(|heard| FrameGrant { own, heard }))
    }

    /// Whether a worker has a grant.
    pub fn granted(&self, uid: u32) -> bool {
        self.rules.grants.contains_key(&uid)
    }

    /// Follows the machine: guards the interfaces that came, and knows the addresses that changed.
    pub fn follow(&mut self) -> Result<(), FilterError> {
        if Own::read()? == self.own {
            return Ok(());
        }
        self.change(|_| ())
    }

    /// Ends a worker's grant.
    pub fn revoke(&mut self, uid: u32) -> Result<(), FilterError> {
        self.change(|rules| drop(rules.grants.remove(&uid)))
    }

    /// Ends the grants for jobs.
    pub fn stop(&mut self, jobs: &[JobId]) -> Result<(), FilterError> {
        if self.rules.grants.values().any(|grant| jobs.contains(&grant.job)) {
            self.change(|rules| rules.grants.retain(|_, grant| !jobs.contains(&grant.job)))
        } else {
            Ok(())
        }
    }

    /// Ends every grant.
    pub fn revoke_all(&mut self) -> Result<(), FilterError> {
        self.change(|rules| rules.grants.clear())
    }

    fn change(&mut self, change: impl FnOnce(&mut Rules)) -> Result<(), FilterError> {
        let mut rules = self.rules.clone();
        change(&mut rules);
        self.put(rules)
    }

    fn put(&mut self, rules: Rules) -> Result<(), FilterError> {
        let own = Own::read()?;
        let new = own
            .interfaces
            .iter()
            .filter(|interface| !self.guarded.contains(&interface.index));
        let guards: Vec<Value> = new.flat_map(rules::guard).collect();
        if !guards.is_empty() {
            program::nft(&json!({"nftables": guards}).to_string())?;
        }
        program::nft(&rules.transaction(&own)?)?;
        self.guarded = own.interfaces.iter().map(|interface| interface.index).collect();
        (self.rules, self.own) = (rules, own);
        Ok(())
    }
}

fn judge(objects: &[Value]) -> Result<(), BaseError> {
    for (family, set) in SETS {
        let is_it = |object: &Value| object["name"] == set && object["family"] == family;
        if !objects
            .iter()
            .any(|object| is_it(&object["set"]) || is_it(&object["map"]))
        {
            return Err(BaseError::Set(set));
        }
    }
    for hook in ["input", "forward", "output"] {
        let drops = |object: &Value| object["chain"]["hook"] == hook && object["chain"]["policy"] == "drop";
        if !objects.iter().any(drops) {
            return Err(BaseError::Chain(hook));
        }
    }
    for chain in ["frames", "sockets", RATES, ECHOES] {
        let is_it =
            |object: &Value| object["chain"]["name"] == chain && object["chain"]["family"] == "netdev";
        if !objects.iter().any(is_it) {
            return Err(BaseError::Frames(chain));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(sets: &[(&str, &str)], chains: &[(&str, &str)], frames: &[&str]) -> Vec<Value> {
        let sets = sets
            .iter()
            .map(|(family, name)| json!({"set": {"family": family, "name": name}}));
        let chains = chains
            .iter()
            .map(|(hook, policy)| json!({"chain": {"hook": hook, "policy": policy}}));
        let frames = frames
            .iter()
            .map(|name| json!({"chain": {"family": "netdev", "name": name}}));
        sets.chain(chains).chain(frames).collect()
    }

    #[test]
    fn tables_that_lost_a_part_are_refused() {
        let chains = [("input", "drop"), ("forward", "drop"), ("output", "drop")];
        let frames = ["frames", "sockets", "rates", "echoes"];
        assert!(judge(&listed(&SETS, &chains, &frames)).is_ok());
        assert!(matches!(
            judge(&listed(&SETS[1..], &chains, &frames)),
            Err(BaseError::Set("resolvers4"))
        ));
        // The sets of the two tables have the same names.
        let without: Vec<_> = SETS
            .into_iter()
            .filter(|set| *set != ("netdev", "scope4"))
            .collect();
        assert!(matches!(
            judge(&listed(&without, &chains, &frames)),
            Err(BaseError::Set("scope4"))
        ));
        assert!(matches!(
            judge(&listed(&SETS, &chains[1..], &frames)),
            Err(BaseError::Chain("input"))
        ));
        let open = [("input", "drop"), ("forward", "accept"), ("output", "drop")];
        assert!(matches!(
            judge(&listed(&SETS, &open, &frames)),
            Err(BaseError::Chain("forward"))
        ));
        assert!(matches!(
            judge(&listed(&SETS, &chains, &frames[1..])),
            Err(BaseError::Frames("frames"))
        ));
        assert!(judge(&[]).is_err());
    }
}
