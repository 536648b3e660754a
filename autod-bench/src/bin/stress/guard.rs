//! A second process that outlives this one, however it ends, and leaves nothing behind.
//!
//! It is this program again, with a pipe of which we hold the other end.

use std::fs::DirBuilder;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Result, process};

/// The directory of a run, which is removed at the end with all processes that belong to it.
pub(crate) struct Guard {
    directory: PathBuf,
    process: Child,
}

impl Guard {
    pub(crate) fn post() -> Result<Self> {
        let name = format!("autod-stress-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
        let process = Command::new(std::env::current_exe()?)
            .arg("--guard")
            .arg(&directory)
            .stdin(Stdio::piped())
            // Out of the reach of the terminal's Ctrl-C.
            .process_group(0)
            .spawn()?;
        Ok(Self { directory, process })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The guard's own work.
pub(crate) fn stand_by(directory: &Path) -> Result<()> {
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let left = process::sweep(directory);
    std::fs::remove_dir_all(directory)?;
    if left.is_empty() { Ok(()) } else { Err(format!("processes are left over: {left:?}").into()) }
}
