//! What a credential says, once it is opened.
//!
//! Sealed, it is JSON, padded with spaces to a multiple of [`PADDING`] bytes, so that the length of a ciphertext does
//! not tell the length of a password. Copies that a JSON reader makes are wiped by the allocator of the programs that
//! read secrets.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::CredentialKind;

/// Sealed content is a multiple of this many bytes long.
pub const PADDING: usize = 256;

/// Sealed content is no longer than this: a private key with its certificates is some kilobytes.
pub const LOGIN_LIMIT: usize = 64 * 1024;

/// Text that is secret: wiped on drop, printed by nothing, read only inside a closure.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes over text.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// Lends the text.
    pub fn with<R>(&self, use_text: impl FnOnce(&str) -> R) -> R {
        use_text(&self.0)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// What is needed to log in.
#[derive(Debug)]
pub enum Login {
    /// See [`CredentialKind::SshPassword`].
    SshPassword {
        /// The user.
        user: String,
        /// The password.
        password: SecretText,
    },
    /// See [`CredentialKind::SshKey`].
    SshKey {
        /// The user.
        user: String,
        /// The private key, in OpenSSH's or PKCS #8's PEM.
        key: SecretText,
        /// What the key is encrypted under.
        passphrase: Option<SecretText>,
    },
    /// See [`CredentialKind::HttpBasic`].
    HttpBasic {
        /// The user.
        user: String,
        /// The password.
        password: SecretText,
    },
    /// See [`CredentialKind::Bearer`].
    Bearer {
        /// The token.
        token: SecretText,
    },
    /// See [`CredentialKind::Form`].
    Form {
        /// The user.
        user: String,
        /// The password.
        password: SecretText,
    },
    /// See [`CredentialKind::Cookie`].
    Cookie {
        /// The cookie's name and value.
        cookie: SecretText,
    },
    /// See [`CredentialKind::ClientCertificate`].
    ClientCertificate {
        /// The certificates, in PEM.
        certificate: String,
        /// The private key, in PKCS #8's PEM.
        key: SecretText,
    },
    /// See [`CredentialKind::SnmpCommunity`].
    SnmpCommunity {
        /// The community.
        community: SecretText,
    },
    /// See [`CredentialKind::Database`].
    Database {
        /// The user.
        user: String,
        /// The password.
        password: SecretText,
    },
}

/// Opened content is no login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed content is no credential of the kind that its header names")]
pub struct LoginError;

/// The form in which it is sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    secret: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    passphrase: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    certificate: Option<Cow<'a, str>>,
}

impl Login {
    /// The content to seal.
    ///
    /// # Panics
    /// Never: text has a form in JSON.
    pub fn to_sealed_form(&self) -> Zeroizing<Vec<u8>> {
        let write = |user: Option<&str>, secret: &SecretText, passphrase: Option<&str>, certificate| {
            secret.with(|secret| {
                let wire = Wire {
                    user: user.map(Cow::from),
                    secret: secret.into(),
                    passphrase: passphrase.map(Cow::from),
                    certificate,
                };
                let mut bytes = Zeroizing::new(serde_json::to_vec(&wire).expect("text has a form in JSON"));
                let padded = bytes.len().next_multiple_of(PADDING);
                bytes.resize(padded, b' ');
                bytes
            })
        };
        match self {
            Self::SshPassword { user, password }
            | Self::HttpBasic { user, password }
            | Self::Form { user, password }
            | Self::Database { user, password } => write(Some(user), password, None, None),
            Self::SshKey {
                user,
                key,
                passphrase,
            } => match passphrase {
                Some(passphrase) => {
                    passphrase.with(|passphrase| write(Some(user), key, Some(passphrase), None))
                }
                None => write(Some(user), key, None, None),
            },
            Self::Bearer { token: secret }
            | Self::Cookie { cookie: secret }
            | Self::SnmpCommunity { community: secret } => write(None, secret, None, None),
            Self::ClientCertificate { certificate, key } => write(None, key, None, Some(certificate.into())),
        }
    }

    /// Reads opened content.
    ///
    /// # Errors
    /// When it is no credential of that kind.
    pub fn from_sealed_form(kind: CredentialKind, bytes: &[u8]) -> Result<Self, LoginError> {
        if bytes.len() > LOGIN_LIMIT {
            return Err(LoginError);
        }
        let wire: Wire<'_> = serde_json::from_slice(bytes).map_err(|_| LoginError)?;
        let text = |text: Cow<'_, str>| SecretText(Zeroizing::new(text.into_owned()));
        let (user, passphrase) = (wire.user.map(Cow::into_owned), wire.passphrase.map(text));
        let (secret, certificate) = (text(wire.secret), wire.certificate.map(Cow::into_owned));
        match (kind, user, passphrase, certificate) {
            (CredentialKind::SshPassword, Some(user), None, None) => Ok(Self::SshPassword {
                user,
                password: secret,
            }),
            (CredentialKind::SshKey, Some(user), passphrase, None) => Ok(Self::SshKey {
                user,
                key: secret,
                passphrase,
            }),
            (CredentialKind::HttpBasic, Some(user), None, None) => Ok(Self::HttpBasic {
                user,
                password: secret,
            }),
            (CredentialKind::Bearer, None, None, None) => Ok(Self::Bearer { token: secret }),
            (CredentialKind::Form, Some(user), None, None) => Ok(Self::Form {
                user,
                password: secret,
            }),
            (CredentialKind::Cookie, None, None, None) => Ok(Self::Cookie { cookie: secret }),
            (CredentialKind::ClientCertificate, None, None, Some(certificate)) => {
                Ok(Self::ClientCertificate {
                    certificate,
                    key: secret,
                })
            }
            (CredentialKind::SnmpCommunity, None, None, None) => {
                Ok(Self::SnmpCommunity { community: secret })
            }
            (CredentialKind::Database, Some(user), None, None) => Ok(Self::Database {
                user,
                password: secret,
            }),
            _ => Err(LoginError),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::SshPassword { .. } => CredentialKind::SshPassword,
            Self::SshKey { .. } => CredentialKind::SshKey,
            Self::HttpBasic { .. } => CredentialKind::HttpBasic,
            Self::Bearer { .. } => CredentialKind::Bearer,
            Self::Form { .. } => CredentialKind::Form,
            Self::Cookie { .. } => CredentialKind::Cookie,
            Self::ClientCertificate { .. } => CredentialKind::ClientCertificate,
            Self::SnmpCommunity { .. } => CredentialKind::SnmpCommunity,
            Self::Database { .. } => CredentialKind::Database,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretText {
        SecretText::new(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn every_kind_reads_back_as_what_it_was() {
        let user = || "scan \"er\"".to_owned();
        let logins = [
            Login::SshPassword {
                user: user(),
                password: secret("p\u{e4}ss\nw\"ord"),
            },
            Login::SshKey {
                user: user(),
                key: secret("-----BEGIN"),
                passphrase: None,
            },
            Login::SshKey {
                user: user(),
                key: secret("-----BEGIN"),
                passphrase: Some(secret("x")),
            },
            Login::HttpBasic {
                user: user(),
                password: secret(""),
            },
            Login::Bearer { token: secret("t") },
            Login::Form {
                user: user(),
                password: secret("p"),
            },
            Login::Cookie {
                cookie: secret("a=b"),
            },
            Login::ClientCertificate {
                certificate: "-----BEGIN".to_owned(),
                key: secret("k"),
            },
            Login::SnmpCommunity {
                community: secret("public"),
            },
            Login::Database {
                user: user(),
                password: secret("p"),
            },
        ];
        for login in &logins {
            let bytes = login.to_sealed_form();
            assert_eq!(bytes.len() % PADDING, 0, "a length tells nothing");
            let read = Login::from_sealed_form(login.kind(), &bytes).unwrap();
            assert_eq!(read.to_sealed_form(), bytes);
            for other in CredentialKind::ALL {
                let read = Login::from_sealed_form(other, &bytes).is_ok_and(|read| read.kind() != other);
                assert!(!read, "{other}");
            }
        }
        assert!(Login::from_sealed_form(CredentialKind::Bearer, b"{}").is_err());
        assert!(Login::from_sealed_form(CredentialKind::Bearer, &vec![b' '; LOGIN_LIMIT + 1]).is_err());
    }

    #[test]
    fn debug_prints_no_secret() {
        let login = Login::SshPassword {
            user: "u".to_owned(),
            password: secret("hunter2"),
        };
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
