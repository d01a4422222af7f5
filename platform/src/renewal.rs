//! The server's certificate: renewed while the platform owns the root, taken up when the operator has
//! put another in its place.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::time::{MissedTickBehavior, interval};
use vedette_protocol::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{
    directory::Directory,
    init,
    keystore::{Entry, Keystore},
    platform::Shared,
    settings::Settings,
    tls::Shown,
};

/// Renews the certificate if it ends soon and the root is ours.
///
/// # Errors
/// When certificate or root are damaged.
pub fn renew(directory: &Directory, keystore: &Keystore, settings: &Settings, now: Timestamp) -> Result<()> {
    if !keystore.holds(Entry::TlsRoot) {
        return Ok(());
    }
    let chain = Shown::read(directory)?.chain();
    let own = chain.first().context("the server's chain is empty")?;
    let (_, certificate) = X509Certificate::from_der(own).context("reading the server's certificate")?;
    let end = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or_default();
    if Timestamp(end) > now.after(RENEWED_BEFORE) {
        return Ok(());
    }
    tracing::info!("renewing the server's certificate");
    init::issue_server_certificate(directory, keystore, &settings.url, now)
}

/// Looks every minute.
pub async fn look_after(directory: Directory, platform: Shared, shown: Arc<Shown>) {
    let mut ticks = interval(ROUND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Timestamp::now();
        let renewed = renew(&directory, &platform.keystore, &platform.settings, now)
            .and_then(|()| Ok(shown.reread(&directory)?));
        if let Err(error) = renewed {
            tracing::error!("keeping the certificate that is in use: {error:#}");
        }
    }
}

const ROUND: Duration = Duration::from_mins(1);
const RENEWED_BEFORE: Duration = Duration::from_hours(30 * 24);
