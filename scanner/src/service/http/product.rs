//! What answers over HTTP, where the `Server` header does not say it: one row each.

use super::{Response, request};
use crate::{
    probe::{Turn, Until},
    service::{Identity, Question},
};

/// Where a sign of a product stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the header of this name.
    Header(&'static str),
    /// In the body, as far as it is looked at.
    Body,
}

/// A text that shows a product.
#[derive(Debug)]
struct Sign {
    product: &'static str,
    place: Place,
    text: &'static str,
    /// What stands before the version, if it can be read from the same place.
    version: Option<&'static str>,
    /// Whether nothing else says so.
    alone: Alone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// The product names itself.
    Named,
    /// A likeness that others could have.
    Alike,
}

/// Read from the answers of the servers of Debian 12.
const SIGNS: &[Sign] = &[
    Sign {
        product: "CUPS",
        place: Place::Body,
        text: " - CUPS v",
        version: Some(" - CUPS v"),
        alone: Alone::Named,
    },
    Sign {
        product: "Prometheus",
        place: Place::Body,
        text: "\"goVersion\":\"",
        version: Some("\"version\":\""),
        alone: Alone::Alike,
    },
    Sign {
        product: "Prometheus",
        place: Place::Body,
        text: "<title>Prometheus Time Series Collection and Processing Server</title>",
        version: None,
        alone: Alone::Named,
    },
    // Its front page is a redirect to the graph; nothing names it there.
    Sign {
        product: "Prometheus",
        place: Place::Header("location"),
        text: "/graph",
        version: None,
        alone: Alone::Alike,
    },
    Sign {
        product: "Prometheus node exporter",
        place: Place::Body,
        text: "node_exporter_build_info{",
        version: Some(",version=\""),
        alone: Alone::Named,
    },
    Sign {
        product: "Prometheus node exporter",
        place: Place::Body,
        text: "<title>Node Exporter</title>",
        version: None,
        alone: Alone::Named,
    },
    Sign {
        product: "Grafana",
        place: Place::Body,
        text: "<title>Grafana</title>",
        version: Some("\"version\":\""),
        alone: Alone::Named,
    },
    Sign {
        product: "HAProxy",
        place: Place::Body,
        text: "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>",
        version: None,
        alone: Alone::Alike,
    },
    // Other servers of PowerDNS write the scheme with a capital.
    Sign {
        product: "dnsdist",
        place: Place::Header("www-authenticate"),
        text: "basic realm=\"PowerDNS\"",
        version: None,
        alone: Alone::Alike,
    },
];

/// Headers' names of products, and ours.
const NAMES: &[(&str, &str)] = &[("squid", "Squid"), ("tinyproxy", "Tinyproxy")];

/// What shows itself in a response.
pub(super) fn recognise(response: &Response<'_>) -> Identity {
    let body = &response.body[..response.body.len().min(BODY_LIMIT)];
    let body = String::from_utf8_lossy(body);
    let header = response.header("server").map(super::product);
    for sign in SIGNS {
        let text = match sign.place {
            Place::Header(name) => response.header(name).unwrap_or_default(),
            Place::Body => &body,
        };
        let shown = match (sign.place, sign.alone) {
            (Place::Header(_), _) => text.ends_with(sign.text),
            (Place::Body, _) => text.contains(sign.text),
        };
        // Who names itself in the header is that, whatever its pages look like.
        let contradicted = sign.alone == Alone::Alike && header.is_some();
        if shown && !contradicted {
            let identity = match sign.alone {
                Alone::Named => Identity::certain("http"),
                Alone::Alike => Identity::firm("http"),
            };
            return identity.product(
                sign.product,
                sign.version.and_then(|before| number_after(text, before)),
            );
        }
    }
    let identity = Identity::certain("http");
    match header {
        Some((product, version)) => {
            let ours = NAMES.iter().find(|(theirs, _)| *theirs == product);
            identity.product(ours.map_or(product, |(_, ours)| *ours), version)
        }
        None => identity,
    }
}

/// Pages that tell the version of what does not tell it at first sight.
pub(super) fn follow(identity: &Identity, host: &str) -> Option<Question> {
    let path = match identity.product.as_ref()?.as_str() {
        "Prometheus" => "/api/v1/status/buildinfo",
        "Prometheus node exporter" => "/metrics",
        _ => return None,
    };
    Some(Question {
        turn: Turn::Ours,
        say: request(host, path),
        until: Until::Response,
    })
}

fn number_after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !".-_+~".contains(c))?;
    let number = &rest[..end.min(64)];
    number.starts_with(|c: char| c.is_ascii_digit()).then_some(number)
}

/// As much of a page as a sign may be far in.
const BODY_LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::super::parse_response;
    use super::*;

    fn told(response: &str) -> (String, Option<String>, Identity) {
        let identity = recognise(&parse_response(response.as_bytes()).unwrap());
        let product = identity
            .product
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        (
            product,
            identity.version.as_ref().map(ToString::to_string),
            identity,
        )
    }

    #[test]
    fn products_are_known_by_their_pages() {
        // What the servers of Debian 12 answered to GET /, in part.
        for (response, product, version) in [
            (
                "HTTP/1.1 404 Not Found\r\nServer: CUPS/2.4 IPP/2.1\r\n\r\n<TITLE>Not Found - CUPS v2.4.2</TITLE>",
                "CUPS",
                Some("2.4.2"),
            ),
            (
                "HTTP/1.1 302 Found\r\nLocation: /classic/graph\r\n\r\n<a href=\"/classic/graph\">Found</a>.",
                "Prometheus",
                None,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"success\",\"data\":{\"version\":\"2.42.0+ds\",\"goVersion\":\"go1.19.8\"}}",
                "Prometheus",
                Some("2.42.0+ds"),
            ),
            (
                "HTTP/1.1 200 OK\r\n\r\n<head><title>Node Exporter</title></head>",
                "Prometheus node exporter",
                None,
            ),
            (
                "HTTP/1.1 200 OK\r\n\r\nnode_exporter_build_info{branch=\"debian/sid\",goversion=\"go1.19.8\",revision=\"1.5.0-1+b6\",version=\"1.5.0\"} 1",
                "Prometheus node exporter",
                Some("1.5.0"),
            ),
            (
                "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n",
                "HAProxy",
                None,
            ),
            (
                "HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: basic realm=\"PowerDNS\"\r\n\r\n<h1>Unauthorized</h1>",
                "dnsdist",
                None,
            ),
            (
                "HTTP/1.1 400 Bad Request\r\nServer: squid/5.7\r\n\r\n",
                "Squid",
                Some("5.7"),
            ),
            (
                "HTTP/1.1 400 Bad Request\r\nServer: tinyproxy/1.11.1\r\n\r\n",
                "Tinyproxy",
                Some("1.11.1"),
            ),
            (
                "HTTP/1.1 200 OK\r\nServer: lighttpd/1.4.69\r\n\r\n",
                "lighttpd",
                Some("1.4.69"),
            ),
        ] {
            let (found, number, _) = told(response);
            assert_eq!(
                (found.as_str(), number.as_deref()),
                (product, version),
                "{response}"
            );
        }
    }

    #[test]
    fn who_only_looks_alike_is_not_taken_for_it_with_certainty() {
        use vedette_protocol::finding::Confidence;
        let redirect = "HTTP/1.1 302 Found\r\nLocation: /graph\r\n\r\n";
        assert_eq!(told(redirect).2.confidence, Confidence::Firm);
        let named = "HTTP/1.1 302 Found\r\nServer: nginx/1.22.1\r\nLocation: /graph\r\n\r\n";
        assert_eq!(told(named).0, "nginx");
    }
}
