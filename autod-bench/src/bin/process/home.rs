//! A runtime directory of our own with the daemon that lives in it, ended with its owner.

use std::fs::{File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, test_kill_process, waitpid};

use crate::Result;
use crate::sample::Sample;

/// How long a daemon may take to go; far more than it needs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets daemons become children of this process when their starters have ended, so that they are
/// reaped even where no init does it.
pub(crate) fn adopt_daemons() -> Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

pub(crate) struct Home {
    directory: PathBuf,
}

impl Home {
    pub(crate) fn new() -> Result<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("autod-bench-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
        Ok(Self { directory })
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The counter, told to live here.
    pub(crate) fn counter(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = self.command(program, &["--autoclose", "60"]);
        command.args(args);
        command
    }

    /// A program whose daemon lives here.
    pub(crate) fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env("XDG_RUNTIME_DIR", &self.directory).args(args);
        command
    }

    /// Closes the counter's daemon and waits until its process is gone.
    pub(crate) fn close(&self, counter: &Path) -> Result<()> {
        let pid = self.daemon().ok_or("no daemon runs that could be closed")?;
        Sample::take(&mut self.counter(counter, &["close"]), "")?;
        wait_until_gone(pid)
    }

    fn daemon(&self) -> Option<Pid> {
        ["autod-counter", "autod-blocking"].iter().find_map(|name| self.daemon_of(name))
    }

    /// The life lock names the daemon, and is held only while it lives.
    fn daemon_of(&self, name: &str) -> Option<Pid> {
        let path = self.join(name).join("life.lock");
        match File::open(&path).ok()?.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            Ok(()) | Err(TryLockError::Error(_)) => return None,
        }
        let record = std::fs::read_to_string(&path).ok()?;
        let (_, rest) = record.split_once("\"pid\":")?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Pid::from_raw(digits.parse().ok()?)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(pid) = self.daemon() {
            let ended = kill_process(pid, Signal::KILL).map_err(Into::into);
            if let Err(error) = ended.and_then(|()| wait_until_gone(pid)) {
                eprintln!("process: the daemon with pid {pid} is left over: {error}");
            }
        }
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            eprintln!("process: cannot remove {}: {error}", self.directory.display());
        }
    }
}

fn wait_until_gone(pid: Pid) -> Result<()> {
    let limit = Instant::now() + PATIENCE;
    loop {
        // An error says that it is not our child, and then somebody else reaps it.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        if test_kill_process(pid).is_err() {
            return Ok(());
        }
        if Instant::now() > limit {
            return Err(format!("process {pid} is still there after {PATIENCE:?}").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
