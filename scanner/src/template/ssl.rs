//! Handshakes, and what a server shows in them as templates read it. Pure.
//!
//! What must stay true: hands are shaken with the site's host and port and nobody else. No certificate is trusted or
//! distrusted here: there are no roots to ask, so `untrusted` and `revoked` stand for nothing.

use serde_json::{Map, Value as Json, json};
use vedette_protocol::{Timestamp, finding::TlsVersion, target::HostName};
use x509_parser::{certificate::X509Certificate, prelude::FromDer, x509::X509Name};

use super::{
    base::Base,
    dsl::{Scene, value::Value},
    event::Event,
    exchange::filled_text,
    http::Unsendable,
    network::is_site,
    operators::Operators,
    payload::Payloads,
};
use crate::{
    certificate::parse_certificate,
    tls::{
        group::Group,
        hello::{ClientHello, Offer},
        suite::Suite,
    },
};

/// A block of handshakes.
#[derive(Debug, Clone, PartialEq)]
pub struct SslBlock {
    /// Where to, as `{{Host}}:{{Port}}`.
    pub address: String,
    /// The oldest version that is offered.
    pub oldest: TlsVersion,
    /// The newest.
    pub newest: TlsVersion,
    /// The suites that are offered; none: all.
    pub suites: Vec<Suite>,
    /// What is put into it.
    pub payloads: Payloads,
    /// What judges what is shown.
    pub operators: Operators,
}

/// A handshake that can be begun, version by version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The newest first.
    pub hellos: Vec<ClientHello>,
    name: Option<HostName>,
}

/// What a server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The version agreed on.
    pub version: TlsVersion,
    /// The suite agreed on.
    pub suite: Suite,
    /// The certificates, the server's own first.
    pub chain: Vec<Vec<u8>>,
}

impl SslBlock {
    /// The handshake, filled in.
    ///
    /// # Errors
    /// When it is with another server, or nothing can be offered.
    pub fn greeting(&self, scene: &Scene<'_>, base: &Base) -> Result<Greeting, Unsendable> {
        let address = filled_text(&self.address, scene)?;
        if !is_site(&address, None, base) {
            return Err(Unsendable::Elsewhere);
        }
        let name = base.site.name().cloned();
        let hello = |version: TlsVersion| {
            let suites = Suite::of(version).into_iter();
            let suites = suites.filter(|suite| self.suites.is_empty() || self.suites.contains(suite));
            ClientHello {
                version,
                suites: suites.collect(),
                groups: Group::all(),
                name: name.clone(),
                offers: vec![Offer::ExtendedMasterSecret],
            }
        };
        let versions = VERSIONS.iter().map(|(version, _)| *version);
        let offered = versions.filter(|version| (self.oldest..=self.newest).contains(version));
        let hellos: Vec<ClientHello> = offered
            .map(hello)
            .filter(|hello| !hello.suites.is_empty())
            .collect();
        if hellos.is_empty() {
            return Err(Unsendable::Malformed);
        }
        Ok(Greeting { hellos, name })
    }
}

/// What was shown, under the names of its parts; all of it as JSON is the response.
pub fn event(greeting: &Greeting, shown: &Shown, base: &Base, now: i64) -> Event {
    let mut said = Map::new();
    let mut say = |name: &str, value: Json| drop(said.insert(name.to_owned(), value));
    say("probe_status", true.into());
    for (part, name) in [("host", "Host"), ("port", "Port"), ("ip", "ip")] {
        let value = base.value(name).unwrap_or(Value::Truth(false)).to_text();
        say(part, String::from_utf8_lossy(&value).into());
    }
    say("tls_version", version_name(shown.version).into());
    say("cipher", shown.suite.name().unwrap_or_default().into());
    say(
        "sni",
        greeting.name.as_ref().map_or("", |name| name.as_str()).into(),
    );
    let mut dates = Vec::new();
    if let Some(der) = shown.chain.first() {
        for (name, value) in of_certificate(der, greeting.name.as_ref(), now, &mut dates) {
            say(name, value);
        }
    }
    let response = Json::Object(said.clone()).to_string();
    let mut parts: Vec<(String, Value)> = said
        .into_iter()
        // Expressions reckon with seconds where the response has dates.
        .filter(|(name, _)| !dates.iter().any(|(date, _)| date == name))
        .map(|(name, value)| (name, value_of(value)))
        .collect();
    parts.extend(
        dates
            .into_iter()
            .map(|(name, seconds)| (name.to_owned(), seconds)),
    );
    for part in ["response", "body"] {
        parts.push((part.to_owned(), Value::text(&response)));
    }
    parts.push(("type".to_owned(), Value::text("ssl")));
    Event::Parts(parts)
}

/// What a certificate says, by the names of the format.
fn of_certificate(
    der: &[u8],
    name: Option<&HostName>,
    now: i64,
    dates: &mut Vec<(&'static str, Value)>,
) -> Vec<(&'static str, Json)> {
    let (Some(read), Ok((_, whole))) = (parse_certificate(der), X509Certificate::from_der(der)) else {
        return Vec::new();
    };
    let now = Timestamp(u64::try_from(now).unwrap_or_default());
    for (date, at) in [("not_before", read.not_before), ("not_after", read.not_after)] {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds of calendar dates are far below 2^52"
        )]
        dates.push((date, Value::Number(at.0 as f64)));
    }
    vec![
        ("not_before", read.not_before.to_string().into()),
        ("not_after", read.not_after.to_string().into()),
        ("expired", (read.not_after < now).into()),
        ("self_signed", read.self_signed.into()),
        (
            "mismatched",
            name.is_some_and(|name| !read.covers(name.as_str())).into(),
        ),
        (
            "wildcard_certificate",
            read.names.iter().any(|name| name.starts_with("*.")).into(),
        ),
        ("subject_dn", whole.subject().to_string().into()),
        ("subject_cn", common(whole.subject()).into()),
        ("subject_org", organisations(whole.subject()).into()),
        ("subject_an", read.names.clone().into()),
        ("issuer_dn", whole.issuer().to_string().into()),
        ("issuer_cn", common(whole.issuer()).into()),
        ("issuer_org", organisations(whole.issuer()).into()),
        ("serial", whole.raw_serial_as_string().to_ascii_uppercase().into()),
        ("fingerprint_hash", json!({"sha256": read.sha256.to_string()})),
    ]
}

fn common(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|part| part.as_str().ok());
    common.unwrap_or_default().to_owned()
}

fn organisations(name: &X509Name<'_>) -> Vec<String> {
    let parts = name.iter_organization().filter_map(|part| part.as_str().ok());
    parts.map(ToOwned::to_owned).collect()
}

fn value_of(json: Json) -> Value {
    match json {
        Json::Bool(truth) => Value::Truth(truth),
        Json::String(text) => Value::text(text),
        other => Value::text(other.to_string()),
    }
}

/// As templates call a version.
pub fn version_named(name: &str) -> Option<TlsVersion> {
    VERSIONS
        .iter()
        .find(|(_, found)| *found == name)
        .map(|(version, _)| *version)
}

fn version_name(version: TlsVersion) -> &'static str {
    VERSIONS
        .iter()
        .find(|(found, _)| *found == version)
        .map_or("", |(_, name)| name)
}

/// The newest first.
const VERSIONS: [(TlsVersion, &str); 5] = [
    (TlsVersion::Tls13, "tls13"),
    (TlsVersion::Tls12, "tls12"),
    (TlsVersion::Tls11, "tls11"),
    (TlsVersion::Tls10, "tls10"),
    (TlsVersion::Ssl3, "ssl30"),
];
