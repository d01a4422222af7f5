//! As much of ELF as the builder needs: is a file one, what does it load, and a section by name.
//! The files come from packages, so every offset is checked.

/// The sections of a 64-bit little-endian ELF file.
#[derive(Debug)]
pub(crate) struct Elf<'a> {
    file: &'a [u8],
    sections: Vec<Section<'a>>,
}

#[derive(Debug)]
struct Section<'a> {
    name: usize,
    kind: u32,
    link: usize,
    bytes: &'a [u8],
}

const SHT_DYNAMIC: u32 = 6;
/// A section without bytes in the file.
const SHT_NOBITS: u32 = 8;
const DT_NEEDED: u64 = 1;

/// Whether the kernel or the loader would take it for a program or a library.
pub(crate) fn is_elf(file: &[u8]) -> bool {
    file.starts_with(b"\x7fELF")
}

impl<'a> Elf<'a> {
    /// `None` if the file is not ELF, or malformed.
    pub(crate) fn parse(file: &'a [u8]) -> Option<Self> {
        // 64 bit, little endian.
        if !is_elf(file) || file.get(4..6)? != [2, 1] {
            return None;
        }
        let table = usize::try_from(u64_at(file, 0x28)?).ok()?;
        let (size, count) = (usize::from(u16_at(file, 0x3a)?), usize::from(u16_at(file, 0x3c)?));
        let mut sections = Vec::new();
        for index in 0..count {
            let header = file.get(table.checked_add(index.checked_mul(size)?)?..)?;
            let kind = u32_at(header, 4)?;
            let at = usize::try_from(u64_at(header, 0x18)?).ok()?;
            let length = usize::try_from(u64_at(header, 0x20)?).ok()?;
            let bytes = if kind == SHT_NOBITS {
                &[][..]
            } else {
                file.get(at..at.checked_add(length)?)?
            };
            sections.push(Section {
                name: usize::try_from(u32_at(header, 0)?).ok()?,
                kind,
                link: usize::try_from(u32_at(header, 0x28)?).ok()?,
                bytes,
            });
        }
        Some(Self { file, sections })
    }

    /// The libraries that the loader is asked for.
    pub(crate) fn needed(&self) -> Option<Vec<String>> {
        let Some(dynamic) = self.sections.iter().find(|section| section.kind == SHT_DYNAMIC) else {
            return Some(Vec::new());
        };
        let strings = self.sections.get(dynamic.link)?.bytes;
        let entries = dynamic
            .bytes
            .chunks_exact(16)
            .take_while(|entry| entry[..8] != [0; 8]);
        entries
            .filter(|entry| u64_at(entry, 0) == Some(DT_NEEDED))
            .map(|entry| text_at(strings, usize::try_from(u64_at(entry, 8)?).ok()?))
            .collect()
    }

    /// The bytes of the section `name`.
    pub(crate) fn section(&self, name: &str) -> Option<&'a [u8]> {
        let names = self.sections.get(usize::from(u16_at(self.file, 0x3e)?))?.bytes;
        self.sections
            .iter()
            .find(|section| text_at(names, section.name).as_deref() == Some(name))
            .map(|section| section.bytes)
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(
        bytes.get(at..at.checked_add(2)?)?.try_into().ok()?,
    ))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(
        bytes.get(at..at.checked_add(8)?)?.try_into().ok()?,
    ))
}

fn text_at(bytes: &[u8], at: usize) -> Option<String> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_needs_the_c_library() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let elf = Elf::parse(&file).unwrap();
        assert!(elf.needed().unwrap().iter().any(|name| name == "libc.so.6"));
        assert!(elf.section(".text").is_some_and(|text| !text.is_empty()));
        assert!(elf.section(".nothing").is_none());
    }

    #[test]
    fn a_truncated_or_garbled_file_is_no_elf_and_no_panic() {
        let file = std::fs::read("/proc/self/exe").unwrap();
        for length in [0, 3, 16, 63, 64, 200] {
            assert!(Elf::parse(&file[..length]).is_none());
        }
        let mut head = file[..4096].to_vec();
        head[0x28..0x30].fill(0xff);
        assert!(Elf::parse(&head).is_none());
        assert!(Elf::parse(b"#!/bin/sh\n").is_none());
    }
}
