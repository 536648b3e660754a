//! A scope of the user's service manager, in which a daemon outlives the session that started it.
//!
//! `systemd-run --scope` asks the manager for it and then executes the program in its own place, so
//! the process, its descriptors and its environment are those that were made here. Where there is
//! no manager, a daemon starts as usual.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::spawn::Launch;

/// The command that runs the program in a scope, if that is wanted; or why there can be none.
pub(super) fn command(launch: &Launch) -> Result<Option<Command>, String> {
    if !launch.scope {
        return Ok(None);
    }
    wrapped(launch).map(Some).map_err(|why| format!("the daemon is in no scope of its own: {why}"))
}

fn wrapped(launch: &Launch) -> Result<Command, String> {
    let directory = variable(launch, "XDG_RUNTIME_DIR").ok_or("XDG_RUNTIME_DIR is not set")?;
    let manager = Path::new(&directory).join("systemd/private");
    if !manager.exists() {
        return Err(format!("no service manager listens on {}", manager.display()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let wrapper = std::env::split_paths(&path)
        .map(|directory| directory.join("systemd-run"))
        .find(|wrapper| wrapper.is_file())
        .ok_or("systemd-run is not installed")?;
    let program = match &launch.exec_path {
        Some(path) => path.clone(),
        None => own_path().ok_or("the program's file was replaced")?,
    };
    let mut command = Command::new(wrapper);
    command.args(["--user", "--scope", "--quiet", "--collect", "--"]).arg(program);
    Ok(command)
}

/// A variable as the daemon's environment has it.
fn variable(launch: &Launch, name: &str) -> Option<OsString> {
    match launch.env.iter().rfind(|(set, _)| set == OsStr::new(name)) {
        Some((_, value)) => value.clone(),
        None if launch.env_clear => None,
        None => std::env::var_os(name),
    }
}

/// In the process of systemd-run `/proc/self/exe` would be systemd-run.
fn own_path() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?;
    let (found, own) = (path.metadata().ok()?, std::fs::metadata("/proc/self/exe").ok()?);
    (found.dev() == own.dev() && found.ino() == own.ino()).then_some(path)
}
