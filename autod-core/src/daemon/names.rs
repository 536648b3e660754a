//! The names of a daemon's files, in a directory of their own or beside an explicit socket.
//!
//! Names only: whether the files are there, and whose they are, is looked at elsewhere.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::machine::fingerprint;
use crate::error::{Error, ErrorKind, Result};

/// The names of the files in the directory.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) sock: OsString,
    pub(super) spawn: OsString,
    pub(super) life: OsString,
    pub(super) log: OsString,
    pub(super) previous_log: OsString,
    pub(super) failed: OsString,
    /// The state that an old daemon hands to its successor.
    pub(super) snapshot: OsString,
    /// How the names of sockets begin that are not published yet.
    pub(super) private: String,
}

impl Names {
    pub(super) fn inside() -> Self {
        Self {
            sock: "sock".into(),
            spawn: "spawn.lock".into(),
            life: "life.lock".into(),
            log: "log".into(),
            previous_log: "log.prev".into(),
            failed: "failed.json".into(),
            snapshot: "snapshot".into(),
            private: ".sock.".to_owned(),
        }
    }

    pub(super) fn beside(sock: &Path) -> Self {
        let sock = sock.file_name().unwrap_or_default();
        let with = |suffix: &str| {
            let mut name = sock.to_owned();
            name.push(suffix);
            name
        };
        Self {
            spawn: with(".spawn"),
            life: with(".life"),
            log: with(".log"),
            previous_log: with(".log.prev"),
            failed: with(".failed.json"),
            snapshot: with(".snapshot"),
            private: format!(".sock-{:016x}.", fingerprint(sock.as_bytes())),
            sock: sock.to_owned(),
        }
    }
}

/// Lets through what is a plain file name in every directory.
pub(super) fn check_name(app: &str) -> Result<()> {
    let finding = if app.is_empty() {
        "is empty"
    } else if app.len() > 64 {
        "is longer than 64 bytes"
    } else if app.starts_with('.') {
        "starts with a dot"
    } else if app.contains(['/', '\0']) {
        "contains a slash or a NUL"
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Usage,
        format!("the application name {app:?} {finding}; give the daemon a plain name"),
    )
    .with_mend())
}
