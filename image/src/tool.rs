//! Programs of the host that the build runs. A missing one is an error that names its Debian package.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, bail};

/// A program and the Debian package that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
}

pub(crate) const APT_CACHE: Tool = Tool {
    program: "apt-cache",
    package: "apt",
};
pub(crate) const APT_GET: Tool = Tool {
    program: "apt-get",
    package: "apt",
};
pub(crate) const APT_HELPER: Tool = Tool {
    program: "apt-helper",
    package: "apt",
};
pub(crate) const CARGO: Tool = Tool {
    program: "cargo",
    package: "rustup",
};
pub(crate) const DPKG_DEB: Tool = Tool {
    program: "dpkg-deb",
    package: "dpkg",
};
pub(crate) const MCOPY: Tool = Tool {
    program: "mcopy",
    package: "mtools",
};
pub(crate) const MKE2FS: Tool = Tool {
    program: "mke2fs",
    package: "e2fsprogs",
};
pub(crate) const MKFS_VFAT: Tool = Tool {
    program: "mkfs.vfat",
    package: "dosfstools",
};
pub(crate) const MKSQUASHFS: Tool = Tool {
    program: "mksquashfs",
    package: "squashfs-tools",
};
pub(crate) const MMD: Tool = Tool {
    program: "mmd",
    package: "mtools",
};
pub(crate) const OBJCOPY: Tool = Tool {
    program: "objcopy",
    package: "binutils",
};
pub(crate) const OPENSSL: Tool = Tool {
    program: "openssl",
    package: "openssl",
};
pub(crate) const OSSLSIGNCODE: Tool = Tool {
    program: "osslsigncode",
    package: "osslsigncode",
};
pub(crate) const QEMU_IMG: Tool = Tool {
    program: "qemu-img",
    package: "qemu-utils",
};
pub(crate) const SFDISK: Tool = Tool {
    program: "sfdisk",
    package: "fdisk",
};
pub(crate) const VERITYSETUP: Tool = Tool {
    program: "veritysetup",
    package: "cryptsetup-bin",
};
pub(crate) const ZSTD: Tool = Tool {
    program: "zstd",
    package: "zstd",
};

/// Ends with an error unless every tool is there, and names all the packages to install at once.
pub(crate) fn require(tools: &[Tool]) -> anyhow::Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| tool.find().is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let programs: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
    bail!(
        "missing on this machine: {}; install them: apt-get install {}",
        programs.join(", "),
        packages.join(" ")
    );
}

impl Tool {
    fn find(&self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        // The file system tools are not in the path of ordinary users, and apt-helper is in nobody's.
        let places = ["/usr/sbin", "/sbin", "/usr/lib/apt"].map(PathBuf::from);
        env::split_paths(&path)
            .chain(places)
            .map(|folder| folder.join(self.program))
            .find(|file| file.is_file())
    }

    /// Starts to put a call together.
    pub(crate) fn call(self) -> anyhow::Result<Call> {
        let program = self.find().with_context(|| {
            format!(
                "{} is missing on this machine; install it: apt-get install {}",
                self.program, self.package
            )
        })?;
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        Ok(Call { tool: self, command })
    }
}

/// A call of a tool.
#[derive(Debug)]
pub(crate) struct Call {
    tool: Tool,
    command: Command,
}

impl Call {
    #[must_use]
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    #[must_use]
    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    #[must_use]
    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Gives the tool a text to read.
    pub(crate) fn input(mut self, text: &str) -> anyhow::Result<Self> {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile().context("making a temporary file")?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.rewind())
            .context("writing a temporary file")?;
        self.command.stdin(file);
        Ok(self)
    }

    /// Runs it; what it prints is returned, or shown when it fails.
    pub(crate) fn run(mut self) -> anyhow::Result<String> {
        let program = self.tool.program;
        let Output {
            status,
            stdout,
            stderr,
        } = self
            .command
            .output()
            .with_context(|| format!("running {program}"))?;
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        if status.success() {
            return Ok(stdout);
        }
        let said = String::from_utf8_lossy(&stderr);
        let said = if said.trim().is_empty() {
            stdout.as_str()
        } else {
            &said
        };
        let last: Vec<&str> = said
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(8)
            .collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("{program} failed ({status}): {}", last.join("; "));
    }

    /// Runs it with its output going where ours goes.
    pub(crate) fn run_shown(mut self) -> anyhow::Result<()> {
        let program = self.tool.program;
        let status = self
            .command
            .status()
            .with_context(|| format!("running {program}"))?;
        if !status.success() {
            bail!("{program} failed ({status}); what it said stands above");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Tool = Tool {
        program: "a-program-that-nobody-has",
        package: "the-package",
    };

    #[test]
    fn a_missing_tool_names_its_package() {
        for error in [
            require(&[DPKG_DEB, NOWHERE]).unwrap_err(),
            NOWHERE.call().unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(
                error.contains(NOWHERE.program) && error.contains("apt-get install the-package"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_failing_tool_is_quoted() {
        let error = DPKG_DEB
            .call()
            .unwrap()
            .arg("--info")
            .arg("/nonexistent.deb")
            .run()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("dpkg-deb failed") && error.contains("nonexistent.deb"),
            "{error}"
        );
    }
}
