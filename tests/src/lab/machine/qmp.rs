//! QEMU's control socket (QMP): lines of JSON, one answer for each command, and events in between.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// A connection. QEMU has one at a time.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

impl Qmp {
    pub(super) fn connect(path: &Path) -> Result<Self> {
        let end = Instant::now() + PATIENCE;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > end => {
                    return Err(error).context(format!("connecting to QEMU at {}", path.display()));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut qmp = Self {
            stream: BufReader::new(stream),
        };
        let greeting = qmp.line()?;
        ensure!(greeting.get("QMP").is_some(), "QEMU greeted with {greeting}");
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Stops the processors.
    pub fn stop(&mut self) -> Result<()> {
        self.execute("stop", json!({})).map(drop)
    }

    /// Lets them run on.
    pub fn cont(&mut self) -> Result<()> {
        self.execute("cont", json!({})).map(drop)
    }

    /// Presses the reset button. The machine ends, since none reboots here.
    pub fn reset(&mut self) -> Result<()> {
        self.execute("system_reset", json!({})).map(drop)
    }

    /// Ends QEMU.
    pub fn quit(&mut self) -> Result<()> {
        self.execute("quit", json!({})).map(drop)
    }

    /// Pulls the network cable, or plugs it in.
    pub fn set_link(&mut self, is_up: bool) -> Result<()> {
        self.execute("set_link", json!({ "name": "net", "up": is_up }))
            .map(drop)
    }

    /// Writes the machine's memory to a file, all of it.
    pub fn save_memory(&mut self, to: &Path) -> Result<()> {
        let summary = self.execute("query-memory-size-summary", json!({}))?;
        let size = summary
            .get("base-memory")
            .and_then(Value::as_u64)
            .context("QEMU did not say the memory's size")?;
        // q35 with less than 2 GiB has it in one piece, from 0 on.
        ensure!(
            size <= 2 << 30,
            "memory of {size} bytes is in two pieces; this saves one"
        );
        self.execute("pmemsave", json!({ "val": 0, "size": size, "filename": to }))
            .map(drop)
    }

    /// One command, as in QEMU's QMP reference.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut request = json!({ "execute": command, "arguments": arguments }).to_string();
        request.push('\n');
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .with_context(|| format!("telling QEMU {command}"))?;
        loop {
            let mut answer = self
                .line()
                .with_context(|| format!("waiting for QEMU's answer to {command}"))?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refused {command}: {error}");
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.stream.by_ref().take(LONGEST).read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("QEMU said {line:?}"))
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
const LONGEST: u64 = 1 << 20;
