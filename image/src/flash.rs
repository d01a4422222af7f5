//! Writes an image to a disk or a file, and onto its state partition what it is to know at first: the activation token,
//! its owner's public key, and the secret by which it proves itself to that owner.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use vedette_crypto::{Secret, VerifyingKey};
use vedette_protocol::{codec, link::ActivationToken};

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
    pub owner: Option<Owning>,
}

/// Whose the appliance is from its first boot on.
#[derive(Debug)]
pub struct Owning {
    /// The owner's public key.
    pub owner: VerifyingKey,
    /// A new file for the secret by which `vedette appliance confirm --enrolment` knows the appliance.
    pub enrolment_out: PathBuf,
}

/// The longest token file that is read: a token and its line's end.
const TOKEN_LIMIT: u64 = 128;
/// The longest file with a public key that is read: 32 bytes in base64 and a line's end.
const KEY_LIMIT: u64 = 64;
/// Names on the state partition, as the keeper reads them.
const TOKEN_FILE: &str = "activation-token";
const OWNER_FILE: &str = "owner";
const ENROLMENT_FILE: &str = "enrolment-secret";
/// Version of [`OWNER_FILE`].
const OWNER_VERSION: u8 = 1;

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

/// Reads an owner's public key, as `vedette owner show --public` prints it.
pub fn read_owner(file: &Path) -> anyhow::Result<VerifyingKey> {
    let mut text = String::new();
    File::open(file)
        .and_then(|file| file.take(KEY_LIMIT + 1).read_to_string(&mut text))
        .with_context(|| format!("reading the owner's public key {}", file.display()))?;
    text.trim_ascii_end().parse().ok().with_context(|| {
        format!(
            "{} holds no public key (44 characters, alone on a line); `vedette owner show --public` prints it",
            file.display()
        )
    })
}

impl Flash {
    pub fn run(&self) -> anyhow::Result<()> {
        tool::require(&[SFDISK, MKE2FS, ZSTD])?;
        let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
        if let Some(token) = &self.token {
            files.push((TOKEN_FILE, format!("{}\n", token.expose()).into_bytes()));
        }
        let secret = Secret::<32>::random();
        if let Some(owning) = &self.owner {
            files.push((OWNER_FILE, codec::encode(&(OWNER_VERSION, owning.owner))));
            files.push((ENROLMENT_FILE, secret.with(|secret| secret.to_vec())));
            // Before the disk is written: an appliance whose secret nobody has would have to be flashed again.
            keep_secret(&owning.enrolment_out, &secret)?;
        }
        let written = self.write(&files);
        if let (Err(_), Some(owning)) = (&written, &self.owner) {
            // No appliance has it.
            fs::remove_file(&owning.enrolment_out).context("removing a secret that is of no use")?;
        }
        written
    }

    fn write(&self, files: &[(&str, Vec<u8>)]) -> anyhow::Result<()> {
        Target::open(&self.to)?.write(&self.image)?;
        if files.is_empty() {
            return Ok(());
        }
        let state = disk::find(&self.to, "state")?;
        put_files(&self.to, state, files).context("writing what the appliance is to know at first")
    }
}

/// Alone on a line, in a new file that only its owner reads.
fn keep_secret(path: &Path, secret: &Secret<32>) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("making the new file {} for the enrolment secret", path.display()))?;
    secret
        .with(|secret| writeln!(file, "{}", STANDARD.encode(secret)))
        .and_then(|()| file.sync_all())
        .with_context(|| format!("writing {}", path.display()))
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

/// Makes the state partition's file system with these files in it. The appliance formats it itself where there is none.
fn put_files(disk: &Path, state: Extent, files: &[(&str, Vec<u8>)]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
    for (name, content) in files {
        let file = folder.path().join(name);
        fs::write(&file, content)?;
        // The owner's number comes along too, and is not root's when a user flashes a file. Only the keeper sees this
        // file system.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    }
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
            owner: None,
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

    fn owning(secret: &Path) -> Owning {
        Owning {
            owner: VerifyingKey::from_bytes([7; 32]),
            enrolment_out: secret.to_owned(),
        }
    }

    #[test]
    fn an_owner_s_key_and_a_secret_are_flashed_and_the_secret_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [image, to, secret] = ["image", "to", "secret"].map(|name| folder.path().join(name));
        let layout = Layout::new(manifest::Disk {
            esp: 34,
            root: 8,
            state: 16,
            workspace: 32,
        });
        layout.make(&image).unwrap();
        let flash = |image: &Path| Flash {
            image: image.to_owned(),
            to: to.clone(),
            token: None,
            owner: Some(owning(&secret)),
        };
        flash(&image).run().unwrap();
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        let kept = STANDARD
            .decode(fs::read_to_string(&secret).unwrap().trim_end())
            .unwrap();
        assert_eq!(kept.len(), 32);
        let state = layout.partition("state").unwrap();
        let on_disk = |name: &str| {
            let part = folder.path().join("part");
            let bytes = fs::read(&to).unwrap();
            let start = usize::try_from(state.start).unwrap();
            fs::write(&part, &bytes[start..start + usize::try_from(state.size).unwrap()]).unwrap();
            let output = std::process::Command::new("/usr/sbin/debugfs")
                .arg("-R")
                .arg(format!("cat {name}"))
                .arg(&part)
                .output()
                .unwrap();
            output.stdout
        };
        assert_eq!(on_disk(ENROLMENT_FILE), kept);
        let (version, owner): (u8, VerifyingKey) = codec::decode(&on_disk(OWNER_FILE)).unwrap();
        assert_eq!((version, owner), (1, VerifyingKey::from_bytes([7; 32])));

        // A secret that is kept is not written over, and one that no appliance has is not kept.
        assert!(flash(&image).run().is_err());
        assert_eq!(on_disk(ENROLMENT_FILE), kept);
        fs::remove_file(&secret).unwrap();
        assert!(flash(Path::new("/nonexistent")).run().is_err());
        assert!(!secret.exists());
    }

    #[test]
    fn only_a_public_key_alone_on_a_line_is_an_owner_s() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let key = VerifyingKey::from_bytes([7; 32]);
        fs::write(&file, format!("{key}\n")).unwrap();
        assert_eq!(read_owner(&file).unwrap(), key);
        for text in [
            String::new(),
            "abc".to_owned(),
            format!("{key}x"),
            format!("{key}\n{key}\n"),
        ] {
            fs::write(&file, &text).unwrap();
            let error = read_owner(&file).unwrap_err().to_string();
            assert!(error.contains("owner show --public"), "{text}: {error}");
        }
    }

    #[test]
    fn flashing_to_what_is_no_disk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        let flash = Flash {
            image: PathBuf::from("/nonexistent"),
            to: PathBuf::from("/dev/null"),
            token: None,
            owner: Some(owning(&secret)),
        };
        assert!(format!("{:#}", flash.run().unwrap_err()).contains("/dev/null"));
    }
}
