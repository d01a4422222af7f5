//! The owner key.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use vedette_crypto::owner::Passphrase;
use vedette_protocol::Timestamp;

use super::{Outcome, Show, platform, print};
use crate::arguments::{Access, Out, Owner as Asked, OwnerCommand};
use crate::delivery;
use crate::owner::{self, Change, HeldOwner, Owner, Road, Signatory};
use crate::password::{self, Source};
use crate::platform::Platform;
use crate::table::Table;

pub(super) async fn run(asked: Asked, show: Show) -> Result<Outcome> {
    let access = asked.access;
    match asked.command {
        OwnerCommand::Init => {
            let path = access.folder()?;
            let owner = owner::create(&path, || {
                access.new_passphrase("Passphrase of the new owner key: ")
            })?;
            show.value(&as_json(&owner), || {
                let mut table = record(&owner);
                table.note("keep a copy of this folder and its passphrase: without them no grant can be signed or revoked");
                table
            })?;
        }
        OwnerCommand::Show { public: true } => {
            print(&format!("{}\n", access.read()?.key()))?;
        }
        OwnerCommand::Show { public: false } => {
            let owner = access.read()?;
            show.value(&as_json(&owner), || record(&owner))?;
        }
        OwnerCommand::Rotate {
            new_passphrase_file,
            new_passphrase_fd,
            out,
        } => {
            let platform = out.platform()?;
            let signatory = access.unlock(access.hold()?)?;
            let next = twice(
                &Source::given(new_passphrase_file, new_passphrase_fd),
                "Passphrase of the next owner key: ",
                "--new-passphrase-file FILE or --new-passphrase-fd NUMBER",
            )?;
            let owner = signatory.rotate(&next, Timestamp::now(), out.road())?;
            send(platform.as_ref(), &owner).await?;
            show.value(&as_json(&owner), || {
                let mut table = record(&owner);
                if out.out.as_deref().is_some_and(Path::exists) {
                    out.note(&mut table);
                }
                table
            })?;
        }
        OwnerCommand::Deliver { file: Some(file), .. } => {
            let items = delivery::read_file(&file)?;
            let platform = platform()?;
            for item in &items {
                delivery::bring(&platform, item).await?;
                show.note(&format!("brought {item}"))?;
            }
        }
        OwnerCommand::Deliver { file: None, forget } => {
            let owner = access.read()?;
            if forget {
                // Whatever it holds: a damaged one can be forgotten too.
                owner.set_outbox(&[])?;
                show.note("nothing waits any more")?;
                return Ok(Outcome::Done);
            }
            let waiting = owner.outbox()?;
            if waiting.is_empty() {
                show.note("nothing waits")?;
            } else {
                send(Some(&platform()?), &owner).await?;
                for item in &waiting {
                    show.note(&format!("brought {item}"))?;
                }
            }
        }
    }
    Ok(Outcome::Done)
}

/// Makes a change, and sends what it tells the platform.
pub(super) async fn make(
    signatory: Signatory,
    change: Change,
    out: &Out,
    platform: Option<&Platform>,
) -> Result<Owner> {
    let owner = signatory.make(change, out.road())?;
    send(platform, &owner).await?;
    Ok(owner)
}

/// Sends what waits. What the platform took does not wait any more.
async fn send(platform: Option<&Platform>, owner: &Owner) -> Result<()> {
    let Some(platform) = platform else {
        return Ok(());
    };
    let mut waiting = owner.outbox()?;
    while let Some(item) = waiting.first() {
        delivery::bring(platform, item).await.with_context(|| {
            format!(
                "it is signed and kept, but {} of it did not reach the platform; `vedette owner deliver` sends it again",
                waiting.len()
            )
        })?;
        waiting.remove(0);
        owner.set_outbox(&waiting)?;
    }
    Ok(())
}

impl Access {
    pub(super) fn folder(&self) -> Result<std::path::PathBuf> {
        match &self.owner_dir {
            Some(folder) => Ok(folder.clone()),
            None => owner::usual_folder(),
        }
    }

    pub(super) fn read(&self) -> Result<Owner> {
        Owner::read(&self.folder()?)
    }

    /// The owner's things, to decide on before the passphrase is asked for.
    pub(super) fn hold(&self) -> Result<HeldOwner> {
        HeldOwner::at(&self.folder()?)
    }

    pub(super) fn unlock(&self, held: HeldOwner) -> Result<Signatory> {
        let text = self
            .source()
            .line("Passphrase of the owner key: ", INSTEAD, password::LONGEST)
            .context("reading the owner key's passphrase")?;
        held.unlock(&Passphrase::new(text))
    }

    fn new_passphrase(&self, question: &str) -> Result<Passphrase> {
        twice(&self.source(), question, INSTEAD)
    }

    fn source(&self) -> Source {
        Source::given(self.passphrase_file.clone(), self.passphrase_fd)
    }
}

impl Out {
    pub(super) fn road(&self) -> Road<'_> {
        self.out.as_deref().map_or(Road::Outbox, Road::File)
    }

    /// Where signed things go is known before a passphrase is asked for.
    pub(super) fn platform(&self) -> Result<Option<Platform>> {
        self.road().platform()
    }

    /// What to say of where the signed thing is.
    pub(super) fn note(&self, table: &mut Table) {
        if let Some(path) = &self.out {
            table.note(&format!(
                "signed in {}; `vedette owner deliver {}` sends it",
                path.display(),
                path.display()
            ));
        }
    }
}

impl Road<'_> {
    fn platform(self) -> Result<Option<Platform>> {
        match self {
            Self::File(path) => {
                ensure!(
                    !Path::new(path).exists(),
                    "{} exists already; name a file that does not exist yet",
                    path.display()
                );
                Ok(None)
            }
            Self::Outbox => platform()
                .context("what is signed is sent to the platform; --out FILE writes it to a file instead")
                .map(Some),
        }
    }
}

/// A new passphrase: typed twice on a terminal, once elsewhere.
fn twice(source: &Source, question: &str, instead: &str) -> Result<Passphrase> {
    let ask = |question| {
        source
            .line(question, instead, password::LONGEST)
            .context("reading the new passphrase")
    };
    let first = ask(question)?;
    ensure!(
        first.chars().count() >= SHORTEST,
        "the passphrase is too short: give at least {SHORTEST} characters; whoever has the file can guess at it for \
         ever"
    );
    if *source == Source::Terminal {
        let second = ask("The same again: ")?;
        ensure!(first == second, "the two passphrases differ; nothing was changed");
    }
    Ok(Passphrase::new(first))
}

fn as_json(owner: &Owner) -> serde_json::Value {
    let appliances: Vec<_> = owner
        .appliances
        .iter()
        .map(|one| {
            json!({
                "id": one.appliance,
                "name": one.name,
                "fingerprint": one.identity.fingerprint(),
            })
        })
        .collect();
    json!({
        "fingerprint": owner.key().fingerprint(),
        "key": owner.key(),
        "org": owner.standing.org,
        "epoch": owner.standing.epoch,
        "appliances": appliances,
        "kept_in": owner.path(),
    })
}

fn record(owner: &Owner) -> Table {
    let mut table = Table::record();
    table.row(["fingerprint", &owner.key().fingerprint()]);
    table.row(["public key", &owner.key().to_string()]);
    table.row([
        "organisation",
        &owner.standing.org.map_or_else(
            || "known from the first appliance on".to_owned(),
            |org| org.to_string(),
        ),
    ]);
    table.row(["epoch", &owner.standing.epoch.0.to_string()]);
    for one in &owner.appliances {
        table.row([
            "appliance",
            &format!("{} ({}), {}", one.name, one.appliance, one.identity.fingerprint()),
        ]);
    }
    table.row(["kept in", &owner.path().to_string_lossy()]);
    if let Ok(waiting) = owner.outbox()
        && !waiting.is_empty()
    {
        table.note(&format!(
            "{} signed things did not reach the platform yet; `vedette owner deliver` sends them",
            waiting.len()
        ));
    }
    table
}

const INSTEAD: &str = "--passphrase-file FILE or --passphrase-fd NUMBER";
/// NIST SP 800-63B, section 3.1.1.2.
const SHORTEST: usize = 15;
