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
        let directory = std::env::temp_dir().join(name());
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

/// The name of this run, with which everything begins that it makes outside of its directory.
pub(crate) fn name() -> String {
    format!("autod-stress-{}", std::process::id())
}

/// The guard's own work.
pub(crate) fn stand_by(directory: &Path) -> Result<()> {
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let left = process::sweep(directory);
    std::fs::remove_dir_all(directory)?;
    remove_places(directory)?;
    if left.is_empty() { Ok(()) } else { Err(format!("processes are left over: {left:?}").into()) }
}

/// What daemons without a runtime directory of the run's own have made.
fn remove_places(directory: &Path) -> Result<()> {
    let name = directory.file_name().ok_or("the run has no name")?.as_encoded_bytes();
    let euid = rustix::process::geteuid().as_raw();
    for base in [PathBuf::from("/tmp"), PathBuf::from(format!("/run/user/{euid}"))] {
        for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
            let rest = entry.file_name();
            let rest = rest.as_encoded_bytes().strip_prefix(name);
            // Another run's name may begin with ours.
            if rest.is_none_or(|rest| rest.first().is_some_and(u8::is_ascii_digit)) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}
