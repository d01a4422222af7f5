//! What survives a reboot: a few files in one directory, each replaced whole and durably.
//!
//! [`Store`] takes a directory's descriptor, wherever that is mounted. A file that cannot be read as what
//! it should be is an error and never "none": a damaged state must not look like a fresh appliance.

use std::{
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{self, AtFlags, Mode, OFlags},
    io::Errno,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vedette_crypto::{Secret, SigningKey, VerifyingKey, share::ApplianceShare, sign::Pkcs8};
use vedette_protocol::{
    Signed, Timestamp, codec,
    keeper::Enrolled,
    link::{ActivationToken, Ticket},
    owner::OwnerWord,
};
use zeroize::Zeroizing;

use super::{
    course::{GenuineTicket, Member, Phase, Stage},
    records::Records,
};

const TOKEN: &str = "activation-token";
const IDENTITY: &str = "identity.key";
const ENROLMENT: &str = "enrolment";
const TICKET: &str = "ticket";
const HIGH_WATER: &str = "high-water";
const OWNER: &str = "owner";
const WORDS: &str = "owner-words";
const ENROLMENT_SECRET: &str = "enrolment-secret";
const RECORDS: &str = "records";

/// No file of ours is longer.
const FILE_LIMIT: u64 = 64 * 1024;

/// Version of the formats of [`ENROLMENT`], [`OWNER`], [`WORDS`] and [`RECORDS`].
const ENROLMENT_VERSION: u8 = 1;
const OWNER_VERSION: u8 = 1;
const WORDS_VERSION: u8 = 1;
const RECORDS_VERSION: u8 = 3;

/// The directory.
#[derive(Debug)]
pub struct Store {
    directory: OwnedFd,
}

/// A file could not be read, or not be written durably.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("reading {0} on the state partition")]
    Read(&'static str, #[source] io::Error),
    #[error("writing {0} on the state partition")]
    Write(&'static str, #[source] io::Error),
    #[error("removing {0} from the state partition")]
    Remove(&'static str, #[source] io::Error),
    #[error("{0} on the state partition is damaged")]
    Damaged(&'static str),
    /// Apart, because the operator wrote that file.
    #[error("{TOKEN} on the state partition is no activation token")]
    Token,
}

/// The fixed part of an enrolment; the share's 32 bytes stand before it in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u8,
    enrolled: Enrolled,
}

impl Store {
    /// Takes over a directory.
    pub fn new(directory: OwnedFd) -> Self {
        Self { directory }
    }

    /// The identity key; made, and made durable, when there is none.
    pub fn identity(&self) -> Result<SigningKey, StoreError> {
        let document = match self.read(IDENTITY)? {
            Some(bytes) => Pkcs8::from_bytes(bytes),
            None => {
                let document = Pkcs8::generate();
                document.with(|bytes| self.replace(IDENTITY, bytes))?;
                document
            }
        };
        SigningKey::from_pkcs8(&document).map_err(|_| StoreError::Damaged(IDENTITY))
    }

    /// Where the life of this appliance stands.
    pub fn stage(&self, platform: &VerifyingKey) -> Result<Stage, StoreError> {
        let Some(bytes) = self.read(ENROLMENT)? else {
            return Ok(Stage::New { token: self.token()? });
        };
        let damaged = || StoreError::Damaged(ENROLMENT);
        let (share, rest) = bytes.split_first_chunk::<32>().ok_or_else(damaged)?;
        let share = Secret::copied(share)
            .map(ApplianceShare::from_secret)
            .ok_or_else(damaged)?;
        let kept: Kept = codec::decode(rest).map_err(|_| damaged())?;
        if kept.version != ENROLMENT_VERSION {
            return Err(damaged());
        }
        let ticket = self.read(TICKET)?.ok_or(StoreError::Damaged(TICKET))?;
        let ticket = Signed::<Ticket>::from_bytes(&ticket).map_err(|_| StoreError::Damaged(TICKET))?;
        let member =
            Member::new(platform, kept.enrolled, share, &ticket).ok_or(StoreError::Damaged(TICKET))?;
        // A power cut may have come between enrolment and the end of the token.
        self.remove(TOKEN)?;
        Ok(Stage::Member {
            member,
            phase: Phase::Idle,
        })
    }

    /// Makes a membership durable: the ticket, then the enrolment, which makes it count, then the end of
    /// the token.
    pub fn enrol(&self, member: &Member) -> Result<(), StoreError> {
        self.keep_ticket(member.ticket())?;
        let kept = codec::encode(&Kept {
            version: ENROLMENT_VERSION,
            enrolled: member.enrolled.clone(),
        });
        let bytes = member
            .share
            .with(|share| Zeroizing::new([share.as_slice(), kept.as_slice()].concat()));
        self.replace(ENROLMENT, &bytes)?;
        self.remove(TOKEN)
    }

    /// Makes a ticket durable in the place of the one before.
    pub fn keep_ticket(&self, ticket: &GenuineTicket) -> Result<(), StoreError> {
        self.replace(TICKET, &ticket.signed().to_bytes())
    }

    /// The latest time that was ever known for sure; the epoch at first.
    pub fn high_water(&self) -> Result<Timestamp, StoreError> {
        match self.read(HIGH_WATER)? {
            Some(bytes) => codec::decode(&bytes).map_err(|_| StoreError::Damaged(HIGH_WATER)),
            None => Ok(Timestamp(0)),
        }
    }

    /// Raises it.
    pub fn raise_high_water(&self, to: Timestamp) -> Result<(), StoreError> {
        self.replace(HIGH_WATER, &codec::encode(&to))
    }

    /// The owner key that was flashed, if one was.
    pub fn flashed_owner(&self) -> Result<Option<VerifyingKey>, StoreError> {
        self.read_versioned(OWNER, OWNER_VERSION)
    }

    /// The secret by which the appliance proves its keys to whoever flashed it.
    pub fn enrolment_secret(&self) -> Result<Option<Secret<32>>, StoreError> {
        let Some(bytes) = self.read(ENROLMENT_SECRET)? else {
            return Ok(None);
        };
        let secret = Secret::copied(&bytes).ok_or(StoreError::Damaged(ENROLMENT_SECRET))?;
        Ok(Some(secret))
    }

    /// What the owner has said since the records were sealed.
    pub fn words(&self) -> Result<Vec<OwnerWord>, StoreError> {
        Ok(self.read_versioned(WORDS, WORDS_VERSION)?.unwrap_or_default())
    }

    /// Keeps what the owner has said.
    pub fn keep_words(&self, words: &[OwnerWord]) -> Result<(), StoreError> {
        self.replace(WORDS, &codec::encode(&(WORDS_VERSION, words)))
    }

    /// Forgets them, once the records are sealed under the key to which they lead.
    pub fn forget_words(&self) -> Result<(), StoreError> {
        self.remove(WORDS)
    }

    /// The records, if there are any yet.
    pub fn records(&self) -> Result<Option<Records>, StoreError> {
        self.read_versioned(RECORDS, RECORDS_VERSION)
    }

    /// Keeps the records.
    pub fn keep_records(&self, records: &Records) -> Result<(), StoreError> {
        self.replace(RECORDS, &codec::encode(&(RECORDS_VERSION, records)))
    }

    fn read_versioned<T: DeserializeOwned>(
        &self,
        name: &'static str,
        version: u8,
    ) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.read(name)? else {
            return Ok(None);
        };
        match codec::decode::<(u8, T)>(&bytes) {
            Ok((found, content)) if found == version => Ok(Some(content)),
            Ok(_) | Err(_) => Err(StoreError::Damaged(name)),
        }
    }

    fn token(&self) -> Result<Option<ActivationToken>, StoreError> {
        let Some(bytes) = self.read(TOKEN)? else {
            return Ok(None);
        };
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| ActivationToken::parse(text.trim()))
            .map(Some)
            .ok_or(StoreError::Token)
    }

    fn read(&self, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let failed = |error: io::Error| StoreError::Read(name, error);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match fs::openat(self.directory.as_fd(), name, flags, Mode::empty()) {
            Ok(file) => std::fs::File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        };
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_LIMIT) {
            Ok(Some(bytes))
        } else {
            Err(StoreError::Damaged(name))
        }
    }

    fn replace(&self, name: &'static str, bytes: &[u8]) -> Result<(), StoreError> {
        let write = || -> io::Result<()> {
            let fresh = format!("{name}.new");
            // What a power cut left behind is in the way of nothing.
            self.unlink(&fresh)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = fs::openat(
                self.directory.as_fd(),
                fresh.as_str(),
                flags,
                Mode::RUSR | Mode::WUSR,
            )?;
            let mut file = std::fs::File::from(file);
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::renameat(
                self.directory.as_fd(),
                fresh.as_str(),
                self.directory.as_fd(),
                name,
            )?;
            Ok(fs::fsync(self.directory.as_fd())?)
        };
        write().map_err(|error| StoreError::Write(name, error))
    }

    fn remove(&self, name: &'static str) -> Result<(), StoreError> {
        self.unlink(name)
            .and_then(|()| Ok(fs::fsync(self.directory.as_fd())?))
            .map_err(|error| StoreError::Remove(name, error))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(self.directory.as_fd(), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use vedette_crypto::Signer;
    use vedette_protocol::{ApplianceId, OrgId};

    fn store(directory: &Path) -> Store {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Store::new(fs::open(directory, flags, Mode::empty()).unwrap())
    }

    fn member(platform: &SigningKey, number: u64) -> Member {
        let appliance = ApplianceId([1; 16]);
        let Ok(ticket) = Signed::seal(&Ticket { appliance, number }, platform);
        let enrolled = Enrolled {
            appliance,
            org: OrgId([2; 16]),
            certificate: vec![3; 500],
        };
        Member::new(
            &platform.verifying_key(),
            enrolled,
            ApplianceShare::random(),
            &ticket,
        )
        .unwrap()
    }

    fn shares_are_equal(one: &ApplianceShare, two: &ApplianceShare) -> bool {
        one.with(|one| two.with(|two| one == two))
    }

    #[test]
    fn a_membership_survives_and_burns_its_token() {
        let directory = tempfile::tempdir().unwrap();
        let platform = SigningKey::generate();
        let token = format!("{}{}\n", ActivationToken::PREFIX, "A".repeat(43));
        std::fs::write(directory.path().join(TOKEN), token).unwrap();
        let first = store(directory.path());
        assert!(matches!(
            first.stage(&platform.verifying_key()).unwrap(),
            Stage::New { token: Some(_) }
        ));
        let kept = member(&platform, 1);
        first.enrol(&kept).unwrap();
        assert!(!directory.path().join(TOKEN).exists());
        let next = member(&platform, 2);
        first.keep_ticket(next.ticket()).unwrap();

        let Stage::Member { member, .. } = store(directory.path()).stage(&platform.verifying_key()).unwrap()
        else {
            panic!("no member");
        };
        assert_eq!(member.enrolled, kept.enrolled);
        assert_eq!(member.ticket().number(), 2);
        assert!(shares_are_equal(&member.share, &kept.share));
    }

    #[test]
    fn the_identity_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let one = store(directory.path()).identity().unwrap().verifying_key();
        let two = store(directory.path()).identity().unwrap().verifying_key();
        assert_eq!(one, two);
    }

    #[test]
    fn a_power_cut_leaves_the_old_file_or_the_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let platform = SigningKey::generate();
        let store = store(directory.path());
        store.enrol(&member(&platform, 1)).unwrap();
        // Cut before the rename: half a file under the passing name.
        std::fs::write(directory.path().join("ticket.new"), [1, 2, 3]).unwrap();
        assert!(matches!(
            store.stage(&platform.verifying_key()),
            Ok(Stage::Member { .. })
        ));
        store.keep_ticket(member(&platform, 2).ticket()).unwrap();
        let Ok(Stage::Member { member, .. }) = store.stage(&platform.verifying_key()) else {
            panic!("no member");
        };
        assert_eq!(member.ticket().number(), 2);
    }

    #[test]
    fn a_power_cut_within_the_enrolment_keeps_the_token() {
        let directory = tempfile::tempdir().unwrap();
        let platform = SigningKey::generate();
        let store = store(directory.path());
        let token = format!("{}{}", ActivationToken::PREFIX, "A".repeat(43));
        std::fs::write(directory.path().join(TOKEN), token).unwrap();
        store.keep_ticket(member(&platform, 1).ticket()).unwrap();
        assert!(matches!(
            store.stage(&platform.verifying_key()),
            Ok(Stage::New { token: Some(_) })
        ));
    }

    #[test]
    fn damage_is_an_error_and_never_a_fresh_appliance() {
        let directory = tempfile::tempdir().unwrap();
        let platform = SigningKey::generate();
        let other = SigningKey::generate();
        let store = store(directory.path());
        store.enrol(&member(&platform, 1)).unwrap();
        store.identity().unwrap();
        assert!(
            store.stage(&other.verifying_key()).is_err(),
            "a ticket of another platform"
        );
        for name in [ENROLMENT, TICKET] {
            let path = directory.path().join(name);
            let whole = std::fs::read(&path).unwrap();
            for cut in [0, 1, 31, whole.len() - 1] {
                std::fs::write(&path, &whole[..cut]).unwrap();
                assert!(
                    store.stage(&platform.verifying_key()).is_err(),
                    "{name} cut at {cut}"
                );
            }
            std::fs::write(&path, vec![0; 100_000]).unwrap();
            assert!(store.stage(&platform.verifying_key()).is_err(), "{name} too long");
            std::fs::write(&path, whole).unwrap();
        }
        std::fs::write(directory.path().join(IDENTITY), "x").unwrap();
        assert!(store.identity().is_err());
        std::fs::remove_file(directory.path().join(TICKET)).unwrap();
        assert!(store.stage(&platform.verifying_key()).is_err());
    }

    #[test]
    fn a_malformed_token_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(TOKEN), "hello").unwrap();
        let key = SigningKey::generate().verifying_key();
        assert!(matches!(
            store(directory.path()).stage(&key),
            Err(StoreError::Token)
        ));
    }

    #[test]
    fn files_are_readable_by_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        store(directory.path()).identity().unwrap();
        let mode = directory
            .path()
            .join(IDENTITY)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
