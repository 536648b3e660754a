//! A row's own runtime directory with the files of its daemon.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::caller::{Caller, Done};
use crate::orders::Orders;
use crate::process::{MARK, eventually, is_gone, marked, sweep};
use crate::{Result, process};

pub(crate) struct Home {
    path: PathBuf,
    program: PathBuf,
    variables: Vec<(String, String)>,
}

/// What the daemons of a home wrote down when they began.
pub(crate) struct Starts {
    pub(crate) pids: Vec<u32>,
    /// Those that began while another one lived and was not on its way out.
    pub(crate) beside: Vec<String>,
}

impl Home {
    pub(crate) fn new(path: PathBuf, program: &Path) -> Result<Self> {
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, program: program.to_owned(), variables: Vec::new() })
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory of the daemon's files.
    pub(crate) fn place(&self) -> PathBuf {
        self.join("fixture")
    }

    /// The same home with a further setting of the fixture's.
    pub(crate) fn with(&self, name: &str, value: &impl ToString) -> Self {
        let mut variables = self.variables.clone();
        variables.push((format!("FIX_{name}"), value.to_string()));
        Self { path: self.path.clone(), program: self.program.clone(), variables }
    }

    /// The same home with another program in the fixture's place.
    pub(crate) fn running(&self, program: PathBuf) -> Self {
        Self { program, path: self.path.clone(), variables: self.variables.clone() }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The fixture, about to run in this home.
    pub(crate) fn fixture(&self, args: &[&str]) -> Command {
        let mut command = self.command(&self.program);
        command.args(args);
        command
    }

    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env("XDG_RUNTIME_DIR", &self.path)
            .env(MARK, &self.path)
            .env("AUTOD_FAULTS", Orders::directory(&self.path))
            .env("FIX_STARTS", self.join("starts"))
            .env("FIX_EXECUTED", self.join("executed"))
            // The symbols of a backtrace take longer than everything that is measured.
            .env_remove("RUST_BACKTRACE")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the fixture to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Result<Done> {
        Caller::spawn(self.fixture(args))?.done()
    }

    /// The pid of the daemon, started if there is none.
    pub(crate) fn daemon(&self) -> Result<u32> {
        let done = self.run(&["pid"])?;
        done.stdout.parse().map_err(|_| format!("there is no daemon: {}", done.said()).into())
    }

    /// Whoever the life lock names, if it lives. While a daemon is being started that is its
    /// starter. The lock itself is not tried: only holders of the spawn lock may do that.
    pub(crate) fn named(&self) -> Option<u32> {
        let record = std::fs::read_to_string(self.place().join("life.lock")).ok()?;
        let (_, rest) = record.split_once("\"pid\":")?;
        let pid = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        (!is_gone(pid)).then_some(pid)
    }

    /// Whether the life record says that the daemon is about to go.
    pub(crate) fn is_draining(&self) -> bool {
        let record = std::fs::read_to_string(self.place().join("life.lock"));
        record.is_ok_and(|record| record.contains("\"draining\""))
    }

    pub(crate) fn starts(&self) -> Starts {
        let text = std::fs::read_to_string(self.join("starts")).unwrap_or_default();
        let pid = |line: &str| line.split(' ').next()?.parse().ok();
        Starts {
            pids: text.lines().filter_map(pid).collect(),
            beside: text.lines().filter(|line| line.contains(' ')).map(str::to_owned).collect(),
        }
    }

    /// The last daemon that began, if it lives.
    pub(crate) fn newest(&self) -> Option<u32> {
        self.starts().pids.last().copied().filter(|&pid| !is_gone(pid))
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        marked(&self.path)
    }

    /// Whether just this process is left in the end.
    pub(crate) fn settles_on(&self, pid: u32) -> bool {
        eventually(process::PATIENCE, || self.processes() == [pid])
    }

    /// Kills all processes, and forgets what they left.
    pub(crate) fn clear(&self) {
        sweep(&self.path);
        let _ = std::fs::remove_dir_all(self.place());
    }

    /// What the daemon left, printed before it is removed.
    pub(crate) fn keep_evidence(&self, row: &str) {
        let log = std::fs::read_to_string(self.place().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        for line in lines.into_iter().rev() {
            eprintln!("  {row}'s log: {line}");
        }
    }
}
