//! Names, resolved in process by exactly the servers of the lease.

use std::{net::IpAddr, time::Duration};

use hickory_resolver::{
    Resolver,
    config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};
use tokio::{task::JoinSet, time::timeout};
use vedette_protocol::{
    scope::{ADDRESSES_PER_NAME, Resolved},
    target::HostName,
};

/// How long one name may take.
const NAME_LIMIT: Duration = Duration::from_secs(10);

/// How many names are asked for at once.
const AT_ONCE: usize = 16;

/// A resolver.
#[derive(Clone)]
pub struct Names(Resolver<TokioRuntimeProvider>);

/// A name did not resolve.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("the network named no DNS server")]
    NoServer,
    #[error("setting up name resolution")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the name {name} does not resolve")]
    Lookup {
        name: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the DNS servers did not answer for {0}")]
    Slow(String),
}

impl Names {
    /// Asks these servers and no others.
    pub fn by(servers: &[IpAddr]) -> Result<Self, ResolveError> {
        if servers.is_empty() {
            return Err(ResolveError::NoServer);
        }
        let servers = servers
            .iter()
            .copied()
            .map(NameServerConfig::udp_and_tcp)
            .collect();
        let config = ResolverConfig::from_name_servers(servers);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = Duration::from_secs(3);
        options.attempts = 2;
        let resolver = builder
            .build()
            .map_err(|error| ResolveError::Setup(error.into()))?;
        Ok(Self(resolver))
    }

    /// The addresses of a name.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        // With a dot at its end it is looked up as it stands, and under no search domain.
        let whole = format!("{}.", name.trim_end_matches('.'));
        let found = timeout(NAME_LIMIT, self.0.lookup_ip(whole))
            .await
            .map_err(|_| ResolveError::Slow(name.to_owned()))?
            .map_err(|error| ResolveError::Lookup {
                name: name.to_owned(),
                source: error.into(),
            })?;
        Ok(found.iter().take(ADDRESSES_PER_NAME).collect())
    }

    /// The addresses of a job's names; none for one that does not resolve.
    pub async fn all(&self, names: Vec<HostName>) -> Vec<Resolved> {
        let mut waiting = names.into_iter();
        let mut asked = JoinSet::new();
        let mut resolved = Vec::new();
        loop {
            while asked.len() < AT_ONCE
                && let Some(name) = waiting.next()
            {
                let names = self.clone();
                asked.spawn(async move {
                    let addresses = names.addresses(name.as_str()).await.unwrap_or_default();
                    Resolved { name, addresses }
                });
            }
            match asked.join_next().await {
                Some(Ok(name)) => resolved.push(name),
                Some(Err(_)) => {}
                None => return resolved,
            }
        }
    }
}
