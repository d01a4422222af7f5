//! Binary messages in JSON: base64 of the protocol's encoding, bounded before anything is decoded.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, de::DeserializeOwned};
use vedette_protocol::codec;

use super::problem::ApiError;

/// A message as text.
pub(super) fn write<T: Serialize>(message: &T) -> String {
    STANDARD.encode(codec::encode(message))
}

/// A message from text, no longer than `limit` bytes.
pub(super) fn read<T: DeserializeOwned>(field: &str, text: &str, limit: usize) -> Result<T, ApiError> {
    codec::decode(&bytes(field, text, limit)?).map_err(|_| {
        ApiError::BadRequest(format!(
            "`{field}` does not hold what belongs there: send what `vedette` wrote, unchanged"
        ))
    })
}

/// Bytes from text.
pub(super) fn bytes(field: &str, text: &str, limit: usize) -> Result<Vec<u8>, ApiError> {
    if text.len() > limit.div_ceil(3) * 4 {
        return Err(ApiError::BadRequest(format!(
            "`{field}` is longer than {limit} bytes; name fewer things in it"
        )));
    }
    STANDARD
        .decode(text)
        .map_err(|_| ApiError::BadRequest(format!("`{field}` must be base64 (RFC 4648, section 4)")))
}
