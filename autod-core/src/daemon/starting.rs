//! A daemon between its spawn and its being ready, seen from its starter, who holds the spawn lock
//! until the end of it is known and written down.
//!
//! ```text
//! spawned ── seen ──> handed over ── progress ... ──> ready
//!    │ the starter        │ the daemon alone
//!    │ has life and door  │ has them
//!    └──── failed, ended, silent ─┴────────────────> recorded, the door is removed
//! ```

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::breaker;
use super::channel::{Channel, Event};
use super::locks::{LifeAttempt, LifeLock, SpawnLock};
use super::log;
use super::place::Place;
use super::reaper::{self, Ending, Reaped};
use super::spawn::Spawned;
use super::status::{Message, is_gone};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};

/// How long a daemon that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(1);

/// A daemon that was spawned and is not known to be ready.
///
/// Dropping it is what the death of a starter is: a daemon that was handed over to goes on by
/// itself, any other process ends by itself, and both locks are free.
pub(crate) struct Starting<'a> {
    place: &'a Place,
    /// Closed before the spawn lock: nobody who takes that meets a life which is over.
    keys: Option<Keys>,
    lock: SpawnLock,
    pid: u32,
    started_at: Instant,
    silence: Duration,
    log_start: u64,
    reaped: Reaped,
    /// Its main has handed over.
    seen: bool,
    /// The settings, until they are handed over with the keys.
    message: Vec<u8>,
    channel: Channel,
}

/// What makes a process the daemon. The starter has it until that process has been seen: whatever
/// main starts before that must not come to hold it.
struct Keys {
    listener: UnixListener,
    life: LifeLock,
}

impl<'a> Starting<'a> {
    pub(super) fn new(
        place: &'a Place,
        lock: SpawnLock,
        spawned: Spawned,
        silence: Duration,
    ) -> Result<Self> {
        let pid = spawned.child.id();
        let (reaped, ended) = reaper::watch(spawned.child).map_err(|error| {
            Error::system("cannot start the thread that watches the daemon", error)
        })?;
        let channel = Channel::new(spawned.socket, ended)
            .map_err(|error| Error::system("cannot listen to the starting daemon", error))?;
        Ok(Self {
            place,
            keys: None,
            lock,
            pid,
            started_at: Instant::now(),
            silence,
            log_start: spawned.log_start,
            reaped,
            seen: false,
            message: spawned.message,
            channel,
        })
    }

    /// With the life lock and the door, which the process is handed once its main has been seen.
    pub(super) fn holding(mut self, life: LifeLock, listener: UnixListener) -> Self {
        self.keys = Some(Keys { listener, life });
        self
    }

    /// The lock that this start is made under.
    pub(super) fn lock(&self) -> &SpawnLock {
        &self.lock
    }

    /// Waits until the daemon's main has handed over.
    pub(super) async fn seen(&mut self) -> Result<()> {
        let mut patience = pin!(tokio::time::sleep(self.silence));
        let event = self.channel.event(patience.as_mut()).await;
        let reason = match event {
            Event::Said(Message::Failed(text)) => format!("failed to start: {text}"),
            Event::Said(_) => {
                self.seen = true;
                return Ok(());
            }
            Event::Ended(ending) => self.obituary(ending),
            Event::Silent => self.end().await,
        };
        let reason = format!("{} daemon {reason}", self.place.app());
        Err(Error::new(ErrorKind::StartFailed, reason))
    }

    /// From here on only the daemon holds its life and the door.
    fn hand_over(&mut self) -> Result<(), String> {
        let Some(Keys { listener, life }) = &self.keys else { return Ok(()) };
        fault::pass(Point::StarterHeardSeen);
        match self.channel.send_with(&self.message, &[life.as_fd(), listener.as_fd()]) {
            Ok(()) => {
                fault::pass(Point::StarterHandedOver);
                (self.keys, self.message) = (None, Vec::new());
            }
            // The process is gone, which its ending will tell.
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                return Err(format!("failed to start: cannot hand over the lock: {error}"));
            }
        }
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
    async fn remove_door(&mut self) {
        if let Some(Keys { listener, life }) = self.keys.take() {
            let _ = self.place.unpublish(&self.lock, &life);
            // Whoever is in the queue comes again, and reads what was recorded.
            return drop(listener);
        }
        // Another thread's fork may hold a copy of the lock until its exec.
        for _ in 0..5 {
            match LifeLock::try_take(self.place, &self.lock, "") {
                Ok(LifeAttempt::Taken(life)) => {
                    let _ = self.place.unpublish(&self.lock, &life);
                    return;
                }
                Ok(LifeAttempt::Held(_)) if self.channel.has_ended() => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                _ => return,
            }
        }
    }

    async fn watch(&mut self, on_progress: &mut impl FnMut(&str)) -> Result<(), String> {
        let mut patience = pin!(tokio::time::sleep(self.silence));
        loop {
            if self.seen {
                self.hand_over()?;
            }
            let event = self.channel.event(patience.as_mut()).await;
            patience.as_mut().reset(Instant::now() + self.silence);
            match event {
                Event::Said(Message::Seen) => self.seen = true,
                Event::Said(Message::Progress(text)) => {
                    // Those who wait for the lock read it and wait on.
                    let _ = self.lock.set_phase(&text);
                    on_progress(&text);
                }
                Event::Said(Message::Ready) => return Ok(()),
                Event::Said(Message::Failed(text)) => {
                    return Err(format!("failed to start: {text}"));
                }
                Event::Ended(ending) => return Err(self.obituary(ending)),
                Event::Silent => return Err(self.end().await),
            }
        }
    }

    /// Why a daemon is gone that was not ready.
    fn obituary(&self, ending: Ending) -> String {
        let tail = log::tail(self.place, self.log_start);
        if let Some(panic) = panic_in(&tail) {
            return format!("panicked while starting: {panic}");
        }
        let words = reaper::in_words(ending);
        let exited = ending.is_none_or(|status| status.code().is_some());
        let reason = if !self.seen && exited {
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
    async fn end(&mut self) -> String {
        for (signal, grace) in [(Signal::TERM, GRACE), (Signal::KILL, GRACE * 5)] {
            self.reaped.signal(signal);
            if tokio::time::timeout(grace, self.channel.ended()).await.is_ok() {
                break;
            }
        }
        let mut reason = format!("said nothing for {} while starting", in_words(self.silence));
        if !self.seen {
            reason.push_str(" (main() has not called autod's run)");
        }
        self.with_tail(reason, &log::tail(self.place, self.log_start))
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
