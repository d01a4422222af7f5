//! The key that signs boot programs (Secure Boot's `db`), made at first use.

use std::{
    env, fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use vedette_protocol::time::Timestamp;

use crate::tool::{OPENSSL, OSSLSIGNCODE};

/// A key and its certificate, as files.
#[derive(Debug)]
pub(crate) struct SigningKey {
    key: PathBuf,
    pub certificate: PathBuf,
}

/// Whether the key was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Found,
    Made,
}

impl SigningKey {
    /// The key in the given folder, or in `vedette/keys` among the user's data.
    pub(crate) fn open(folder: Option<PathBuf>) -> anyhow::Result<(Self, Origin)> {
        let folder = match folder {
            Some(folder) => folder,
            None => default_folder()?,
        };
        let this = Self {
            key: folder.join("boot.key"),
            certificate: folder.join("boot.crt"),
        };
        match (this.key.exists(), this.certificate.exists()) {
            (true, true) => Ok((this, Origin::Found)),
            (false, false) => {
                this.make(&folder)
                    .with_context(|| format!("making a signing key in {}", folder.display()))?;
                Ok((this, Origin::Made))
            }
            (key, _) => {
                let (there, missing) = if key {
                    (&this.key, &this.certificate)
                } else {
                    (&this.certificate, &this.key)
                };
                anyhow::bail!(
                    "{} is there and {} is not; put it back, or move both away for a new key",
                    there.display(),
                    missing.display()
                )
            }
        }
    }

    fn make(&self, folder: &Path) -> anyhow::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .context("making the folder")?;
        // RSA: firmware is not bound to know anything else (UEFI 2.10, section 32.6).
        let key = self.key.with_extension("new");
        OPENSSL
            .call()?
            .args([
                "req", "-x509", "-newkey", "rsa:3072", "-sha256", "-nodes", "-days", "7300",
            ])
            .args(["-subj", "/CN=Vedette boot"])
            .args([
                "-addext",
                "keyUsage=critical,digitalSignature",
                "-addext",
                "extendedKeyUsage=codeSigning",
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&self.certificate)
            .run()?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).context("closing the key to others")?;
        fs::rename(&key, &self.key).context("putting the key in its place")
    }

    /// Signs an EFI program. PKCS #1 signatures are deterministic, and `time` is what the signature says.
    pub(crate) fn sign(&self, program: &Path, time: Timestamp, to: &Path) -> anyhow::Result<()> {
        if to.exists() {
            fs::remove_file(to).with_context(|| format!("removing the old {}", to.display()))?;
        }
        OSSLSIGNCODE
            .call()?
            .args(["sign", "-h", "sha256", "-st", &time.0.to_string(), "-certs"])
            .arg(&self.certificate)
            .arg("-key")
            .arg(&self.key)
            .arg("-in")
            .arg(program)
            .arg("-out")
            .arg(to)
            .run()?;
        ensure!(to.exists(), "osslsigncode wrote no {}", to.display());
        Ok(())
    }
}

fn default_folder() -> anyhow::Result<PathBuf> {
    if let Some(data) = env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
    {
        return Ok(data.join("vedette/keys"));
    }
    let home = env::home_dir().context("no home folder to keep the signing key in; name one with --keys")?;
    Ok(home.join(".local/share/vedette/keys"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_key_is_an_error_and_not_a_new_key() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("boot.crt"), "").unwrap();
        let error = SigningKey::open(Some(folder.path().to_owned()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("boot.key is not"), "{error}");
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let (key, origin) = SigningKey::open(Some(keys.clone())).unwrap();
        assert_eq!(origin, Origin::Made);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&keys), mode(&key.key)), (0o700, 0o600));
        assert_eq!(SigningKey::open(Some(keys)).unwrap().1, Origin::Found);
    }
}
