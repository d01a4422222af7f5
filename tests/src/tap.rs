//! What is on a lab's wire, bit by bit, and what it says to who has the keys: recorded by tcpdump, read by tshark.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    lab::{Lab, Process},
    programs::output_of,
};

/// A recording of all that passes the lab's bridge, until it is ended.
#[derive(Debug)]
pub struct Tap {
    recorder: Process,
    file: PathBuf,
}

/// What was recorded.
#[derive(Debug)]
pub struct Recording(PathBuf);

impl Tap {
    /// Records from now on what this filter (pcap-filter(7)) lets through.
    pub fn start(lab: &Lab, name: &str, filter: &str) -> Result<Self> {
        let file = lab.dir().join(format!("{name}.pcap"));
        let mut tcpdump = Command::new("tcpdump");
        tcpdump
            .args(["-i", lab.bridge(), "-U", "-s", "0", "-Z", "root", "-w"])
            .arg(&file)
            .arg(filter);
        let recorder = lab.spawn(&format!("tap-{name}"), tcpdump)?;
        let end = Instant::now() + Duration::from_secs(20);
        // Its first bytes are written when it listens.
        while fs::metadata(&file).map_or(0, |file| file.len()) == 0 {
            ensure!(
                Instant::now() < end,
                "tcpdump does not listen: {}",
                recorder.said()
            );
            thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { recorder, file })
    }

    /// Ends it.
    pub fn end(mut self) -> Result<Recording> {
        // What the kernel has handed over is written at once.
        thread::sleep(Duration::from_secs(1));
        self.recorder.reap();
        Ok(Recording(self.file))
    }
}

impl Recording {
    /// The packets as they were.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What was said in all TLS connections of which the keys are in this file, both ways.
    pub fn opened_with(&self, keys: &Path) -> Result<Vec<u8>> {
        let tshark = || {
            let mut tshark = Command::new("tshark");
            tshark.args(["-n", "-r"]).arg(&self.0);
            tshark
                .arg("-o")
                .arg(format!("tls.keylog_file:{}", keys.display()));
            tshark
        };
        let streams = output_of(tshark().args(["-Y", "tls", "-T", "fields", "-e", "tcp.stream"]))?;
        let streams: BTreeSet<&str> = streams.lines().collect();
        let mut follow = tshark();
        follow.arg("-q");
        for stream in streams {
            follow.arg("-z").arg(format!("follow,tls,raw,{stream}"));
        }
        let mut said = Vec::new();
        // Each line is a piece in hexadecimal digits; one from the server begins with a tab.
        for line in output_of(&mut follow)?.lines().map(str::trim) {
            if !line.is_empty() && line.len() % 2 == 0 && line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let bytes = (0..line.len()).step_by(2);
                let bytes: Result<Vec<u8>, _> = bytes
                    .map(|at| u8::from_str_radix(&line[at..at + 2], 16))
                    .collect();
                said.extend(bytes.context("they are hexadecimal digits")?);
            }
        }
        Ok(said)
    }
}
