//! Bearer secrets: sessions, API tokens and activation tokens. Shown once, kept as hashes.
//!
//! 32 random bytes need no slow hash: SHA-256 is enough, and lets the database find them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use vedette_crypto::Secret;
use vedette_protocol::{Digest, link::ActivationToken};
use zeroize::Zeroizing;

/// What a bearer secret is for; its text says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A login of a person.
    Session,
    /// A tool's access.
    Api,
    /// Activating one appliance.
    Activation,
}

/// A bearer secret.
pub struct Token(Zeroizing<String>);

impl Purpose {
    fn prefix(self) -> &'static str {
        match self {
            Self::Session => "vedette-session-",
            Self::Api => "vedette-api-",
            Self::Activation => ActivationToken::PREFIX,
        }
    }
}

impl Token {
    /// A fresh secret.
    pub fn random(purpose: Purpose) -> Self {
        let secret = Secret::<32>::random().with(|bytes| Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)));
        Self(Zeroizing::new(format!("{}{}", purpose.prefix(), *secret)))
    }

    /// Takes a text that has the form of a secret for `purpose`.
    pub fn parse(purpose: Purpose, text: &str) -> Option<Self> {
        let secret = text.strip_prefix(purpose.prefix())?;
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (secret.len() == SECRET_LENGTH && secret.bytes().all(base64url))
            .then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// What the database keeps.
    pub fn hash(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// The text, to show it once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A value that only who holds the secret can know, for forms (against cross-site requests).
    pub fn form_token(&self) -> Digest {
        Digest::of(format!("vedette form\0{}", *self.0).as_bytes())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// 32 bytes in base64 without padding.
const SECRET_LENGTH: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_for_its_purpose_only() {
        for purpose in [Purpose::Session, Purpose::Api, Purpose::Activation] {
            let token = Token::random(purpose);
            assert!(Token::parse(purpose, token.expose()).is_some());
            assert!(ActivationToken::parse(token.expose()).is_some() == (purpose == Purpose::Activation));
        }
        let session = Token::random(Purpose::Session);
        assert!(Token::parse(Purpose::Api, session.expose()).is_none());
        assert_eq!(format!("{session:?}"), "Token");
    }
}
