//! A captured platform: whoever has it has its database and its keys, so that it signs whatever the attacker wants. It is
//! our platform's own program; what was done to it is done to its database, while it is down.

use std::{fs, net::Ipv4Addr, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{programs::output_of, road::Road};

/// Moves the places of all credentials from one host to another whose address is as long.
pub fn move_places(road: &mut Road, from: Ipv4Addr, to: Ipv4Addr) -> Result<()> {
    let (from, to) = (from.to_string(), to.to_string());
    ensure!(from.len() == to.len(), "{from} and {to} are not of one length");
    edit(
        road,
        "moved = [(sealing.replace(old, new), sealing) for (sealing,) in
             database.execute('SELECT sealing FROM credentials')
             for old, new in [(sys.argv[2].encode(), sys.argv[3].encode())] if old in sealing]
         assert moved
         database.executemany('UPDATE credentials SET sealing = ? WHERE sealing = ?', moved)",
        &[&from, &to],
    )
}

/// Forgets that appliances have owners, for good: then it asks for no grants.
pub fn forget_owners(road: &mut Road) -> Result<()> {
    edit(
        road,
        "database.execute('UPDATE appliances SET owner = NULL, word = NULL, word_owner = NULL')
         database.execute('''CREATE TRIGGER forget AFTER UPDATE OF owner ON appliances
             WHEN NEW.owner IS NOT NULL BEGIN
                 UPDATE appliances SET owner = NULL WHERE org_id = NEW.org_id AND id = NEW.id;
             END''')",
        &[],
    )
}

/// Everything that it knows now.
pub fn remember(road: &mut Road) -> Result<Vec<u8>> {
    road.kill_platform();
    edit_down(
        road,
        "database.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()",
        &[],
    )?;
    let known = fs::read(database(road)).context("reading the database")?;
    road.serve_platform()?;
    Ok(known)
}

/// Goes back to what it knew then.
pub fn go_back(road: &mut Road, known: &[u8]) -> Result<()> {
    road.kill_platform();
    for more in ["-wal", "-shm"] {
        let mut path = database(road).into_os_string();
        path.push(more);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context("removing the database's log");
            }
            _ => {}
        }
    }
    fs::write(database(road), known).context("writing the database")?;
    road.serve_platform()
}

fn edit(road: &mut Road, script: &str, arguments: &[&str]) -> Result<()> {
    road.kill_platform();
    edit_down(road, script, arguments)?;
    road.serve_platform()
}

fn edit_down(road: &Road, script: &str, arguments: &[&str]) -> Result<()> {
    let lines: Vec<&str> = script
        .lines()
        .map(|line| line.strip_prefix("         ").unwrap_or(line))
        .collect();
    let script = format!(
        "import sqlite3, sys\ndatabase = sqlite3.connect(sys.argv[1])\n{}\ndatabase.commit()",
        lines.join("\n")
    );
    output_of(
        Command::new("/usr/bin/python3")
            .args(["-c", &script])
            .arg(database(road))
            .args(arguments),
    )
    .map(drop)
}

fn database(road: &Road) -> PathBuf {
    road.data.dir().join("platform.db")
}
