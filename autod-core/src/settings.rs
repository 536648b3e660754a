//! The part of a daemon's description that does not depend on its types: the settings, and the
//! steps of connecting that they decide.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::blocking::{self, apart};
use crate::callbacks::Callbacks;
use crate::client::{Client, Connector, Contact, OnProgress, Spoken};
use crate::codec::{self, Codec};
use crate::daemon::{Follow, Knock, Launch, Place, Root, check_guard};
use crate::errand::Errand;
use crate::error::{Error, ErrorKind, Result, Whom};
use crate::identity::Build;
use crate::mux::Connection;
use crate::progress::ProgressLine;
#[cfg(feature = "remote")]
use crate::remote::Way;
use crate::service::Table;
use crate::upgrade::Upgrade;
use crate::wire::limits::Limits;

/// How often the directory may be removed under a caller that looks for the daemon there.
const TRIES: u32 = 5;

/// The part of a [`Daemon`] that does not depend on its types.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) instance: Option<OsString>,
    pub(crate) root: Option<PathBuf>,
    pub(crate) sockfile: Option<PathBuf>,
    /// The place of a daemon that is there already; goes before all others.
    pub(crate) errand: Option<Errand>,
    /// The daemon at the place that was found last.
    found: OnceLock<Whom>,
    pub(crate) autoclose: Option<Duration>,
    pub(crate) debug: bool,
    pub(crate) args: Result<Vec<u8>, String>,
    pub(crate) exec_path: Option<PathBuf>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    pub(crate) env_clear: bool,
    pub(crate) scope: bool,
    pub(crate) caller_env: Vec<OsString>,
    pub(crate) limits: Limits,
    pub(crate) connect_timeout: Duration,
    pub(crate) silence_timeout: Duration,
    pub(crate) drain_limit: Duration,
    pub(crate) exit_on_close: bool,
    pub(crate) version: Option<String>,
    pub(crate) upgrade: Upgrade,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) on_spawn: Option<Arc<dyn Fn(u32) + Send + Sync>>,
    pub(crate) on_progress: Option<OnProgress>,
    pub(crate) callbacks: Option<Callbacks>,
    #[cfg(feature = "log")]
    pub(crate) log: crate::journal::Log,
    /// Where the daemon lives, if it is another machine.
    #[cfg(feature = "remote")]
    pub(crate) remote: Option<crate::remote::Ssh>,
}

impl Settings {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            instance: None,
            root: None,
            sockfile: None,
            errand: None,
            found: OnceLock::new(),
            autoclose: None,
            debug: false,
            args: Ok(Vec::new()),
            exec_path: None,
            cwd: None,
            env: Vec::new(),
            env_clear: false,
            scope: false,
            caller_env: Vec::new(),
            limits: Limits::default(),
            connect_timeout: Duration::from_secs(30),
            silence_timeout: Duration::from_secs(10),
            drain_limit: Duration::from_secs(5),
            exit_on_close: true,
            version: None,
            upgrade: Upgrade::default(),
            pidfile: None,
            on_spawn: None,
            on_progress: None,
            callbacks: None,
            #[cfg(feature = "log")]
            log: crate::journal::Log::default(),
            #[cfg(feature = "remote")]
            remote: None,
        }
    }

    /// Knocks and says hello without waiting for anything, so that the daemon answers while the
    /// caller sets up what it needs. `None`: connecting takes more than that.
    pub(crate) fn begin(
        &self,
        table: &'static Table,
        callbacks: Option<&Callbacks>,
    ) -> Option<Early> {
        // In debug mode the log is followed before anything is asked.
        if self.is_remote() || self.debug || check_guard().is_err() || self.find_root().is_err() {
            return None;
        }
        let build = self.build();
        let place = self.place_of(&build).ok()?;
        let Knock::Open(stream) = place.knock().ok()? else { return None };
        let spoken = self.connector(&place, &build, table, callbacks).speak(stream).ok()?;
        Some(Early { place, build, spoken })
    }

    /// Connects; starts the daemon if it has to. With `anew`, one that runs is replaced.
    pub(crate) async fn connect<C: Client>(&self, anew: bool, early: Option<Early>) -> Result<C> {
        check_guard()?;
        if let Some(Early { place, build, spoken }) = early {
            let connector = self.connector(&place, &build, C::TABLE, self.callbacks.as_ref());
            if let Some(contact) = connector.finish(spoken).await? {
                return Ok(C::from_connection(connector.connection(contact)));
            }
        }
        #[cfg(feature = "remote")]
        if let Some(ssh) = &self.remote {
            let way = if anew { Way::Restart } else { Way::Start };
            return self.dial(ssh, way, C::TABLE, Codec::default()).await.map(C::from_connection);
        }
        self.connect_or_start_boxed(C::TABLE, anew).await.map(C::from_connection)
    }

    /// In a box, made out of line: a command that finds its daemon has no use for the room that a
    /// start takes on the stack, and each page of it costs as much as a system call.
    #[inline(never)]
    fn connect_or_start_boxed(
        &self,
        table: &'static Table,
        anew: bool,
    ) -> Pin<Box<dyn Future<Output = Result<Connection>> + Send + '_>> {
        let callbacks = self.callbacks.as_ref();
        Box::pin(self.connect_or_start(table, anew, callbacks, |connector, contact| {
            Ok(connector.connection(contact))
        }))
    }

    async fn connect_or_start<R>(
        &self,
        table: &'static Table,
        anew: bool,
        callbacks: Option<&Callbacks>,
        join: fn(&Connector<'_>, Contact) -> Result<R>,
    ) -> Result<R> {
        let build = self.build();
        let launch = self.launch(&build)?;
        let mut tries = 0;
        loop {
            let place = self.place_of(&build)?;
            let connector = self.connector(&place, &build, table, callbacks);
            let connected = connector.connect_or_start(&launch, anew).await;
            // Somebody removed the directory meanwhile. Nothing was executed yet.
            if connected.is_err() && tries < TRIES && !place.is_still_here() {
                tries += 1;
                continue;
            }
            return join(&connector, connected?);
        }
    }

    /// Reaches the daemon for somebody who has said this, or nothing yet.
    #[cfg(feature = "remote")]
    pub(crate) async fn reach_for(
        &self,
        hello: Option<&crate::wire::greeting::Hello>,
        way: Way,
        table: &'static Table,
    ) -> Result<Contact> {
        check_guard()?;
        let build = self.build();
        let mut launch = self.launch(&build)?;
        launch.env.push(crate::remote::daemon_variable());
        let mut tries = 0;
        loop {
            let place = self.place_of(&build)?;
            let usual = self.connector(&place, &build, table, None);
            let connector = Connector { forwarded: hello, ..usual };
            let reached = match way {
                Way::Existing | Way::Command => connector.connect().await,
                Way::Start => connector.connect_or_start(&launch, false).await,
                Way::Restart => connector.connect_or_start(&launch, true).await,
            };
            if reached.is_err() && tries < TRIES && !place.is_still_here() {
                tries += 1;
                continue;
            }
            return reached;
        }
    }

    /// Whether the daemon lives on another machine.
    #[cfg(feature = "remote")]
    pub(crate) fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// Whether the daemon lives on another machine.
    #[cfg(not(feature = "remote"))]
    #[expect(clippy::unused_self, reason = "it is a question of the settings with the feature")]
    pub(crate) fn is_remote(&self) -> bool {
        false
    }

    pub(crate) async fn connect_existing<C: Client>(&self) -> Result<C> {
        check_guard()?;
        #[cfg(feature = "remote")]
        if let Some(ssh) = &self.remote {
            let dialed = self.dial(ssh, Way::Existing, C::TABLE, Codec::default()).await;
            return dialed.map(C::from_connection);
        }
        let build = self.build();
        let place = self.place_of(&build)?;
        let connector = self.connector(&place, &build, C::TABLE, self.callbacks.as_ref());
        Ok(C::from_connection(connector.connection(connector.connect().await?)))
    }

    /// As [`connect`](Self::connect), without a runtime if the daemon runs and is to be used.
    pub(crate) fn connect_blocking(
        &self,
        table: &'static Table,
        early: Option<Early>,
    ) -> Result<blocking::Connection> {
        check_guard()?;
        if let Some(Early { place, build, spoken }) = early {
            let connector = self.connector(&place, &build, table, None);
            if let Some(connection) = connector.finish_blocking(spoken)? {
                return Ok(connection);
            }
        }
        self.start_blocking(table, false)
    }

    #[cold]
    fn start_blocking(&self, table: &'static Table, anew: bool) -> Result<blocking::Connection> {
        #[cfg(feature = "remote")]
        if let Some(ssh) = &self.remote {
            return self.dial_blocking(ssh, if anew { Way::Restart } else { Way::Start }, table);
        }
        apart(self.connect_or_start(table, anew, None, |connector, contact| {
            connector.blocking_connection(contact)
        }))
    }

    pub(crate) fn restart_blocking(&self, table: &'static Table) -> Result<blocking::Connection> {
        check_guard()?;
        self.start_blocking(table, true)
    }

    pub(crate) fn connect_existing_blocking(
        &self,
        table: &'static Table,
    ) -> Result<blocking::Connection> {
        check_guard()?;
        #[cfg(feature = "remote")]
        if let Some(ssh) = &self.remote {
            return self.dial_blocking(ssh, Way::Existing, table);
        }
        let build = self.build();
        let place = self.place_of(&build)?;
        let connector = self.connector(&place, &build, table, None);
        let Knock::Open(stream) = place.knock()? else {
            return apart(async { connector.blocking_connection(connector.connect().await?) });
        };
        // Whatever build it is of, it is used.
        match connector.finish_blocking(connector.speak(stream)?)? {
            Some(connection) => Ok(connection),
            None => apart(async { connector.blocking_connection(connector.connect().await?) }),
        }
    }

    /// Whoever calls by name takes any build of any service.
    #[cfg(feature = "json")]
    pub(crate) async fn connect_untyped(&self) -> Result<Connection> {
        check_guard()?;
        #[cfg(feature = "remote")]
        if let Some(ssh) = &self.remote {
            // Nobody here knows how to start the daemon; the program there does.
            return self.dial(ssh, Way::Start, &Table::NONE, Codec::Json).await;
        }
        let build = self.build();
        let place = self.place_of(&build)?;
        let usual = self.connector(&place, &build, &Table::NONE, self.callbacks.as_ref());
        let connector = Connector { codec: Codec::Json, upgrade: Upgrade::Compatible, ..usual };
        Ok(connector.connection(connector.connect().await?))
    }

    pub(crate) async fn stop(&self) -> Result<bool> {
        check_guard()?;
        let build = self.build();
        let place = self.place_of(&build)?;
        self.connector(&place, &build, &Table::NONE, None).stop().await
    }

    pub(crate) fn place(&self) -> Result<Place> {
        self.place_of(&self.build())
    }

    /// The build that serves, or would be started.
    pub(crate) fn build(&self) -> Build {
        match &self.exec_path {
            Some(path) => self.build_in(std::fs::metadata(path).ok().as_ref()),
            None => self.own_build(),
        }
    }

    /// The build of this process.
    pub(crate) fn own_build(&self) -> Build {
        let executable = if cfg!(target_os = "linux") {
            std::fs::metadata("/proc/self/exe")
        } else {
            std::env::current_exe().and_then(std::fs::metadata)
        };
        self.build_in(executable.ok().as_ref())
    }

    fn build_in(&self, executable: Option<&std::fs::Metadata>) -> Build {
        Build::new(self.version.as_deref().unwrap_or_default(), executable)
    }

    /// The place of the daemons of a build, which errors name from now on.
    fn place_of(&self, build: &Build) -> Result<Place> {
        let place = self.find_place(build)?;
        let _ = self.found.set(place.whom());
        Ok(place)
    }

    fn find_place(&self, build: &Build) -> Result<Place> {
        #[cfg(feature = "remote")]
        if let Some(ssh) = &self.remote {
            return Err(ssh.elsewhere());
        }
        if let Some(errand) = &self.errand {
            return Place::reopen(&errand.sock, errand.explicit, &self.name);
        }
        if let Some(path) = &self.sockfile {
            return Ok(Place::at(path)?.named(&self.name));
        }
        let own = (self.upgrade == Upgrade::Coexist).then(|| build.to_string().into());
        let key: Vec<OsString> = [self.instance.clone(), own].into_iter().flatten().collect();
        Place::of_app(&self.name, (!key.is_empty()).then(|| key.join("\n".as_ref())).as_deref())
    }

    fn connector<'a>(
        &'a self,
        place: &'a Place,
        build: &'a Build,
        table: &'static Table,
        callbacks: Option<&'a Callbacks>,
    ) -> Connector<'a> {
        Connector {
            place,
            table,
            codec: Codec::default(),
            limits: &self.limits,
            build,
            upgrade: self.upgrade,
            caller_env: &self.caller_env,
            deadline: Instant::now() + self.connect_timeout,
            silence: self.silence_timeout,
            on_progress: self.on_progress.clone(),
            callbacks,
            #[cfg(feature = "remote")]
            forwarded: None,
        }
    }

    pub(crate) fn orders(&self) -> Result<Orders> {
        let args = self.args.clone().map_err(|text| {
            Error::new(ErrorKind::Codec, "the daemon's args cannot be handed over").caused_by(text)
        })?;
        let root = self.root.clone().map(|root| root.into_os_string().into_vec());
        let started_in = std::env::current_dir().ok().map(|path| path.into_os_string().into_vec());
        Ok(Orders { autoclose: self.autoclose, args, root, started_in })
    }

    /// The project root, if one is named; it has to be there.
    pub(crate) fn find_root(&self) -> Result<Option<Root>> {
        self.root.as_deref().map(Root::find).transpose()
    }

    /// The place for a daemon in this process, and its build.
    pub(crate) fn own_place(&self) -> Result<(Place, String)> {
        let build = self.own_build();
        let place = self.find_root().and_then(|_| self.place_of(&build));
        Ok((place.map_err(|error| self.named(error))?, build.to_string()))
    }

    /// The daemon, as far as it is known without looking for its place.
    pub(crate) fn whom(&self) -> Whom {
        let whom = Whom::named(&self.name);
        #[cfg(feature = "remote")]
        if let Some(ssh) = &self.remote {
            return whom.at(ssh.host()).on(ssh.machine());
        }
        whom
    }

    /// The daemon at the other end of a transport that somebody else has opened.
    #[cfg(feature = "remote")]
    pub(crate) fn whom_over(&self) -> Whom {
        if self.is_remote() { self.whom() } else { self.whom().elsewhere() }
    }

    /// The error, as one of this daemon.
    #[cold]
    pub(crate) fn named(&self, error: Error) -> Error {
        // Where it would be is not asked for now, which might make a directory.
        error.of_daemon(|| match (self.found.get(), &self.sockfile) {
            (Some(found), _) => found.clone(),
            (None, Some(path)) if !self.is_remote() => self.whom().at(path.display()),
            _ => self.whom(),
        })
    }

    fn launch(&self, build: &Build) -> Result<Launch> {
        self.find_root()?;
        Ok(Launch {
            exec_path: self.exec_path.clone(),
            arguments: None,
            cwd: self.cwd.clone(),
            env: self.env.clone(),
            env_clear: self.env_clear,
            scope: self.scope,
            payload: self.orders()?.to_bytes()?,
            build: build.to_string(),
            silence: self.silence_timeout,
            on_spawn: self.on_spawn.clone(),
        })
    }

    /// Shows progress on the terminal, unless somebody hears it already.
    pub(crate) fn show_progress(&mut self) -> Option<ProgressLine> {
        if self.on_progress.is_some() {
            return None;
        }
        let (line, hear) = ProgressLine::new(&self.name);
        self.on_progress = Some(hear);
        Some(line)
    }

    /// Runs `work`; in debug mode the daemon's log goes to standard error meanwhile.
    pub(crate) async fn with_log<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        // The log of another machine is not here.
        if self.debug && !self.is_remote() { self.copy_log_boxed(work).await } else { work.await }
    }

    /// Out of line for the same reason as [`connect_or_start_boxed`](Self::connect_or_start_boxed).
    #[inline(never)]
    fn copy_log_boxed<'a, T: 'a, E: From<Error> + 'a>(
        &'a self,
        work: impl Future<Output = Result<T, E>> + 'a,
    ) -> Pin<Box<dyn Future<Output = Result<T, E>> + 'a>> {
        Box::pin(self.copy_log(work))
    }

    async fn copy_log<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let place = self.place()?;
        let follow = Follow::from_end(&place)?;
        let over = CancellationToken::new();
        let work = async {
            let result = work.await;
            over.cancel();
            result
        };
        let mut stderr = std::io::stderr();
        let copy = follow.copy(&mut stderr, over.cancelled());
        let (result, copied) = futures_util::future::join(work, copy).await;
        copied?;
        result
    }
}

/// A connection that was begun before there was a runtime.
pub(crate) struct Early {
    place: Place,
    build: Build,
    spoken: Spoken,
}

/// What the starter decides for the daemon, whatever the daemon's own `main` computes.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Orders {
    pub(crate) autoclose: Option<Duration>,
    pub(crate) args: Vec<u8>,
    /// Bytes, because a path need not be text.
    root: Option<Vec<u8>>,
    /// Where the starter stood: the same words mean the same only there.
    started_in: Option<Vec<u8>>,
}

impl Orders {
    fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        codec::encode_into(&mut bytes, self)?;
        Ok(bytes)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        codec::decode(bytes)
    }

    /// The project root, as the daemon finds it.
    pub(crate) fn find_root(&self) -> Result<Option<Root>> {
        self.root().map(Root::find).transpose()
    }

    pub(crate) fn root(&self) -> Option<&Path> {
        self.root.as_deref().map(|root| OsStr::from_bytes(root).as_ref())
    }

    pub(crate) fn started_in(&self) -> Option<&Path> {
        self.started_in.as_deref().map(|path| OsStr::from_bytes(path).as_ref())
    }
}
