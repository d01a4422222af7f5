//! Cross-origin resource sharing: by an origin of ours that may read answers with the visitor's cookies.
//!
//! Only what browsers act on counts (Fetch Standard, section 3.2): the origin itself in the answer, and credentials
//! allowed. Whoever allows every origin without credentials has said that the answer is public.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, nothing_afterwards};
use crate::web::{
    request::Body,
    response::Response,
    trial::{Proof, Stop, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "cors",
    of: Of::Origin,
    budget: 14,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    let strangers = [90, 91].map(|number| format!("https://{}.example", trial.token(number)));
    let first = trial.reply(&strangers[0])?;
    if allows(first, &strangers[0]) {
        let second = trial.reply(&strangers[1])?;
        return Ok(allows(second, &strangers[1]).then(|| proof(Confidence::Certain, "any origin")));
    }
    if !is_shared(trial, first) {
        return Ok(None);
    }
    if allows(trial.reply("null")?, "null") && allows(trial.again("null", 1)?, "null") {
        return Ok(Some(proof(Confidence::Certain, "origin null")));
    }
    let own = trial.value();
    let Some((scheme, host, port)) = parts(own).filter(|_| own.len() <= LENGTH_LIMIT) else {
        return Ok(None);
    };
    if !allows(trial.reply(own)?, own) {
        return Ok(None);
    }
    for (number, (detail, spell)) in (92..).step_by(2).zip(MISTAKES) {
        let allowed = |number| {
            let origin = format!("{scheme}://{}{port}", spell(host, &trial.token(number)));
            // In a name without a dot none can be replaced.
            Ok::<_, Stop>(origin != own && allows(trial.reply(&origin)?, &origin))
        };
        if allowed(number)? && allowed(number + 1)? {
            return Ok(Some(proof(Confidence::Firm, detail)));
        }
    }
    Ok(None)
}

fn proof(confidence: Confidence, detail: &'static str) -> Proof {
    Proof {
        type_: FindingType::WebCors,
        confidence,
        shown_by: ShownBy::AllowedOrigin,
        detail,
    }
}

/// Whether a browser lets a page of that origin read the answer to a request with cookies.
fn allows(reply: &Response, origin: &str) -> bool {
    let mut allowed = reply.all("access-control-allow-origin");
    // A browser takes several for none.
    allowed.next() == Some(origin)
        && allowed.next().is_none()
        && reply.header("access-control-allow-credentials") == Some("true")
}

/// Whether the answer is of the kind that is read across origins: asked further only there.
fn is_shared(trial: &Trial<'_>, reply: &Response) -> bool {
    let says_so = |response: &Response| {
        response.headers.iter().any(|(name, value)| {
            let name = name.to_ascii_lowercase();
            name.starts_with("access-control-")
                || (name == "vary" && value.to_ascii_lowercase().contains("origin"))
        })
    };
    matches!(trial.subject.request.body, Body::Json(_))
        || reply.media().ends_with("json")
        || says_so(reply)
        || trial.subject.base.iter().any(says_so)
}

/// Scheme, host, and the port with its colon.
fn parts(origin: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = origin.split_once("://")?;
    let port = rest.rfind(':').filter(|at| !rest[*at..].contains(']'));
    let (host, port) = rest.split_at(port.unwrap_or(rest.len()));
    Some((scheme, host, port))
}

/// Another host that a careless judge takes for this one, made with a word.
type Spell = fn(&str, &str) -> String;

const MISTAKES: &[(&str, Spell)] = &[
    ("host at the beginning", |host, word| {
        format!("{host}.{word}.example")
    }),
    ("host at the end", |host, word| format!("{word}{host}")),
    ("dot of the host as any character", |host, word| {
        // The character in which the words differ.
        let part = word.len() - 2;
        host.replacen('.', &word[part..=part], 1)
    }),
];
const LENGTH_LIMIT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_apart() {
        assert_eq!(parts("http://192.0.2.7:80"), Some(("http", "192.0.2.7", ":80")));
        assert_eq!(parts("https://a.example"), Some(("https", "a.example", "")));
        assert_eq!(parts("http://[2001:db8::7]"), Some(("http", "[2001:db8::7]", "")));
        assert_eq!(parts("null"), None);
    }
}
