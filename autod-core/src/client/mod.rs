//! The connecting end: finds the daemon, starts it if it has to, and greets it.
//!
//! What may be tried again and what may not is LIFECYCLE.md, "Connecting": before the Accept
//! nothing was executed, so everything starts over; after it, nothing is sent twice.

mod ask;
mod blocking;
mod encounter;
mod introduction;
mod orders;
#[cfg(feature = "remote")]
mod over;
#[cfg(feature = "remote")]
mod readiness;
mod reconnect;

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::ask::Asked;
#[cfg(feature = "remote")]
pub(crate) use self::encounter::rejected;
use self::encounter::{Attempts, Met};
pub(crate) use self::encounter::{Line, Spoken};
pub(crate) use self::introduction::{Introduction, caller_fields, dispatch_of};
pub use self::reconnect::Reconnect;
use crate::callbacks::Callbacks;
use crate::codec::Codec;
use crate::daemon::{Began, Knock, Launch, Place, Starter, Starting, Turn};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};
use crate::identity::Build;
use crate::mux::Connection;
use crate::service::{Service, Table};
use crate::upgrade::Upgrade;
use crate::wire::greeting::Accept;
use crate::wire::limits::Limits;

#[cfg(feature = "remote")]
pub use self::readiness::{Readiness, readiness};

/// A generated client.
///
/// The methods of the client type itself are those of the service alone; what every client can do
/// is here.
pub trait Client: Service + Clone + Send + Sync {
    /// Makes a client of a connection.
    fn from_connection(connection: Connection) -> Self;

    /// The connection that this client uses.
    fn connection(&self) -> &Connection;
}

/// A daemon that has accepted.
pub(crate) struct Contact {
    pub(crate) line: Line,
    pub(crate) accept: Accept,
    /// How long the start took, if it was ours.
    took: Option<Duration>,
    retries: u32,
}

/// Hears how a start goes.
pub(crate) type OnProgress = Arc<dyn Fn(&str) + Send + Sync>;

/// What a client needs to know to connect.
pub(crate) struct Connector<'a> {
    pub(crate) place: &'a Place,
    pub(crate) table: &'static Table,
    pub(crate) codec: Codec,
    pub(crate) limits: &'a Limits,
    pub(crate) build: &'a Build,
    pub(crate) upgrade: Upgrade,
    /// The variables of our environment that the daemon gets to see.
    pub(crate) caller_env: &'a [OsString],
    /// Until when a connection must be taken. A daemon that talks may take longer to accept it.
    pub(crate) deadline: Instant,
    /// How long a daemon may say nothing.
    pub(crate) silence: Duration,
    pub(crate) on_progress: Option<OnProgress>,
    /// What the daemon may call.
    pub(crate) callbacks: Option<&'a Callbacks>,
    /// What somebody else says for whom we connect, instead of our own words.
    #[cfg(feature = "remote")]
    pub(crate) forwarded: Option<&'a crate::wire::greeting::Hello>,
}

/// Set when this process has been connected: it is no fresh invocation any more, and leaves the
/// daemons of older builds alone.
static CONNECTED: AtomicBool = AtomicBool::new(false);

impl Connector<'_> {
    /// Connects to a daemon that runs.
    pub(crate) async fn connect(&self) -> Result<Contact> {
        let mut attempts = Attempts::default();
        loop {
            let stream = self.knock_existing().await?.ok_or_else(|| self.not_running())?;
            let met = self.meet(self.speak(stream)?, &mut attempts).await?;
            if let Met::Daemon(line, accept) = met {
                return Ok(contact(line, accept, None, &attempts));
            }
        }
    }

    /// Hears the answer to a hello that was said before. `None`: more has to be done than that.
    pub(crate) async fn finish(&self, spoken: Spoken) -> Result<Option<Contact>> {
        let may_replace = !CONNECTED.load(Ordering::Relaxed);
        let mut attempts = Attempts { may_replace, ..Attempts::default() };
        Ok(match self.meet(spoken, &mut attempts).await? {
            Met::Daemon(line, accept) => Some(contact(line, accept, None, &attempts)),
            Met::Predecessor(_) | Met::Nobody => None,
        })
    }

    /// Connects; starts a daemon if none runs, and replaces one of an older build if that is the
    /// policy. With `anew`, one that runs is replaced in any case.
    pub(crate) async fn connect_or_start(&self, launch: &Launch, anew: bool) -> Result<Contact> {
        let mut starter =
            Starter::new(self.place, launch, Began::now(), self.deadline).explicit(anew);
        let mut attempts = Attempts {
            may_replace: anew || !CONNECTED.load(Ordering::Relaxed),
            must_replace: anew,
            ..Attempts::default()
        };
        loop {
            let stream = match self.place.knock()? {
                Knock::Open(stream) => stream,
                Knock::Full => match self.wait_for_room().await? {
                    Some(stream) => stream,
                    None => continue,
                },
                Knock::Absent | Knock::Refused => {
                    fault::pass(Point::CallerRefused);
                    match starter.turn().await? {
                        Turn::Again => continue,
                        Turn::Knocked(stream) => stream,
                        Turn::Started(starting) => match self.attend(*starting, &attempts).await? {
                            Some(contact) => return Ok(contact),
                            None => continue,
                        },
                    }
                }
            };
            let spoken =
                if attempts.must_replace { self.probe(stream)? } else { self.speak(stream)? };
            match self.meet(spoken, &mut attempts).await? {
                Met::Daemon(line, accept) => {
                    return Ok(contact(line, accept, None, &attempts));
                }
                Met::Nobody => {}
                Met::Predecessor(life) => {
                    let succeeded = self.succeed(&mut starter, life, &mut attempts).await?;
                    let Some(starting) = succeeded else { continue };
                    // Once per start, whatever comes of it.
                    (attempts.may_replace, attempts.must_replace) = (false, false);
                    if let Some(contact) = self.attend(starting, &attempts).await? {
                        return Ok(contact);
                    }
                }
            }
        }
    }

    /// The daemon that we have started gets its first client at once, so that it is in use before
    /// it can feel idle; its own word over the status channel decides whether it failed.
    async fn attend(&self, starting: Starting<'_>, before: &Attempts) -> Result<Option<Contact>> {
        let (pid, began) = (starting.pid(), starting.started_at());
        let progress = self.on_progress.clone();
        let outcome = starting.outcome(move |text| {
            if let Some(progress) = &progress {
                progress(text);
            }
        });
        // Before anything is waited for: the connection counts from here on.
        let knock = self.place.knock()?;
        let meeting = async {
            match knock {
                Knock::Open(stream) => {
                    let mut attempts = Attempts { quiet: true, ..Attempts::default() };
                    self.meet(self.speak(stream)?, &mut attempts).await
                }
                Knock::Full | Knock::Absent | Knock::Refused => Ok(Met::Nobody),
            }
        };
        let (outcome, met) = futures_util::future::join(outcome, meeting).await;
        outcome?;
        let Met::Daemon(line, accept) = met? else { return Ok(None) };
        // An Accept of another process would not be this start's doing.
        let took = (accept.pid == pid).then(|| began.elapsed());
        Ok(Some(contact(line, accept, took, before)))
    }

    /// The connection of a contact, driven by a task.
    pub(crate) fn connection(&self, contact: Contact) -> Connection {
        let Contact { line, accept, took, retries } = contact;
        let whom = self.place.whom();
        self.introduction().connection(line.stream, line.rest, whom, accept, took, retries)
    }

    /// Who we are, whatever the transport is.
    fn introduction(&self) -> Introduction<'_> {
        Introduction {
            table: self.table,
            codec: self.codec,
            limits: self.limits,
            build: self.build,
            caller_env: self.caller_env,
            callbacks: self.callbacks,
        }
    }

    /// Waits for a place in the queue of a busy daemon. `None`: its door went away meanwhile.
    async fn wait_for_room(&self) -> Result<Option<std::os::unix::net::UnixStream>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let room = self.place.wait_for_room(left).await?;
        if room.is_none() && Instant::now() >= self.deadline {
            return Err(self.unresponsive("did not take the connection"));
        }
        Ok(room)
    }

    fn not_running(&self) -> Error {
        let sock = self.place.sock().display();
        Error::new(ErrorKind::NotRunning, format!("no daemon listens on {sock}"))
    }

    /// A daemon is there but does not do its part. Busy is not dead: nothing is killed.
    fn unresponsive(&self, what: &str) -> Error {
        let sock = self.place.sock().display();
        let message = match self.place.daemon_pid() {
            Some(pid) => format!(
                "the daemon (pid {pid}) on {sock} {what}; if it hangs, end it with `kill {pid}`"
            ),
            None => format!("whoever listens on {sock} {what}"),
        };
        Error::new(ErrorKind::Timeout, message).with_mend()
    }
}

fn contact(line: Line, accept: Accept, took: Option<Duration>, attempts: &Attempts) -> Contact {
    note_accepted();
    Contact { line, accept, took, retries: attempts.closing + attempts.hung_up }
}

fn note_accepted() {
    fault::pass(Point::CallerAccepted);
    CONNECTED.store(true, Ordering::Relaxed);
}
