//! An application that one logs in to by a form.

use std::{
    io::{BufRead, BufReader, Read},
    net::Ipv4Addr,
    process::{Child, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{USER, server::free_port};
use crate::programs::workspace;

/// The application, without TLS, until it is dropped.
#[derive(Debug)]
pub struct Application {
    process: Child,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Application {
    /// Starts it; [`USER`] may log in with the password.
    pub fn start(password: &str) -> Result<Self> {
        let port = free_port(Ipv4Addr::LOCALHOST.into())?;
        let mut process = Command::new("/usr/bin/python3")
            .arg(workspace().join("tests/src/logins/application.py"))
            .args([&port.to_string(), USER, password])
            .stdout(Stdio::piped())
            .spawn()
            .context("starting an application")?;
        let output = process.stdout.take().context("its output is piped")?;
        let mut application = Self {
            process,
            output: BufReader::new(output),
            port,
        };
        let mut line = String::new();
        application.output.read_line(&mut line)?;
        ensure!(line == "ready\n", "the application said {line:?}");
        Ok(application)
    }

    /// What puts it behind an nginx.
    pub fn proxied(&self) -> String {
        format!("location / {{ proxy_pass http://127.0.0.1:{}; }}", self.port)
    }

    /// Ends it; a line for each try to log in.
    pub fn end(mut self) -> Result<String> {
        self.process.kill()?;
        let mut tries = String::new();
        self.output.read_to_string(&mut tries)?;
        Ok(tries)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
