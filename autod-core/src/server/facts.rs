//! What a daemon knows about its own process, for whoever asks.

use std::path::PathBuf;
use std::time::Duration;

/// How a daemon came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A caller has started it.
    Spawned,
    /// Somebody runs it in the foreground, or beside other work of a program.
    Foreground,
    /// A supervisor has handed it its socket.
    Activated,
}

impl Manner {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Spawned => "spawned",
            Self::Foreground => "foreground",
            Self::Activated => "activated",
        }
    }
}

/// What does not change during the life of a daemon.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) manner: Manner,
    pub(crate) socket: PathBuf,
    /// Nothing, if its output is somebody else's.
    pub(crate) log: Option<PathBuf>,
    pub(crate) root: Option<PathBuf>,
    pub(crate) autoclose: Option<Duration>,
    /// Where the caller stood that has started it.
    pub(crate) started_in: Option<PathBuf>,
    /// The program, as it is called now.
    pub(crate) executable: Option<PathBuf>,
    /// The command line, the program's name first; nothing if it is not text.
    pub(crate) arguments: Option<Vec<String>>,
}

impl Facts {
    /// The facts about this process.
    pub(crate) fn new(name: String, manner: Manner) -> Self {
        let arguments: Vec<_> = std::env::args_os().collect();
        Self {
            name,
            manner,
            socket: PathBuf::new(),
            log: None,
            root: None,
            autoclose: None,
            started_in: None,
            executable: executable(),
            arguments: arguments.into_iter().map(|word| word.into_string().ok()).collect(),
        }
    }
}

/// The path of this program. If its file was replaced, that of what stands there now.
fn executable() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?;
    match path.to_str().and_then(|path| path.strip_suffix(" (deleted)")) {
        Some(replaced) if cfg!(target_os = "linux") => Some(replaced.into()),
        _ => Some(path),
    }
}

/// The memory of this process in bytes: what is resident now, and the most that ever was.
pub(super) fn memory() -> (Option<u64>, Option<u64>) {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return (None, None) };
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1024)
    };
    (field("VmRSS:"), field("VmHWM:"))
}
