//! The running platform: what its parts share.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use vedette_crypto::SigningKey;
use vedette_protocol::image::ImageKind;

use crate::{
    api::Throttle, ca::Authority, desk::Desks, directory::Directory, keystore::Keystore, login::Guesser,
    settings::Settings, store::Store,
};

/// The platform, as every request sees it.
pub struct Platform {
    /// What `init` fixed.
    pub settings: Settings,
    /// Where everything that it keeps stands.
    pub directory: Directory,
    /// What `serve` was told.
    pub policy: Policy,
    /// The database.
    pub store: Store,
    /// The secrets outside of it.
    pub keystore: Keystore,
    /// Signs all that the platform says.
    pub signer: SigningKey,
    /// Names appliances.
    pub ca: Authority,
    /// Where appliances wait.
    pub desks: Desks,
    /// Failed logins and guessed codes.
    pub logins: Throttle<Guesser>,
    /// Turns true when the platform stops.
    pub stopping: watch::Sender<bool>,
}

/// A handle on it.
pub type Shared = Arc<Platform>;

/// What `serve` was told.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Whether images for tests are accepted.
    pub test_images: TestImages,
    /// How long a backup of the keystore may exist.
    pub keystore_backups: Duration,
}

/// Whether images for tests are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestImages {
    /// In a laboratory.
    Accepted,
    /// Everywhere else.
    Refused,
}

impl Policy {
    /// Whether an image of this kind may be used. It is the image's own word: see the threat model.
    pub fn admits(&self, kind: ImageKind) -> bool {
        match (kind, self.test_images) {
            (ImageKind::Release, _) | (ImageKind::Test, TestImages::Accepted) => true,
            (ImageKind::Test, TestImages::Refused) => false,
        }
    }
}
