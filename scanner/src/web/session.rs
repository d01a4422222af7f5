//! What every request of a session carries: cookies, a credential's header, the operator's headers. Pure.

use super::{
    request::{Pair, Request},
    response::Response,
};

/// A session with the site.
#[derive(Debug, Clone, Default)]
pub struct Session {
    cookies: Vec<Pair>,
    headers: Vec<Pair>,
}

impl Session {
    /// A session whose requests carry these header fields.
    pub fn new(headers: Vec<Pair>) -> Self {
        Self {
            cookies: Vec::new(),
            headers,
        }
    }

    /// Takes over the cookies that a response sets (RFC 6265, as far as one server needs it).
    pub fn learn(&mut self, response: &Response) {
        for field in response.all("set-cookie") {
            let mut parts = field.split(';');
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            let gone = parts.any(|part| {
                let part = part.trim().to_ascii_lowercase();
                part == "max-age=0"
                    || part.starts_with("max-age=-")
                    || part.starts_with("expires=thu, 01 jan 1970")
            });
            self.cookies.retain(|(found, _)| found != name);
            if !gone && !name.is_empty() && value.len() <= VALUE_LIMIT && self.cookies.len() < COOKIES_LIMIT {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// Forgets the cookies.
    pub fn forget(&mut self) {
        self.cookies.clear();
    }

    /// The header fields for a request, whose own cookies win.
    pub fn headers(&self, request: &Request) -> Vec<Pair> {
        let mut headers = self.headers.clone();
        let kept = self
            .cookies
            .iter()
            .filter(|(name, _)| !request.cookies.iter().any(|(own, _)| own == name));
        let cookies: Vec<String> = kept
            .chain(&request.cookies)
            .map(|(name, value)| format!("{name}={}", cookie_value(value)))
            .collect();
        if !cookies.is_empty() {
            headers.push(("Cookie".to_owned(), cookies.join("; ")));
        }
        headers
    }
}

/// The cookies that a response sets and that do not carry the session: inputs like any other.
pub fn plain_cookies(response: &Response) -> Vec<Pair> {
    let mut session = Session::default();
    session.learn(response);
    session.cookies.retain(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let of_session = ["sess", "sid", "auth", "token", "csrf", "xsrf", "jwt", "remember"]
            .iter()
            .any(|part| name.contains(part));
        let random = value.len() >= 16 && value.chars().any(|c| c.is_ascii_digit());
        !of_session && !random
    });
    session.cookies
}

/// RFC 6265 has no escapes; what would end the value is spelled in percent encoding, as frameworks read it.
fn cookie_value(value: &str) -> String {
    value
        .chars()
        .map(|c| match c {
            ';' => "%3B".to_owned(),
            '%' => "%25".to_owned(),
            ',' => "%2C".to_owned(),
            ' ' => "%20".to_owned(),
            '"' => "%22".to_owned(),
            '\\' => "%5C".to_owned(),
            c if c.is_ascii_control() => format!("%{:02X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

const COOKIES_LIMIT: usize = 64;
const VALUE_LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::response::Whole;
    use std::time::Duration;

    fn setting(fields: &[&str]) -> Response {
        Response {
            status: 200,
            headers: fields
                .iter()
                .map(|field| ("Set-Cookie".to_owned(), (*field).to_owned()))
                .collect(),
            body: Vec::new(),
            whole: Whole::Yes,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn cookies_are_kept_replaced_and_forgotten() {
        let mut session = Session::new(vec![("X-A".to_owned(), "b".to_owned())]);
        session.learn(&setting(&["a=1; Path=/", "b=2", "nonsense"]));
        session.learn(&setting(&["a=3", "b=; Max-Age=0"]));
        let mut request = Request::get(&"http://a/".parse().unwrap());
        let cookie = |session: &Session, request: &Request| session.headers(request)[1].1.clone();
        assert_eq!(cookie(&session, &request), "a=3");
        request.cookies = vec![("a".to_owned(), "x;y".to_owned())];
        assert_eq!(cookie(&session, &request), "a=x%3By");
    }

    #[test]
    fn the_cookie_of_the_session_is_no_input() {
        let set = setting(&["PHPSESSID=1", "lang=en", "x=0123456789abcdef0123", "auth_token=1"]);
        assert_eq!(plain_cookies(&set), [("lang".to_owned(), "en".to_owned())]);
    }
}
