//! The login: which platform, which CA, which token. Kept in one file that only its owner can read.

use std::env;
use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use vedette_protocol::image::PlatformUrl;
use zeroize::Zeroizing;

/// What is needed to ask a platform.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    pub(crate) url: PlatformUrl,
    /// The CA's certificate as PEM: a copy, so that the login does not change with a file elsewhere.
    pub(crate) ca: String,
    pub(crate) token: Token,
}

impl FromStr for Login {
    type Err = toml::de::Error;

    /// Reads the file in which a login is kept.
    fn from_str(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

/// A bearer token. Printed nowhere.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(Zeroizing<String>);

impl Token {
    pub(crate) fn new(token: String) -> Self {
        Self(Zeroizing::new(token))
    }

    pub(crate) fn with<R>(&self, use_token: impl FnOnce(&str) -> R) -> R {
        use_token(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Login {
    /// The stored login, with what the environment overrides.
    pub(crate) fn current() -> Result<Self> {
        Self::from(&Surroundings::of_process()?)
    }

    /// Keeps it for the next commands. Says where.
    pub(crate) fn store(&self) -> Result<PathBuf> {
        let path = Surroundings::of_process()?.path()?;
        self.store_at(&path)?;
        Ok(path)
    }

    /// Takes what is kept out of its place, if there is something. Nothing is kept then, even if it was no login.
    pub(crate) fn forget() -> Result<Option<Self>> {
        let path = Surroundings::of_process()?.path()?;
        if !path.exists() {
            return Ok(None);
        }
        let stored = Self::stored_at(&path);
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        stored.map(Some).context(
            "the login is removed, but it could not be read: a token in it stays valid until it expires",
        )
    }

    fn from(around: &Surroundings) -> Result<Self> {
        let ca = around.ca.as_ref().map(|file| {
            fs::read_to_string(file).with_context(|| format!("reading VEDETTE_CA, {}", file.display()))
        });
        let url = around
            .url
            .as_ref()
            .map(|url| url.parse::<PlatformUrl>().context("reading VEDETTE_URL"));
        match (url.transpose()?, ca.transpose()?, &around.token) {
            (Some(url), Some(ca), Some(token)) => Ok(Self {
                url,
                ca,
                token: Token(token.clone()),
            }),
            (url, ca, token) => {
                let stored = Self::stored_at(&around.path()?)?;
                let elsewhere = url.as_ref().is_some_and(|url| *url != stored.url);
                ensure!(
                    !elsewhere || token.is_some(),
                    "VEDETTE_URL is another platform than {}, where you are logged in, and the token of one is not \
                     shown to another: set VEDETTE_TOKEN too",
                    stored.url
                );
                Ok(Self {
                    url: url.unwrap_or(stored.url),
                    ca: ca.unwrap_or(stored.ca),
                    token: token.clone().map_or(stored.token, Token),
                })
            }
        }
    }

    fn stored_at(path: &Path) -> Result<Self> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("you are not logged in; run `vedette login --url https://HOST:PORT --ca FILE`")
            }
            Err(error) => return Err(error).context(format!("looking at {}", path.display())),
        };
        // Whoever else could read it may have taken the token; whoever could write it may have set the CA.
        ensure!(
            metadata.permissions().mode() & 0o077 == 0
                && metadata.uid() == rustix::process::geteuid().as_raw(),
            "{} is not yours alone; run `vedette logout`, revoke its token, and log in again",
            path.display()
        );
        let mut text = Zeroizing::new(String::with_capacity(LONGEST));
        fs::File::open(path)
            .and_then(|file| file.take(LONGEST as u64).read_to_string(&mut text))
            .with_context(|| format!("reading {}; log in again", path.display()))?;
        text.parse()
            .with_context(|| format!("{} is no login; log in again", path.display()))
    }

    fn store_at(&self, path: &Path) -> Result<()> {
        let dir = path.parent().context("the login's file has a directory")?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .with_context(|| format!("making {}", dir.display()))?;
        let text = Zeroizing::new(toml::to_string(self).context("writing the login as TOML")?);
        let new = path.with_extension("new");
        let write = || -> io::Result<()> {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            fs::rename(&new, path)
        };
        write().with_context(|| format!("writing {}", path.display()))
    }
}

/// More than any login has, in bytes; a longer file is cut, and is none.
const LONGEST: usize = 64 * 1024;

/// What of the process's environment matters here.
#[derive(Debug, Default)]
struct Surroundings {
    url: Option<String>,
    ca: Option<PathBuf>,
    token: Option<Zeroizing<String>>,
    config: Option<PathBuf>,
}

impl Surroundings {
    fn of_process() -> Result<Self> {
        let text = |name: &str| match env::var(name) {
            Ok(value) if value.is_empty() => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {name}")),
        };
        let path = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let config = path("XDG_CONFIG_HOME")
            // The specification says that a relative one is to be ignored.
            .filter(|path| path.is_absolute())
            .or_else(|| path("HOME").map(|home| home.join(".config")));
        Ok(Self {
            url: text("VEDETTE_URL")?,
            ca: path("VEDETTE_CA"),
            token: text("VEDETTE_TOKEN")?.map(Zeroizing::new),
            config,
        })
    }

    fn path(&self) -> Result<PathBuf> {
        let config = self.config.as_ref();
        let config = config.context(
            "neither XDG_CONFIG_HOME nor HOME is set, so there is no place for a login: set one of them, or \
                 VEDETTE_URL, VEDETTE_CA and VEDETTE_TOKEN",
        )?;
        Ok(config.join("vedette/login.toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            url: "https://platform.example".parse().unwrap(),
            ca: "-----BEGIN CERTIFICATE-----\n".into(),
            token: Token::new("secret".into()),
        }
    }

    fn stored(dir: &tempfile::TempDir) -> Surroundings {
        let around = Surroundings {
            config: Some(dir.path().join("config")),
            ..Surroundings::default()
        };
        login().store_at(&around.path().unwrap()).unwrap();
        around
    }

    #[test]
    fn a_login_is_readable_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = stored(&dir).path().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }

    #[test]
    fn a_login_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let around = stored(&dir);
        fs::set_permissions(around.path().unwrap(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(
            Login::from(&around)
                .unwrap_err()
                .to_string()
                .contains("log in again")
        );
    }

    #[test]
    fn a_new_login_replaces_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let around = stored(&dir);
        let path = around.path().unwrap();
        Login {
            token: Token::new("newer".into()),
            ..login()
        }
        .store_at(&path)
        .unwrap();
        Login::from(&around)
            .unwrap()
            .token
            .with(|token| assert_eq!(token, "newer"));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn the_environment_overrides_and_suffices() {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        fs::write(&ca, "another CA").unwrap();
        let around = Surroundings {
            url: Some("https://other.example".into()),
            ca: Some(ca),
            token: Some(Zeroizing::new("given".into())),
            config: None,
        };
        let login = Login::from(&around).unwrap();
        assert_eq!(
            (login.url.host(), login.ca.as_str()),
            ("other.example", "another CA")
        );
        login.token.with(|token| assert_eq!(token, "given"));
    }

    #[test]
    fn a_token_is_not_shown_to_another_platform() {
        let dir = tempfile::tempdir().unwrap();
        let mut around = stored(&dir);
        around.url = Some("https://other.example".into());
        assert!(
            Login::from(&around)
                .unwrap_err()
                .to_string()
                .contains("VEDETTE_TOKEN")
        );
        around.url = Some("https://platform.example:443/".into());
        assert!(
            Login::from(&around).is_ok(),
            "the same platform, spelled differently"
        );
    }

    #[test]
    fn without_a_login_the_cure_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let around = Surroundings {
            config: Some(dir.path().into()),
            ..Surroundings::default()
        };
        assert!(
            Login::from(&around)
                .unwrap_err()
                .to_string()
                .contains("vedette login --url")
        );
    }

    #[test]
    fn a_token_prints_its_name_only() {
        assert!(!format!("{:?}", login()).contains("secret"));
    }
}
