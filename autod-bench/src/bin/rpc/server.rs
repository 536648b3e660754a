//! The process that serves a kind, seen from both sides.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::Result;
use crate::cpu;
use crate::kinds::Kind;

/// Ends with its owner, as does its directory.
pub(crate) struct Server {
    process: Child,
    directory: PathBuf,
}

impl Server {
    /// Starts this program as the server of a kind and waits until it can be connected to.
    pub(crate) fn start(kind: &Kind) -> Result<Self> {
        let directory = private_directory()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(kind.name).arg(directory.join("sock"));
        command.env("XDG_RUNTIME_DIR", &directory).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = Self { process: command.spawn()?, directory };
        let output = server.process.stdout.take().ok_or("there is no pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line != "ready\n" {
            return Err(format!("the server of {} did not start", kind.name).into());
        }
        Ok(server)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("sock")
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// The time that it has spent on processors.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        cpu::time_of(self.pid())
    }

    /// Its resident memory in KiB; `statm` would be out of date by up to some hundred pages.
    pub(crate) fn resident(&self) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.process.id());
        let text = std::fs::read_to_string(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no Rss line")?;
        Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both do nothing if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            eprintln!("rpc: cannot remove {}: {error}", self.directory.display());
        }
    }
}

fn private_directory() -> Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;

    static MADE: AtomicUsize = AtomicUsize::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("autod-rpc-{}-{number}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
    Ok(directory)
}

/// The server's role: serves until it is killed.
pub(crate) fn serve(kind: &str, socket: &Path) -> Result<()> {
    // A benchmark that is interrupted leaves nothing behind.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    raise_descriptor_limit()?;
    let kind = Kind::named(kind).ok_or("there is no such kind")?;
    (kind.serve)(socket)
}

/// Tells the parent that the socket can be connected to.
pub(crate) fn say_ready() {
    let mut out = std::io::stdout().lock();
    if out.write_all(b"ready\n").and_then(|()| out.flush()).is_err() {
        // The parent is gone.
        std::process::exit(1);
    }
}

pub(crate) fn raise_descriptor_limit() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(())
}
