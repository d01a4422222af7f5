//! The kernel and its modules, out of Debian's package: only the manifest's modules and what they depend on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::{
    elf::Elf,
    init::modules::{Entry, Need},
    manifest::Modules,
    unpacked::Unpacked,
};

/// A kernel with its modules in the order in which they must be loaded.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub version: String,
    pub image: PathBuf,
    pub modules: Vec<Module>,
}

/// One module to load.
#[derive(Debug)]
pub(crate) struct Module {
    pub entry: Entry,
    pub bytes: Vec<u8>,
}

impl Kernel {
    pub(crate) fn take(unpacked: &Unpacked, modules: &Modules) -> anyhow::Result<Self> {
        let image = unpacked.only("/boot", "vmlinuz-")?;
        let name = image
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let version = name.trim_start_matches("vmlinuz-").to_owned();
        let folder = unpacked.only("/usr/lib/modules", &version)?.join("kernel");
        let mut files = BTreeMap::new();
        index(&folder, &mut files).with_context(|| format!("looking through {}", folder.display()))?;
        let mut order = Order {
            files,
            seen: BTreeSet::new(),
            modules: Vec::new(),
        };
        for name in &modules.core {
            order.add(name, Need::Core).context("modules.core")?;
        }
        for name in &modules.drivers {
            order.add(name, Need::Driver).context("modules.drivers")?;
        }
        Ok(Self {
            version,
            image,
            modules: order.modules,
        })
    }
}

struct Order {
    files: BTreeMap<String, PathBuf>,
    seen: BTreeSet<String>,
    modules: Vec<Module>,
}

impl Order {
    /// Adds a module after those that it depends on.
    fn add(&mut self, name: &str, need: Need) -> anyhow::Result<()> {
        let name = canonical(name);
        if !self.seen.insert(name.clone()) {
            return Ok(());
        }
        let Some(file) = self.files.get(&name) else {
            bail!("the kernel has no module {name}; is it built in, or of another flavour?");
        };
        let bytes = fs::read(file).with_context(|| file.display().to_string())?;
        let facts = Elf::parse(&bytes).and_then(|elf| elf.section(".modinfo"));
        let facts = facts.with_context(|| format!("{} is no kernel module", file.display()))?;
        let mut needed = Vec::new();
        for dependency in dependencies(facts) {
            // A soft dependency may be built in.
            if dependency.hard || self.files.contains_key(&dependency.name) {
                self.add(&dependency.name, need)
                    .with_context(|| format!("needed by {name}"))?;
            }
            if dependency.hard {
                needed.push(dependency.name);
            }
        }
        let entry = Entry {
            need,
            name,
            dependencies: needed,
        };
        self.modules.push(Module { entry, bytes });
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Dependency {
    name: String,
    hard: bool,
}

/// Reads the NUL-separated `depends=a,b` and `softdep=pre: a b post: c` of a module's .modinfo.
fn dependencies(facts: &[u8]) -> Vec<Dependency> {
    let mut found = Vec::new();
    for fact in facts.split(|byte| *byte == 0) {
        let fact = String::from_utf8_lossy(fact);
        if let Some(names) = fact.strip_prefix("depends=") {
            let names = names.split(',').filter(|name| !name.is_empty());
            found.extend(names.map(|name| Dependency {
                name: canonical(name),
                hard: true,
            }));
        } else if let Some(names) = fact.strip_prefix("softdep=pre: ") {
            let names = names.split(' ').take_while(|name| *name != "post:");
            found.extend(names.map(|name| Dependency {
                name: canonical(name),
                hard: false,
            }));
        }
    }
    found
}

/// The kernel takes `-` and `_` for the same.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

fn index(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            index(&path, files)?;
        } else if let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".ko"))
        {
            files.insert(canonical(name), path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_modinfo() {
        let facts = b"license=GPL\0softdep=pre: ecb post: x\0depends=dm-mod,dm-bufio\0depends=\0";
        let dependency = |name: &str, hard| Dependency {
            name: name.to_owned(),
            hard,
        };
        assert_eq!(
            dependencies(facts),
            [
                dependency("ecb", false),
                dependency("dm_mod", true),
                dependency("dm_bufio", true)
            ]
        );
    }
}
