//! Who the scan logs in as: read from a file that only its owner can read.

use std::{fmt, fs::File, io::Read, os::unix::fs::MetadataExt, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::request::Pair;

/// A way to log in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Credential {
    /// By the form on a page.
    Form(FormLogin),
    /// RFC 7617.
    Basic {
        /// The user.
        user: Secret,
        /// The password.
        password: Secret,
    },
    /// RFC 6750.
    Bearer {
        /// The token.
        token: Secret,
    },
}

/// A form to log in with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormLogin {
    /// The page that the form stands on, relative to the site's URL.
    pub page: String,
    /// What is filled in, by the fields' names.
    pub fields: Vec<(String, Secret)>,
}

/// Text that is shown to nobody but the site.
pub struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Secret {
    /// Takes it over.
    pub(crate) fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// Lends the text.
    pub fn with<R>(&self, use_text: impl FnOnce(&str) -> R) -> R {
        use_text(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a login file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// It cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("{path} can be read or written by others (mode {mode:o}); run: chmod 600 {path}")]
    Open {
        /// The file.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// It holds no login.
    #[error(
        "{path} holds no login; write {{\"form\": {{\"page\": \"/login\", \"fields\": [[\"user\", \"…\"], [\"password\", \"…\"]]}}}}, \
         {{\"basic\": {{\"user\": \"…\", \"password\": \"…\"}}}} or {{\"bearer\": {{\"token\": \"…\"}}}}"
    )]
    Malformed {
        /// The file.
        path: String,
    },
}

impl Credential {
    /// Reads a login file, whose mode must keep everybody else out.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or it holds no login. What it holds is never named.
    pub fn read(path: &Path) -> Result<Self, CredentialError> {
        let name = path.display().to_string();
        let failed = |source| CredentialError::Read {
            path: name.clone(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(CredentialError::Open { path: name, mode });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LIMIT));
        let limit = FILE_LIMIT as u64;
        file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|_| CredentialError::Malformed { path: name })
    }

    /// The header field that it adds to each request, if it is of that kind.
    pub(crate) fn header(&self) -> Option<Pair> {
        let value = match self {
            Self::Form(_) => return None,
            Self::Basic { user, password } => {
                let pair =
                    Zeroizing::new(user.with(|user| password.with(|password| format!("{user}:{password}"))));
                format!("Basic {}", STANDARD.encode(pair.as_bytes()))
            }
            Self::Bearer { token } => token.with(|token| format!("Bearer {token}")),
        };
        Some(("Authorization".to_owned(), value))
    }
}

const FILE_LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    fn written(mode: u32, text: &str) -> (tempfile::TempDir, Result<Credential, CredentialError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let read = Credential::read(&path);
        (folder, read)
    }

    #[test]
    fn a_login_that_others_can_read_is_refused() {
        let text = r#"{"bearer": {"token": "t"}}"#;
        for mode in [0o640, 0o604, 0o666] {
            assert!(
                matches!(written(mode, text).1, Err(CredentialError::Open { .. })),
                "{mode:o}"
            );
        }
        let (_folder, read) = written(0o600, text);
        assert_eq!(read.unwrap().header().unwrap().1, "Bearer t");
    }

    #[test]
    fn neither_errors_nor_debug_show_what_it_holds() {
        let (_folder, wrong) = written(0o600, r#"{"basic": {"user": "s3cret"}}"#);
        assert!(!format!("{wrong:?} {}", wrong.as_ref().unwrap_err()).contains("s3cret"));
        let (_folder, right) = written(0o600, r#"{"basic": {"user": "a", "password": "s3cret"}}"#);
        assert!(!format!("{right:?}").contains("s3cret"));
        assert_eq!(right.unwrap().header().unwrap().1, "Basic YTpzM2NyZXQ=");
    }
}
