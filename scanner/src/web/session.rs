//! What every request of a session carries: cookies, a credential's header, the operator's headers. Pure.

use super::{
    input::{Place, percent_decoded},
    jwt::Jwt,
    request::{Pair, Request},
    response::Response,
    tests::deserialisation::is_serialised,
};

/// A session with the site.
#[derive(Debug, Clone, Default)]
pub struct Session {
    cookies: Vec<Cookie>,
    headers: Vec<Pair>,
}

/// A cookie that the site has set; its value is sent back as it came.
#[derive(Debug, Clone)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    value: String,
    /// Where it is sent: there and below. The site when it does not say; a browser then takes the folder.
    pub path: String,
    /// Whether it is sent inside TLS alone.
    pub secure: bool,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// Whether it goes with requests of other sites.
    pub same_site: SameSite,
}

/// Whether a cookie goes with requests of other sites (RFC 6265bis, section 5.6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When a visitor follows a link.
    Lax,
    /// Always.
    None,
    /// The browser's own rule holds, of which there are several.
    Unsaid,
}

/// What a session shows that it is one by, where that is a signed token (RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// In a cookie or in a header field.
    pub place: Place,
    /// Of what name.
    pub name: String,
    /// With what in front of it.
    pub value: String,
}

impl Session {
    /// A session whose requests carry these header fields.
    pub fn new(headers: Vec<Pair>) -> Self {
        Self {
            cookies: Vec::new(),
            headers,
        }
    }

    /// The same, with the cookies that a header field of it brought as its own: the site may set others in their place.
    #[must_use]
    pub(crate) fn with_own_cookies(mut self) -> Self {
        let (brought, headers) = std::mem::take(&mut self.headers)
            .into_iter()
            .partition(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        self.headers = headers;
        let brought: Vec<Pair> = brought;
        for pair in brought.iter().flat_map(|(_, value)| value.split(';')) {
            let Some((name, value)) = pair.trim().split_once('=') else {
                continue;
            };
            self.cookies.push(Cookie {
                name: name.to_owned(),
                value: value.to_owned(),
                path: "/".to_owned(),
                secure: true,
                http_only: true,
                same_site: SameSite::Strict,
            });
        }
        self
    }

    /// Takes over the cookies that a response sets (RFC 6265, as far as one server needs it).
    pub fn learn(&mut self, response: &Response) {
        for field in response.all("set-cookie") {
            let (pair, attributes) = field.split_once(';').unwrap_or((field, ""));
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            let mut cookie = Cookie {
                name: name.to_owned(),
                value: value.to_owned(),
                path: "/".to_owned(),
                secure: false,
                http_only: false,
                same_site: SameSite::Unsaid,
            };
            let mut gone = false;
            for attribute in attributes.split(';') {
                let (key, setting) = attribute.split_once('=').unwrap_or((attribute, ""));
                let setting = setting.trim();
                match key.trim().to_ascii_lowercase().as_str() {
                    "path" if setting.starts_with('/') => setting.clone_into(&mut cookie.path),
                    "secure" => cookie.secure = true,
                    "httponly" => cookie.http_only = true,
                    "samesite" => cookie.same_site = SameSite::read(setting),
                    "max-age" => gone = setting == "0" || setting.starts_with('-'),
                    "expires" => gone |= setting.to_ascii_lowercase().starts_with("thu, 01 jan 1970"),
                    _ => {}
                }
            }
            self.cookies
                .retain(|known| !(known.name == name && known.path == cookie.path));
            if !gone && !name.is_empty() && value.len() <= VALUE_LIMIT && self.cookies.len() < COOKIES_LIMIT {
                self.cookies.push(cookie);
            }
        }
    }

    /// The cookies that it has.
    pub fn cookies(&self) -> &[Cookie] {
        &self.cookies
    }

    /// Forgets the cookies.
    pub fn forget(&mut self) {
        self.cookies.clear();
    }

    /// The header fields for a request, whose own cookies win.
    pub fn headers(&self, request: &Request) -> Vec<Pair> {
        let mut headers = self.headers.clone();
        let kept = self
            .cookies_for(request)
            .filter(|cookie| !request.cookies.iter().any(|(own, _)| *own == cookie.name))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value));
        let own = request
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<String> = kept.chain(own).collect();
        if !cookies.is_empty() {
            headers.push(("Cookie".to_owned(), cookies.join("; ")));
        }
        headers
    }

    /// What a request shows that it is of this session by, where that is a signed token.
    pub fn passes(&self, request: &Request) -> Vec<Pass> {
        let pass = |place, name: &str, value: &str| Pass {
            place,
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let cookies = self
            .cookies_for(request)
            .map(|cookie| pass(Place::Cookie, &cookie.name, &cookie.value));
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| pass(Place::Header, name, value));
        cookies
            .chain(headers)
            .filter(|pass| Jwt::read(&pass.value).is_some())
            .collect()
    }

    /// Whether a request puts something else in place of what it would show that it is of this session by: its answer
    /// then says nothing about the session.
    pub fn is_replaced_by(&self, request: &Request) -> bool {
        let named = |pairs: &[Pair], name: &str| pairs.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        self.headers.iter().any(|(name, _)| named(&request.headers, name))
            || self
                .cookies_for(request)
                .any(|cookie| cookie.carries_session() && named(&request.cookies, &cookie.name))
    }

    /// The cookies that go with a request (RFC 6265, section 5.1.4).
    fn cookies_for(&self, request: &Request) -> impl Iterator<Item = &Cookie> {
        self.cookies.iter().filter(move |cookie| {
            request
                .path
                .strip_prefix(&cookie.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || cookie.path.ends_with('/'))
        })
    }
}

impl Cookie {
    /// Its value, as it came.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it is one by which the site knows the session, by its name or by how random it is.
    fn carries_session(&self) -> bool {
        self.is_named_for_session()
            || (self.value.len() >= 16
                && self.value.chars().any(|c| c.is_ascii_digit())
                && !self.holds_object())
    }

    /// Whether its value is an object that a runtime has serialised.
    fn holds_object(&self) -> bool {
        is_serialised(&percent_decoded(&self.value).unwrap_or_else(|| self.value.clone()))
    }

    /// Whether its name says so.
    pub fn is_named_for_session(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        ["sess", "sid", "auth", "token", "jwt", "remember"]
            .iter()
            .any(|part| name.contains(part))
            || self.guards_requests()
    }

    /// Whether its name says that it guards against forged requests.
    pub fn guards_requests(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        name.contains("csrf") || name.contains("xsrf")
    }
}

impl SameSite {
    fn read(setting: &str) -> Self {
        match setting.to_ascii_lowercase().as_str() {
            "strict" => Self::Strict,
            "lax" => Self::Lax,
            "none" => Self::None,
            _ => Self::Unsaid,
        }
    }
}

/// The cookies that a response sets and that do not carry the session: inputs like any other.
pub fn plain_cookies(response: &Response) -> Vec<Pair> {
    let mut session = Session::default();
    session.learn(response);
    session
        .cookies
        .into_iter()
        .filter(|cookie| !cookie.carries_session())
        .map(|cookie| (cookie.name, cookie.value))
        .collect()
}

/// The cookies that a response sets and that carry the session by their name, with their values: no guards against forged
/// requests.
pub fn session_cookies(response: &Response) -> Vec<(Cookie, String)> {
    let mut session = Session::default();
    session.learn(response);
    session
        .cookies
        .into_iter()
        .filter(|cookie| cookie.is_named_for_session() && !cookie.guards_requests())
        .map(|cookie| {
            let value = cookie.value.clone();
            (cookie, value)
        })
        .collect()
}

const COOKIES_LIMIT: usize = 64;
const VALUE_LIMIT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(fields: &[&str]) -> Response {
        let fields: Vec<(&str, &str)> = fields.iter().map(|field| ("Set-Cookie", *field)).collect();
        Response::answering(200, &fields, "")
    }

    #[test]
    fn cookies_are_kept_replaced_and_forgotten() {
        let mut session = Session::new(vec![("X-A".to_owned(), "b".to_owned())]);
        session.learn(&setting(&["a=1; Path=/", "b=2", "nonsense"]));
        session.learn(&setting(&["a=3", "b=; Max-Age=0"]));
        let mut request = Request::get(&"http://a/".parse().unwrap());
        let cookie = |session: &Session, request: &Request| session.headers(request)[1].1.clone();
        assert_eq!(cookie(&session, &request), "a=3");
        request.cookies = vec![("a".to_owned(), "x%3By".to_owned())];
        assert_eq!(cookie(&session, &request), "a=x%3By");
    }

    #[test]
    fn a_cookie_that_was_brought_along_is_replaced_by_the_one_that_is_set() {
        let field = |value: &str| ("Cookie".to_owned(), value.to_owned());
        let mut session = Session::new(vec![field("sid=1; lang=en")]).with_own_cookies();
        let request = Request::get(&"http://a/".parse().unwrap());
        assert_eq!(session.headers(&request), [field("sid=1; lang=en")]);
        session.learn(&setting(&["sid=2"]));
        assert_eq!(session.headers(&request), [field("lang=en; sid=2")]);
    }

    #[test]
    fn a_cookie_goes_back_as_it_came_and_where_it_belongs() {
        let mut session = Session::default();
        session.learn(&setting(&["a=x%3By\"z; Path=/shop"]));
        for (place, sent) in [
            ("http://a/shop", true),
            ("http://a/shop/cart", true),
            ("http://a/shops", false),
            ("http://a/", false),
        ] {
            let headers = session.headers(&Request::get(&place.parse().unwrap()));
            let expected = [("Cookie".to_owned(), "a=x%3By\"z".to_owned())];
            assert_eq!(headers, &expected[..usize::from(sent)], "{place}");
        }
    }

    #[test]
    fn who_shows_another_pass_is_of_another_session() {
        let mut session = Session::new(vec![("Authorization".to_owned(), "Bearer x".to_owned())]);
        session.learn(&setting(&["session=1", "lang=en"]));
        let plain = Request::get(&"http://a/".parse().unwrap());
        let with = |cookies: &[(&str, &str)], headers: &[(&str, &str)]| Request {
            cookies: cookies
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            ..plain.clone()
        };
        assert!(session.is_replaced_by(&with(&[("session", "2")], &[])));
        assert!(session.is_replaced_by(&with(&[], &[("authorization", "Bearer y")])));
        assert!(!session.is_replaced_by(&with(&[("lang", "x")], &[("Referer", "y")])));
    }

    #[test]
    fn the_cookie_of_the_session_is_no_input() {
        let set = setting(&["PHPSESSID=1", "lang=en", "x=0123456789abcdef0123", "auth_token=1"]);
        assert_eq!(plain_cookies(&set), [("lang".to_owned(), "en".to_owned())]);
    }
}
