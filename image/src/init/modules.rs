//! The kernel modules: all that the appliance will ever use, loaded here in the builder's order.
//!
//! The root has none and no program to load any, so a module that is missing now is missing for good.
//! The order file has a line per module: `core NAME` must load, `driver NAME` may find no hardware.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::{io::Errno, system::finit_module};

/// Where the builder puts them in the initramfs.
pub const FOLDER: &str = "/modules";
/// Name of the order file there.
pub const ORDER: &str = "order";

/// Why a module is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The appliance does not work without it.
    Core,
    /// It drives hardware that this machine may not have.
    Driver,
}

/// Why the modules were not loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    #[error("reading the list of modules {FOLDER}/{ORDER}")]
    Order(#[source] io::Error),
    #[error("the list of modules has the line {0:?}, which is not `core NAME` or `driver NAME`")]
    Line(String),
    #[error("opening the module {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("loading the module {}", path.display())]
    Load { path: PathBuf, source: io::Error },
}

/// Loads every listed module.
pub fn load_all() -> Result<(), ModuleError> {
    let order = fs::read_to_string(Path::new(FOLDER).join(ORDER)).map_err(ModuleError::Order)?;
    for line in order.lines() {
        let (need, name) = entry(line)?;
        load(need, Path::new(FOLDER).join(format!("{name}.ko")))?;
    }
    Ok(())
}

/// One line of the order file.
pub fn line(need: Need, name: &str) -> String {
    match need {
        Need::Core => format!("core {name}\n"),
        Need::Driver => format!("driver {name}\n"),
    }
}

fn entry(line: &str) -> Result<(Need, &str), ModuleError> {
    let (need, name) = line
        .split_once(' ')
        .ok_or_else(|| ModuleError::Line(line.to_owned()))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match need {
        _ if name.is_empty() || !name.bytes().all(plain) => Err(ModuleError::Line(line.to_owned())),
        "core" => Ok((Need::Core, name)),
        "driver" => Ok((Need::Driver, name)),
        _ => Err(ModuleError::Line(line.to_owned())),
    }
}

fn load(need: Need, path: PathBuf) -> Result<(), ModuleError> {
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(source) => return Err(ModuleError::Open { path, source }),
    };
    match finit_module(&file, c"", 0) {
        Ok(()) => Ok(()),
        // A driver whose bus or processor feature is not there says so; one that builds on it lacks its symbols.
        Err(Errno::NODEV | Errno::NXIO | Errno::NOENT) if need == Need::Driver => Ok(()),
        Err(errno) => Err(ModuleError::Load {
            path,
            source: errno.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_builder_writes_init_reads() {
        for need in [Need::Core, Need::Driver] {
            let line = line(need, "dm-mod");
            assert_eq!(entry(line.trim_end()).unwrap(), (need, "dm-mod"));
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in ["", "core", "core ", "maybe dm-mod", "core ../x", "driver a b"] {
            assert!(matches!(entry(line), Err(ModuleError::Line(_))), "{line:?}");
        }
    }
}
