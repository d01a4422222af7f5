//! `vedette-platform init`: makes everything that a platform keeps, in a directory of its own.
//!
//! The directory appears under its name at the end, whole; what fails on the way leaves nothing.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use vedette_crypto::sign::Pkcs8;
use vedette_protocol::{OrgId, Timestamp, image::PlatformUrl};

use crate::{
    ca::{self, Authority, KeptAuthority},
    directory::{self, Directory, DirectoryError},
    keystore::{Entry, Keystore},
    password::Password,
    settings::Settings,
    store::{Store, accounts, accounts::FIRST_ACCOUNT, orgs},
    tls,
};

/// Makes a data directory.
///
/// # Errors
/// When it exists, or something on the way fails.
pub async fn init(path: &Path, url: &PlatformUrl) -> Result<()> {
    ensure!(!path.exists(), DirectoryError::Exists(path.to_owned()));
    let unfinished = path.with_added_extension("unfinished");
    let directory = Directory::create(&unfinished)?;
    let made = fill(&directory, url).await;
    let finished = made.and_then(|()| {
        fs::rename(&unfinished, path).with_context(|| format!("renaming to {}", path.display()))
    });
    if finished.is_err() {
        fs::remove_dir_all(&unfinished)
            .with_context(|| format!("removing what was left in {}", unfinished.display()))?;
    }
    finished
}

async fn fill(directory: &Directory, url: &PlatformUrl) -> Result<()> {
    let now = Timestamp::now();
    let keystore = Keystore::create(directory)?;
    Pkcs8::generate().with(|key| keystore.keep(Entry::PlatformSigning, key))?;

    let appliance_ca = ca::new_appliance_ca().context("making the appliance CA")?;
    keep(
        directory,
        &keystore,
        Entry::ApplianceCa,
        tls::APPLIANCE_CA,
        &appliance_ca,
    )?;

    let root = ca::new_server_root(url, now).context("making the root of the server's certificate")?;
    keep(directory, &keystore, Entry::TlsRoot, tls::ROOT, &root)?;
    issue_server_certificate(directory, &keystore, url, now)?;

    let settings = Settings {
        url: url.clone(),
        org: OrgId::random(),
    };
    let password = Password::random();
    let store = Store::create(&directory.database()).await?;
    let mut writing = store.write().await?;
    orgs::insert(&mut writing, settings.org, now).await?;
    accounts::insert(
        &mut writing,
        settings.org,
        FIRST_ACCOUNT,
        &password.hash_now(),
        now,
    )
    .await?;
    writing.commit().await?;
    store.close().await;

    directory::write(
        &directory.first_login(),
        format!("{}\n", password.expose()).as_bytes(),
    )?;
    // Last: a directory without settings is not one.
    Ok(settings.write(directory)?)
}

/// Issues the server's certificate from the directory's own root.
///
/// # Errors
/// When the root is damaged, or the file system refuses.
pub fn issue_server_certificate(
    directory: &Directory,
    keystore: &Keystore,
    url: &PlatformUrl,
    now: Timestamp,
) -> Result<()> {
    let root = Authority::open(
        tls::certificate(directory, tls::ROOT)?,
        &keystore.read(Entry::TlsRoot)?,
    )
    .context("opening the root of the server's certificate")?;
    let server = root
        .name_server(url, now)
        .with_context(|| format!("issuing a certificate for {}", url.host()))?;
    directory::write(&directory.tls().join(tls::KEY), server.key_pem.as_bytes())?;
    directory::write(
        &directory.tls().join(tls::CHAIN),
        server.certificate_pem.as_bytes(),
    )?;
    Ok(())
}

fn keep(
    directory: &Directory,
    keystore: &Keystore,
    entry: Entry,
    certificate: &str,
    authority: &KeptAuthority,
) -> Result<()> {
    CertificateDer::from_pem_slice(authority.certificate_pem.as_bytes())
        .with_context(|| format!("reading back the certificate of {entry}"))?;
    keystore.keep(entry, &authority.key)?;
    directory::write(
        &directory.tls().join(certificate),
        authority.certificate_pem.as_bytes(),
    )?;
    Ok(())
}
