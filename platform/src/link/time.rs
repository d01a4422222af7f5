//! `time`: the platform's clock, signed over the nonce that came. Asked by who does not know the time yet.

use axum::extract::State;
use vedette_protocol::{
    Timestamp, codec,
    link::{TimeOutcome, TimeRequest},
};

use super::request::{Body, LinkError, Reply};
use crate::platform::Shared;

pub(super) async fn time(State(platform): State<Shared>, body: Body) -> Result<Reply, LinkError> {
    // The digest of the body binds the answer to the nonce in it.
    let TimeRequest { nonce: _ } = codec::decode(&body.bytes).map_err(|_| LinkError::Malformed)?;
    Ok(platform.reply::<TimeRequest>(body.digest, Timestamp::now(), TimeOutcome))
}
