//! Values as columns hold them, and back. What does not fit is a damaged database, not a panic.

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row, sqlite::SqliteRow};
use vedette_protocol::{
    ApplianceId, BootId, Digest, ImageId, JobId, OrgId, PoolId, ScanId, Timestamp, api::By,
};

/// A time or count as SQLite's signed integer; nothing of ours comes near its end.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A list or report as JSON.
///
/// # Panics
/// Never for the types of `vedette_protocol`: they have no map with other keys than text.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data serialises into memory")
}

/// Who does something, as the two columns `appliance` and `pool`.
pub(super) fn by_columns(by: &By) -> (Option<&[u8]>, Option<&[u8]>) {
    match by {
        By::Appliance(appliance) => (Some(&appliance.0), None),
        By::Pool(pool) => (None, Some(&pool.0)),
    }
}

pub(super) trait Columns {
    fn bytes<const N: usize>(&self, name: &str) -> Result<[u8; N], sqlx::Error>;
    fn bytes_or_null<const N: usize>(&self, name: &str) -> Result<Option<[u8; N]>, sqlx::Error>;
    fn blob(&self, name: &str) -> Result<Vec<u8>, sqlx::Error>;
    fn count(&self, name: &str) -> Result<u64, sqlx::Error>;
    fn time(&self, name: &str) -> Result<Timestamp, sqlx::Error>;
    fn time_or_null(&self, name: &str) -> Result<Option<Timestamp>, sqlx::Error>;
    fn text(&self, name: &str) -> Result<String, sqlx::Error>;
    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, sqlx::Error>;
    fn json_or_null<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, sqlx::Error>;
    fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        name: &str,
    ) -> Result<T, sqlx::Error>;

    fn org(&self) -> Result<OrgId, sqlx::Error> {
        self.bytes("org_id").map(OrgId)
    }
    fn appliance(&self, name: &str) -> Result<ApplianceId, sqlx::Error> {
        self.bytes(name).map(ApplianceId)
    }
    fn appliance_or_null(&self, name: &str) -> Result<Option<ApplianceId>, sqlx::Error> {
        Ok(self.bytes_or_null(name)?.map(ApplianceId))
    }
    fn pool_or_null(&self, name: &str) -> Result<Option<PoolId>, sqlx::Error> {
        Ok(self.bytes_or_null(name)?.map(PoolId))
    }
    fn scan(&self, name: &str) -> Result<ScanId, sqlx::Error> {
        self.bytes(name).map(ScanId)
    }
    fn job(&self, name: &str) -> Result<JobId, sqlx::Error> {
        self.bytes(name).map(JobId)
    }
    fn boot_or_null(&self, name: &str) -> Result<Option<BootId>, sqlx::Error> {
        Ok(self.bytes_or_null(name)?.map(BootId))
    }
    fn image(&self, name: &str) -> Result<ImageId, sqlx::Error> {
        self.bytes(name).map(ImageId)
    }
    fn digest(&self, name: &str) -> Result<Digest, sqlx::Error> {
        self.bytes(name).map(Digest)
    }
}

impl Columns for SqliteRow {
    fn bytes<const N: usize>(&self, name: &str) -> Result<[u8; N], sqlx::Error> {
        let bytes: &[u8] = self.try_get(name)?;
        bytes.try_into().map_err(|error| damaged(name, error))
    }

    fn bytes_or_null<const N: usize>(&self, name: &str) -> Result<Option<[u8; N]>, sqlx::Error> {
        let bytes: Option<&[u8]> = self.try_get(name)?;
        bytes
            .map(|bytes| bytes.try_into().map_err(|error| damaged(name, error)))
            .transpose()
    }

    fn blob(&self, name: &str) -> Result<Vec<u8>, sqlx::Error> {
        self.try_get(name)
    }

    fn count(&self, name: &str) -> Result<u64, sqlx::Error> {
        let number: i64 = self.try_get(name)?;
        u64::try_from(number).map_err(|error| damaged(name, error))
    }

    fn time(&self, name: &str) -> Result<Timestamp, sqlx::Error> {
        self.count(name).map(Timestamp)
    }

    fn time_or_null(&self, name: &str) -> Result<Option<Timestamp>, sqlx::Error> {
        let number: Option<i64> = self.try_get(name)?;
        number
            .map(|number| {
                u64::try_from(number)
                    .map(Timestamp)
                    .map_err(|error| damaged(name, error))
            })
            .transpose()
    }

    fn text(&self, name: &str) -> Result<String, sqlx::Error> {
        self.try_get(name)
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, sqlx::Error> {
        let text: &str = self.try_get(name)?;
        serde_json::from_str(text).map_err(|error| damaged(name, error))
    }

    fn json_or_null<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, sqlx::Error> {
        let text: Option<&str> = self.try_get(name)?;
        text.map(|text| serde_json::from_str(text).map_err(|error| damaged(name, error)))
            .transpose()
    }

    fn parsed<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        name: &str,
    ) -> Result<T, sqlx::Error> {
        let text: &str = self.try_get(name)?;
        text.parse().map_err(|error| damaged(name, error))
    }
}

pub(super) fn damaged(name: &str, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: name.to_owned(),
        source: Box::new(error),
    }
}
