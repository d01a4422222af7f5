//! A private key that is held for one login, and signs that login alone, once.
//!
//! Pure. It is made after the host has shown its key, and gone with its signature, with its refusal, or with the
//! worker.

use vedette_crypto::login_key::{LoginKey, LoginKeyError};
use vedette_protocol::{
    credential::SecretText,
    vault::{LoginAnswer, VaultRefusal},
};

use super::userauth::Userauth;

/// Signs one login over SSH.
#[derive(Debug)]
pub struct SshAgent {
    user: String,
    key: LoginKey,
}

impl SshAgent {
    /// Reads the key.
    ///
    /// # Errors
    /// When it is none that is signed with, or does not open.
    pub fn new(
        user: String,
        key: &SecretText,
        passphrase: Option<&SecretText>,
    ) -> Result<Self, VaultRefusal> {
        let read = |passphrase: Option<&str>| key.with(|pem| LoginKey::read(pem, passphrase));
        let key = match passphrase {
            Some(passphrase) => passphrase.with(|passphrase| read(Some(passphrase))),
            None => read(None),
        };
        let key = key.map_err(|error| match error {
            LoginKeyError::Passphrase => VaultRefusal::Passphrase,
            LoginKeyError::Unfit => VaultRefusal::UnfitKey,
        })?;
        Ok(Self { user, key })
    }

    /// What the worker is told.
    pub fn public(&self) -> LoginAnswer {
        LoginAnswer::SshKey {
            user: self.user.clone(),
            public: self.key.ssh_public(),
        }
    }

    /// Signs, if the bytes are a login of this user with this key.
    ///
    /// # Errors
    /// When they are anything else.
    pub fn sign(self, bytes: &[u8]) -> Result<Vec<u8>, VaultRefusal> {
        Userauth::read(bytes)
            .filter(|asked| asked.user == self.user && asked.key == self.key.ssh_public())
            .and_then(|asked| self.key.sign_ssh(asked.algorithm, bytes))
            .ok_or(VaultRefusal::NotThisLogin)
    }
}
