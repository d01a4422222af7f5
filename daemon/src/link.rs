//! vedetted: the boot's course as the outside sees it, and the work after it.
//!
//! It moves bytes between keeper, platform and workers, holds no key, and decides nothing that the
//! keeper has not verified. Start with [`boot`]; [`line`] is the one way to the platform, [`keeper`] the
//! one to the keeper. [`copy`] sends what leaves to the operator's
//! collector as well. [`refusal`] says in people's words why TLS did not come about.

pub mod backoff;
pub mod board;
pub mod boot;
pub mod copy;
pub mod exchange;
pub mod identity;
pub mod keeper;
pub mod keyring;
pub mod line;
pub mod names;
pub mod network;
pub mod openings;
pub mod refusal;
pub mod serving;
pub mod spool;
pub mod upload;
pub mod worker;

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use vedette_crypto::file::FileKey;
use vedette_protocol::{
    ImageConfig, JobId,
    keeper::{KEEPER_SOCKET, REACH_LIMIT},
    status::STATUS_PATH,
    vault::FileKind,
    worker::WORKER_SOCKET,
};

use self::{
    board::Board,
    copy::Copier,
    keeper::{AskError, Keeper},
    keyring::Lender,
    network::Network,
    openings::Openings,
};

/// What vedetted has around it: the same for its whole life.
#[derive(Debug)]
pub struct House {
    /// What the image knows of its platform.
    pub config: ImageConfig,
    /// The keeper.
    pub keeper: Keeper,
    /// The network, as networkd tells it.
    pub network: Network,
    /// The status, for the console.
    pub board: Board,
    /// Where a connection starts a worker.
    pub workers: PathBuf,
    /// What the vault has opened, on its way to the spool.
    pub openings: Openings,
    /// What the platform's name stood for, the latest first.
    pub platform: Mutex<Vec<IpAddr>>,
    /// The operator's copy.
    pub copier: Copier,
}

impl House {
    /// The appliance's.
    pub fn of_appliance(config: ImageConfig) -> Arc<Self> {
        Arc::new(Self {
            config,
            keeper: Keeper::at(KEEPER_SOCKET.into()),
            network: Network::of_networkd(),
            board: Board::at(STATUS_PATH.into()),
            workers: WORKER_SOCKET.into(),
            openings: Openings::default(),
            platform: Mutex::default(),
            copier: Copier::default(),
        })
    }

    /// The platform's addresses, as far as they are known.
    fn platform_addresses(&self) -> Vec<IpAddr> {
        self.platform
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Adds what the platform's name stands for now, before what it stood for: another line may still be
    /// connected there.
    fn remember_platform(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let mut known = self.platform.lock().unwrap_or_else(PoisonError::into_inner);
        let before: Vec<IpAddr> = known.drain(..).filter(|old| !addresses.contains(old)).collect();
        *known = addresses
            .iter()
            .copied()
            .chain(before)
            .take(REACH_LIMIT)
            .collect();
        known.clone()
    }
}

impl Lender for House {
    fn lend(&self, job: JobId, kind: FileKind) -> Result<FileKey, AskError> {
        self.keeper.file_key(job, kind)
    }

    fn forget(&self, job: JobId, kind: FileKind) -> Result<(), AskError> {
        self.keeper.forget_file_key(job, kind)
    }
}
