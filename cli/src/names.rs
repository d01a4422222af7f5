//! Resolving the names among targets, for a grant that says addresses.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::lookup_host;
use tokio::time::timeout;
use vedette_protocol::Target;
use vedette_protocol::scope::{ADDRESSES_PER_NAME, Resolved};
use vedette_protocol::target::Span;

/// The targets as addresses, and what their names stood for.
pub(crate) async fn resolve(targets: &[Target]) -> Result<(Vec<Span>, Vec<Resolved>)> {
    let (mut spans, mut names) = (Vec::new(), Vec::new());
    for target in targets {
        match target {
            Target::Span(span) => spans.push(*span),
            Target::Name(name) => {
                let looked_up = timeout(ANSWER, lookup_host((name.as_str(), 0))).await;
                let answer = looked_up
                    .with_context(|| {
                        format!("no answer for {} within {} s", name.as_str(), ANSWER.as_secs())
                    })?
                    .with_context(|| {
                        format!(
                            "resolving {}; write its address instead, if this machine cannot know it",
                            name.as_str()
                        )
                    })?;
                let mut addresses: Vec<_> = answer.map(|address| address.ip().to_canonical()).collect();
                addresses.sort_unstable();
                addresses.dedup();
                ensure!(
                    (1..=ADDRESSES_PER_NAME).contains(&addresses.len()),
                    "{} stands for {} addresses, and a name may for 1 to {ADDRESSES_PER_NAME}; write those that are \
                     meant",
                    name.as_str(),
                    addresses.len()
                );
                spans.extend(addresses.iter().copied().map(Span::one));
                names.push(Resolved {
                    name: name.clone(),
                    addresses,
                });
            }
        }
    }
    spans.sort_unstable();
    spans.dedup();
    Ok((spans, names))
}

const ANSWER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_become_addresses_and_those_that_do_not_are_named() {
        let targets =
            |texts: &[&str]| -> Vec<Target> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let (spans, names) = resolve(&targets(&["localhost", "192.0.2.0/30", "192.0.2.0/30"]))
            .await
            .unwrap();
        assert_eq!(names[0].name.as_str(), "localhost");
        assert!(names[0].addresses.iter().all(std::net::IpAddr::is_loopback));
        assert_eq!(spans.len(), names[0].addresses.len() + 1);
        let error = resolve(&targets(&["no-such-name.invalid"])).await.unwrap_err();
        assert!(error.to_string().contains("no-such-name.invalid"), "{error}");
    }
}
