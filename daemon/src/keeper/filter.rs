//! The kernel's packet filter: the sets of the base table, kept equal to [`Rules`].
//!
//! The table itself is loaded before any interface is up, and is not ours. If it is not there, or not
//! whole, nothing is started ([`Filter::adopt`]).

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use serde_json::{Value, json};
use vedette_protocol::{JobId, Scope};

use super::{
    program::{self, ProgramError},
    rules::{Grant, Rules, SETS, TABLE, TooLarge},
};

/// The filter could not be set.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("reading the appliance's own addresses")]
    Own(#[source] nix::Error),
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error("setting the packet filter")]
    Program(#[from] ProgramError),
}

/// The base table is not in force.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    #[error("table inet {TABLE} is not loaded")]
    Missing(#[source] ProgramError),
    #[error("nft's list of the table cannot be read")]
    Malformed,
    #[error("set {0} is missing")]
    Set(&'static str),
    #[error("there is no chain on hook {0} that drops what it does not accept")]
    Chain(&'static str),
    #[error("emptying the sets")]
    Empty(#[source] FilterError),
}

/// The filter, with what was put into it.
#[derive(Debug)]
pub struct Filter {
    rules: Rules,
}

impl Filter {
    /// Takes over the base table: checks that it is whole, and empties its sets.
    pub fn adopt(port: u16) -> Result<Self, BaseError> {
        let list = json!({"nftables": [{"list": {"table": {"family": "inet", "name": TABLE}}}]});
        let listed = program::nft(&list.to_string()).map_err(BaseError::Missing)?;
        judge(&serde_json::from_slice(&listed).map_err(|_| BaseError::Malformed)?)?;
        let filter = Self {
            rules: Rules {
                port,
                ..Rules::default()
            },
        };
        filter.put(&filter.rules).map_err(BaseError::Empty)?;
        Ok(filter)
    }

    /// Lets the link reach these and no others.
    pub fn reach(&mut self, resolvers: Vec<IpAddr>, platform: Vec<IpAddr>) -> Result<(), FilterError> {
        self.change(|rules| {
            rules.resolvers = resolvers;
            rules.platform = platform;
        })
    }

    /// What of a scope may be scanned at all.
    pub fn lawful(&self, scope: Scope) -> Result<Scope, FilterError> {
        Ok(self.rules.lawful(scope, &own_addresses()?))
    }

    /// Lets a worker send to its job's scope.
    pub fn grant(&mut self, uid: u32, job: JobId, scope: Scope) -> Result<(), FilterError> {
        self.change(|rules| drop(rules.grants.insert(uid, Grant { job, scope })))
    }

    /// Whether a worker has a grant.
    pub fn granted(&self, uid: u32) -> bool {
        self.rules.grants.contains_key(&uid)
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
        self.put(&rules)?;
        self.rules = rules;
        Ok(())
    }

    fn put(&self, rules: &Rules) -> Result<(), FilterError> {
        let transaction = rules.transaction(&own_addresses()?)?;
        program::nft(&transaction.to_string())?;
        Ok(())
    }
}

/// Every address of every interface, and the broadcast addresses that go with them.
fn own_addresses() -> Result<Vec<IpAddr>, FilterError> {
    let mut own = Vec::new();
    for interface in getifaddrs().map_err(FilterError::Own)? {
        for address in [interface.address, interface.broadcast].into_iter().flatten() {
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            let v6 = address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
            own.extend(v4.or(v6));
        }
    }
    Ok(own)
}

fn judge(listed: &Value) -> Result<(), BaseError> {
    let objects = listed["nftables"].as_array().ok_or(BaseError::Malformed)?;
    for set in SETS {
        if !objects.iter().any(|object| object["set"]["name"] == set) {
            return Err(BaseError::Set(set));
        }
    }
    for hook in ["input", "forward", "output"] {
        let drops = |object: &Value| object["chain"]["hook"] == hook && object["chain"]["policy"] == "drop";
        if !objects.iter().any(drops) {
            return Err(BaseError::Chain(hook));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(sets: &[&str], chains: &[(&str, &str)]) -> Value {
        let sets = sets.iter().map(|name| json!({"set": {"name": name}}));
        let chains = chains
            .iter()
            .map(|(hook, policy)| json!({"chain": {"hook": hook, "policy": policy}}));
        json!({"nftables": sets.chain(chains).collect::<Vec<_>>()})
    }

    #[test]
    fn a_table_that_lost_a_part_is_refused() {
        let chains = [("input", "drop"), ("forward", "drop"), ("output", "drop")];
        assert!(judge(&listed(&SETS, &chains)).is_ok());
        assert!(matches!(
            judge(&listed(&SETS[1..], &chains)),
            Err(BaseError::Set("resolvers4"))
        ));
        assert!(matches!(
            judge(&listed(&SETS, &chains[1..])),
            Err(BaseError::Chain("input"))
        ));
        let open = [("input", "drop"), ("forward", "accept"), ("output", "drop")];
        assert!(matches!(
            judge(&listed(&SETS, &open)),
            Err(BaseError::Chain("forward"))
        ));
        assert!(matches!(judge(&json!([])), Err(BaseError::Malformed)));
    }
}
