//! A private key that is held for one login, and signs that login alone, once.
//!
//! Pure. It is made after the host has shown its key, and gone with its signature, with its refusal, or with the
//! worker.

use vedette_crypto::login_key::{LoginKey, LoginKeyError, certificates};
use vedette_protocol::{
    credential::SecretText,
    vault::{LoginAnswer, VaultRefusal},
};

use super::{certificate_verify::CertificateVerify, userauth::Userauth};

/// Signs one login.
#[derive(Debug)]
pub enum Agent {
    /// Over SSH.
    Ssh {
        /// As this user.
        user: String,
        /// With this key.
        key: LoginKey,
    },
    /// In TLS.
    Tls {
        /// With the key of the first of these certificates.
        chain: Vec<Vec<u8>>,
        /// The key.
        key: LoginKey,
    },
}

impl Agent {
    /// Reads a key of SSH.
    ///
    /// # Errors
    /// When it is none that is signed with, or does not open.
    pub fn ssh(
        user: String,
        key: &SecretText,
        passphrase: Option<&SecretText>,
    ) -> Result<Self, VaultRefusal> {
        let read = |passphrase: Option<&str>| key.with(|pem| LoginKey::read(pem, passphrase));
        let key = match passphrase {
            Some(passphrase) => passphrase.with(|passphrase| read(Some(passphrase))),
            None => read(None),
        };
        let key = key.map_err(refused)?;
        Ok(Self::Ssh { user, key })
    }

    /// Reads a client's certificates and the key of the first.
    ///
    /// # Errors
    /// When there is none, or the key is another's or none that is signed with.
    pub fn tls(certificate: &str, key: &SecretText) -> Result<Self, VaultRefusal> {
        let key = key.with(|pem| LoginKey::read(pem, None)).map_err(refused)?;
        let chain = certificates(certificate);
        match chain.first() {
            Some(own) if key.is_of(own) => Ok(Self::Tls { chain, key }),
            Some(_) | None => Err(VaultRefusal::UnfitKey),
        }
    }

    /// What the worker is told.
    pub fn public(&self) -> LoginAnswer {
        match self {
            Self::Ssh { user, key } => LoginAnswer::SshKey {
                user: user.clone(),
                public: key.ssh_public(),
            },
            Self::Tls { chain, key } => LoginAnswer::Certificate {
                chain: chain.clone(),
                schemes: key
                    .tls_schemes()
                    .iter()
                    .map(|scheme| u16::from(*scheme))
                    .collect(),
            },
        }
    }

    /// Signs, if the bytes are a login over SSH of this user with this key.
    ///
    /// # Errors
    /// When they are anything else.
    pub fn sign_ssh(self, bytes: &[u8]) -> Result<Vec<u8>, VaultRefusal> {
        let Self::Ssh { user, key } = self else {
            return Err(VaultRefusal::NotThisLogin);
        };
        Userauth::read(bytes)
            .filter(|asked| asked.user == user && asked.key == key.ssh_public())
            .and_then(|asked| key.sign_ssh(asked.algorithm, bytes))
            .ok_or(VaultRefusal::NotThisLogin)
    }

    /// Signs, if the bytes are what a TLS client signs in a handshake.
    ///
    /// # Errors
    /// When they are anything else.
    pub fn sign_tls(self, scheme: u16, bytes: &[u8]) -> Result<Vec<u8>, VaultRefusal> {
        let Self::Tls { key, .. } = self else {
            return Err(VaultRefusal::NotThisLogin);
        };
        CertificateVerify::read(bytes)
            .and_then(|_| key.sign_tls(scheme.into(), bytes))
            .ok_or(VaultRefusal::NotThisLogin)
    }
}

fn refused(error: LoginKeyError) -> VaultRefusal {
    match error {
        LoginKeyError::Passphrase => VaultRefusal::Passphrase,
        LoginKeyError::Unfit => VaultRefusal::UnfitKey,
    }
}
