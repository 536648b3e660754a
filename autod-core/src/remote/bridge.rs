//! The far end: a process between a caller on another machine and the daemon of this one.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::explain::rejection;
use super::packet::Found;
use super::pump::{MISSED, Receiver, Sender};
use super::request::{Asked, Request, VERSION, Way, forget_variable};
use crate::builder::Daemon;
use crate::client::{Client, Line};
use crate::control::Target;
use crate::desk::single_threaded_runtime;
use crate::error::{Error, ErrorKind, Result};
use crate::service::Serves;
use crate::settings::Settings;
use crate::wire::greeting::{Accept, Answer, Hello, Malformed, PREFIX, Prefix, Purpose};

/// The exit code of a bridge that has joined nothing.
const EXIT_FAILED: i32 = 1;

/// How often a caller hears that it is being connected, at least.
const WAITING: Duration = Duration::from_secs(1);

impl<S, T> Daemon<S, T> {
    /// Serves as the bridge and never returns, if it was asked for this daemon.
    #[cold]
    #[inline(never)]
    pub(crate) fn bridge_if_asked<C: Client + Serves<T>>(mut self) -> Result<Self> {
        let stdout = rustix::stdio::stdout();
        let request = match Asked::of_process() {
            Asked::Unknown(mark) => refuse(Sender { mark, to: stdout }, &other_version()),
            Asked::Bridge(request) if request.way == Way::Command => {
                let text = "the program there is not the autod command";
                let error = Error::new(ErrorKind::Mismatch, text);
                refuse(Sender { mark: request.mark, to: stdout }, &error)
            }
            Asked::Bridge(request)
                if request.app.is_empty() || request.app == self.settings.name =>
            {
                request
            }
            Asked::Bridge(_) | Asked::Nothing => return Ok(self),
        };
        // Whatever is started from here on is no bridge.
        forget_variable();
        self.settings.remote = None;
        let sender = Sender { mark: request.mark, to: stdout };
        std::process::exit(match serve::<C>(&mut self.settings, &request, sender) {
            Ok(()) => 0,
            // The caller is gone; nobody is left to be told.
            Err(_) => EXIT_FAILED,
        })
    }
}

pub(super) fn other_version() -> Error {
    let text = format!("the bridge at the other end speaks version {VERSION} only");
    Error::new(ErrorKind::Mismatch, text)
}

/// Says why this is no bridge for that, and ends.
pub(super) fn refuse(sender: Sender<'_>, error: &Error) -> ! {
    let answer = Answer::Reject(rejection(error));
    // Whether it is read or not: there is nothing else to do.
    let _ = sender.send(&answer.to_bytes()).and_then(|()| sender.end());
    std::process::exit(EXIT_FAILED)
}

/// Joins the caller to the daemon until one of them ends. An error is the caller's going.
fn serve<C: Client>(
    settings: &mut Settings,
    request: &Request,
    sender: Sender<'static>,
) -> io::Result<()> {
    // What a profile reads from standard input is none of what the caller says: it waits for this.
    sender.alive()?;
    let mut receiver = Receiver::new(request.mark, rustix::stdio::stdin());
    let mut rest = Vec::new();
    // A daemon that was started to be asked stays for the session that follows.
    let mut kept = None;
    let (reached, stream) = loop {
        let hello;
        (hello, rest) = listen(&mut receiver, rest, request.keep_alive)?;
        let done = match hello {
            Ok(hello) if hello.purpose == Purpose::Control => {
                let answered = answer::<C>(settings, request, &hello.control, sender);
                answered.map(|(report, started)| {
                    kept = kept.take().or(started);
                    Done::Asked(report)
                })
            }
            Ok(hello) => reach::<C>(settings, request, &hello, sender).map(Done::Reached),
            Err(error) => Err(error),
        };
        match done {
            Ok(Done::Asked(report)) => sender.send(&Answer::Report(report).to_bytes())?,
            Ok(Done::Reached(reached)) => break reached,
            Err(error) => {
                sender.send(&Answer::Reject(rejection(&error)).to_bytes())?;
                return sender.end();
            }
        }
    };
    drop(kept);
    sender.send(&Answer::Accept(reached).to_bytes())?;
    (&stream.socket).write_all(&rest)?;
    sender.send(&stream.rest)?;
    let upstream = stream.socket.try_clone()?;
    let interval = request.keep_alive;
    std::thread::Builder::new().name("autod-bridge".to_owned()).spawn(move || {
        match receiver.deliver(&upstream, interval) {
            Ok(()) => drop(upstream.shutdown(Shutdown::Write)),
            // Nothing that the daemon says would arrive.
            Err(_) => std::process::exit(EXIT_FAILED),
        }
    })?;
    sender.forward(&stream.socket, interval)
}

/// What a hello has led to.
enum Done {
    Asked(String),
    Reached((Accept, Joined)),
}

/// What the caller says next, of which these bytes are there, and what has come behind it.
fn listen(
    receiver: &mut Receiver<'_>,
    mut bytes: Vec<u8>,
    interval: Duration,
) -> io::Result<(Result<Hello>, Vec<u8>)> {
    loop {
        match whole(&bytes) {
            Ok(Some((hello, end))) => return Ok((check(hello), bytes.split_off(end))),
            Ok(None) => {}
            Err(malformed) => return Ok((Err(unreadable(malformed)), Vec::new())),
        }
        match receiver.next(Some(interval * MISSED))? {
            Found::Payload(payload) => bytes.extend_from_slice(&payload),
            Found::Alive => {}
            Found::End => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn whole(bytes: &[u8]) -> Result<Option<(Hello, usize)>, Malformed> {
    let Some(prefix) = Prefix::parse(bytes)? else { return Ok(None) };
    let end = PREFIX + prefix.length;
    bytes.get(PREFIX..end).map(|fields| Ok((Hello::parse(prefix, fields)?, end))).transpose()
}

fn check(mut hello: Hello) -> Result<Hello> {
    if !matches!(hello.purpose, Purpose::Session | Purpose::Control) {
        return Err(Error::new(ErrorKind::Protocol, "a bridge passes no orders on"));
    }
    // Whoever calls from another machine does not say who it is here.
    hello.caller.login = Some(login());
    Ok(hello)
}

/// The name that the login has, as its server says.
fn login() -> String {
    let name = |variable| std::env::var(variable).ok().filter(|name| !name.is_empty());
    name("USER").or_else(|| name("LOGNAME")).unwrap_or_default()
}

fn unreadable(malformed: Malformed) -> Error {
    Error::new(ErrorKind::Protocol, "the caller does not greet as autod does").caused_by(malformed)
}

/// The connection to the daemon, which does not know tokio any more.
struct Joined {
    socket: UnixStream,
    /// What came behind the greeting.
    rest: Vec<u8>,
}

impl Joined {
    fn new(line: Line) -> Result<Self> {
        let socket = line.stream.into_std();
        let socket = socket.and_then(|socket| socket.set_nonblocking(false).map(|()| socket));
        let socket = socket.map_err(|error| Error::system("cannot use the connection", error))?;
        Ok(Self { socket, rest: line.rest })
    }
}

/// Connects to the daemon in the words of the caller.
fn reach<C: Client>(
    settings: &mut Settings,
    request: &Request,
    hello: &Hello,
    sender: Sender<'static>,
) -> Result<(Accept, Joined)> {
    meanwhile(settings, request, sender, async |settings| {
        let reached = settings.reach_for(Some(hello), request.way, C::TABLE).await?;
        Ok((reached.accept, Joined::new(reached.line)?))
    })
}

/// What the daemon answers to a question of the caller, and what keeps it if it was started for
/// that.
fn answer<C: Client>(
    settings: &mut Settings,
    request: &Request,
    question: &str,
    sender: Sender<'static>,
) -> Result<(String, Option<Joined>)> {
    meanwhile(settings, request, sender, async |settings| {
        let target = Target::new(settings.place()?);
        let ask = || target.answer(question, settings.silence_timeout);
        match ask().await {
            Err(error) if error.is_not_running() && request.way != Way::Existing => {
                let started = settings.reach_for(None, Way::Start, C::TABLE).await?;
                Ok((ask().await?, Some(Joined::new(started.line)?)))
            }
            answered => Ok((answered?, None)),
        }
    })
}

/// Does this while the caller hears that somebody is there.
fn meanwhile<R>(
    settings: &mut Settings,
    request: &Request,
    sender: Sender<'static>,
    work: impl AsyncFnOnce(&Settings) -> Result<R>,
) -> Result<R> {
    let wait = move |text: &str| sender.send(&Answer::Wait(text.to_owned()).to_bytes());
    settings.on_progress = Some(Arc::new(move |text| {
        // Whoever is not there any more is noticed soon.
        let _ = wait(text);
    }));
    let settings = &*settings;
    let still_here = async {
        loop {
            tokio::time::sleep(WAITING.min(request.keep_alive)).await;
            if wait("").is_err() {
                return Error::new(ErrorKind::Lost, "the caller has hung up");
            }
        }
    };
    single_threaded_runtime()?.block_on(async {
        match select(pin!(work(settings)), pin!(still_here)).await {
            Either::Left((done, _)) => done,
            Either::Right((gone, _)) => Err(gone),
        }
    })
}
