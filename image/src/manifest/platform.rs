//! `[platform]`: what the image will know of its platform, as people write it.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use serde::Deserialize;
use vedette_crypto::{
    VerifyingKey,
    roots::{PinnedRoot, PinnedRoots},
};
use vedette_protocol::image::{PlatformPins, PlatformUrl};

/// The section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformSection {
    url: PlatformUrl,
    key: VerifyingKey,
    roots: Vec<Root>,
}

/// A root CA: a name of Mozilla's list, a certificate as PEM, or a file `….pem` with certificates.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Root {
    Text(String),
    Pinned(PinnedRoot),
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

impl PlatformSection {
    /// What it pins; files that it names are read from the manifest's folder.
    pub fn pins(self, folder: &Path) -> anyhow::Result<PlatformPins> {
        let mut roots = Vec::new();
        for root in self.roots {
            match root {
                Root::Pinned(root) => roots.push(root),
                Root::Text(text) => roots.extend(named(&text, folder).context("roots")?),
            }
        }
        Ok(PlatformPins {
            url: self.url,
            key: self.key,
            roots: PinnedRoots::new(roots).context("roots")?,
        })
    }
}

fn named(text: &str, folder: &Path) -> anyhow::Result<Vec<PinnedRoot>> {
    if text.contains(BEGIN) {
        return certificates(text);
    }
    if !text.ends_with(".pem") {
        return Ok(vec![PinnedRoot::named(text)?]);
    }
    let file = folder.join(text);
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    certificates(&text).with_context(|| file.display().to_string())
}

fn certificates(text: &str) -> anyhow::Result<Vec<PinnedRoot>> {
    let parts: Vec<&str> = text.split(BEGIN).skip(1).collect();
    ensure!(!parts.is_empty(), "no certificate: a line {BEGIN} is needed");
    parts
        .into_iter()
        .map(|part| Ok(PinnedRoot::from_pem(&format!("{BEGIN}{part}"))?))
        .collect()
}
