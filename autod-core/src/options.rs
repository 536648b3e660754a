//! The settings of a [`Daemon`], by name.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::builder::Daemon;
use crate::codec;
use crate::upgrade::Upgrade;
use crate::wire::limits::Limits;

/// What a longer time counts as: clocks end somewhere.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Settings. Each replaces an earlier one of the same name, unless it says otherwise.
impl<S: Send + Sync + 'static, T> Daemon<S, T> {
    /// Listens on this path instead of the default place. Its directory must belong to the user or
    /// to root, and be sticky if others may write in it. The daemon's other files stand beside it.
    pub fn sockfile(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.sockfile = Some(path.into());
        self
    }

    /// Tells daemons of the same name apart, by a project directory for example. Has no effect
    /// together with [`sockfile`](Self::sockfile). The key is taken as it is: a path should be made
    /// canonical first, or two spellings of it are two daemons.
    pub fn instance(mut self, key: impl AsRef<OsStr>) -> Self {
        self.settings.instance = Some(key.as_ref().to_owned());
        self
    }

    /// The directory that the daemon works for, such as a project's. The daemon ends when it is
    /// gone: removed, moved away, or replaced by another directory of that name, of which what the
    /// daemon knows would be wrong. It ends as by [`DaemonHandle::close`](crate::DaemonHandle::close),
    /// and does nothing in the directory. A removal is noticed at once where the system tells of
    /// it, else within half a minute. With [`listen_on`](Self::listen_on) it is not looked at.
    ///
    /// A relative path starts at the caller's working directory; links are followed. To connect is
    /// an error while the directory does not exist, and starts nothing. A daemon that already runs
    /// keeps the root it was started with, so each root should have its own daemon:
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let project = std::fs::canonicalize(".")?;
    /// let daemon = autod_core::Daemon::new("indexer").root(&project).instance(&project);
    /// # Ok(())
    /// # }
    /// ```
    pub fn root(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // Without a working directory a relative path leads nowhere, which is told when it is used.
        self.settings.root = Some(std::path::absolute(&path).unwrap_or(path));
        self
    }

    /// Lets the daemon go when nobody has been connected, and nothing held it, for this long.
    pub fn autoclose(mut self, linger: Duration) -> Self {
        self.settings.autoclose = Some(linger);
        self
    }

    /// Copies what the daemon writes to its log to the caller's standard error while connected.
    pub fn debug(mut self, on: bool) -> Self {
        self.settings.debug = on;
        self
    }

    /// Hands a value to the daemon when it is started: see
    /// [`Start::args`](crate::Start::args) and [`Session::args`](crate::Session::args).
    /// A daemon that already runs keeps the value it was started with.
    pub fn args<A: Serialize>(mut self, value: &A) -> Self {
        let mut bytes = Vec::new();
        self.settings.args = codec::encode_borrowing(&mut bytes, value)
            .map(|()| bytes)
            .map_err(|error| crate::error::chain(&error));
        self
    }

    /// Runs this executable as the daemon. It must describe the same daemon and run it.
    pub fn exec_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.exec_path = Some(path.into());
        self
    }

    /// The working directory of the daemon.
    pub fn cwd(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.cwd = Some(path.into());
        self
    }

    /// Sets a variable in the daemon's environment. Adds to earlier ones.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let value = Some(value.as_ref().to_owned());
        self.settings.env.push((name.as_ref().to_owned(), value));
        self
    }

    /// Keeps a variable out of the daemon's environment. Adds to earlier ones.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.settings.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Starts the daemon with no environment but what [`env`](Self::env) sets.
    pub fn env_clear(mut self) -> Self {
        self.settings.env_clear = true;
        self
    }

    /// Starts the daemon in a scope of the user's own service manager (systemd's), so that it
    /// outlives the session, the terminal or the CI job that started it: these may end by killing
    /// all that is in their control group. Default false.
    ///
    /// It is `systemd-run --user --scope` that does this, and that replaces itself by the program;
    /// where it is not installed or no manager answers in `XDG_RUNTIME_DIR`, the daemon starts as
    /// usual and its log says why. The first argument of the program is then its path. The manager
    /// itself ends with the user's last session, and the daemon with it, unless lingering is
    /// enabled (`loginctl enable-linger`).
    pub fn scope(mut self, on: bool) -> Self {
        self.settings.scope = on;
        self
    }

    /// Names variables of each caller's environment that its hello carries, for
    /// [`Caller::env`](crate::Caller::env). Adds to earlier ones. None by default.
    pub fn caller_env<N: Into<OsString>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.settings.caller_env.extend(names.into_iter().map(Into::into));
        self
    }

    /// The limits of connections; see [`Limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How long a caller waits for its turn to start the daemon, or for a place in the queue of a
    /// busy one. Default 30 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = limit.min(LONGEST);
        self
    }

    /// How long a daemon may say nothing while a caller waits for it. A start that reports progress
    /// may take longer; one that is silent for so long is ended. Default 10 s.
    pub fn silence_timeout(mut self, limit: Duration) -> Self {
        self.settings.silence_timeout = limit.min(LONGEST);
        self
    }

    /// How long a closing daemon waits for calls that run, and for its shutdown hooks. Default 5 s.
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.settings.drain_limit = limit;
        self
    }

    /// Whether the process exits as soon as the daemon is closed, even if threads of the program
    /// still run. With `false` they get what is left of the drain limit. Default true.
    pub fn exit_on_close(mut self, exit: bool) -> Self {
        self.settings.exit_on_close = exit;
        self
    }

    /// What a caller does when the daemon that runs is of another build. Default
    /// [`Upgrade::Restart`].
    pub fn upgrade(mut self, policy: Upgrade) -> Self {
        self.settings.upgrade = policy;
        self
    }

    /// The version of the program, usually `env!("CARGO_PKG_VERSION")`: it orders builds, before
    /// the age of their files does.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.settings.version = Some(version.into());
        self
    }

    /// Writes the daemon's pid to this file while it serves, for people and scripts.
    pub fn pidfile(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.pidfile = Some(path.into());
        self
    }

    /// Called with the pid when this caller has spawned the daemon's process.
    pub fn on_spawn(mut self, hear: impl Fn(u32) + Send + Sync + 'static) -> Self {
        self.settings.on_spawn = Some(Arc::new(hear));
        self
    }

    /// Called with each progress text of a daemon that is starting, whoever started it.
    pub fn on_progress(mut self, hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.settings.on_progress = Some(Arc::new(hear));
        self
    }
}
