//! An SNMP agent that tells who it is to whoever asks.

use std::process::Command;

use anyhow::Result;

use super::Place;

pub(super) fn command(place: &Place) -> Result<Command> {
    let config = place.write("snmpd.conf", include_str!("../../../lab/snmpd.conf"))?;
    let state = place.directory("state")?;
    let mut command = place.unprivileged("snmpd");
    // It stays in the foreground, has no sub-agents, and keeps what it keeps in its own directory.
    command
        .args(["-f", "-Le", "-I", "-smux,mteTrigger,mteTriggerConf", "-C", "-c"])
        .arg(config)
        .env("SNMP_PERSISTENT_DIR", state);
    Ok(command)
}
