//! One daemon, as others deal with it.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::{Life, Sight, question};
use crate::client::{Asked, Connector};
use crate::codec::Codec;
use crate::daemon::{Follow, Occupied, Place, SpawnRecord, Tail, look};
use crate::errand;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::Build;
use crate::service::Table;
use crate::upgrade::Upgrade;
use crate::wire::limits::Limits;

/// How long somebody may hold the locks of a daemon without a door before that is told.
const BUSY: Duration = Duration::from_millis(50);

const PAUSE: Duration = Duration::from_millis(2);

/// A place where a daemon may be.
#[derive(Debug)]
pub struct Target {
    place: Place,
    limits: Limits,
    build: Build,
}

impl Target {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, limits: Limits::default(), build: Build::new("", None) }
    }

    /// The daemon of a socket.
    ///
    /// # Errors
    ///
    /// The path names no file, or its directory is not there or not safe.
    pub fn at(socket: &Path) -> Result<Self> {
        let absolute = std::path::absolute(socket).map_err(|error| {
            Error::system(format!("cannot make {} absolute", socket.display()), error)
        })?;
        Place::existing_at(&absolute)?.map(Self::new).ok_or_else(|| {
            let text = format!("there is no directory for the socket {}", absolute.display());
            Error::new(ErrorKind::NotRunning, text)
        })
    }

    /// The daemon that a program describes.
    ///
    /// # Errors
    ///
    /// The name is not fit for one, or no directory is.
    pub fn of<S, T>(daemon: &crate::Daemon<S, T>) -> Result<Self> {
        let place = daemon.settings.place();
        place.map(Self::new).map_err(|error| daemon.settings.named(error))
    }

    /// What people call it: the name of its directory, or the path of its socket.
    pub fn name(&self) -> String {
        if self.place.is_explicit() {
            self.place.sock().display().to_string()
        } else {
            self.place.app().to_owned()
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        self.place.sock()
    }

    /// Where its log is, if it writes one.
    pub fn log(&self) -> PathBuf {
        self.place.log_path()
    }

    /// Whether its socket was put somewhere on purpose.
    pub fn is_explicit(&self) -> bool {
        self.place.is_explicit()
    }

    /// Asks the daemon one thing, within this time, and tells what there is if it does not answer.
    ///
    /// # Errors
    ///
    /// The files of the daemon are not safe, or the system lacks something.
    pub async fn look(
        &self,
        method: &str,
        fields: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Sight> {
        self.look_for(&question(method, fields), limit).await
    }

    async fn look_for(&self, question: &str, limit: Duration) -> Result<Sight> {
        let began = Instant::now();
        let connector = self.connector(limit);
        loop {
            let left = limit.saturating_sub(began.elapsed());
            match tokio::time::timeout(left, connector.ask(question)).await {
                Err(_) => return self.silent(),
                Ok(Ok(Some(Asked::Report(report)))) => return Ok(Sight::Answers(report)),
                Ok(Ok(Some(Asked::Rejected(rejection)))) => {
                    return Ok(Sight::Refuses(self.life()?, rejection));
                }
                // It closes its door in a moment, or has.
                Ok(Ok(Some(Asked::Closing | Asked::HungUp) | None)) => {}
                Ok(Err(error)) if error.is_timeout() => return self.silent(),
                Ok(Err(error)) => return Err(error),
            }
            let is_late = began.elapsed() >= limit;
            match look(&self.place)? {
                Ok(vacancy) => {
                    let leftover = vacancy.has_door;
                    return Ok(Sight::Gone {
                        last: vacancy.last.as_ref().and_then(Life::new),
                        leftover,
                    });
                }
                Err(Occupied::Lives(record)) if record.is_draining() => {
                    return Ok(match Life::new(&record) {
                        Some(life) => Sight::Closing(life),
                        None => Sight::Silent(None),
                    });
                }
                // It makes a new door, or had none when it was looked for.
                Err(Occupied::Lives(_)) if is_late => return self.silent(),
                Err(Occupied::Busy(holder)) if began.elapsed() >= BUSY || is_late => {
                    return Ok(Sight::Starting(in_words(holder.as_ref())));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Asks the daemon one thing, and gives its answer.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_running`]; [`Error::is_timeout`] if it does not answer within this time.
    pub async fn ask(
        &self,
        method: &str,
        fields: &[(&str, &str)],
        limit: Duration,
    ) -> Result<String> {
        self.answer(&question(method, fields), limit).await
    }

    /// The same for a question as it goes over the wire.
    pub(crate) async fn answer(&self, question: &str, limit: Duration) -> Result<String> {
        let name = self.name();
        let seen = self.look_for(question, limit).await;
        let (kind, text) = match seen.map_err(|error| self.named(error))? {
            Sight::Answers(report) => return Ok(report),
            Sight::Silent(life) => {
                let who = life.map_or_else(String::new, |life| format!(" (pid {})", life.pid));
                let text = format!(
                    "the {name} daemon{who} has not answered within {} ms: it hangs or was stopped; \
                     end it with `autod stop --kill {name}`",
                    limit.as_millis()
                );
                (ErrorKind::Timeout, text)
            }
            Sight::Refuses(_, text) => {
                let text = format!(
                    "the {name} daemon does not let itself be asked, because {text}; end it with \
                     `autod stop {name}`, and its next start is of the build that you have"
                );
                (ErrorKind::Mismatch, text)
            }
            Sight::Starting(who) => (
                ErrorKind::NotRunning,
                format!("the {name} daemon is being started: {who}; try again"),
            ),
            Sight::Closing(life) => {
                let text = format!(
                    "the {name} daemon (pid {}) is closing; wait for its last calls",
                    life.pid
                );
                (ErrorKind::NotRunning, text)
            }
            Sight::Gone { .. } => {
                let text = format!(
                    "the {name} daemon does not run; the next command of its program starts it"
                );
                (ErrorKind::NotRunning, text)
            }
        };
        Err(self.named(Error::new(kind, text).with_mend()))
    }

    /// Connects to the daemon that runs here, whatever it serves, to call its methods by name. It has
    /// to accept within this time. Unlike a question this keeps the daemon alive, as every caller
    /// does.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_running`]; [`Error::is_timeout`]; [`Error::is_mismatch`] if it is built without
    /// the feature `json`.
    #[cfg(feature = "json")]
    pub async fn connect_untyped(&self, limit: Duration) -> Result<crate::json::Client> {
        let connector = Connector { codec: Codec::Json, ..self.connector(limit) };
        let contact = connector.connect().await.map_err(|error| self.named(error))?;
        Ok(crate::json::Client::new(connector.connection(contact)))
    }

    /// Ends the daemon and waits until it is gone; `false` if none runs. Calls that run are answered
    /// within the daemon's own drain limit.
    ///
    /// # Errors
    ///
    /// It does not answer, or is not gone within this time.
    pub async fn stop(&self, limit: Duration) -> Result<bool> {
        self.connector(limit).stop().await.map_err(|error| self.named(error))
    }

    /// The process of the daemon, as its lock proves now; `None` if none lives, or if it has no
    /// locks because a supervisor looks after its socket.
    ///
    /// # Errors
    ///
    /// The locks are not safe to look at.
    pub fn life(&self) -> Result<Option<Life>> {
        let began = std::time::Instant::now();
        loop {
            match look(&self.place)? {
                Ok(_) => return Ok(None),
                Err(Occupied::Lives(record)) => return Ok(Life::new(&record)),
                // Others who look are done at once; who starts a daemon is not.
                Err(Occupied::Busy(_)) if began.elapsed() >= BUSY => return Ok(None),
                Err(Occupied::Busy(_)) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Removes what a daemon that was killed has left behind: its socket, never its locks, its log or
    /// its snapshot. `false` if there is nothing, or somebody lives or starts there.
    ///
    /// # Errors
    ///
    /// The files are not safe to touch, or cannot be removed.
    pub fn reap(&self) -> Result<bool> {
        match look(&self.place)? {
            Ok(vacancy) => vacancy.reap(&self.place).map_err(|error| self.named(error)),
            Err(_) => Ok(false),
        }
    }

    /// The last lines of the log, so many at most; with `previous` those of the life before.
    ///
    /// # Errors
    ///
    /// There is no log, or it cannot be read.
    pub fn log_tail(&self, lines: Option<usize>, previous: bool) -> Result<Tail> {
        let tail = crate::daemon::log_tail(&self.place, lines, previous);
        tail.map_err(|error| self.named(error))
    }

    /// Copies what is appended to the log behind a tail, for ever, across rotations and successors.
    /// Dropping the future ends it.
    ///
    /// # Errors
    ///
    /// The log cannot be read or watched, or `writer` fails.
    pub async fn follow_log(&self, tail: Tail, writer: &mut impl Write) -> Result<()> {
        let follow = Follow::behind(&self.place, tail).map_err(|error| self.named(error))?;
        follow.copy(writer, std::future::pending()).await.map_err(|error| self.named(error))
    }

    /// The variables that let the program of the daemon with this name restart it, instead of doing
    /// what its arguments say. The program has to come to [`Daemon::run`](crate::Daemon::run) or
    /// [`Daemon::serve_if_spawned`](crate::Daemon::serve_if_spawned) by its arguments, as the
    /// daemon did. It exits with 0 when the new daemon is ready, or says on its standard error why
    /// not.
    pub fn restart_variables(&self, name: &str) -> [(&'static str, OsString); 2] {
        errand::variables(name, self.place.is_explicit(), self.place.sock())
    }

    fn connector(&self, limit: Duration) -> Connector<'_> {
        Connector {
            place: &self.place,
            table: &Table::NONE,
            limits: &self.limits,
            build: &self.build,
            upgrade: Upgrade::Compatible,
            caller_env: &[],
            callbacks: None,
            #[cfg(feature = "remote")]
            forwarded: None,
            codec: Codec::default(),
            deadline: Instant::now() + limit,
            silence: limit,
            on_progress: None,
        }
    }

    fn named(&self, error: Error) -> Error {
        error.of_daemon(|| self.place.whom())
    }

    fn silent(&self) -> Result<Sight> {
        Ok(Sight::Silent(self.life()?))
    }
}

fn in_words(holder: Option<&SpawnRecord>) -> String {
    holder.map_or_else(|| "by an unknown process".to_owned(), |holder| format!("by {holder}"))
}
