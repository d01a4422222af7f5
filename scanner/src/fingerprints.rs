//! What an operator's fingerprints add to what was recognised without them. Pure.
//!
//! A protocol is recognised by our own files alone; of its answer, the pieces that recog's databases are
//! for are held against these. What our own files know, with a name in the vulnerability databases, stands;
//! what others' patterns add is firm at most.

use vedette_protocol::finding::{Confidence, Cpe, Label};

use crate::{
    known::Known,
    probe::Wrap,
    recog::{Match, Recog},
    service::{Identity, dns, http, mysql},
};

/// What is known of a service with the help of fingerprints.
pub(crate) fn inform(identity: Identity, known: &Known, wrap: &Wrap, fingerprints: &Recog) -> Identity {
    if fingerprints.databases().is_empty() || (identity.cpe.is_some() && identity.version.is_some()) {
        return identity;
    }
    let heard = known
        .exchanges()
        .iter()
        .filter(|(probe, reply)| probe.wrap == *wrap && !reply.heard.is_empty());
    heard
        .flat_map(|(_, reply)| pieces(identity.protocol, &reply.heard))
        .filter_map(|(matches, text)| fingerprints.recognise(matches, &text))
        .fold(identity, add)
}

fn add(identity: Identity, found: Match) -> Identity {
    let label = |name| found.value(name).and_then(Label::cut);
    let Some(product) = label("service.product") else {
        return identity;
    };
    let version = label("service.version");
    let cpe = found
        .value("service.cpe23")
        .and_then(|name| match name.starts_with("cpe:2.3:") {
            true => name.parse().ok(),
            false => Cpe::from_uri(name),
        });
    let ours = identity
        .product
        .as_ref()
        .map(|ours| ours.as_str().to_ascii_lowercase());
    let theirs = product.as_str().to_ascii_lowercase();
    let same = ours
        .as_ref()
        .is_some_and(|ours| ours.contains(&theirs) || theirs.contains(ours.as_str()));
    let confidence = identity.confidence.min(Confidence::Firm);
    if same && identity.version.is_none() && version.is_some() {
        return Identity {
            version,
            cpe: cpe.or(identity.cpe),
            confidence,
            ..identity
        };
    }
    // A name that nobody looks vulnerabilities up by, or none at all.
    if identity.cpe.is_none() && (ours.is_none() || cpe.is_some()) {
        return Identity {
            product: Some(product),
            version: version.or(identity.version),
            cpe,
            confidence,
            ..identity
        };
    }
    identity
}

/// The pieces of an answer that recog has databases for, and the databases' names.
fn pieces(protocol: &str, heard: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let behind = |start: &[u8]| {
        let line = heard.strip_prefix(start)?.split(|byte| *byte == b'\n').next()?;
        Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
    };
    let one = |matches, text: Option<Vec<u8>>| text.map(|text| (matches, text)).into_iter().collect();
    match protocol {
        "ssh" => one("ssh.banner", behind(b"SSH-2.0-").or_else(|| behind(b"SSH-1.99-"))),
        "ftp" => one("ftp.banner", behind(b"220 ").or_else(|| behind(b"220-"))),
        "smtp" => one("smtp.banner", behind(b"220 ").or_else(|| behind(b"220-"))),
        "pop3" => one("pop3.banner", behind(b"+OK ")),
        "imap" => one("imap4.banner", behind(b"* OK ")),
        "mysql" => one(
            "mysql.banners",
            mysql::version(heard).map(|text| text.as_bytes().to_vec()),
        ),
        "dns" => one("dns.versionbind", dns::version(heard).map(String::into_bytes)),
        "ldap" => vec![("ldap.search_result", heard.to_vec())],
        "http" => http::parse_response(heard).map_or_else(Vec::new, |response| {
            let headers = [
                ("http_header.server", "server"),
                ("http_header.wwwauth", "www-authenticate"),
                ("http_header.x-powered-by", "x-powered-by"),
                ("http_header.cookie", "set-cookie"),
            ];
            let header = |(matches, name)| Some((matches, response.header(name)?.as_bytes().to_vec()));
            let title = title(&response.body).map(|title| ("html_title", title));
            headers.into_iter().filter_map(header).chain(title).collect()
        }),
        _ => Vec::new(),
    }
}

/// The text between the tags of a page's title.
fn title(page: &[u8]) -> Option<Vec<u8>> {
    let page = String::from_utf8_lossy(&page[..page.len().min(TITLE_WITHIN)]);
    let begin = page.to_ascii_lowercase().find("<title>")? + "<title>".len();
    let (title, _) = page.get(begin..)?.split_once('<')?;
    Some(title.trim().as_bytes().to_vec())
}

const TITLE_WITHIN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        probe::{Probe, Silence, Turn, Until},
        recog::{Database, Examples},
        reply::{End, Reply},
    };

    fn fingerprints() -> Recog {
        let database = |matches: &str, pattern: &str, version: &str| {
            let xml = format!(
                "<fingerprints matches=\"{matches}\"><fingerprint pattern=\"{pattern}\">\
                 <param pos=\"0\" name=\"service.product\" value=\"Lantern\"/>{version}\
                 <param pos=\"0\" name=\"service.cpe23\" value=\"cpe:/a:example:lantern:{{service.version}}\"/>\
                 </fingerprint></fingerprints>"
            );
            Database::parse(xml.as_bytes(), Examples::Drop, None).unwrap()
        };
        let captured = "<param pos=\"1\" name=\"service.version\"/>";
        Recog::of([
            database("http_header.server", r"^LTN-(\S+)$", captured),
            database("html_title", "^Lantern$", ""),
            database("ssh.banner", r"OpenSSH_(.*)", captured),
        ])
    }

    fn informed(identity: Identity, heard: &[u8]) -> Identity {
        let mut known = Known::open("192.0.2.7:80".parse().unwrap(), None);
        let probe = Probe {
            endpoint: known.endpoint(),
            wrap: Wrap::Plain,
            upgrade: None,
            turn: Turn::Ours,
            say: Vec::new(),
            until: Until::Response,
            silence: Silence::Answers,
        };
        let reply = Reply {
            session: None,
            heard: heard.to_vec(),
            end: End::Enough,
        };
        known.learn(probe, reply);
        inform(identity, &known, &Wrap::Plain, &fingerprints())
    }

    #[test]
    fn what_we_do_not_know_is_added_and_no_more_than_firm() {
        let unknown = Identity::certain("http").product("LTN-2.1", None);
        let told = informed(unknown, b"HTTP/1.1 200 OK\r\nServer: LTN-2.1\r\n\r\n");
        assert_eq!(told.product.unwrap().as_str(), "Lantern");
        assert_eq!(told.version.unwrap().as_str(), "2.1");
        assert_eq!(
            told.cpe.unwrap().as_str(),
            "cpe:2.3:a:example:lantern:2.1:*:*:*:*:*:*:*"
        );
        assert_eq!(told.confidence, Confidence::Firm);
        let by_title = informed(
            Identity::certain("http"),
            b"HTTP/1.1 200 OK\r\n\r\n<html><TITLE> Lantern </TITLE>",
        );
        assert_eq!(by_title.product.unwrap().as_str(), "Lantern");
    }

    #[test]
    fn what_we_know_stands() {
        let ours = Identity::certain("ssh").product("OpenSSH", Some("9.2p1"));
        assert_eq!(informed(ours.clone(), b"SSH-2.0-OpenSSH_9.2p1\r\n"), ours);
        let named = Identity::certain("http").product("nginx", None);
        let page = b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n<title>Lantern</title>";
        assert_eq!(informed(named.clone(), page), named);
    }

    #[test]
    fn other_protocols_and_nothing_at_all_add_nothing() {
        let identity = Identity::certain("redis");
        assert_eq!(informed(identity.clone(), b"LTN-2.1"), identity);
        assert_eq!(
            informed(Identity::certain("http"), b"nonsense"),
            Identity::certain("http")
        );
    }
}
