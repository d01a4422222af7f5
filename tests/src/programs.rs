//! Our own programs, built from this workspace the way `cargo build` builds them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The built programs.
#[derive(Debug, Clone)]
pub struct Programs {
    dir: PathBuf,
}

impl Programs {
    /// Builds what is not built yet.
    pub fn build() -> Result<Self> {
        // The whole workspace, as the tests build it: with fewer members the features of shared crates would differ,
        // and each of those would be built once more.
        cargo_build(&["--workspace", "--bins"], "debug")
    }

    /// Builds one program the way the README tells users to.
    pub fn release(name: &str) -> Result<Self> {
        Self::release_all(&[name])
    }

    /// Builds these programs in the same way.
    pub fn release_all(names: &[&str]) -> Result<Self> {
        let bins = names.iter().flat_map(|name| ["--bin", name]);
        let what: Vec<&str> = ["--release"].into_iter().chain(bins).collect();
        cargo_build(&what, "release")
    }

    /// One of them, to be run.
    pub fn command(&self, name: &str) -> Command {
        Command::new(self.path(name))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn cargo_build(what: &[&str], dir: &str) -> Result<Programs> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked"]).args(what);
    let built = as_from_a_shell(&mut cargo).status().context("running cargo")?;
    ensure!(built.success(), "cargo could not build {}", what.join(" "));
    Ok(Programs {
        dir: target().join(dir),
    })
}

/// A program that is, or runs, cargo: in the workspace, and without what cargo has set for us. Build scripts watch some
/// of these variables, and would run again each time, with all that depends on them.
pub fn as_from_a_shell(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if SET_BY_CARGO.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command.current_dir(workspace())
}

/// Runs a program to its end, and returns what it printed.
pub fn output_of(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("running {name}"))?;
    ensure!(
        output.status.success(),
        "{name} failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed no text"))
}

/// The clone that this was built from.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where cargo puts what it builds, and where the demo and the tests keep their things.
pub fn target() -> PathBuf {
    workspace().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

const SET_BY_CARGO: [&str; 7] = [
    "CARGO_BIN_",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_PACKAGE",
    "NEXTEST",
    "OUT_DIR",
];
