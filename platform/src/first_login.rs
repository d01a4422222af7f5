//! The file with the password of the first login: destroyed once that password is worth nothing.

use crate::{
    directory::{self, Directory, DirectoryError},
    store::{
        Store,
        accounts::{self, FIRST_ACCOUNT, Standing},
    },
};

/// The file could not be destroyed.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The database failed.
    #[error("asking whether the first login has been made")]
    Ask(#[from] sqlx::Error),
    /// The file system failed.
    #[error("destroying the password of the first login")]
    Destroy(#[from] DirectoryError),
}

/// Destroys the file, if the first login has been made.
///
/// # Errors
/// The database's or the file system's; the next start tries again.
pub async fn forget(directory: &Directory, store: &Store) -> Result<(), ForgetError> {
    let mut reading = store.read().await?;
    let first = accounts::named(&mut reading, FIRST_ACCOUNT).await?;
    let waits = first.is_some_and(|account| account.standing == Standing::FirstLogin);
    if !waits {
        directory::destroy(&directory.first_login())?;
    }
    Ok(())
}
