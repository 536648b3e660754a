//! The servers of the references.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::home::Home;
use crate::sample::Running;

pub(crate) struct Server {
    pub(crate) sock: PathBuf,
    _process: Running,
    _home: Home,
}

impl Server {
    /// Starts it and waits until it listens.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let home = Home::new()?;
        let sock = home.join("sock");
        let mut command = Command::new(program);
        command.arg("serve").arg(&sock).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Running::spawn(&mut command)?;
        let mut line = String::new();
        let stdout = process.0.stdout.take().ok_or("there is no pipe")?;
        BufReader::new(stdout).read_line(&mut line)?;
        if line != "listening\n" {
            return Err(format!("{command:?} does not listen").into());
        }
        Ok(Self { sock, _process: process, _home: home })
    }
}
