//! The keys of the workspace's files: random, in the vault's memory alone, a job's own, one for each kind.
//!
//! vedetted seals the files and has each key while it needs it; that they stand here lets a vedetted which was killed
//! and started again go on. A key that is forgotten is nowhere: what was sealed under it is noise.

use std::collections::BTreeMap;

use vedette_crypto::file::FileKey;
use vedette_protocol::{
    JobId,
    vault::{FileKind, VaultRefusal},
};

/// More than the jobs whose files the workspace has room for.
pub const KEYS_LIMIT: usize = 8192;

/// The keys.
#[derive(Debug, Default)]
pub struct Cabinet(BTreeMap<(JobId, FileKind), FileKey>);

impl Cabinet {
    /// The key of a job's files of this kind, made if there is none.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub fn key(&mut self, job: JobId, kind: FileKind) -> Result<&FileKey, VaultRefusal> {
        if self.0.len() >= KEYS_LIMIT && !self.0.contains_key(&(job, kind)) {
            return Err(VaultRefusal::TooManyKeys);
        }
        Ok(self.0.entry((job, kind)).or_insert_with(FileKey::random))
    }

    /// Forgets that key.
    pub fn forget(&mut self, job: JobId, kind: FileKind) {
        self.0.remove(&(job, kind));
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixStream, thread};

    use vedette_crypto::{Signer, SigningKey, share};
    use vedette_protocol::{ApplianceId, Fingerprint, OrgId, vault::Member};
    use vedette_sys::secretmem;

    use super::*;
    use crate::keeper::{
        owner::Name,
        records::RecordKeys,
        vault::{Vault, VaultError},
    };

    /// The keeper's line to a vault on a thread, and what it takes to open it.
    fn vault() -> (Vault, Member, RecordKeys) {
        let (keeper, vault) = UnixStream::pair().unwrap();
        thread::spawn(move || crate::vault::serve(vault));
        let name = Name {
            org: OrgId([1; 16]),
            appliance: ApplianceId([2; 16]),
            identity: Fingerprint([3; 32]),
        };
        let member = Member {
            appliance: name.appliance,
            org: name.org,
            identity: name.identity,
            platform: SigningKey::generate().verifying_key(),
            owner: None,
        };
        let shares = (share::PlatformShare::random(), share::ApplianceShare::random());
        let keys = RecordKeys::derive(&shares.0, &shares.1, name, None);
        (Vault::new(keeper), member, keys)
    }

    #[test]
    fn a_file_key_is_handed_over_in_secret_memory_while_the_workspace_is_open_and_until_it_is_forgotten() {
        let (mut vault, member, keys) = vault();
        let refused = vault.file_key(JOB, FileKind::Results).map(drop);
        assert!(matches!(refused, Err(VaultError::Refused(VaultRefusal::Closed))));
        vault.open(&keys, &keys, member, None).unwrap();
        let mut key = |kind| {
            let handed = vault.file_key(JOB, kind).unwrap();
            // Nobody reads it but by mapping it.
            assert!(rustix::io::read(&handed, &mut [0; 1]).is_err());
            secretmem::with(&handed, 32, <[u8]>::to_vec).unwrap()
        };
        let (results, temporary) = (key(FileKind::Results), key(FileKind::Temporary));
        assert_ne!(results, temporary);
        assert_eq!(key(FileKind::Results), results);
        vault.forget_file_key(JOB, FileKind::Temporary).unwrap();
        let mut key = |kind| {
            let handed = vault.file_key(JOB, kind).unwrap();
            secretmem::with(&handed, 32, <[u8]>::to_vec).unwrap()
        };
        assert_ne!(key(FileKind::Temporary), temporary);
        assert_eq!(key(FileKind::Results), results);
    }

    const JOB: JobId = JobId([1; 16]);

    fn bytes(cabinet: &mut Cabinet, job: JobId, kind: FileKind) -> [u8; 32] {
        cabinet.key(job, kind).unwrap().with(|bytes| *bytes)
    }

    #[test]
    fn each_job_has_a_key_for_each_kind_until_it_is_forgotten() {
        let mut cabinet = Cabinet::default();
        let key = bytes(&mut cabinet, JOB, FileKind::Results);
        assert_eq!(bytes(&mut cabinet, JOB, FileKind::Results), key);
        assert_ne!(bytes(&mut cabinet, JOB, FileKind::Temporary), key);
        assert_ne!(bytes(&mut cabinet, JobId([2; 16]), FileKind::Results), key);
        cabinet.forget(JOB, FileKind::Temporary);
        assert_eq!(bytes(&mut cabinet, JOB, FileKind::Results), key);
        cabinet.forget(JOB, FileKind::Results);
        assert_ne!(bytes(&mut cabinet, JOB, FileKind::Results), key);
    }

    #[test]
    fn a_full_cabinet_refuses_and_keeps_what_it_has() {
        let mut cabinet = Cabinet::default();
        let job = |number: usize| JobId((number as u128).to_be_bytes());
        let first = bytes(&mut cabinet, job(0), FileKind::Results);
        for number in 1..KEYS_LIMIT {
            cabinet.key(job(number), FileKind::Results).unwrap();
        }
        let refused = cabinet.key(job(KEYS_LIMIT), FileKind::Results).map(drop);
        assert_eq!(refused, Err(VaultRefusal::TooManyKeys));
        assert_eq!(bytes(&mut cabinet, job(0), FileKind::Results), first);
        cabinet.forget(job(1), FileKind::Results);
        assert!(cabinet.key(job(KEYS_LIMIT), FileKind::Results).is_ok());
    }
}
