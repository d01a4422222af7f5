//! Findings: filtered, in pages; and one of them with its evidence.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use serde::Deserialize;
use vedette_protocol::{
    ApplianceId, Digest,
    api::StoredFinding,
    finding::{Evidence, Finding, Portrait, Severity},
};

use super::{
    page::{Frame, PageError, SEVERITIES, moment, shown},
    visitor::Visitor,
};
use crate::{
    api::{ApiError, appliances, findings, findings::FindingQuery},
    platform::Shared,
    store,
};

#[derive(Template)]
#[template(path = "findings.html")]
struct ListPage {
    frame: Frame,
    findings: Vec<FindingRow>,
    severities: Vec<Choice>,
    appliances: Vec<Choice>,
    target: String,
    scan: String,
    next: Option<String>,
    filtered: bool,
}

struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

/// A finding in a list.
pub(super) struct FindingRow {
    pub(super) link: String,
    pub(super) severity: Severity,
    pub(super) title: String,
    pub(super) place: String,
    pub(super) detail: String,
    pub(super) last_seen: String,
}

#[derive(Template)]
#[template(path = "finding.html")]
struct ShowPage {
    frame: Frame,
    row: FindingRow,
    facts: Vec<(&'static str, String)>,
    evidence: Vec<Vec<(&'static str, String)>>,
    remedy: String,
    appliance: String,
    appliance_name: String,
    scan: String,
}

/// The filter as the form sends it: what is empty does not narrow.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    appliance: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    scan: String,
    #[serde(default)]
    cursor: String,
}

pub(super) async fn list(
    State(platform): State<Shared>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let query = FindingQuery {
        scan: chosen("scan", &asked.scan)?,
        appliance: chosen("appliance", &asked.appliance)?,
        severity: chosen("severity", &asked.severity)?,
        target: Some(asked.target.trim().to_owned()).filter(|target| !target.is_empty()),
        type_: None,
        cursor: Some(asked.cursor.clone()).filter(|cursor| !cursor.is_empty()),
        limit: None,
    };
    let page = findings::page(&platform, &visitor.caller, query).await?;
    let all = appliances::all(&platform, &visitor.caller).await?;
    let choice = |value: String, text: String, chosen: &str| Choice {
        chosen: value == chosen,
        value,
        text,
    };
    Ok(shown(&ListPage {
        frame: visitor.frame("findings"),
        findings: page.items.iter().map(row).collect(),
        severities: SEVERITIES
            .iter()
            .map(|severity| choice(severity.to_string(), severity.to_string(), &asked.severity))
            .collect(),
        appliances: all
            .into_iter()
            .map(|appliance| choice(appliance.id.to_string(), appliance.name, &asked.appliance))
            .collect(),
        next: page.next.map(|cursor| {
            format!(
                "/findings?severity={}&appliance={}&scan={}&target={}&cursor={cursor}",
                asked.severity,
                asked.appliance,
                asked.scan,
                escaped(&asked.target)
            )
        }),
        filtered: [&asked.severity, &asked.appliance, &asked.target, &asked.scan]
            .iter()
            .any(|text| !text.is_empty()),
        target: asked.target,
        scan: asked.scan,
    }))
}

pub(super) async fn show(
    State(platform): State<Shared>,
    visitor: Visitor,
    Path((appliance, id)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let missing = || ApiError::NotFound("finding of this id".to_owned());
    let appliance: ApplianceId = appliance.parse().map_err(|_| missing())?;
    let id: Digest = id.parse().map_err(|_| missing())?;
    let mut reading = platform.store.read().await?;
    let found = store::findings::with_id(&mut reading, visitor.caller.org(), appliance, id)
        .await?
        .ok_or_else(missing)?;
    drop(reading);
    let name = appliances::one(&platform, &visitor.caller, appliance).await?.name;
    Ok(shown(&ShowPage {
        frame: visitor.frame("findings"),
        row: row(&found),
        facts: facts(&found),
        evidence: found.finding.evidence.iter().map(shown_as).collect(),
        remedy: found.remedy,
        appliance: appliance.to_string(),
        appliance_name: name,
        scan: found.scan.to_string(),
    }))
}

/// A finding in a list.
pub(super) fn row(found: &StoredFinding) -> FindingRow {
    let finding = &found.finding;
    let port = finding
        .port_shown()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let path = finding.url.as_ref().map(ToString::to_string).unwrap_or_default();
    FindingRow {
        link: format!("/findings/{}/{}", found.appliance, finding.id),
        severity: finding.severity,
        title: found.title.clone(),
        place: format!("{}{port}{path}", bracketed(finding)),
        detail: detail(finding),
        last_seen: moment(found.last_seen),
    }
}

/// An IPv6 address in brackets, as in a URL.
fn bracketed(finding: &Finding) -> String {
    let host = finding.target.as_str();
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// What tells this finding from others of its type.
fn detail(finding: &Finding) -> String {
    if let Some(portrait) = Portrait::of(finding) {
        return portrait.to_string();
    }
    let label = |label: &Option<_>| label.as_ref().map(ToString::to_string);
    let parts = [
        finding.state.map(|state| state.to_string()),
        label(&finding.product),
        label(&finding.version),
        label(&finding.parameter),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn facts(found: &StoredFinding) -> Vec<(&'static str, String)> {
    let finding = &found.finding;
    let mut facts = vec![
        ("Severity", finding.severity.to_string()),
        ("Confidence", finding.confidence.to_string()),
        ("Type", finding.type_.to_string()),
        ("Host", finding.target.to_string()),
    ];
    facts.extend(finding.port_shown().map(|port| ("Port", port)));
    facts.extend(
        finding
            .method
            .as_ref()
            .map(|method| ("Method", method.to_string())),
    );
    facts.extend(finding.url.as_ref().map(|url| ("Path", url.to_string())));
    facts.extend(
        finding
            .parameter
            .as_ref()
            .map(|parameter| ("Parameter", parameter.to_string())),
    );
    facts.extend(
        finding
            .product
            .as_ref()
            .map(|product| ("Product", product.to_string())),
    );
    facts.extend(
        finding
            .version
            .as_ref()
            .map(|version| ("Version", version.to_string())),
    );
    facts.extend(finding.cwe.map(|cwe| ("Weakness class", format!("CWE-{cwe}"))));
    facts.push(("First seen", moment(found.first_seen)));
    facts.push(("Last seen", moment(found.last_seen)));
    facts.push(("Id", finding.id.to_string()));
    facts
}

/// A fact as lines for people.
fn shown_as(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let some = |what, value: &Option<_>| {
        value
            .as_ref()
            .map(|value: &vedette_protocol::finding::Label| (what, value.to_string()))
    };
    match evidence {
        Evidence::Product {
            protocol,
            product,
            version,
        } => [
            Some(("Protocol", protocol.to_string())),
            some("Product", product),
            some("Version", version),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Evidence::Certificate {
            subject,
            issuer,
            not_before,
            not_after,
            sha256,
        } => [
            some("Certificate of", subject),
            some("Issued by", issuer),
            Some(("Valid from", moment(*not_before))),
            Some(("Valid until", moment(*not_after))),
            Some(("SHA-256", sha256.to_string())),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Evidence::NameMismatch { asked } => vec![("Name that was asked for", asked.to_string())],
        Evidence::TlsVersion { version, offered } => {
            vec![(
                "Protocol version",
                format!("{version} {}", if *offered { "offered" } else { "not offered" }),
            )]
        }
        Evidence::HeaderMissing { name } => vec![("Header that is missing", name.to_string())],
        Evidence::HeaderVersion {
            name,
            product,
            version,
        } => {
            vec![
                ("Header", name.to_string()),
                ("Product", product.to_string()),
                ("Version", version.to_string()),
            ]
        }
        Evidence::Exposed { path, status, length } => vec![
            ("Path", path.to_string()),
            ("Status", status.to_string()),
            ("Length", format!("{length} bytes")),
        ],
        Evidence::NoAuthentication { protocol } => vec![("No authentication", protocol.to_string())],
        Evidence::KeySize { algorithm, bits } => vec![("Key", format!("{algorithm}, {bits} bits"))],
        Evidence::WeakSignature { algorithm } => vec![("Signature", algorithm.to_string())],
        Evidence::Seen { by, port } => {
            let port = port.map(|port| format!(", port {port}")).unwrap_or_default();
            vec![("Seen by", format!("{by}{port}"))]
        }
        Evidence::Interface { mac, vendor } => [
            Some(("Link-layer address", mac.to_string())),
            some("Made by", vendor),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Evidence::HostName { name, by } => vec![("Name", format!("{name} ({by})"))],
        Evidence::Device { device, by } => vec![("Device", format!("{device} ({by})"))],
        Evidence::System { name, version, by } => {
            let version = version.as_ref().map(|version| format!(" {version}"));
            vec![("System", format!("{name}{} ({by})", version.unwrap_or_default()))]
        }
        Evidence::Community { name } => vec![("Community", name.to_string())],
        Evidence::Network {
            network,
            interface,
            via,
        } => [
            Some(("Network", network.to_string())),
            Some(("Interface", interface.to_string())),
            via.as_ref().map(|via| ("Router", via.to_string())),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Evidence::Vlan { id } => vec![("VLAN", id.to_string())],
        Evidence::Hop {
            distance,
            address,
            by,
        } => {
            let address = address
                .as_ref()
                .map_or_else(|| "no answer".to_owned(), ToString::to_string);
            vec![("Router", format!("{distance}: {address} ({by})"))]
        }
        Evidence::Neighbour {
            by,
            interface,
            chassis,
            port,
            name,
            address,
        } => [
            Some(("Neighbour by", by.to_string())),
            some("At port", interface),
            some("Chassis", chassis),
            some("Its port", port),
            some("Its name", name),
            address
                .as_ref()
                .map(|address| ("Its address", address.to_string())),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Evidence::Platform { cpe } => vec![("CPE", cpe.to_string())],
        Evidence::TlsSuite { version, suite } => vec![("Cipher suite", format!("{suite} ({version})"))],
        Evidence::TlsGroup { group } => vec![("Group", group.to_string())],
        Evidence::Feature { name, value } => vec![("Seen", format!("{name}: {value}"))],
        Evidence::Grade { grade } => vec![("Grade", grade.to_string())],
        Evidence::Package {
            name,
            version,
            architecture,
        } => vec![(
            "Package",
            match architecture {
                Some(architecture) => format!("{name} {version} ({architecture})"),
                None => format!("{name} {version}"),
            },
        )],
        Evidence::Login { outcome } => vec![("Login", outcome.to_string())],
        Evidence::Template { id, matcher } => {
            let matcher = matcher.as_ref().map(|matcher| ("Matcher", matcher.to_string()));
            std::iter::once(("Template", id.to_string()))
                .chain(matcher)
                .collect()
        }
        Evidence::WebCoverage {
            pages,
            pages_planned,
            inputs,
            tests,
            tests_planned,
            requests,
        } => vec![
            ("Pages", format!("{pages} of {pages_planned}")),
            ("Inputs", inputs.to_string()),
            ("Tests", format!("{tests} of {tests_planned}")),
            ("Requests", requests.to_string()),
        ],
        Evidence::WebNotDone { what, why, count } => {
            vec![("Not done", format!("{count} {} ({})", what.title(), why.title()))]
        }
        Evidence::Injected {
            shown_by,
            detail,
            requests,
        } => [
            Some(("Shown by", shown_by.title().to_owned())),
            some("In detail", detail),
            Some(("Requests", requests.to_string())),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

fn chosen<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &str,
    text: &str,
) -> Result<Option<T>, ApiError> {
    match text {
        "" => Ok(None),
        text => match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(ApiError::BadRequest(format!("{field}: {error}"))),
        },
    }
}

/// A text as it may stand in a query string (RFC 3986, section 2.1).
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
