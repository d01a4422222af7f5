//! `vedette-platform serve`: opens what `init` made, ends what an earlier run left half done, and serves
//! until it is told to stop.

use std::{
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};
use vedette_crypto::{SigningKey, sign::Pkcs8};
use vedette_protocol::Timestamp;

use crate::{
    api::Throttle,
    ca::Authority,
    desk::{self, Desks},
    directory::Directory,
    first_login,
    keystore::{Entry, Keystore},
    limits::Limits,
    link,
    listener::{self, House},
    platform::{Platform, Policy, Shared},
    removal, renewal, schedule,
    settings::Settings,
    store::{Store, appliances, boots, jobs, repeated, scans, sessions},
    tls::{self, Shown, Tls},
    web,
};

/// Serves a data directory.
///
/// # Errors
/// When it is damaged, or the port is taken. Nothing is served then.
pub async fn serve(
    directory: Directory,
    address: Option<SocketAddr>,
    policy: Policy,
    limits: Limits,
) -> Result<()> {
    tracing_subscriber::registry()
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_target(false),
        )
        .with(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .init();
    let opened = open(directory.clone(), policy).await?;
    let Opened {
        platform,
        shown,
        house,
    } = opened;
    let limits = Limits {
        connections: connections_with_files(limits.connections)?,
        ..limits
    };
    let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, platform.settings.url.port()));
    let address = address.unwrap_or(all);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}"))?;
    let address = listener.local_addr().context("asking for the port")?;
    // Before anybody is told that we are here.
    let end = End::listen()?;
    // Scripts and tests wait for this line, and read the port from it when they asked for port 0.
    println!("listening on {address} as {}", platform.settings.url);

    let rounds = [
        tokio::spawn(look_after(platform.clone())),
        tokio::spawn(renewal::look_after(directory, platform.clone(), shown)),
    ];
    let guests = listener::listen(listener, house, limits, platform.stopping.subscribe());
    let guests = tokio::spawn(guests);
    end.come().await;
    tracing::info!("stopping");
    platform.stopping.send_replace(true);
    guests.await.context("ending connections")?;
    for round in rounds {
        round.abort();
    }
    let heard = platform.desks.heard();
    keep_presence(&platform, &heard).await?;
    platform.store.clone().close().await;
    Ok(())
}

/// A data directory, opened.
pub struct Opened {
    /// The platform.
    pub platform: Shared,
    /// The certificate that it shows.
    pub shown: Arc<Shown>,
    /// What guests may ask of it.
    pub house: House,
}

/// Opens a data directory, and ends what an earlier run left half done.
///
/// # Errors
/// When it is damaged.
pub async fn open(directory: Directory, policy: Policy) -> Result<Opened> {
    let settings = Settings::read(&directory)?;
    let keystore = Keystore::open(&directory)?;
    renewal::renew(&directory, &keystore, &settings, Timestamp::now())?;
    let shown = Arc::new(Shown::read(&directory)?);
    let appliance_ca = tls::certificate(&directory, tls::APPLIANCE_CA)?;
    let platform = Arc::new(Platform {
        directory: directory.clone(),
        policy,
        store: Store::open(&directory.database()).await?,
        signer: SigningKey::from_pkcs8(&Pkcs8::from_bytes(keystore.read(Entry::PlatformSigning)?))?,
        ca: Authority::open(appliance_ca.clone(), &keystore.read(Entry::ApplianceCa)?)
            .context("opening the appliance CA")?,
        desks: Desks::default(),
        logins: Throttle::default(),
        stopping: watch::Sender::new(false),
        settings,
        keystore,
    });
    removal::finish_what_was_begun(&platform).await?;
    first_login::forget(&directory, &platform.store).await?;

    let house = House {
        tls: Tls::new(shown.clone(), appliance_ca)?,
        link: link::routes(platform.clone()),
        web: web::routes(platform.clone()),
    };
    Ok(Opened {
        platform,
        shown,
        house,
    })
}

/// Has the kernel let us have a file for each connection, as far as it may: how many there can be. The usual
/// limit is a thousand.
fn connections_with_files(wanted: usize) -> Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    let files = (wanted as u64 + OTHER_FILES).min(limit.maximum.unwrap_or(u64::MAX));
    if limit.current.is_some_and(|current| current < files) {
        let raised = Rlimit {
            current: Some(files),
            ..limit
        };
        setrlimit(Resource::Nofile, raised).context("raising the limit of open files")?;
    }
    let connections = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(wanted);
    ensure!(
        connections > 0,
        "the limit of open files is {files}: allow more than {OTHER_FILES}, see `ulimit -n`"
    );
    Ok(connections)
}

/// The signals that end the platform, listened to from the moment that this is made.
struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl End {
    fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("listening to SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listening to SIGINT")?,
        })
    }

    async fn come(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What must be done now and then: presence kept, deadlines kept, old things forgotten.
async fn look_after(platform: Shared) {
    let mut ticks = interval(ROUND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = round(&platform, Timestamp::now()).await {
            tracing::error!(%error, "the round through the database failed");
        }
    }
}

async fn round(platform: &Platform, now: Timestamp) -> Result<(), sqlx::Error> {
    let absence = desk::absence(platform.desks.present());
    platform
        .desks
        .count_present(Timestamp(now.0.saturating_sub(absence.as_secs())));
    let heard = platform.desks.heard();
    keep_presence(platform, &heard).await?;

    let mut writing = platform.store.write().await?;
    let given_up = jobs::give_up(&mut writing, now).await?;
    for (org, scan) in &given_up {
        scans::end_with_last_job(&mut writing, *org, *scan, now).await?;
    }
    sessions::forget_expired(&mut writing, now).await?;
    boots::forget_older(
        &mut writing,
        Timestamp(now.0.saturating_sub(BOOTS_KEPT.as_secs())),
    )
    .await?;
    repeated::forget_older(&mut writing, now).await?;
    let waited_for = jobs::waited_for(&mut writing, now).await?;
    writing.commit().await?;
    schedule::run_due(platform, now).await?;

    for appliance in waited_for {
        platform.desks.ring(appliance);
    }
    Ok(())
}

async fn keep_presence(
    platform: &Platform,
    heard: &[(vedette_protocol::OrgId, vedette_protocol::ApplianceId, Timestamp)],
) -> Result<(), sqlx::Error> {
    if heard.is_empty() {
        return Ok(());
    }
    let mut writing = platform.store.write().await?;
    appliances::saw(&mut writing, heard).await?;
    writing.commit().await
}

/// Files beside the connections: the database, keys, the listener.
const OTHER_FILES: u64 = 256;
const ROUND: Duration = Duration::from_secs(10);
const BOOTS_KEPT: Duration = Duration::from_hours(24);
