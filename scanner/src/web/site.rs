//! The one web server that a scan is about: scheme, host and port, and the addresses that stand for it.

use std::net::{IpAddr, SocketAddr};

use url::{Host as UrlHost, Url};
use vedette_protocol::{
    Scope, Target,
    finding::Host,
    scope::Resolved,
    target::{HostName, PortSet},
};

use crate::probe::{Hello, Versions, Wrap};

/// Where requests go. A [`Request`](super::request::Request) has no place to name another server.
#[derive(Debug, Clone)]
pub struct Site {
    origin: Url,
    addresses: Vec<IpAddr>,
    name: Option<HostName>,
    port: u16,
}

/// Why a URL is no site to scan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// It is no URL.
    #[error("{0:?} is no URL; write it as https://host/path")]
    NotAUrl(String),
    /// Another scheme than HTTP's.
    #[error("the scheme {0:?} is not scanned; use http or https")]
    Scheme(String),
    /// Its host is none that may be scanned.
    #[error("{0:?} is no host that can be scanned; give its name or its address")]
    Host(String),
}

/// What a reference on a page leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A place on this site: path and query as they are to be sent.
    Here(Url),
    /// Another server: not in the grant.
    Elsewhere,
    /// Nothing that is fetched (`mailto:`, `javascript:`, a fragment, nonsense).
    Nothing,
}

impl Site {
    /// Reads a URL; its name has still to be resolved.
    ///
    /// # Errors
    /// When it is not one of a web server.
    pub fn parse(text: &str) -> Result<Self, SiteError> {
        let cut = || text.chars().take(256).collect::<String>();
        let origin = Url::parse(text).map_err(|_| SiteError::NotAUrl(cut()))?;
        if !matches!(origin.scheme(), "http" | "https") {
            return Err(SiteError::Scheme(origin.scheme().to_owned()));
        }
        let (name, addresses) = match origin.host() {
            Some(UrlHost::Ipv4(address)) => (None, vec![address.into()]),
            Some(UrlHost::Ipv6(address)) => (None, vec![address.into()]),
            Some(UrlHost::Domain(name)) => {
                let name = name.parse().map_err(|_| SiteError::Host(name.to_owned()))?;
                (Some(name), Vec::new())
            }
            None => return Err(SiteError::NotAUrl(cut())),
        };
        let port = origin
            .port_or_known_default()
            .filter(|port| *port > 0)
            .ok_or_else(|| SiteError::NotAUrl(cut()))?;
        Ok(Self {
            origin,
            addresses,
            name,
            port,
        })
    }

    /// The name that has to be resolved, if it is one.
    pub fn name(&self) -> Option<&HostName> {
        self.name.as_ref()
    }

    /// The site at the addresses that its name stands for.
    #[must_use]
    pub fn at(mut self, resolved: &[Resolved]) -> Self {
        if let Some(name) = &self.name {
            self.addresses = resolved
                .iter()
                .filter(|resolved| resolved.name == *name)
                .flat_map(|resolved| resolved.addresses.iter().copied())
                .collect();
        }
        self
    }

    /// The scope that holds this server alone, without what is excluded.
    pub fn scope(&self, exclude: &[Target], names: &[Resolved]) -> Scope {
        let target = match &self.name {
            Some(name) => vec![Target::Name(name.clone())],
            None => self
                .addresses
                .iter()
                .filter_map(|address| address.to_string().parse().ok())
                .collect(),
        };
        let ports = PortSet::from_ports([self.port]).expect("a port above 0");
        Scope::new(&target, exclude, names, ports)
    }

    /// Where to begin.
    pub fn start(&self) -> &Url {
        &self.origin
    }

    /// The endpoints, in the order in which they are tried.
    pub fn endpoints(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.addresses
            .iter()
            .map(|address| SocketAddr::new(*address, self.port))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as findings name it.
    pub fn host(&self) -> Option<Host> {
        match (&self.name, self.addresses.first()) {
            (Some(name), _) => Some(Host::from(name)),
            (None, address) => address.map(|address| Host::from(*address)),
        }
    }

    /// Inside what it is spoken to.
    pub fn wrap(&self) -> Wrap {
        match self.origin.scheme() {
            "https" => Wrap::Tls(Hello {
                versions: Versions::Both,
                name: self.name.clone(),
            }),
            _ => Wrap::Plain,
        }
    }

    /// The host as a request names it (RFC 9110, section 7.2).
    pub fn authority(&self) -> String {
        let host = self.origin.host_str().unwrap_or_default();
        match self.origin.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Where a reference on the page at `base` leads, as a browser reads it.
    pub fn resolve(&self, base: &Url, reference: &str) -> Reference {
        let Ok(mut url) = base.join(reference.trim()) else {
            return Reference::Nothing;
        };
        if !matches!(url.scheme(), "http" | "https") || url.as_str().len() > URL_LIMIT {
            return Reference::Nothing;
        }
        url.set_fragment(None);
        let same = url.scheme() == self.origin.scheme()
            && url.host() == self.origin.host()
            && url.port_or_known_default() == Some(self.port);
        if same {
            Reference::Here(url)
        } else {
            Reference::Elsewhere
        }
    }
}

/// Longer ones are made by a server that counts.
const URL_LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_elsewhere_is_not_followed() {
        let site = Site::parse("http://192.0.2.7:8080/app/").unwrap();
        let here = |reference: &str| site.resolve(site.start(), reference);
        assert!(
            matches!(here("a?b=c#d"), Reference::Here(url) if url.as_str() == "http://192.0.2.7:8080/app/a?b=c")
        );
        for elsewhere in [
            "http://192.0.2.7/",
            "https://192.0.2.7:8080/",
            "//other.example/x",
            "http://192.0.2.8:8080/",
            "\\\\other.example",
        ] {
            assert_eq!(here(elsewhere), Reference::Elsewhere, "{elsewhere}");
        }
        for nothing in [
            "mailto:a@b.example",
            "javascript:void(0)",
            "data:text/html,x",
            "http://[",
        ] {
            assert_eq!(here(nothing), Reference::Nothing, "{nothing}");
        }
    }

    #[test]
    fn what_is_no_site_is_refused() {
        assert!(matches!(Site::parse("192.0.2.7"), Err(SiteError::NotAUrl(_))));
        assert!(matches!(
            Site::parse("ftp://192.0.2.7/"),
            Err(SiteError::Scheme(_))
        ));
        assert!(matches!(Site::parse("http://"), Err(SiteError::NotAUrl(_))));
    }
}
