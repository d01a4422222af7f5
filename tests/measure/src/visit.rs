//! A job that logs in, from its order to its end: the product's own vault and worker, on threads of this process, and
//! whatever server the job is about. The keeper's part, which is to join the two, is played by its own code without the
//! packet filter.

use std::{
    io::Read,
    net::SocketAddr,
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use vedette_crypto::{
    Signer, SigningKey,
    credential::CredentialPublicKey,
    hpke::Suite,
    share::{ApplianceShare, PlatformShare},
};
use vedette_daemon::{
    conversation::{Conversation, FRAME_LIMIT},
    keeper::{owner::Name, records::RecordKeys, vault::Vault},
    vault,
};
use vedette_protocol::{
    ApplianceId, Assignment, CredentialId, Envelope, Fingerprint, Job, JobId, JobScope, OrgId, ScanId,
    Signed, Timestamp, WebTest,
    codec::{read_frame, write_frame},
    credential::{CredentialUse, HEADER_VERSION, Header, Login, Place, Trust},
    envelope::Sealing,
    job::{Check, Checks},
    owner::Epoch,
    target::{Ports, Target},
    vault::{Member, Opening},
    worker::{Order, ScopeAnswer, ScopeRequest, WorkerEvent},
};
use vedette_scanner::worker::{Keeper, work};

/// A job before it begins, and the vault to which its credential is sealed.
pub struct Visit {
    vault: Vault,
    /// What is to be done.
    pub job: Job,
    assignment: Assignment,
}

/// What came of it.
#[derive(Debug)]
pub struct Told {
    /// What the worker said, in its order.
    pub events: Vec<WorkerEvent>,
    /// What the vault opened for it.
    pub openings: Vec<Opening>,
}

impl Visit {
    /// A job of these checks at an endpoint of this machine, with a credential that is sealed for there alone.
    ///
    /// # Errors
    /// When the vault does not open, or the credential cannot be sealed.
    pub fn new(
        checks: &[Check],
        web: Option<WebTest>,
        endpoint: SocketAddr,
        login: &Login,
        trust: Trust,
    ) -> Result<Self> {
        let platform = SigningKey::generate();
        let (vault, key) = open_vault(&platform)?;
        let target: Target = endpoint.ip().to_string().parse()?;
        let port = endpoint.port();
        let header = Header {
            vedette: HEADER_VERSION,
            org: ORG,
            credential: CREDENTIAL.id,
            version: CREDENTIAL.version,
            kind: login.kind(),
            places: vec![Place {
                host: target.clone(),
                port,
                trust,
            }],
            appliances: vec![IDENTITY],
        };
        let envelope =
            Envelope::seal(&header, login, Suite::XWing, &[key]).context("sealing the credential")?;
        let job = Job {
            id: JobId([6; 16]),
            scan: ScanId([7; 16]),
            org: ORG,
            appliance: APPLIANCE,
            fence: 1,
            targets: vec![target].try_into().context("one target")?,
            exclude: vec![],
            ports: Ports::one(login.kind().transport(), port).context("one port")?,
            checks: Checks::try_from(checks.to_vec()).context("some checks")?,
            login: Some(CREDENTIAL),
            web,
            expires: Timestamp::now().after(LIMIT),
        };
        let Ok(signed) = Signed::seal(&job, &platform);
        let assignment = Assignment {
            credential: Some(Sealing::Unsigned(envelope)),
            ..Assignment::from(signed)
        };
        Ok(Self {
            vault,
            job,
            assignment,
        })
    }

    /// Has it done.
    ///
    /// # Errors
    /// When vault, worker and keeper do not come together.
    pub fn run(self) -> Result<Told> {
        let Self {
            vault,
            job,
            assignment,
        } = self;
        let folder = tempfile::tempdir().context("making a folder")?;
        let socket = folder.path().join("keeper.sock");
        let listener = UnixListener::bind(&socket).context("listening as the keeper")?;
        let keeper = thread::spawn(move || join(&listener, vault, job));
        let (mut vedetted, workers) = UnixStream::pair().context("making the worker's line")?;
        let names = vec![];
        write_frame(&mut vedetted, &Order { assignment, names }).context("ordering")?;
        work_at(workers, &socket)?;
        let openings = keeper.join().ok().context("the keeper's part")??;
        let mut said = Vec::new();
        vedetted.read_to_end(&mut said).context("hearing the worker")?;
        let mut rest = said.as_slice();
        let events = std::iter::from_fn(|| read_frame(&mut rest).ok()).collect();
        Ok(Told { events, openings })
    }
}

fn open_vault(platform: &SigningKey) -> Result<(Vault, CredentialPublicKey)> {
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

/// The keeper's part: what the worker asks for goes to the vault, and the vault's end to the worker. Whatever was opened
/// is told of, once.
fn join(listener: &UnixListener, mut vault: Vault, job: Job) -> Result<Vec<Opening>> {
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
    // Open until the worker leaves.
    line.wait(Some(LIMIT))?;
    let openings = vault.openings()?;
    for opening in &openings {
        vault.told(*opening)?;
    }
    ensure!(vault.openings()?.is_empty(), "an opening that was told of stays");
    Ok(openings)
}

fn work_at(line: UnixStream, socket: &Path) -> Result<()> {
    line.set_nonblocking(true).context("making the worker's line")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the worker")?;
    let keeper = Keeper {
        socket: socket.to_owned(),
        uid: rustix::process::getuid().as_raw(),
    };
    runtime.block_on(async {
        work(tokio::net::UnixStream::from_std(line)?, &keeper)
            .await
            .context("working")
    })
}

const ORG: OrgId = OrgId([1; 16]);
const APPLIANCE: ApplianceId = ApplianceId([2; 16]);
const IDENTITY: Fingerprint = Fingerprint([3; 32]);
const CREDENTIAL: CredentialUse = CredentialUse {
    id: CredentialId([4; 16]),
    version: 1,
};
const LIMIT: Duration = Duration::from_secs(120);
