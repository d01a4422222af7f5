//! What the platform keeps: SQLite in write-ahead mode, one writer, many readers.
//!
//! A file for each noun, whose functions take a connection: who calls several in one [`Writing`] has
//! one transaction. Where the SQL is the design it stands in a `.sql` file of its own.

pub mod accounts;
pub mod appliances;
pub mod audit;
pub mod boots;
pub mod codes;
mod column;
pub mod credentials;
pub mod events;
pub mod findings;
pub mod grants;
pub mod jobs;
pub mod orgs;
pub mod owner;
pub mod pools;
pub mod repeated;
pub mod scans;
pub mod schedules;
pub mod sessions;
pub mod tokens;

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use sqlx::{
    Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
}

/// A transaction that may write; the only one at its time. Dropped without `commit`, nothing happened.
pub type Writing = Transaction<'static, Sqlite>;

/// A connection to read with.
pub type Reading = PoolConnection<Sqlite>;

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite refused.
    #[error("opening the database {path}")]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// Its tables could not be brought up to date.
    #[error("bringing the tables of {path} up to date")]
    Migrate {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: MigrateError,
    },
}

impl Store {
    /// Makes a database.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn create(path: &Path) -> Result<Self, OpenError> {
        // SQLite gives its other files the mode of this one.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| OpenError::Open {
                path: path.to_owned(),
                source: source.into(),
            })?;
        Self::open(path).await
    }

    /// Opens a database that is there, and brings its tables up to date.
    ///
    /// # Errors
    /// SQLite's, as when there is none, or it is from a newer version.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        Self::connect(options(path), path).await
    }

    async fn connect(options: SqliteConnectOptions, path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Open {
            path: path.to_owned(),
            source,
        };
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        MIGRATIONS
            .run(&writer)
            .await
            .map_err(|source| OpenError::Migrate {
                path: path.to_owned(),
                source,
            })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(WAIT)
            .connect_with(options.read_only(true))
            .await
            .map_err(failed)?;
        Ok(Self { readers, writer })
    }

    /// Waits for the writer's turn.
    ///
    /// # Errors
    /// When the turn does not come in time.
    pub async fn write(&self) -> Result<Writing, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// A connection to read with; it sees the last committed state.
    ///
    /// # Errors
    /// When none is free in time.
    pub async fn read(&self) -> Result<Reading, sqlx::Error> {
        self.readers.acquire().await
    }

    /// Closes all connections: the write-ahead log is folded into the database.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // A ticket or a lease that was given out must survive a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(WAIT)
        // What is deleted is overwritten.
        .pragma("secure_delete", "on")
        .pragma("trusted_schema", "off")
}

const READERS: u32 = 4;
const WAIT: Duration = Duration::from_secs(10);

/// Shorthand of the files below.
type Db = SqliteConnection;
