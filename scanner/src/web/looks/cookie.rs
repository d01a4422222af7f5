//! Cookies by which a site knows a session, without what keeps them from others: by their names, since whatever else a
//! site keeps in cookies is its own affair.

use vedette_protocol::finding::{Confidence, FindingType};

use super::{Fault, Look, Sight, Transport, feature};
use crate::web::session::{Cookie, SameSite};

pub(crate) const LOOK: Look = Look { name: "cookie", see };

fn see(sight: &Sight<'_>) -> Vec<Fault> {
    let Sight::Cookie(cookie, transport) = sight else {
        return Vec::new();
    };
    if !cookie.is_named_for_session() {
        return Vec::new();
    }
    let mut faults = Vec::new();
    if *transport == Transport::Tls && !cookie.secure {
        faults.push(fault(
            FindingType::WebCookieNotSecure,
            cookie,
            "Secure",
            "missing",
        ));
    }
    // Scripts must read a token against forged requests.
    if !cookie.http_only && !cookie.guards_requests() {
        faults.push(fault(
            FindingType::WebCookieForScripts,
            cookie,
            "HttpOnly",
            "missing",
        ));
    }
    match cookie.same_site {
        SameSite::Strict | SameSite::Lax => {}
        SameSite::None => faults.push(fault(FindingType::WebCookieCrossSite, cookie, "SameSite", "None")),
        SameSite::Unsaid => faults.push(fault(
            FindingType::WebCookieCrossSite,
            cookie,
            "SameSite",
            "missing",
        )),
    }
    faults
}

fn fault(type_: FindingType, cookie: &Cookie, attribute: &str, how: &str) -> Fault {
    Fault {
        type_,
        confidence: Confidence::Certain,
        part: format!("cookie:{}", cookie.name),
        evidence: feature(attribute, how).into_iter().collect(),
        once: None,
    }
}
