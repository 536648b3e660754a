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
use super::request::{Asked, Request, VERSION, forget_variable};
use crate::builder::Daemon;
use crate::client::Client;
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
            Asked::Unknown(mark) => {
                let text = format!("the bridge at the other end speaks version {VERSION} only");
                let answer = Answer::Reject(rejection(&Error::new(ErrorKind::Mismatch, text)));
                let sender = Sender { mark, to: stdout };
                // Whether it is read or not: there is nothing else to do.
                let _ = sender.send(&answer.to_bytes()).and_then(|()| sender.end());
                std::process::exit(EXIT_FAILED);
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

/// Joins the caller to the daemon until one of them ends. An error is the caller's going.
fn serve<C: Client>(
    settings: &mut Settings,
    request: &Request,
    sender: Sender<'static>,
) -> io::Result<()> {
    // What a profile reads from standard input is none of what the caller says: it waits for this.
    sender.alive()?;
    let mut receiver = Receiver::new(request.mark, rustix::stdio::stdin());
    let (hello, rest) = listen(&mut receiver, request.keep_alive)?;
    let joined = match hello {
        Ok(hello) => reach::<C>(settings, request, &hello, sender),
        Err(error) => Err(error),
    };
    let (reached, stream) = match joined {
        Ok(joined) => joined,
        Err(error) => {
            sender.send(&Answer::Reject(rejection(&error)).to_bytes())?;
            return sender.end();
        }
    };
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

/// What the caller says first, and what has come behind it.
fn listen(receiver: &mut Receiver<'_>, interval: Duration) -> io::Result<(Result<Hello>, Vec<u8>)> {
    let mut bytes = Vec::new();
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

fn check(hello: Hello) -> Result<Hello> {
    if hello.purpose == Purpose::Session {
        return Ok(hello);
    }
    Err(Error::new(ErrorKind::Protocol, "a bridge passes no orders on"))
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

/// Connects to the daemon in the words of the caller, who hears meanwhile that somebody is there.
fn reach<C: Client>(
    settings: &mut Settings,
    request: &Request,
    hello: &Hello,
    sender: Sender<'static>,
) -> Result<(Accept, Joined)> {
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
    let runtime = single_threaded_runtime()?;
    runtime.block_on(async {
        let reaching = pin!(settings.reach_for(hello, request.way, C::TABLE));
        let reached = match select(reaching, pin!(still_here)).await {
            Either::Left((reached, _)) => reached?,
            Either::Right((gone, _)) => return Err(gone),
        };
        let socket = reached.line.stream.into_std();
        let socket = socket.and_then(|socket| socket.set_nonblocking(false).map(|()| socket));
        let socket = socket.map_err(|error| Error::system("cannot use the connection", error))?;
        Ok((reached.accept, Joined { socket, rest: reached.line.rest }))
    })
}
