//! Names become addresses here, by the host's resolver. The engine has none.

use vedette_protocol::{
    scope::{ADDRESSES_PER_NAME, Resolved},
    target::{HostName, Target},
};

/// A name that has no address: what it stands for is not known, so nothing is scanned.
#[derive(Debug, thiserror::Error)]
#[error("resolving {}; check its spelling, or give its address", name.as_str())]
pub(crate) struct ResolveError {
    name: HostName,
    #[source]
    source: std::io::Error,
}

/// The addresses of all names among the targets. An excluded name without an address is an error as well:
/// what was to be left alone would not be.
pub(crate) async fn names(targets: impl Iterator<Item = &Target>) -> Result<Vec<Resolved>, ResolveError> {
    let mut names = Vec::new();
    for target in targets {
        let Target::Name(name) = target else { continue };
        let found = tokio::net::lookup_host((name.as_str(), 0)).await;
        let found = found.map_err(|source| ResolveError {
            name: name.clone(),
            source,
        })?;
        let mut addresses: Vec<_> = found
            .map(|endpoint| endpoint.ip())
            .take(ADDRESSES_PER_NAME)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        names.push(Resolved {
            name: name.clone(),
            addresses,
        });
    }
    Ok(names)
}
