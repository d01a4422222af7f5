//! JSON Web Tokens (RFC 7519) in their compact form (RFC 7515, section 3.1): read, compared with secrets that everybody
//! knows, and made anew with the same claims. Pure.
//!
//! What must stay true: no token is made that claims anything but what the site's own token does.

mod key;
mod secret;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Map, Value};

pub use self::key::public_keys;
use self::secret::SECRETS;

/// A token, and what stands in front of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Jwt {
    /// `Bearer ` in a header field, else nothing.
    scheme: String,
    header: Map<String, Value>,
    /// Header and claims, encoded.
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    /// Reads a value that is a token, or one behind `Bearer` (RFC 6750).
    pub fn read(value: &str) -> Option<Self> {
        let (scheme, token) = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => (format!("{scheme} "), token),
            _ => (String::new(), value),
        };
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= LENGTH_LIMIT)?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice::<Map<String, Value>>(&bytes).ok()
        };
        object(claims)?;
        Some(Self {
            scheme,
            header: object(header).filter(|header| header.get("alg").is_some_and(Value::is_string))?,
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// The algorithm that its header names (RFC 7518, section 3.1).
    pub fn algorithm(&self) -> &str {
        self.header["alg"].as_str().unwrap_or_default()
    }

    /// Whether it comes without a signature.
    pub fn is_unsigned(&self) -> bool {
        self.signature.is_empty()
    }

    /// Whether a secret that everybody knows has signed it.
    pub fn has_known_secret(&self) -> bool {
        let algorithm = match self.algorithm() {
            "HS256" => hmac::HMAC_SHA256,
            "HS384" => hmac::HMAC_SHA384,
            "HS512" => hmac::HMAC_SHA512,
            _ => return false,
        };
        SECRETS.iter().any(|secret| {
            let key = hmac::Key::new(algorithm, secret.as_bytes());
            hmac::verify(&key, self.signed.as_bytes(), &self.signature).is_ok()
        })
    }

    /// What is no token, in its place.
    pub fn replaced_by(&self, text: &str) -> String {
        format!("{}{text}", self.scheme)
    }

    /// The same token with each byte of its signature changed.
    pub fn with_signature_changed(&self, by: u8) -> String {
        let signature: Vec<u8> = self.signature.iter().map(|byte| byte ^ by).collect();
        self.put_together(&self.signed, &signature)
    }

    /// The same claims without a signature, under a name of the algorithm `none` (RFC 7518, section 3.6).
    pub fn unsigned(&self, algorithm: &str) -> String {
        self.put_together(&self.under(algorithm), &[])
    }

    /// The same claims signed with these bytes as the secret of HS256.
    pub fn signed_with(&self, secret: &[u8]) -> String {
        let signed = self.under("HS256");
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signature = hmac::sign(&key, signed.as_bytes());
        self.put_together(&signed, signature.as_ref())
    }

    /// Header and claims, encoded, with another algorithm in the header.
    fn under(&self, algorithm: &str) -> String {
        let mut header = self.header.clone();
        header.insert("alg".to_owned(), algorithm.into());
        let header = URL_SAFE_NO_PAD.encode(Value::Object(header).to_string());
        let claims = self.signed.split('.').nth(1).unwrap_or_default();
        format!("{header}.{claims}")
    }

    fn put_together(&self, signed: &str, signature: &[u8]) -> String {
        format!("{}{signed}.{}", self.scheme, URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Longer than what fits into a cookie.
const LENGTH_LIMIT: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7515, appendix A.1.
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    #[test]
    fn a_token_is_read_and_made_anew_with_the_same_claims() {
        let token = Jwt::read(TOKEN).unwrap();
        assert_eq!((token.algorithm(), token.has_known_secret()), ("HS256", false));
        let claims = TOKEN.split('.').nth(1);
        for forged in [
            token.with_signature_changed(1),
            token.unsigned("none"),
            token.signed_with(b"secret"),
        ] {
            assert!(Jwt::read(&forged).is_some_and(|read| read != token), "{forged}");
            assert_eq!(forged.split('.').nth(1), claims);
        }
        assert_eq!(Jwt::read(&token.unsigned("nOnE")).unwrap().algorithm(), "nOnE");
        let signed = Jwt::read(&token.signed_with(b"secret")).unwrap();
        assert!(signed.has_known_secret() && !signed.is_unsigned());
    }

    #[test]
    fn what_stands_before_a_token_stays_there() {
        let token = Jwt::read(&format!("Bearer {TOKEN}")).unwrap();
        assert!(token.unsigned("none").starts_with("Bearer eyJ"));
        assert_eq!(token.replaced_by("x"), "Bearer x");
    }

    #[test]
    fn what_is_no_token_is_none() {
        for other in [
            "",
            "a.b.c",
            "Basic dTpw",
            "eyJhIjoxfQ.e30.",
            "e30.e30.e30",
            &TOKEN[1..],
        ] {
            assert_eq!(Jwt::read(other), None, "{other}");
        }
    }
}
