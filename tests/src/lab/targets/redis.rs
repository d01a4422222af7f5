//! Redis that answers whoever asks.

use std::process::Command;

use anyhow::Result;

use super::Place;

pub(super) fn command(place: &Place) -> Result<Command> {
    let config = place.write("redis.conf", include_str!("../../../lab/redis.conf"))?;
    let mut command = place.unprivileged("redis-server");
    command.arg(config);
    Ok(command)
}
