//! What is printed: one JSON object a line as things are found, or a table at the end.

use std::{fmt::Write as _, io};

use serde_json::{Map, Value};
use vedette_protocol::{
    Finding, Report,
    finding::{Evidence, FindingType, Kind, Outcome},
};

pub(crate) enum Output<W> {
    Lines(W),
    Table { out: W, rows: Vec<Finding> },
}

impl<W: io::Write> Output<W> {
    pub(crate) fn new(json: bool, out: W) -> Self {
        if json {
            Self::Lines(out)
        } else {
            Self::Table {
                out,
                rows: Vec::new(),
            }
        }
    }

    pub(crate) fn finding(&mut self, finding: Finding) -> io::Result<()> {
        match self {
            Self::Lines(out) => {
                serde_json::to_writer(&mut *out, &finding)?;
                out.write_all(b"\n")?;
                out.flush()
            }
            Self::Table { rows, .. } => {
                rows.push(finding);
                Ok(())
            }
        }
    }

    pub(crate) fn close(self, report: &Report) -> io::Result<()> {
        self.end(&report_line(report)?, &summary(report))
    }

    /// Ends with this line, or with the table and this summary.
    pub(crate) fn end(self, line: &Value, summary: &str) -> io::Result<()> {
        match self {
            Self::Lines(mut out) => {
                serde_json::to_writer(&mut out, line)?;
                out.write_all(b"\n")?;
                out.flush()
            }
            Self::Table { mut out, rows } => {
                out.write_all(table(rows).as_bytes())?;
                out.write_all(summary.as_bytes())?;
                out.flush()
            }
        }
    }
}

/// The report with its effort beside the rest, and its kind: one object of one level.
fn report_line(report: &Report) -> serde_json::Result<Value> {
    let mut line = Map::new();
    line.insert("kind".to_owned(), "report".into());
    if let Value::Object(report) = serde_json::to_value(report)? {
        for (name, value) in report {
            match value {
                Value::Object(effort) if name == "effort" => line.extend(effort),
                value => drop(line.insert(name, value)),
            }
        }
    }
    Ok(Value::Object(line))
}

fn table(mut rows: Vec<Finding>) -> String {
    let order = |finding: &Finding| {
        let place = (finding.target.clone(), finding.transport, finding.port);
        (place, finding.kind, finding.type_)
    };
    rows.sort_by_key(order);
    let width = rows
        .iter()
        .map(|row| row.target.as_str().len())
        .max()
        .unwrap_or_default()
        .max("TARGET".len());
    let mut text = format!("{:width$}  {:>9}  {:9}  WHAT\n", "TARGET", "PORT", "STATE");
    for row in &rows {
        let port = row.port_shown().unwrap_or_default();
        let state = match (row.state, row.kind) {
            (Some(state), _) => state.to_string(),
            (None, Kind::Weakness) => row.severity.to_string(),
            (None, Kind::Port | Kind::Service | Kind::Host | Kind::Link) => String::new(),
        };
        let line = format!(
            "{:width$}  {port:>9}  {state:9}  {}",
            row.target.as_str(),
            what(row)
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn what(finding: &Finding) -> String {
    let mut words = match finding.type_ {
        FindingType::OpenPort => Vec::new(),
        FindingType::Service | FindingType::Device => Vec::new(),
        other => vec![other.title().to_owned()],
    };
    if let Some(url) = &finding.url {
        words.push(url.to_string());
    }
    if let Some(parameter) = &finding.parameter {
        words.push(parameter.to_string());
    }
    for evidence in &finding.evidence {
        match evidence {
            Evidence::Product { protocol, .. } => words.push(protocol.to_string()),
            Evidence::TlsVersion {
                version,
                offered: true,
            } if finding.kind == Kind::Service => {
                words.push(version.to_string());
            }
            Evidence::Certificate { not_after, .. } => words.push(format!("(until {not_after})")),
            Evidence::Interface { mac, vendor } => {
                words.push(mac.to_string());
                words.extend(vendor.as_ref().map(|vendor| format!("({vendor})")));
            }
            Evidence::HostName { name, .. } => words.push(name.to_string()),
            Evidence::Device { device, .. } => words.push(device.to_string()),
            Evidence::System { name, .. } => words.push(name.to_string()),
            Evidence::Community { name } => words.push(name.to_string()),
            Evidence::Template { id, matcher } => {
                words.push(id.to_string());
                words.extend(matcher.as_ref().map(|matcher| format!("({matcher})")));
            }
            Evidence::Network {
                network,
                interface,
                via,
            } => {
                words.push(format!("{network} on {interface}"));
                words.extend(via.as_ref().map(|via| format!("via {via}")));
            }
            Evidence::Vlan { id } => words.push(id.to_string()),
            Evidence::Hop { address, .. } => {
                words.push(
                    address
                        .as_ref()
                        .map_or_else(|| "*".to_owned(), ToString::to_string),
                );
            }
            Evidence::Neighbour {
                interface,
                chassis,
                port,
                name,
                ..
            } => {
                let far = name.as_ref().or(chassis.as_ref());
                let parts = [interface.as_ref(), far, port.as_ref()];
                let parts: Vec<String> = parts.into_iter().flatten().map(ToString::to_string).collect();
                words.push(parts.join(" - "));
            }
            _ => {}
        }
    }
    words.extend(
        finding
            .product
            .iter()
            .chain(&finding.version)
            .map(ToString::to_string),
    );
    words.join(" ")
}

fn summary(report: &Report) -> String {
    let (coverage, effort) = (report.coverage(), report.effort());
    let outcome = match report.outcome() {
        Outcome::Complete => "Complete".to_owned(),
        Outcome::Partial => format!("Partial ({} unanswered)", report.unanswered()),
    };
    // A scan that asked for no port looked for hosts.
    let missed = if coverage.ports == 0 {
        "a host"
    } else {
        "an open port"
    };
    let mut text = format!(
        "\n{outcome}: {} of {} hosts answered, {} of {} ports known, {} of {} probes answered.\n\
         {:.1} s, {} packets, {} requests; {missed} was missed with a probability of {:.2} %.\n",
        coverage.hosts_answering,
        coverage.hosts,
        coverage.ports_known,
        coverage.ports,
        coverage.checks_done,
        coverage.checks,
        effort.seconds,
        effort.packets,
        effort.requests,
        100.0 * effort.miss_probability,
    );
    if coverage.ports_by_connect > 0 {
        let _ = writeln!(
            text,
            "{} ports were asked by connecting.",
            coverage.ports_by_connect
        );
    }
    for place in report.examples().iter().take(8) {
        let port = place.port.map(|port| port.to_string()).unwrap_or_default();
        let _ = writeln!(text, "unanswered: {} {port}", place.target);
    }
    text
}
