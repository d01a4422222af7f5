//! Writes an image to a disk or a file, and the activation token onto its state partition.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use vedette_protocol::link::ActivationToken;

use crate::{
    disk::{self, Extent},
    tool::{self, MKE2FS, SFDISK, ZSTD},
};

/// What to flash, and to where.
#[derive(Debug)]
pub struct Flash {
    /// A raw image, or one packed by zstd if its name ends in `.zst`.
    pub image: PathBuf,
    /// A block device, or a file that is written anew.
    pub to: PathBuf,
    pub token: Option<ActivationToken>,
}

/// The longest token file that is read: a token and its line's end.
const TOKEN_LIMIT: u64 = 128;
/// Name of the token on the state partition.
const TOKEN_FILE: &str = "activation-token";

/// Reads a token from a file: never from an argument, where every user could see it.
pub fn read_token(file: &Path) -> anyhow::Result<ActivationToken> {
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(TOKEN_LIMIT).read_to_string(&mut text))
        .with_context(|| format!("reading the activation token {}", file.display()))?;
    ActivationToken::parse(text.trim_ascii_end()).with_context(|| {
        format!(
            "{} holds no activation token ({}…, alone on a line); make one with `vedette token create`",
            file.display(),
            ActivationToken::PREFIX
        )
    })
}

impl Flash {
    pub fn run(&self) -> anyhow::Result<()> {
        tool::require(&[SFDISK, MKE2FS, ZSTD])?;
        let target = Target::open(&self.to)?;
        target.write(&self.image)?;
        if let Some(token) = &self.token {
            let state = disk::find(&self.to, "state")?;
            put_token(&self.to, state, token).context("writing the activation token")?;
        }
        Ok(())
    }
}

struct Target {
    path: PathBuf,
    file: File,
    device: bool,
}

impl Target {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let device = match fs::metadata(path) {
            Ok(metadata) => {
                let kind = metadata.file_type();
                ensure!(
                    kind.is_block_device() || kind.is_file(),
                    "{} is neither a disk nor a file; nothing was written",
                    path.display()
                );
                kind.is_block_device()
            }
            Err(_) => false,
        };
        let file = if device {
            OpenOptions::new().read(true).write(true).open(path)
        } else {
            File::create(path)
        };
        let file = file.with_context(|| format!("opening {} for writing", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            device,
        })
    }

    fn write(mut self, image: &Path) -> anyhow::Result<()> {
        let unpacked;
        let image = if image.extension().is_some_and(|end| end == "zst") {
            unpacked = unpack(image)?;
            unpacked.path()
        } else {
            image
        };
        let source = File::open(image).with_context(|| format!("opening the image {}", image.display()))?;
        let size = source
            .metadata()
            .with_context(|| image.display().to_string())?
            .len();
        let mut source = BufReader::with_capacity(1 << 20, source);
        let writing = || format!("writing to {}", self.path.display());
        if self.device {
            let room = self.file.seek(SeekFrom::End(0)).with_context(writing)?;
            ensure!(
                room >= size,
                "{} has {room} bytes, and the image {size}; take a larger disk",
                self.path.display()
            );
            disk::copy_all(&mut source, &mut self.file).with_context(writing)?;
        } else {
            self.file.set_len(size).with_context(writing)?;
            disk::copy_sparse(&mut source, &self.file, 0).with_context(writing)?;
        }
        self.file
            .flush()
            .and_then(|()| self.file.sync_all())
            .with_context(writing)?;
        if self.device {
            // The copy of the table belongs to the disk's end, not to the image's.
            SFDISK
                .call()?
                .arg("--relocate")
                .arg("gpt-bak-std")
                .arg(&self.path)
                .run()?;
        }
        Ok(())
    }
}

fn unpack(image: &Path) -> anyhow::Result<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new().context("making a temporary file")?;
    ZSTD.call()?
        .args(["-d", "-q", "-f", "--sparse"])
        .arg(image)
        .arg("-o")
        .arg(file.path())
        .run()?;
    Ok(file)
}

/// Makes the state partition's file system with the token in it. The appliance formats it itself where there is none.
fn put_token(disk: &Path, state: Extent, token: &ActivationToken) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let file = folder.path().join(TOKEN_FILE);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
    fs::write(&file, format!("{}\n", token.expose()))?;
    // The owner's number comes along too, and is not root's when a user flashes a file. Only the keeper sees this
    // file system.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    MKE2FS
        .call()?
        .args(["-q", "-F", "-t", "ext4", "-L", "state", "-m", "0", "-b", "4096"])
        // Data goes through the journal, so it has to hold the largest record twice.
        .args(["-J", "size=4", "-O", "^resize_inode", "-d"])
        .arg(folder.path())
        .args([
            "-E",
            &format!(
                "offset={},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0",
                state.start
            ),
        ])
        .arg(disk)
        .arg(format!("{}k", state.size / 1024))
        .run()
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{disk::Layout, manifest};

    fn token() -> String {
        format!("{}{}", ActivationToken::PREFIX, "A".repeat(43))
    }

    #[test]
    fn only_a_token_alone_on_a_line_is_flashed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        for text in [token(), token() + "\n"] {
            fs::write(&file, text).unwrap();
            assert_eq!(read_token(&file).unwrap().expose(), token());
        }
        for text in [
            "",
            "\n",
            "abc",
            &format!("{0}\n{0}\n", token()),
            &"A".repeat(1000),
        ] {
            fs::write(&file, text).unwrap();
            let error = read_token(&file).unwrap_err().to_string();
            assert!(error.contains("vedette token create"), "{error}");
        }
    }

    #[test]
    fn a_flashed_file_is_the_image_with_the_token_on_its_state_partition() {
        let folder = tempfile::tempdir().unwrap();
        let (image, to) = (folder.path().join("image"), folder.path().join("to"));
        let layout = Layout::new(manifest::Disk {
            esp: 34,
            root: 8,
            state: 16,
            workspace: 32,
        });
        layout.make(&image).unwrap();
        let flash = Flash {
            image: image.clone(),
            to: to.clone(),
            token: ActivationToken::parse(&token()),
        };
        flash.run().unwrap();
        let state = layout.partition("state").unwrap();
        let (before, after) = (fs::read(&image).unwrap(), fs::read(&to).unwrap());
        let start = usize::try_from(state.start).unwrap();
        let end = start + usize::try_from(state.size).unwrap();
        assert!(before[..start] == after[..start] && before[end..] == after[end..]);
        // ext4's magic stands 1080 bytes into the file system.
        assert_eq!(&after[start + 1080..start + 1082], &[0x53, 0xef]);
        assert!(
            after[start..end]
                .windows(token().len())
                .any(|bytes| bytes == token().as_bytes())
        );
    }

    #[test]
    fn flashing_to_what_is_no_disk_is_refused() {
        let flash = Flash {
            image: PathBuf::from("/nonexistent"),
            to: PathBuf::from("/dev/null"),
            token: None,
        };
        assert!(format!("{:#}", flash.run().unwrap_err()).contains("/dev/null"));
    }
}
