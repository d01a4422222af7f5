//! The secret of a credential: read from where the operator says, judged, and made a [`Login`].

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vedette_crypto::login_key::{LoginKey, LoginKeyError, certificates};
use vedette_protocol::credential::{CredentialKind, LOGIN_LIMIT, Login, SecretText};
use zeroize::Zeroizing;

use crate::arguments;
use crate::password::{self, Source};

/// Reads the secret, and what belongs to it.
pub(crate) fn login(kind: CredentialKind, asked: arguments::Secret) -> Result<Login> {
    let arguments::Secret {
        user,
        secret_file,
        secret_fd,
        key_passphrase_file,
        key_passphrase_fd,
        certificate,
        suite: _,
    } = asked;
    let source = Source::given(secret_file, secret_fd);
    let passphrase = Source::given(key_passphrase_file, key_passphrase_fd);
    ensure!(
        kind == CredentialKind::SshKey || passphrase == Source::Terminal,
        "only an ssh-key has a passphrase; leave --key-passphrase-file and --key-passphrase-fd out"
    );
    ensure!(
        kind == CredentialKind::ClientCertificate || certificate.is_none(),
        "only a client-certificate has a certificate; leave --certificate out"
    );
    let secret = || line(&source, kind).map(SecretText::new);
    let login = match (kind, user) {
        (CredentialKind::SshPassword, Some(user)) => Login::SshPassword {
            user,
            password: secret()?,
        },
        (CredentialKind::HttpBasic, Some(user)) => Login::HttpBasic {
            user,
            password: secret()?,
        },
        (CredentialKind::Form, Some(user)) => Login::Form {
            user,
            password: secret()?,
        },
        (CredentialKind::Database, Some(user)) => Login::Database {
            user,
            password: secret()?,
        },
        (CredentialKind::SshKey, Some(user)) => ssh_key(user, &source, &passphrase)?,
        (CredentialKind::Bearer, None) => Login::Bearer { token: secret()? },
        (CredentialKind::Cookie, None) => Login::Cookie {
            cookie: cookie(&source)?,
        },
        (CredentialKind::SnmpCommunity, None) => Login::SnmpCommunity { community: secret()? },
        (CredentialKind::ClientCertificate, None) => {
            let certificate = certificate
                .context("a client-certificate needs --certificate FILE beside its private key")?;
            let mut text = String::new();
            File::open(&certificate)
                .and_then(|file| file.take(LOGIN_LIMIT as u64).read_to_string(&mut text))
                .with_context(|| format!("reading {}", certificate.display()))?;
            let own = certificates(&text).into_iter().next();
            let own =
                own.with_context(|| format!("{} holds no certificate in PEM", certificate.display()))?;
            Login::ClientCertificate {
                key: client_key(&source, &own)
                    .with_context(|| format!("reading the key of {}", certificate.display()))?,
                certificate: text,
            }
        }
        (kind, None) => bail!("{kind} needs a user; give --user NAME"),
        (kind, Some(_)) => bail!("{kind} has no user; leave --user out"),
    };
    ensure!(
        login.to_sealed_form().len() <= LOGIN_LIMIT,
        "the credential is longer than {LOGIN_LIMIT} bytes"
    );
    Ok(login)
}

fn line(source: &Source, kind: CredentialKind) -> Result<Zeroizing<String>> {
    let what = match kind {
        CredentialKind::Bearer => "token",
        CredentialKind::Cookie => "cookie (NAME=VALUE)",
        CredentialKind::SnmpCommunity => "community",
        _ => "password",
    };
    source
        .line(
            &format!("The {what} to seal: "),
            "--secret-file FILE or --secret-fd NUMBER",
            LONGEST_LINE,
        )
        .with_context(|| format!("reading the {what} to seal"))
}

fn cookie(source: &Source) -> Result<SecretText> {
    let cookie = line(source, CredentialKind::Cookie)?;
    let (name, _) = cookie.split_once('=').unwrap_or_default();
    ensure!(
        !name.is_empty(),
        "a cookie is written NAME=VALUE, as a browser sends it"
    );
    Ok(SecretText::new(cookie))
}

fn ssh_key(user: String, source: &Source, passphrase: &Source) -> Result<Login> {
    let key = private_key(source)?;
    let passphrase = match (lock(&key), passphrase) {
        (Lock::Locked, source) => Some(
            source
                .line(
                    "The SSH key's passphrase: ",
                    "--key-passphrase-file FILE or --key-passphrase-fd NUMBER",
                    password::LONGEST,
                )
                .context("reading the SSH key's passphrase")?,
        ),
        (Lock::Open, Source::Terminal) => None,
        (Lock::Open, _) => bail!("the SSH key has no passphrase; leave the one given out"),
    };
    // Better here and now than at the appliance, tonight.
    match LoginKey::read(&key, passphrase.as_ref().map(|text| text.as_str())) {
        Ok(_) => {}
        Err(LoginKeyError::Passphrase) => bail!("{source} does not open under that passphrase"),
        Err(LoginKeyError::Unfit) => bail!(
            "{source} is no key that the vault signs with: Ed25519, ECDSA on P-256 or P-384, or RSA of 2048 to 4096 \
             bits; an older form becomes OpenSSH's own by `ssh-keygen -p -f KEY`, on a copy of it"
        ),
    }
    Ok(Login::SshKey {
        user,
        key: SecretText::new(key),
        passphrase: passphrase.map(SecretText::new),
    })
}

fn client_key(source: &Source, certificate: &[u8]) -> Result<SecretText> {
    let key = private_key(source)?;
    ensure!(
        key.contains("-----BEGIN PRIVATE KEY-----"),
        "{source} is not in PKCS #8, unencrypted; `openssl pkcs8 -topk8 -nodes -in KEY` prints it so, and \
         --secret-fd takes it from there"
    );
    let Ok(read) = LoginKey::read(&key, None) else {
        bail!(
            "{source} is no key that the vault signs with: Ed25519, ECDSA on P-256 or P-384, or RSA of 2048 to 4096 bits"
        );
    };
    ensure!(
        read.is_of(certificate),
        "{source} is not the key of the first certificate"
    );
    Ok(SecretText::new(key))
}

fn private_key(source: &Source) -> Result<Zeroizing<String>> {
    let key = source
        .text(LOGIN_LIMIT)?
        .context("a private key is not typed; give --secret-file FILE or --secret-fd NUMBER")?;
    ensure!(
        key.contains("PRIVATE KEY-----"),
        "{source} holds no private key in PEM; is it the public half?"
    );
    Ok(key)
}

/// Whether a private key is encrypted.
#[derive(Debug, PartialEq, Eq)]
enum Lock {
    Locked,
    Open,
}

/// PKCS #8 and the older forms say so in clear; OpenSSH's names a cipher behind its magic (PROTOCOL.key).
fn lock(key: &str) -> Lock {
    if key.contains("BEGIN ENCRYPTED PRIVATE KEY") || key.contains("Proc-Type: 4,ENCRYPTED") {
        return Lock::Locked;
    }
    let body: String = key
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN OPENSSH PRIVATE KEY"))
        .skip(1)
        .take(1)
        .collect();
    // Magic, the length of the cipher's name and the name stand in the first line, which ends where it will.
    let whole = body.trim().len() / 4 * 4;
    let start = STANDARD
        .decode(body.get(..whole).unwrap_or_default())
        .map(Zeroizing::new);
    let open = b"openssh-key-v1\0\x00\x00\x00\x04none";
    match start {
        Ok(start) if start.starts_with(b"openssh-key-v1\0") && !start.starts_with(open) => Lock::Locked,
        _ => Lock::Open,
    }
}

/// Of tokens and cookies, which are longer than passwords.
const LONGEST_LINE: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `ssh-keygen -t ed25519` (9.2) for these tests, with and without `-N`; first lines only, which hold no
    /// part of a key.
    const OPEN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n";
    const LOCKED: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAAAAAAAA\n";

    #[test]
    fn an_encrypted_key_is_told_from_an_open_one() {
        assert_eq!(lock(OPEN), Lock::Open);
        assert_eq!(lock(LOCKED), Lock::Locked);
        assert_eq!(lock("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), Lock::Locked);
        assert_eq!(
            lock("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"),
            Lock::Locked
        );
        assert_eq!(lock("-----BEGIN PRIVATE KEY-----\n"), Lock::Open);
    }
}
