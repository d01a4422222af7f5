//! The two programs that the keeper runs, with fixed arguments and an empty environment: nothing else of
//! the daemon forks.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
};

const NFT: &str = "/usr/sbin/nft";
const MKE2FS: &str = "/usr/sbin/mke2fs";

/// The longest output that is read; the rest is thrown away.
const OUTPUT_LIMIT: u64 = 4 << 20;

/// A program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started, or spoken to.
    #[error("running {program}")]
    Run {
        program: &'static str,
        source: io::Error,
    },
    /// It said no.
    #[error("{program} ended with {status}: {complaint}")]
    Failed {
        program: &'static str,
        status: ExitStatus,
        complaint: String,
    },
}

/// Gives nft commands in JSON; its answer is JSON as well, or empty.
pub fn nft(commands: &str) -> Result<Vec<u8>, ProgramError> {
    run(NFT, command(NFT).args(["-j", "-f", "-"]), commands.as_bytes())
}

/// What a file system is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Kept for years, and written so that a power cut loses nothing: with a journal.
    State,
    /// Gone with the power: without a journal.
    Workspace,
}

/// Makes an ext4 file system on a device.
pub fn mke2fs(device: &Path, purpose: Purpose) -> Result<(), ProgramError> {
    let features = match purpose {
        Purpose::State => "has_journal",
        Purpose::Workspace => "^has_journal",
    };
    // -F: there is no terminal to be asked on; what stands on the device was judged before.
    let mut command = command(MKE2FS);
    command
        .args([
            "-q",
            "-F",
            "-t",
            "ext4",
            "-m",
            "0",
            "-b",
            "4096",
            "-E",
            "lazy_itable_init=1",
        ])
        .args(["-O", features])
        .arg(device);
    run(MKE2FS, &mut command, b"").map(drop)
}

fn command(program: &'static str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().current_dir("/");
    command
}

fn run(program: &'static str, command: &mut Command, input: &[u8]) -> Result<Vec<u8>, ProgramError> {
    let failed = |source| ProgramError::Run { program, source };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (output, complaint) = thread::scope(|scope| {
        let output = scope.spawn(|| read_bounded(stdout));
        let complaint = scope.spawn(|| read_bounded(stderr));
        if let Some(mut stdin) = stdin {
            // A program that does not read its input says why at its end.
            let _ = stdin.write_all(input);
        }
        (output.join(), complaint.join())
    });
    let status = child.wait().map_err(failed)?;
    let text = |read: thread::Result<io::Result<Vec<u8>>>| read.ok().and_then(Result::ok).unwrap_or_default();
    if status.success() {
        return Ok(text(output));
    }
    let complaint = String::from_utf8_lossy(&text(complaint))
        .trim()
        .chars()
        .take(500)
        .collect();
    Err(ProgramError::Failed {
        program,
        status,
        complaint,
    })
}

fn read_bounded(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.by_ref().take(OUTPUT_LIMIT).read_to_end(&mut bytes)?;
        io::copy(&mut pipe, &mut io::sink())?;
    }
    Ok(bytes)
}
