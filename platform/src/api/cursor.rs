//! Cursors: the place behind which a page goes on, as text that a client hands back unread.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::problem::ApiError;

/// How many entries a page has unless asked.
pub(super) const PAGE: u32 = 100;

/// How many it has at most.
pub(super) const PAGE_LIMIT: u32 = 1000;

/// Which page is asked for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// 1 to 1000; 100 unless given.
    pub(crate) limit: Option<u32>,
}

/// A place as text.
pub(crate) fn write<T: Serialize>(place: &T) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

/// A place from text.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, ApiError> {
    let bad = || {
        ApiError::BadRequest(
            "`cursor` is not one that this list gave out; leave it away to begin anew".to_owned(),
        )
    };
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
    serde_json::from_slice(&json).map_err(|_| bad())
}

/// The size of a page.
pub(super) fn page(limit: Option<u32>) -> Result<u32, ApiError> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=PAGE_LIMIT => Ok(limit),
        _ => Err(ApiError::BadRequest(format!("`limit` must be 1 to {PAGE_LIMIT}"))),
    }
}
