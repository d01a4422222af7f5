//! The kernel modules: all that the appliance will ever use, loaded here in the builder's order.
//!
//! The root has none and no program to load any, so a module that is missing now is missing for good.
//! The order file has a line per module, `core NAME DEPENDENCIES…` or `driver NAME DEPENDENCIES…`: a core module must
//! load, a driver may find no hardware, and then those that depend on it are left out too.

use std::{
    collections::BTreeSet,
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
    #[error("the list of modules has the line {0:?}, which is not `core NAME…` or `driver NAME…`")]
    Line(String),
    #[error("opening the module {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("loading the module {}", path.display())]
    Load { path: PathBuf, source: io::Error },
}

/// A line of the order file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub need: Need,
    pub name: String,
    /// Modules whose symbols it uses; they stand earlier.
    pub dependencies: Vec<String>,
}

/// Loads every listed module.
pub fn load_all() -> Result<(), ModuleError> {
    let order = fs::read_to_string(Path::new(FOLDER).join(ORDER)).map_err(ModuleError::Order)?;
    let mut absent = BTreeSet::new();
    for line in order.lines() {
        let entry = Entry::parse(line)?;
        if entry.dependencies.iter().any(|name| absent.contains(name)) || load(&entry)? == Hardware::Absent {
            absent.insert(entry.name);
        }
    }
    Ok(())
}

impl Entry {
    fn parse(line: &str) -> Result<Self, ModuleError> {
        let malformed = || ModuleError::Line(line.to_owned());
        let mut words = line.split(' ').map(str::to_owned);
        let need = match words.next().as_deref() {
            Some("core") => Need::Core,
            Some("driver") => Need::Driver,
            Some(_) | None => return Err(malformed()),
        };
        let name = words.next().ok_or_else(malformed)?;
        let dependencies: Vec<String> = words.collect();
        let plain = |name: &String| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if [&name].into_iter().chain(&dependencies).all(plain) {
            Ok(Self {
                need,
                name,
                dependencies,
            })
        } else {
            Err(malformed())
        }
    }

    /// The line, as [`load_all`] reads it.
    pub fn line(&self) -> String {
        let need = match self.need {
            Need::Core => "core",
            Need::Driver => "driver",
        };
        let words = [need, &self.name]
            .into_iter()
            .chain(self.dependencies.iter().map(String::as_str));
        words.collect::<Vec<_>>().join(" ") + "\n"
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hardware {
    Present,
    Absent,
}

fn load(entry: &Entry) -> Result<Hardware, ModuleError> {
    let path = Path::new(FOLDER).join(format!("{}.ko", entry.name));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(source) => return Err(ModuleError::Open { path, source }),
    };
    match finit_module(&file, c"", 0) {
        Ok(()) => Ok(Hardware::Present),
        // A driver whose bus or processor feature is not there says so.
        Err(Errno::NODEV | Errno::NXIO) if entry.need == Need::Driver => Ok(Hardware::Absent),
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
        for (need, dependencies) in [
            (Need::Core, vec![]),
            (Need::Driver, vec!["virtio".to_owned(), "a_b".to_owned()]),
        ] {
            let entry = Entry {
                need,
                name: "dm_mod".to_owned(),
                dependencies,
            };
            assert_eq!(Entry::parse(entry.line().trim_end()).unwrap(), entry);
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "core",
            "core ",
            "maybe dm_mod",
            "core ../x",
            "driver a b/c",
            "driver a  b",
        ] {
            assert!(
                matches!(Entry::parse(line), Err(ModuleError::Line(_))),
                "{line:?}"
            );
        }
    }
}
