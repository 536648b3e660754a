//! The daemon's process: what is executed, with which arguments, environment and descriptors.
//!
//! It inherits one socket, with nothing in it, and gets nothing else of its starter. Whether it comes
//! to life, and what it is handed then, is in `starting`.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::locks::SpawnLock;
use super::place::Place;
use super::settings::Settings;
use super::{files, inherit, log, machine, passing, scope, sys};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};

/// Told the pid of each process that is spawned.
pub(crate) type OnSpawn = Arc<dyn Fn(u32) + Send + Sync>;

/// How a daemon is started.
#[derive(Clone)]
pub(crate) struct Launch {
    /// Default: the running executable, even if its file was replaced meanwhile.
    pub(crate) exec_path: Option<PathBuf>,
    /// Without the program's name. Default: those of this process.
    pub(crate) arguments: Option<Vec<OsString>>,
    /// Default: the place's directory, so that no other is kept busy.
    pub(crate) cwd: Option<PathBuf>,
    /// Variables to set, or to remove.
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    /// Start from an empty environment.
    pub(crate) env_clear: bool,
    /// In a scope of the user's service manager, if there is one.
    pub(crate) scope: bool,
    /// Handed to the daemon as it is.
    pub(crate) payload: Vec<u8>,
    /// The build that the life record names.
    pub(crate) build: String,
    /// How long a starting daemon may say nothing.
    pub(crate) silence: Duration,
    pub(crate) on_spawn: Option<OnSpawn>,
}

impl Default for Launch {
    fn default() -> Self {
        Self {
            exec_path: None,
            arguments: None,
            cwd: None,
            env: Vec::new(),
            env_clear: false,
            scope: false,
            payload: Vec::new(),
            build: String::new(),
            silence: Duration::from_secs(10),
            on_spawn: None,
        }
    }
}

/// A process that was just started.
pub(super) struct Spawned {
    pub(super) child: Child,
    pub(super) socket: UnixStream,
    /// The settings, to be sent with the life lock and the door.
    pub(super) message: Vec<u8>,
    /// Where the daemon's own lines begin in the log.
    pub(super) log_start: u64,
}

/// Starts the process. It is no daemon before it was handed the life lock and the door.
pub(super) fn spawn(place: &Place, launch: &Launch, proof: &SpawnLock) -> Result<Spawned> {
    files::fill_standard_descriptors()
        .map_err(|error| Error::system("cannot open /dev/null for the daemon", error))?;
    let log = log::start(place, proof)?;
    let scoped = scope::command(launch);
    for note in place.notes().iter().cloned().chain(limits()).chain(scoped.as_ref().err().cloned())
    {
        log::note(&log, &note);
    }
    let log_start = log.metadata().map_or(0, |log| log.len());

    let (ours, theirs) =
        passing::pair().map_err(|error| Error::system("cannot make a socket pair", error))?;
    let settings = Settings {
        nonce: machine::random(),
        app: place.app().to_owned(),
        sock: place.sock().to_owned(),
        explicit: place.is_explicit(),
        payload: launch.payload.clone(),
    };
    let message = settings
        .encode()
        .map_err(|error| Error::system("cannot hand the settings to the daemon", error))?;

    let program = executable(launch)?;
    let mut own = std::env::args_os();
    let name = own.next();
    let mut command = scoped.ok().flatten().unwrap_or_else(|| {
        let mut command = Command::new(&program);
        command.arg0(name.unwrap_or_default());
        command
    });
    match &launch.arguments {
        Some(arguments) => command.args(arguments),
        None => command.args(own),
    };
    environment(&mut command, launch);
    command.envs(inherit::variables(&theirs, settings.nonce, place.app()));
    command.current_dir(launch.cwd.as_deref().unwrap_or(place.dir()));
    let errors = log
        .try_clone()
        .map_err(|error| Error::system("cannot copy the log's descriptor", error))?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    sys::detach(&mut command, theirs.as_fd());
    #[cfg(test)]
    let _forking = super::testing::forking();
    let spawned = fault::try_pass(Point::Spawn).and_then(|()| command.spawn());
    let child = spawned.map_err(|error| {
        let cwd = launch.cwd.as_deref().unwrap_or(place.dir());
        Error::new(
            ErrorKind::StartFailed,
            format!(
                "{} daemon failed to start: cannot execute {} in {}: {error}",
                place.app(),
                program.display(),
                cwd.display()
            ),
        )
        .caused_by(error)
    })?;
    if let Some(on_spawn) = &launch.on_spawn {
        on_spawn(child.id());
    }
    Ok(Spawned { child, socket: ours, message, log_start })
}

fn executable(launch: &Launch) -> Result<PathBuf> {
    if let Some(path) = &launch.exec_path {
        return Ok(path.clone());
    }
    // Leads to the running file even after an upgrade put another one at its path.
    let own = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && own.exists() {
        return Ok(own);
    }
    std::env::current_exe().map_err(|error| {
        Error::system("cannot find out which executable this is; name it", error).with_mend()
    })
}

fn environment(command: &mut Command, launch: &Launch) {
    if launch.env_clear {
        command.env_clear();
    } else {
        for name in ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"] {
            if let Some(value) = std::env::var_os(name) {
                match without_jobserver(&value) {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
        }
    }
    for (name, value) in &launch.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// The flags of make without those that lead to its job server, whose tokens a daemon would keep
/// from the build for ever.
fn without_jobserver(flags: &OsStr) -> Option<OsString> {
    let words: Vec<&[u8]> = flags
        .as_bytes()
        .split(|byte| *byte == b' ')
        .filter(|word| {
            !word.is_empty() && !word.starts_with(b"--jobserver") && !word.starts_with(b"-j")
        })
        .collect();
    (!words.is_empty()).then(|| OsString::from_vec(words.join(&b' ')))
}

/// What the daemon inherits and would wonder about later.
pub(super) fn limits() -> Vec<String> {
    use rustix::process::{Resource, getpriority_process, getrlimit};
    let mut notes = Vec::new();
    if let Some(seconds) = getrlimit(Resource::Cpu).current {
        notes.push(format!("the starter's limit of {seconds} s of processor time (ulimit -t) holds for the daemon too"));
    }
    match getpriority_process(None) {
        Ok(0) | Err(_) => {}
        Ok(nice) => notes.push(format!("the starter's nice value {nice} holds for the daemon too")),
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_job_server_is_taken_out_of_the_flags_of_make() {
        let without = |flags: &str| {
            without_jobserver(OsStr::new(flags)).map(|flags| flags.into_string().unwrap())
        };
        assert_eq!(without("kw -j4 --jobserver-auth=3,4 -- A=1"), Some("kw -- A=1".to_owned()));
        assert_eq!(without("-j --jobserver-fds=3,4 --jobserver-auth=fifo:/tmp/x"), None);
        assert_eq!(without(" -j8"), None);
        assert_eq!(without("s"), Some("s".to_owned()));
    }

    #[test]
    fn inherited_limits_are_noted() {
        let home = crate::daemon::testing::Home::with_processes();
        let launch = home.launch("limits");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -t 1000; exec nice -n 5 \"$0\" \"$@\""]);
        command.arg(std::env::current_exe().unwrap()).args(launch.arguments.unwrap());
        command.envs(launch.env.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let forking = crate::daemon::testing::forking();
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        drop(forking);
        let output = child.wait_with_output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert!(output.contains("limit of 1000 s"), "{output}");
        let nice = (rustix::process::getpriority_process(None).unwrap() + 5).min(19);
        assert!(output.contains(&format!("nice value {nice}")), "{output}");
    }

    #[test]
    fn the_environment_is_as_configured() {
        let mut command = Command::new("true");
        let launch = Launch {
            env: vec![("A".into(), Some("1".into())), ("B".into(), None)],
            ..Launch::default()
        };
        environment(&mut command, &launch);
        let set: Vec<_> = command.get_envs().filter(|(name, _)| name.len() == 1).collect();
        assert_eq!(set, [(OsStr::new("A"), Some(OsStr::new("1"))), (OsStr::new("B"), None)]);
    }
}
