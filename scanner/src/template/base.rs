//! The site that templates are run against, and the names that they call its parts by.

use super::dsl::value::Value;
use crate::web::Site;

/// The site under its names.
#[derive(Debug, Clone)]
pub struct Base {
    /// The site.
    pub site: Site,
    names: Vec<(&'static str, String)>,
}

impl Base {
    /// The names of a site.
    pub fn new(site: Site) -> Self {
        let url = site.start();
        let host = url.host_str().unwrap_or_default().to_owned();
        let authority = site.authority();
        let root = format!("{}://{authority}", url.scheme());
        let path = url.path().trim_end_matches('/').to_owned();
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", ""));
        // A name's last two labels are taken for what was registered: there is no list of public suffixes here.
        let labels: Vec<&str> = match site.name() {
            Some(_) => host.split('.').collect(),
            None => vec![&host],
        };
        let registered = labels[labels.len().saturating_sub(2)..].join(".");
        let below = labels[..labels.len().saturating_sub(2)].join(".");
        let domain = registered.split('.').next().unwrap_or_default().to_owned();
        let top = labels.last().copied().unwrap_or_default().to_owned();
        let address = site
            .endpoints()
            .next()
            .map(|endpoint| endpoint.ip().to_string())
            .unwrap_or_default();
        let names = vec![
            ("BaseURL", format!("{root}{path}")),
            ("RootURL", root),
            ("Hostname", authority),
            ("Host", host.clone()),
            ("FQDN", host),
            ("Port", site.port().to_string()),
            ("Path", folder.to_owned()),
            ("File", file.to_owned()),
            ("Scheme", url.scheme().to_owned()),
            ("Input", url.as_str().to_owned()),
            ("RDN", registered),
            ("DN", domain),
            ("TLD", top),
            ("SD", below),
            ("ip", address),
        ];
        Self { site, names }
    }

    /// What a name stands for.
    pub fn value(&self, name: &str) -> Option<Value> {
        self.names
            .iter()
            .find(|(found, _)| *found == name)
            .map(|(_, value)| Value::text(value))
    }

    /// The site without a path.
    pub fn root(&self) -> &str {
        self.names
            .iter()
            .find(|(name, _)| *name == "RootURL")
            .map_or("", |(_, root)| root)
    }

    /// The path that every request begins with, without a slash at its end.
    pub fn prefix(&self) -> &str {
        self.site.start().path().trim_end_matches('/')
    }
}
