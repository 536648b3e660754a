//! A daemon between its spawn and its being ready, seen from its starter, who holds the spawn lock
//! until the end of it is known and written down.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::breaker;
use super::locks::{LifeAttempt, LifeLock, SpawnLock};
use super::log;
use super::place::Place;
use super::reaper::{self, Ending, Reaped};
use super::settings::Settings;
use super::spawn::Spawned;
use super::status::Message;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};

/// How long a daemon that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(1);

/// A daemon that was spawned and is not known to be ready.
///
/// Dropping it is what the death of a starter is: the daemon goes on by itself.
pub(crate) struct Starting<'a> {
    place: &'a Place,
    lock: SpawnLock,
    pid: u32,
    started_at: Instant,
    silence: Duration,
    log_start: u64,
    reaped: Reaped,
    channel: Channel,
}

struct Channel {
    ended: oneshot::Receiver<Ending>,
    /// How the daemon's process ended, once it has.
    ending: Option<Ending>,
    socket: Option<UnixStream>,
    /// Settings that are still to be sent.
    rest: Vec<u8>,
    received: Vec<u8>,
}

enum Event {
    Said(Message),
    Ended(Ending),
    Silent,
}

impl<'a> Starting<'a> {
    pub(super) fn new(
        place: &'a Place,
        lock: SpawnLock,
        spawned: Spawned,
        silence: Duration,
    ) -> Result<(Self, Settings)> {
        let pid = spawned.child.id();
        let (reaped, ended) = reaper::watch(spawned.child).map_err(|error| {
            Error::system("cannot start the thread that watches the daemon", error)
        })?;
        let socket = spawned
            .socket
            .set_nonblocking(true)
            .and_then(|()| UnixStream::from_std(spawned.socket));
        let socket =
            socket.map_err(|error| Error::system("cannot listen to the starting daemon", error))?;
        let starting = Self {
            place,
            lock,
            pid,
            started_at: Instant::now(),
            silence,
            log_start: spawned.log_start,
            reaped,
            channel: Channel {
                ended,
                ending: None,
                socket: Some(socket),
                rest: spawned.rest,
                received: Vec::new(),
            },
        };
        Ok((starting, spawned.settings))
    }

    /// The lock that this start is made under.
    pub(super) fn lock(&self) -> &SpawnLock {
        &self.lock
    }

    /// Waits until the daemon's main has handed over.
    pub(super) async fn seen(&mut self) -> Result<()> {
        let mut patience = pin!(tokio::time::sleep(self.silence));
        let event = std::future::poll_fn(|cx| self.channel.poll(cx, patience.as_mut())).await;
        let reason = match event {
            Event::Said(Message::Failed(text)) => format!("failed to start: {text}"),
            Event::Said(_) => return Ok(()),
            Event::Ended(ending) => self.obituary(ending, false),
            Event::Silent => self.end(false).await,
        };
        let reason = format!("{} daemon {reason}", self.place.app());
        Err(Error::new(ErrorKind::StartFailed, reason))
    }

    /// Hands over what a daemon needs to serve.
    pub(super) fn hand_over(
        &mut self,
        settings: &Settings,
        life: &LifeLock,
        listener: &UnixListener,
    ) -> Result<()> {
        let Some(socket) = &self.channel.socket else {
            return Err(Error::new(ErrorKind::StartFailed, "the new daemon has hung up"));
        };
        self.channel.rest = settings.hand_over(socket, life, listener)?;
        Ok(())
    }

    /// The process that was spawned.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// When its process was spawned.
    pub(crate) fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Waits until the daemon is ready, or gives the reason why it will not be.
    pub(crate) async fn outcome(mut self, mut on_progress: impl FnMut(&str)) -> Result<()> {
        match self.watch(&mut on_progress).await {
            Ok(()) => {
                fault::pass(Point::StarterHeardReady);
                breaker::clear(self.place, &self.lock);
                Ok(())
            }
            Err(reason) => {
                let reason = format!("{} daemon {reason}", self.place.app());
                fault::pass(Point::StarterHeardFailure);
                breaker::record(self.place, &self.lock, &reason);
                fault::pass(Point::StarterRecordedFailure);
                self.remove_door().await;
                Err(Error::new(ErrorKind::StartFailed, reason))
            }
        }
    }

    /// A dead daemon leaves its door; one that still says goodbye to others keeps it.
    async fn remove_door(&self) {
        // Another thread's fork may hold a copy of the lock until its exec.
        for _ in 0..5 {
            match LifeLock::try_take(self.place, &self.lock, "") {
                Ok(LifeAttempt::Taken(life)) => {
                    let _ = self.place.unpublish(&self.lock, &life);
                    return;
                }
                Ok(LifeAttempt::Held(_)) if self.channel.ending.is_some() => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                _ => return,
            }
        }
    }

    async fn watch(&mut self, on_progress: &mut impl FnMut(&str)) -> Result<(), String> {
        let mut seen = false;
        let mut patience = pin!(tokio::time::sleep(self.silence));
        loop {
            let event = std::future::poll_fn(|cx| self.channel.poll(cx, patience.as_mut())).await;
            patience.as_mut().reset(Instant::now() + self.silence);
            match event {
                Event::Said(Message::Seen) => seen = true,
                Event::Said(Message::Progress(text)) => {
                    seen = true;
                    // Those who wait for the lock read it and wait on.
                    let _ = self.lock.set_phase(&text);
                    on_progress(&text);
                }
                Event::Said(Message::Ready) => return Ok(()),
                Event::Said(Message::Failed(text)) => {
                    return Err(format!("failed to start: {text}"));
                }
                Event::Ended(ending) => return Err(self.obituary(ending, seen)),
                Event::Silent => return Err(self.end(seen).await),
            }
        }
    }

    /// Why a daemon is gone that was not ready.
    fn obituary(&self, ending: Ending, seen: bool) -> String {
        let tail = log::tail(self.place, self.log_start);
        if let Some(panic) = panic_in(&tail) {
            return format!("panicked while starting: {panic}");
        }
        let words = reaper::in_words(ending);
        let exited = ending.is_none_or(|status| status.code().is_some());
        let reason = if !seen && exited {
            format!("{words} before it was ready: main() never called autod's run")
        } else {
            format!("{words} before it was ready")
        };
        self.with_tail(reason, &tail)
    }

    fn with_tail(&self, reason: String, tail: &str) -> String {
        if tail.is_empty() {
            return reason;
        }
        format!("{reason}; its log {} ends with:\n{tail}", self.place.log_path().display())
    }

    /// Ends a daemon that says nothing. It was never ready, so nobody's work is lost.
    async fn end(&mut self, seen: bool) -> String {
        for (signal, grace) in [(Signal::TERM, GRACE), (Signal::KILL, GRACE * 5)] {
            self.reaped.signal(signal);
            if let Ok(ending) = tokio::time::timeout(grace, &mut self.channel.ended).await {
                self.channel.ending = Some(ending.unwrap_or(None));
                break;
            }
        }
        let mut reason = format!("said nothing for {} while starting", in_words(self.silence));
        if !seen {
            reason.push_str(" (main() has not called autod's run)");
        }
        self.with_tail(reason, &log::tail(self.place, self.log_start))
    }
}

impl Channel {
    fn poll(&mut self, cx: &mut Context<'_>, patience: Pin<&mut Sleep>) -> Poll<Event> {
        self.poll_send(cx);
        if let Some(message) = self.poll_receive(cx) {
            return Poll::Ready(Event::Said(message));
        }
        if self.ending.is_none()
            && let Poll::Ready(ending) = Pin::new(&mut self.ended).poll(cx)
        {
            self.ending = Some(ending.unwrap_or(None));
            // What it said before it died may have come after the last look.
            self.receive_last_words();
            if let Some(message) = self.poll_receive(cx) {
                return Poll::Ready(Event::Said(message));
            }
        }
        match self.ending {
            Some(ending) => Poll::Ready(Event::Ended(ending)),
            None => patience.poll(cx).map(|()| Event::Silent),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) {
        let Some(socket) = &self.socket else { return };
        while !self.rest.is_empty() {
            if socket.poll_write_ready(cx).is_pending() {
                return;
            }
            match socket.try_write(&self.rest) {
                Ok(count) => drop(self.rest.drain(..count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // The daemon is gone, which its ending will tell.
                Err(_) => self.rest.clear(),
            }
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Option<Message> {
        loop {
            match Message::take(&mut self.received) {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(()) => self.hang_up(),
            }
            let socket = self.socket.as_ref()?;
            if socket.poll_read_ready(cx).is_pending() {
                return None;
            }
            let mut buffer = [0; 1024];
            match socket.try_read(&mut buffer) {
                Ok(0) => self.hang_up(),
                Ok(count) => self.received.extend(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => self.hang_up(),
            }
        }
    }

    /// From now on only the daemon's end can tell something.
    fn hang_up(&mut self) {
        self.socket = None;
        self.received.clear();
    }

    /// Asks the kernel itself, because the runtime may not have heard of the last bytes yet.
    fn receive_last_words(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        let mut buffer = [0; 1024];
        loop {
            match rustix::io::read(socket.as_fd(), &mut buffer) {
                Ok(0) => return,
                Ok(count) => self.received.extend(&buffer[..count]),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// The last panic's message and place.
fn panic_in(tail: &str) -> Option<String> {
    let (_, panic) = tail.rsplit_once(" panicked at ")?;
    let (location, rest) = panic.split_once(":\n").unwrap_or((panic, ""));
    let ends = |line: &&str| !line.starts_with("note: ") && !line.starts_with("stack backtrace:");
    let message: Vec<&str> = rest.lines().take_while(ends).collect();
    Some(format!("{} (at {location})", message.join(" ").trim()))
}

fn in_words(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis % 1000 == 0 => format!("{} s", millis / 1000),
        millis => format!("{millis} ms"),
    }
}

#[cfg(test)]
#[path = "starting_tests.rs"]
mod tests;
