//! From a signed job to the moment in which a real OpenSSH has let its worker in.
//!
//! Worker and vault are the product's own, on threads of this process; the keeper's part, which is to join the two, is
//! played without the packet filter.

use std::{
    fs,
    net::SocketAddr,
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use vedette_crypto::{
    Signer, SigningKey,
    hpke::Suite,
    share::{ApplianceShare, PlatformShare},
};
use vedette_daemon::{
    conversation::{Conversation, FRAME_LIMIT},
    keeper::{owner::Name, records::RecordKeys, vault::Vault},
    vault,
};
use vedette_protocol::{
    ApplianceId, Assignment, CredentialId, Digest, Envelope, Fingerprint, Job, JobId, JobScope, OrgId,
    ScanId, Signed, Timestamp,
    codec::write_frame,
    credential::{CredentialUse, HEADER_VERSION, Header, Login, Place, SecretText, Trust},
    envelope::Sealing,
    job::{Check, Checks},
    owner::Epoch,
    target::{Ports, Target},
    vault::Member,
    worker::{Order, ScopeAnswer, ScopeRequest},
};
use vedette_scanner::worker::{Keeper, work};
use zeroize::Zeroizing;

/// An OpenSSH, and who may log in.
#[derive(Debug)]
pub struct Host {
    /// Where it listens.
    pub endpoint: SocketAddr,
    /// Its host key as `ssh-keygen -l` prints it.
    pub key: String,
    /// Where it writes what happens.
    pub log: PathBuf,
    /// Who.
    pub user: String,
    /// With which password.
    pub password: String,
}

/// How long it takes from the job's order to the login.
///
/// # Errors
/// When nobody is let in.
pub fn measure(host: &Host) -> Result<Duration> {
    let platform = SigningKey::generate();
    let (mut vault, credential_key) = open_vault(&platform)?;
    let (job, assignment) = assignment(host, &platform, credential_key)?;
    let before = logins(&host.log)?;

    let folder = tempfile::tempdir().context("making a folder")?;
    let socket = folder.path().join("keeper.sock");
    let listener = UnixListener::bind(&socket).context("listening as the keeper")?;
    let keeper = thread::spawn(move || -> Result<()> {
        let mut line = Conversation::new(listener.accept()?.0);
        let request: ScopeRequest = line.receive(FRAME_LIMIT)?;
        let end = vault.serve(&request.assignment, &request.names, Epoch(0), Timestamp::now())?;
        let granted = ScopeAnswer::Granted {
            scope: JobScope::of(&job, &[]),
            job: Box::new(job),
            rate: None,
            adapters: 0,
        };
        line.send_with_descriptor(&granted, end.as_fd(), FRAME_LIMIT)?;
        drop(end);
        line.wait(Some(LIMIT))?;
        Ok(())
    });
    let begun = Instant::now();
    let log = host.log.clone();
    let watching = thread::spawn(move || wait_for_login(&log, before));
    let (mut vedetted, workers) = UnixStream::pair().context("making the worker's line")?;
    let names = vec![];
    write_frame(&mut vedetted, &Order { assignment, names }).context("ordering")?;
    workers
        .set_nonblocking(true)
        .context("making the worker's line")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the worker")?;
    let ended = runtime.block_on(async {
        let uid = rustix::process::getuid().as_raw();
        work(
            tokio::net::UnixStream::from_std(workers)?,
            &Keeper { socket, uid },
        )
        .await
        .context("working")
    });
    ended?;
    keeper
        .join()
        .ok()
        .context("the keeper's part")?
        .context("the keeper's part")?;
    let logged_in = watching.join().ok().context("watching the host's log")??;
    Ok(logged_in - begun)
}

fn open_vault(platform: &SigningKey) -> Result<(Vault, vedette_crypto::credential::CredentialPublicKey)> {
    let (ours, theirs) = UnixStream::pair().context("making the vault's line")?;
    thread::spawn(move || vault::serve(theirs));
    let mut vault = Vault::new(ours);
    let name = Name {
        org: ORG,
        appliance: APPLIANCE,
        identity: IDENTITY,
    };
    let member = Member {
        appliance: APPLIANCE,
        org: ORG,
        identity: IDENTITY,
        platform: platform.verifying_key(),
        owner: None,
    };
    let keys = RecordKeys::derive(&PlatformShare::random(), &ApplianceShare::random(), name, None);
    let opened = vault
        .open(&keys, &keys, member, None)
        .context("opening the vault")?;
    Ok((vault, opened.keys))
}

fn assignment(
    host: &Host,
    platform: &SigningKey,
    key: vedette_crypto::credential::CredentialPublicKey,
) -> Result<(Job, Assignment)> {
    let digest = host.key.strip_prefix("SHA256:").unwrap_or_default();
    let digest = STANDARD_NO_PAD.decode(digest).context("reading the host key")?;
    let digest = Digest(digest.try_into().ok().context("reading the host key")?);
    let target: Target = host.endpoint.ip().to_string().parse()?;
    let port = host.endpoint.port();
    let credential = CredentialUse {
        id: CredentialId([4; 16]),
        version: 1,
    };
    let login = Login::SshPassword {
        user: host.user.clone(),
        password: SecretText::new(Zeroizing::new(host.password.clone())),
    };
    let header = Header {
        vedette: HEADER_VERSION,
        org: ORG,
        credential: credential.id,
        version: credential.version,
        kind: login.kind(),
        places: vec![Place {
            host: target.clone(),
            port,
            trust: Trust::SshHostKey(digest),
        }],
        appliances: vec![IDENTITY],
    };
    let envelope = Envelope::seal(&header, &login, Suite::XWing, &[key]).context("sealing the password")?;
    let job = Job {
        id: JobId([6; 16]),
        scan: ScanId([7; 16]),
        org: ORG,
        appliance: APPLIANCE,
        fence: 1,
        targets: vec![target].try_into().context("one target")?,
        exclude: vec![],
        ports: Ports::one(login.kind().transport(), port).context("one port")?,
        checks: Checks::try_from(vec![Check::Inventory]).context("one check")?,
        login: Some(credential),
        web: None,
        expires: Timestamp::now().after(LIMIT),
    };
    let Ok(signed) = Signed::seal(&job, platform);
    let assignment = Assignment {
        credential: Some(Sealing::Unsigned(envelope)),
        ..Assignment::from(signed)
    };
    Ok((job, assignment))
}

fn wait_for_login(log: &Path, before: usize) -> Result<Instant> {
    let end = Instant::now() + LIMIT;
    loop {
        let now = Instant::now();
        if logins(log)? > before {
            return Ok(now);
        }
        ensure!(now < end, "nobody was let in within {LIMIT:?}");
        thread::sleep(LOOK);
    }
}

/// How often it has let somebody in.
fn logins(log: &Path) -> Result<usize> {
    let text = fs::read_to_string(log).with_context(|| format!("reading {}", log.display()))?;
    Ok(text.matches("Accepted password").count())
}

const ORG: OrgId = OrgId([1; 16]);
const APPLIANCE: ApplianceId = ApplianceId([2; 16]);
const IDENTITY: Fingerprint = Fingerprint([3; 32]);
const LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_micros(500);
