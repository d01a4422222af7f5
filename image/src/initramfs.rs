//! The initramfs: vedette-init, the kernel modules and their order, as a cpio archive (the kernel's `newc` format).

use std::{fs, path::Path};

use anyhow::{Context, ensure};

use crate::{
    init::modules::{FOLDER, ORDER},
    kernel::Module,
    tool::ZSTD,
};

const FOLDER_MODE: u32 = 0o040_755;
const FILE_MODE: u32 = 0o100_644;
const PROGRAM_MODE: u32 = 0o100_755;
const CONSOLE_MODE: u32 = 0o020_600;
/// /dev/console, on which the kernel opens the first process's output.
const CONSOLE: (u32, u32) = (5, 1);

/// Writes the compressed archive.
pub(crate) fn write(init: &Path, modules: &[Module], work: &Path, to: &Path) -> anyhow::Result<()> {
    let mut archive = Archive::default();
    for folder in ["/proc", "/sys", "/dev", "/root", FOLDER] {
        archive.entry(folder, FOLDER_MODE, (0, 0), &[])?;
    }
    archive.entry("/dev/console", CONSOLE_MODE, CONSOLE, &[])?;
    let program = fs::read(init).with_context(|| format!("reading the program {}", init.display()))?;
    archive.entry("/init", PROGRAM_MODE, (0, 0), &program)?;
    let order: String = modules.iter().map(|module| module.entry.line()).collect();
    archive.entry(&format!("{FOLDER}/{ORDER}"), FILE_MODE, (0, 0), order.as_bytes())?;
    for module in modules {
        archive.entry(
            &format!("{FOLDER}/{}.ko", module.entry.name),
            FILE_MODE,
            (0, 0),
            &module.bytes,
        )?;
    }
    let plain = work.join("initrd.cpio");
    fs::write(&plain, archive.finish()?).with_context(|| format!("writing {}", plain.display()))?;
    // One thread: the number of processors must not show in the bytes.
    ZSTD.call()?
        .args(["-19", "-q", "-f", "-T1", "--no-progress"])
        .arg(&plain)
        .arg("-o")
        .arg(to)
        .run()
        .map(drop)
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) -> anyhow::Result<()> {
        self.entries += 1;
        let name = path.trim_start_matches('/');
        let links = if mode & 0o040_000 == 0 { 1 } else { 2 };
        let size =
            u32::try_from(content.len()).with_context(|| format!("{path} is too long for the initramfs"))?;
        let name_size = u32::try_from(name.len() + 1).context("a name of four gigabytes")?;
        let fields = [
            self.entries,
            mode,
            0,
            0,
            links,
            0,
            size,
            0,
            0,
            device.0,
            device.1,
            name_size,
            0,
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(content);
        self.pad();
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        ensure!(
            self.bytes.len() < 64 << 20,
            "the initramfs has more than 64 MiB; name fewer modules"
        );
        Ok(self.bytes)
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_laid_out_as_the_kernel_reads_it() {
        let mut archive = Archive::default();
        archive.entry("/init", PROGRAM_MODE, (0, 0), b"abcde").unwrap();
        let bytes = archive.bytes;
        assert_eq!(&bytes[..14], b"07070100000001");
        assert_eq!(&bytes[14..22], b"000081ED");
        // Thirteen fields of eight digits after the magic; name and content are padded to four.
        assert_eq!(&bytes[54..62], b"00000005");
        assert_eq!(&bytes[110..116], b"init\0\0");
        assert_eq!(&bytes[116..124], b"abcde\0\0\0");
        assert_eq!(bytes.len(), 124);
    }
}
