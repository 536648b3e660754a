//! What a caller says about itself.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::wire::greeting::CallerFields;

/// What a caller says about itself in its hello.
#[derive(Clone, Debug)]
pub struct Caller {
    cwd: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    terminal: Option<(u16, u16)>,
    root: Option<(u64, u64)>,
}

impl Caller {
    pub(crate) fn from_fields(fields: &CallerFields) -> Self {
        let text = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        Self {
            cwd: PathBuf::from(text(&fields.cwd)),
            args: fields.args.iter().map(|bytes| text(bytes)).collect(),
            env: fields
                .env
                .iter()
                .filter_map(|pair| {
                    let at = pair.iter().position(|&byte| byte == b'=')?;
                    Some((text(&pair[..at]), text(&pair[at + 1..])))
                })
                .collect(),
            terminal: fields.terminal,
            root: fields.root,
        }
    }

    /// The working directory of the caller. Relative paths in its arguments start here.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The command line of the caller, its name included.
    pub fn args(&self) -> &[OsString] {
        &self.args
    }

    /// A variable of the caller's environment, if it is one of those that
    /// [`Daemon::caller_env`](crate::Daemon::caller_env) names.
    pub fn env(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        let name = name.as_ref();
        self.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str())
    }

    /// Columns and rows of the terminal that the caller's standard output is, if it is one.
    pub fn terminal(&self) -> Option<(u16, u16)> {
        self.terminal
    }

    /// Whether the caller sees the same file system root as the daemon. A caller in a container
    /// does not, and its paths mean something else there.
    pub fn shares_root(&self) -> bool {
        self.root.is_some() && self.root == root_identity()
    }
}

/// Device and inode of `/` as this process sees it.
pub(crate) fn root_identity() -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/").ok()?;
    Some((root.dev(), root.ino()))
}
