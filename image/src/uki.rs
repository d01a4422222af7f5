//! The unified kernel image: kernel, initramfs and command line in one signed EFI program.
//!
//! objcopy puts the parts behind Debian's EFI stub. It also stamps the time of day and a checksum into the header:
//! both are cleared, so that the same parts give the same bytes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use vedette_protocol::time::Timestamp;

use crate::{
    elf::{u16_at, u32_at},
    signing::SigningKey,
    tool::OBJCOPY,
};

/// The parts, as files.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub stub: &'a Path,
    pub os_release: &'a Path,
    pub cmdline: &'a Path,
    pub kernel: &'a Path,
    pub initrd: &'a Path,
}

/// Writes the signed program to `to`.
pub(crate) fn make(
    parts: &Parts<'_>,
    key: &SigningKey,
    time: Timestamp,
    work: &Path,
    to: &Path,
) -> anyhow::Result<()> {
    let unsigned = work.join("unsigned.efi");
    join(parts, &unsigned).context("joining kernel, initramfs and command line")?;
    let mut bytes = fs::read(&unsigned).with_context(|| unsigned.display().to_string())?;
    Header::parse(&bytes)
        .context("objcopy wrote no well-formed EFI program")?
        .settle(&mut bytes);
    fs::write(&unsigned, bytes).with_context(|| unsigned.display().to_string())?;
    key.sign(&unsigned, time, to)
}

fn join(parts: &Parts<'_>, to: &Path) -> anyhow::Result<()> {
    let stub = fs::read(parts.stub).with_context(|| parts.stub.display().to_string())?;
    let header = Header::parse(&stub)
        .with_context(|| format!("{} is no well-formed EFI program", parts.stub.display()))?;
    let mut at = header.end;
    let mut call = OBJCOPY.call()?;
    let sections = [
        (".osrel", parts.os_release),
        (".cmdline", parts.cmdline),
        (".linux", parts.kernel),
        (".initrd", parts.initrd),
    ];
    for (name, file) in sections {
        let size = fs::metadata(file)
            .with_context(|| file.display().to_string())?
            .len();
        call = call
            .arg(format!("--add-section={name}={}", file.display()))
            .arg(format!("--change-section-vma={name}={:#x}", header.base + at));
        at = (at + size).next_multiple_of(header.alignment);
    }
    call.arg(parts.stub).arg(to).run().map(drop)
}

/// What is needed of a PE header (Microsoft PE Format, revision of 2024).
#[derive(Debug)]
struct Header {
    /// Where the COFF header starts.
    coff: usize,
    base: u64,
    alignment: u64,
    /// First free address after the sections, aligned.
    end: u64,
}

const COFF_SIZE: usize = 20;
const TIMESTAMP: usize = 4;
const CHECKSUM: usize = COFF_SIZE + 64;
const SECTION_SIZE: usize = 40;

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let signature = usize::try_from(u32_at(bytes, 0x3c)?).ok()?;
        if bytes.get(signature..signature.checked_add(4)?)? != b"PE\0\0" {
            return None;
        }
        let coff = signature + 4;
        let sections = usize::from(u16_at(bytes, coff + 2)?);
        let optional = usize::from(u16_at(bytes, coff + 16)?);
        let at = coff + COFF_SIZE;
        // PE32+.
        if u16_at(bytes, at)? != 0x20b {
            return None;
        }
        let base = u64::from(u32_at(bytes, at + 24)?) | u64::from(u32_at(bytes, at + 28)?) << 32;
        let alignment = u64::from(u32_at(bytes, at + 32)?);
        let mut end = 0;
        for index in 0..sections {
            let section = at + optional + index * SECTION_SIZE;
            let (size, address) = (u32_at(bytes, section + 8)?, u32_at(bytes, section + 12)?);
            end = end.max(u64::from(address) + u64::from(size));
        }
        bytes.get(coff + CHECKSUM..coff + CHECKSUM + 4)?;
        alignment.is_power_of_two().then(|| Self {
            coff,
            base,
            alignment,
            end: end.next_multiple_of(alignment),
        })
    }

    /// Clears what differs from one run to the next; signing computes the checksum anew.
    fn settle(&self, bytes: &mut [u8]) {
        bytes[self.coff + TIMESTAMP..][..4].fill(0);
        bytes[self.coff + CHECKSUM..][..4].fill(0);
    }
}

/// Where systemd-boot-efi has the stub.
pub(crate) fn stub() -> PathBuf {
    PathBuf::from("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
}

/// Fails if a word of the command line could be taken for two.
pub(crate) fn cmdline_text(words: &[String]) -> anyhow::Result<String> {
    let line = words.join(" ");
    // The kernel's COMMAND_LINE_SIZE on x86.
    ensure!(
        line.len() < 2048,
        "the kernel command line has {} bytes, more than 2047; drop a parameter",
        line.len()
    );
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PE32+ header with one section at 0x1000, 0x234 bytes long.
    fn program() -> Vec<u8> {
        let mut bytes = vec![0_u8; 0x400];
        bytes[0x3c] = 0x80;
        bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
        bytes[0x86] = 1;
        bytes[0x88..0x8c].fill(0xaa);
        bytes[0x94] = 0xf0;
        bytes[0x98..0x9a].copy_from_slice(&[0x0b, 0x02]);
        bytes[0xb8..0xbc].copy_from_slice(&0x1000_u32.to_le_bytes());
        bytes[0xd8..0xdc].fill(0xbb);
        let section = 0x98 + 0xf0;
        bytes[section + 8..section + 12].copy_from_slice(&0x234_u32.to_le_bytes());
        bytes[section + 12..section + 16].copy_from_slice(&0x1000_u32.to_le_bytes());
        bytes
    }

    #[test]
    fn parts_start_after_the_last_section() {
        let header = Header::parse(&program()).unwrap();
        assert_eq!((header.base, header.alignment, header.end), (0, 0x1000, 0x2000));
    }

    #[test]
    fn time_and_checksum_are_cleared() {
        let mut bytes = program();
        Header::parse(&bytes).unwrap().settle(&mut bytes);
        assert!(bytes.iter().all(|byte| *byte != 0xaa && *byte != 0xbb));
    }

    #[test]
    fn what_is_cut_off_is_no_program_and_no_panic() {
        let program = program();
        for length in [0, 0x3d, 0x82, 0x90, 0x9a, 0xd9, 0x188] {
            assert!(Header::parse(&program[..length]).is_none(), "{length:#x}");
        }
    }
}
