//! HTTP/1.1 (RFC 9112), as much of it as a scanner needs: requests without a body, responses whole or cut.

mod product;

use std::{borrow::Cow, time::Duration};

use super::{Heard, Identity, Question, Service};
use crate::probe::{Turn, Until};

pub(crate) const SERVICE: Service = Service {
    ports: &[
        80, 81, 443, 591, 3000, 5000, 5601, 7080, 8000, 8001, 8008, 8080, 8081, 8082, 8088, 8090, 8443, 8888,
        9000, 9090, 9200, 9443,
    ],
    question: Some(question),
    follow: Some(product::follow),
    recognise,
    datagram: None,
};

fn question(host: &str) -> Question {
    Question {
        turn: Turn::Theirs(GREETING),
        say: request(host, "/"),
        until: Until::Response,
    }
}

/// A request for a path. `path` is ours and well-formed, or was read by [`UrlPath`]'s rules.
///
/// [`UrlPath`]: vedette_protocol::finding::UrlPath
pub(crate) fn request(host: &str, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Mozilla/5.0 (compatible; Vedette/{})\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    )
    .into_bytes()
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    let response = parse_response(heard.bytes)?;
    // What a TLS port says to those who come in the clear: the service is behind TLS.
    let body = String::from_utf8_lossy(&response.body[..response.body.len().min(1024)]).to_ascii_uppercase();
    if response.status == 400 && (body.contains("HTTPS") || body.contains("SSL")) {
        return None;
    }
    Some(product::recognise(&response))
}

/// The first product of a `Server` header, and its version: `nginx/1.22.1 (Debian)`.
pub(crate) fn product(header: &str) -> (&str, Option<&str>) {
    let first = header.split([' ', '(']).next().unwrap_or_default();
    match first.split_once('/') {
        Some((product, version)) if version.starts_with(|c: char| c.is_ascii_digit()) => {
            (product, Some(version))
        }
        Some((product, _)) => (product, None),
        None => (header.split('(').next().unwrap_or_default().trim(), None),
    }
}

/// A response, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    headers: Vec<(&'a str, &'a str)>,
    /// The body as far as it came, without its chunks.
    pub body: Cow<'a, [u8]>,
}

impl<'a> Response<'a> {
    /// The value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// Whether it says that its body is a page.
    pub fn is_html(&self) -> bool {
        self.header("content-type")
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
    }
}

/// Reads a response. Interim ones (1xx) are passed over.
pub fn parse_response(bytes: &[u8]) -> Option<Response<'_>> {
    let (head, rest) = split_head(bytes)?;
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    let status = status_of(lines.next()?)?;
    if (100..200).contains(&status) && status != 101 {
        // Shorter by a head each time.
        return parse_response(rest);
    }
    let headers: Vec<(&str, &str)> = lines
        .take(HEADERS_LIMIT)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let mut response = Response {
        status,
        headers,
        body: Cow::Borrowed(rest),
    };
    if is_chunked(&response) {
        response.body = Cow::Owned(unchunked(rest).0);
    } else if let Some(length) = content_length(&response) {
        response.body = Cow::Borrowed(&rest[..rest.len().min(length)]);
    }
    Some(response)
}

/// Whether nothing is missing from a response: what we need not wait for.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let (Some(response), Some((_, rest))) = (parse_response(bytes), split_head(bytes)) else {
        return false;
    };
    match response.status {
        100..200 => false,
        204 | 304 => true,
        _ if is_chunked(&response) => unchunked(rest).1 == Chunks::Ended,
        _ => content_length(&response).is_some_and(|length| rest.len() >= length),
    }
}

fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let crlf = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| (at, at + 4));
    let lf = bytes
        .windows(2)
        .position(|window| window == b"\n\n")
        .map(|at| (at, at + 2));
    let (end, start) = crlf.into_iter().chain(lf).min()?;
    (end <= HEAD_LIMIT).then(|| (&bytes[..end], &bytes[start..]))
}

fn status_of(line: &str) -> Option<u16> {
    let (version, rest) = line.split_once(' ')?;
    let code = rest.get(..3)?;
    let is_http = version
        .strip_prefix("HTTP/")
        .is_some_and(|version| version.starts_with(['1', '2']));
    code.parse()
        .ok()
        .filter(|code| is_http && (100..600).contains(code))
}

fn is_chunked(response: &Response<'_>) -> bool {
    response
        .header("transfer-encoding")
        .is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"))
}

fn content_length(response: &Response<'_>) -> Option<usize> {
    response.header("content-length")?.parse().ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunks {
    Ended,
    GoOn,
}

/// The body out of its chunks (RFC 9112, section 7.1), as far as they came and are well-formed.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, Chunks) {
    let mut body = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end.min(32)]);
        let size = line.split([';', '\r']).next().unwrap_or_default().trim();
        match usize::from_str_radix(size, 16) {
            Ok(0) => return (body, Chunks::Ended),
            Ok(size) => {
                let chunk = &rest[end + 1..];
                body.extend_from_slice(&chunk[..chunk.len().min(size)]);
                match chunk.get(size..) {
                    Some(after) => rest = after.strip_prefix(b"\r\n").unwrap_or(after),
                    None => break,
                }
            }
            Err(_) => break,
        }
    }
    (body, Chunks::GoOn)
}

/// How long a service may take to greet before we speak.
const GREETING: Duration = Duration::from_millis(1200);
const HEAD_LIMIT: usize = 32 * 1024;
const HEADERS_LIMIT: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_response_is_read_and_known_to_be_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 5\r\n\r\nhello and more";
        let response = parse_response(bytes).unwrap();
        assert_eq!(
            (response.status, response.body.as_ref()),
            (200, b"hello".as_slice())
        );
        assert_eq!(
            product(response.header("server").unwrap()),
            ("nginx", Some("1.22.1"))
        );
        assert!(is_whole(bytes));
        assert!(!is_whole(&bytes[..bytes.len() - 12]));
    }

    #[test]
    fn chunks_are_put_together() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n6;x=y\r\npedia \r\n0\r\n\r\n";
        assert_eq!(parse_response(bytes).unwrap().body.as_ref(), b"Wikipedia ");
        assert!(is_whole(bytes));
        assert!(!is_whole(&bytes[..bytes.len() - 5]));
    }

    #[test]
    fn interim_responses_are_passed_over() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(parse_response(bytes).unwrap().status, 404);
    }

    #[test]
    fn a_tls_port_is_not_taken_for_plain_http() {
        let bytes = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<title>400 The plain HTTP request was sent to HTTPS port</title>";
        assert_eq!(recognise(&Heard { port: 443, bytes }), None);
    }

    #[test]
    fn server_headers_are_cut_into_product_and_version() {
        for (header, product_, version) in [
            ("Apache/2.4.57 (Debian)", "Apache", Some("2.4.57")),
            ("nginx", "nginx", None),
            ("Microsoft-IIS/10.0", "Microsoft-IIS", Some("10.0")),
            ("Apache", "Apache", None),
            ("Oracle HTTP Server (x)", "Oracle HTTP Server", None),
        ] {
            assert_eq!(product(header), (product_, version));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(head in "HTTP/1.1 [0-9]{3} \r\n(transfer-encoding: chunked\r\n)?\r\n", tail: Vec<u8>) {
            let bytes = [head.as_bytes(), &tail].concat();
            let _ = (parse_response(&bytes), is_whole(&bytes), parse_response(&tail));
        }
    }
}
