//! What a test image carries: probes that stand in copies of our units' sandboxes, a control without a sandbox, and a
//! liar in the workers' place. What they try is in `tests/probe`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::programs::workspace;

/// The units whose sandboxes are tried.
pub const UNITS: [&str; 6] = [
    "vedetted",
    "vedette-keeper",
    "vedette-console",
    "vedette-vault",
    "vedette-worker@",
    "systemd-networkd",
];

/// A probe that nothing holds back.
pub const CONTROL: &str = "control";

/// Writes the units into `dir`. Returns the `[probe]` section for the manifest of an image that has them.
pub fn section(dir: &Path) -> Result<String> {
    fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let mut units = vec![unit(dir, CONTROL, &format!("[Service]\n{}", start(CONTROL)))?];
    for name in UNITS {
        let source = workspace().join(format!("systemd/system/{name}.service"));
        let text = fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
        units.push(unit(dir, name, &sandbox(&text, name)?)?);
    }
    let liar = dir.join("liar.conf");
    fs::write(&liar, LIAR).with_context(|| format!("writing {}", liar.display()))?;
    let units: toml::Value = units.into();
    let liar: toml::Value = liar.to_string_lossy().into_owned().into();
    Ok(format!(
        "[probe]\nparameters = [\"{TO_CONSOLE}\"]\nprograms = [\"vedette-probe\"]\nunits = {units}\nfiles = [{{ from = {liar}, to = \"{LIAR_AT}\" }}]\n"
    ))
}

/// The `[probe]` section of an image with this probe alone, which `tests/probe` has a unit for.
pub fn section_of(name: &str) -> String {
    let unit = workspace().join(format!("tests/probe/{name}.service"));
    let unit: toml::Value = unit.to_string_lossy().into_owned().into();
    format!("[probe]\nprograms = [\"vedette-probe\"]\nunits = [{unit}]\n")
}

fn unit(dir: &Path, name: &str, service: &str) -> Result<String> {
    let path = dir.join(format!("probe-{}.service", name.trim_end_matches('@')));
    // One after the other, and after what they look at.
    let order = "After=vedetted.service vedette-console.service systemd-networkd.service";
    fs::write(&path, format!("[Unit]\n{order}\n\n{service}"))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path.to_string_lossy().into_owned())
}

/// The unit's service section with the probe in the program's place. Only what would touch the unit itself is left out.
fn sandbox(text: &str, name: &str) -> Result<String> {
    let (_, service) = text
        .split_once("\n[Service]\n")
        .with_context(|| format!("{name}.service has no section [Service]"))?;
    ensure!(!service.contains("\n["), "{name}.service goes on after [Service]");
    let mut copy = String::from("[Service]\n");
    for line in service.lines() {
        let key = line.split('=').next().unwrap_or_default();
        if !OF_THE_UNIT_ITSELF.contains(&key) {
            let line = match key {
                "ExecPaths" => "ExecPaths=/usr/lib/vedette/vedette-probe".to_owned(),
                _ => line.replace("%i", "probe"),
            };
            copy.push_str(&line);
            copy.push('\n');
        }
    }
    Ok(copy + &start(name))
}

fn start(name: &str) -> String {
    let name = name.trim_end_matches('@');
    format!("Type=oneshot\nExecStart=/usr/lib/vedette/vedette-probe sandbox {name}\n")
}

/// A sandbox shuts the serial line, too: what the probes print goes there by way of the journal.
const TO_CONSOLE: &str = "systemd.journald.forward_to_console=1";

/// How it is started and by whom, its output, and the directory that vedetted still needs when the probe has ended.
const OF_THE_UNIT_ITSELF: [&str; 16] = [
    "ExecStart",
    "FileDescriptorStoreMax",
    "NotifyAccess",
    "Restart",
    "RestartKillSignal",
    "RestartSec",
    "RuntimeDirectory",
    "RuntimeDirectoryMode",
    "RuntimeDirectoryPreserve",
    "RuntimeMaxSec",
    "StandardError",
    "StandardInput",
    "StandardOutput",
    "TimeoutStartSec",
    "Type",
    "WatchdogSec",
];

/// The worker's own unit, with another program.
const LIAR: &str = "[Service]
ExecStart=
ExecStart=/usr/lib/vedette/vedette-probe liar
ExecPaths=
ExecPaths=/usr/lib/vedette/vedette-probe
";
const LIAR_AT: &str = "/usr/lib/systemd/system/vedette-worker@.service.d/liar.conf";
