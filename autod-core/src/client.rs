//! The connecting end: finds the daemon, starts it if it has to, and greets it.
//!
//! What may be tried again and what may not is LIFECYCLE.md, "Connect": before the Accept nothing
//! was executed, so everything starts over; after it, nothing is sent twice.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

use crate::codec;
use crate::daemon::{Began, Knock, Launch, Place, Starter, Starting, Turn, check_peer, peer};
use crate::error::{Error, ErrorKind, Result};
use crate::greet::{self, Heard};
use crate::mux::{Connection, Driver, NoService, Origin, Shared, Side};
use crate::service::{Service, Table};
use crate::session::root_identity;
use crate::wire::greeting::{Accept, Answer, CallerFields, Hello, Purpose, RejectCode, VERSION};
use crate::wire::limits::{Limits, Receives};

/// How often a daemon may hang up before it accepts.
const TRIES: u32 = 5;

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

/// Hears how a start goes.
pub(crate) type OnProgress = std::sync::Arc<dyn Fn(&str) + Send + Sync>;

/// What a client needs to know to connect.
pub(crate) struct Connector<'a> {
    pub(crate) place: &'a Place,
    pub(crate) limits: &'a Limits,
    pub(crate) build: &'a str,
    /// The variables of our environment that the daemon gets to see.
    pub(crate) caller_env: &'a [OsString],
    /// Until when a connection must be taken. A daemon that talks may take longer to accept it.
    pub(crate) deadline: Instant,
    /// How long a daemon may say nothing.
    pub(crate) silence: Duration,
    pub(crate) on_progress: Option<OnProgress>,
}

/// How a greeting went.
enum Greeted {
    Accepted(UnixStream, Accept),
    /// The daemon is about to end. Start over.
    Closing,
    /// The daemon hung up before it accepted. Start over, but not for ever.
    HungUp,
}

impl Connector<'_> {
    /// Connects to a daemon that runs.
    pub(crate) async fn connect<C: Client>(&self) -> Result<C> {
        let mut tries = 0;
        loop {
            let stream = match self.place.knock()? {
                Knock::Open(stream) => stream,
                Knock::Full => self.wait_for_room().await?,
                Knock::Absent | Knock::Refused => {
                    return Err(Error::new(
                        ErrorKind::NotRunning,
                        format!("no daemon listens on {}", self.place.sock().display()),
                    ));
                }
            };
            if let Some(accepted) = self.greet(stream, C::TABLE, &mut tries, true).await? {
                return Ok(self.client(accepted, None));
            }
        }
    }

    /// Connects; starts a daemon if none runs.
    pub(crate) async fn connect_or_start<C: Client>(&self, launch: &Launch) -> Result<C> {
        // A caller that waits in the queue of a start that fails waited for it, too.
        let began = Began::now();
        let mut starter: Option<Starter<'_>> = None;
        let mut tries = 0;
        loop {
            let stream = match self.place.knock()? {
                Knock::Open(stream) => stream,
                Knock::Full => self.wait_for_room().await?,
                Knock::Absent | Knock::Refused => {
                    let starter = starter.get_or_insert_with(|| {
                        Starter::new(self.place, launch, began, self.deadline)
                    });
                    match starter.turn().await? {
                        Turn::Again => continue,
                        Turn::Knocked(stream) => stream,
                        Turn::Started(starting) => {
                            let (pid, began) = (starting.pid(), starting.started_at());
                            let accepted = self.attend_start(starting, C::TABLE).await?;
                            let Some(accepted) = accepted else { continue };
                            // An accept by another process would not be this start's doing.
                            let took = (accepted.1.pid == pid).then(|| began.elapsed());
                            return Ok(self.client(accepted, took));
                        }
                    }
                }
            };
            if let Some(accepted) = self.greet(stream, C::TABLE, &mut tries, true).await? {
                return Ok(self.client(accepted, None));
            }
        }
    }

    /// The daemon that we have started gets its first client at once, so that it is in use before
    /// it can feel idle; its own word over the status channel decides whether it failed.
    async fn attend_start(
        &self,
        starting: Starting<'_>,
        table: &Table,
    ) -> Result<Option<(UnixStream, Accept)>> {
        let mut tries = 0;
        let progress = self.on_progress.clone();
        let outcome = starting.outcome(move |text| {
            if let Some(progress) = &progress {
                progress(text);
            }
        });
        let greeted = async {
            match self.place.knock()? {
                Knock::Open(stream) => self.greet(stream, table, &mut tries, false).await,
                Knock::Full | Knock::Absent | Knock::Refused => Ok(None),
            }
        };
        let (outcome, greeted) = futures::future::join(outcome, greeted).await;
        outcome?;
        greeted
    }

    async fn wait_for_room(&self) -> Result<std::os::unix::net::UnixStream> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.place.wait_for_room(left).await? {
            Some(stream) => Ok(stream),
            None => Err(self.unresponsive("did not take the connection")),
        }
    }

    /// One attempt. `None`: start over. With `report` unset, progress is heard elsewhere.
    async fn greet(
        &self,
        stream: std::os::unix::net::UnixStream,
        table: &Table,
        tries: &mut u32,
        report: bool,
    ) -> Result<Option<(UnixStream, Accept)>> {
        match self.exchange(stream, table, report).await? {
            Greeted::Accepted(stream, accept) => return Ok(Some((stream, accept))),
            Greeted::Closing => {
                if Instant::now() >= self.deadline {
                    return Err(self.unresponsive("is still closing"));
                }
            }
            Greeted::HungUp => {
                *tries += 1;
                if *tries >= TRIES {
                    return Err(Error::new(
                        ErrorKind::Lost,
                        format!(
                            "the daemon on {} hung up {TRIES} times before it accepted; its log \
                             is {}",
                            self.place.sock().display(),
                            self.place.log_path().display()
                        ),
                    ));
                }
            }
        }
        // Lets a current-thread runtime run others between two attempts.
        tokio::task::yield_now().await;
        Ok(None)
    }

    async fn exchange(
        &self,
        stream: std::os::unix::net::UnixStream,
        table: &Table,
        report: bool,
    ) -> Result<Greeted> {
        check_peer(&peer(&stream)?)?;
        let mut stream = UnixStream::from_std(stream)
            .map_err(|error| Error::system("cannot use the connection", error))?;
        // A failing write is not the last word: the daemon may have said why before it hung up.
        let _ = greet::write_all(&stream, &self.hello(table).to_bytes()).await;
        loop {
            match timeout(self.silence, greet::read_answer(&mut stream)).await {
                Err(_) => return Err(self.unresponsive("does not answer")),
                Ok(Err(Heard::Nothing)) => return Ok(Greeted::HungUp),
                Ok(Err(Heard::Error(error))) => return Err(error),
                Ok(Ok(Answer::Accept(accept))) => return Ok(Greeted::Accepted(stream, accept)),
                Ok(Ok(Answer::Closing)) => return Ok(Greeted::Closing),
                Ok(Ok(Answer::Reject(RejectCode::StartFailed, text))) => {
                    // In the words of the starter's own error.
                    let text = format!("{} daemon failed to start: {text}", self.place.app());
                    return Err(Error::new(ErrorKind::StartFailed, text));
                }
                Ok(Ok(Answer::Reject(code, text))) => return Err(rejected(code, text)),
                Ok(Ok(Answer::Wait(text))) => {
                    if let Some(progress) = self.on_progress.as_ref().filter(|_| report)
                        && !text.is_empty()
                    {
                        progress(&text);
                    }
                }
            }
        }
    }

    fn hello(&self, table: &Table) -> Hello {
        Hello {
            version: VERSION,
            purpose: Purpose::Session,
            service: table.name.to_owned(),
            fingerprint: table.fingerprint,
            build: self.build.to_owned(),
            codec: codec::NAME.to_owned(),
            receives: Receives::from(self.limits),
            caller: CallerFields {
                cwd: std::env::current_dir()
                    .map(|cwd| cwd.into_os_string().into_vec())
                    .unwrap_or_default(),
                args: std::env::args_os().map(OsString::into_vec).collect(),
                env: self
                    .caller_env
                    .iter()
                    .filter_map(|name| {
                        let mut pair = name.clone();
                        pair.push("=");
                        pair.push(std::env::var_os(name)?);
                        Some(pair.into_vec())
                    })
                    .collect(),
                terminal: terminal(),
                root: root_identity(),
            },
        }
    }

    fn client<C: Client>(
        &self,
        (stream, accept): (UnixStream, Accept),
        started: Option<Duration>,
    ) -> C {
        let shared = Shared::new(Side::Connector, Receives::from(self.limits), accept.receives);
        let driver = Driver::new(stream, std::sync::Arc::clone(&shared), NoService, Vec::new());
        tokio::spawn(driver.run());
        let origin = Origin { pid: accept.pid, build: accept.build, life: accept.life, started };
        C::from_connection(Connection::new(shared, origin))
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
        Error::new(ErrorKind::Timeout, message)
    }
}

fn rejected(code: RejectCode, text: String) -> Error {
    let kind = match code {
        RejectCode::Version | RejectCode::Service | RejectCode::Fingerprint => ErrorKind::Mismatch,
        RejectCode::StartFailed | RejectCode::Session => ErrorKind::StartFailed,
        RejectCode::Full => ErrorKind::Limit,
        RejectCode::Other => ErrorKind::Denied,
    };
    Error::new(kind, text)
}

/// Columns and rows of the terminal on standard output.
fn terminal() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    Some((size.ws_col, size.ws_row))
}
