//! Starting a daemon when nobody answers: the turns between a knock and a spawn.
//!
//! One caller wins the spawn lock, looks again, and starts; all others keep knocking. Nothing here
//! waits while another way could open: each turn is short, and the caller knocks in between.
//!
//! ```text
//! knock: absent, refused ──> turn ── lock busy ─────────────────> Again
//!                              ├──── somebody opened meanwhile ──> Knocked
//!                              ├──── failed a moment ago ────────> its error, or Again
//!                              ├──── a daemon lives ─────────────> Again
//!                              └──── published and spawned ──────> Started
//! ```

use std::os::unix::net::UnixStream;
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{self, Began, Verdict};
use super::door::Knock;
use super::inherit;
use super::locks::{LifeAttempt, LifeLock, SpawnLock};
use super::place::Place;
use super::record::LifeRecord;
use super::spawn::{Launch, spawn};
use super::starting::Starting;
use super::waiting::{Patience, Pause, take_life};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};

/// While a daemon lives, its lock is looked at no more often than this.
const RETAKE: Duration = Duration::from_millis(500);
/// The longest pause of one turn after a failed start, so that somebody else's success shows.
const NAP: Duration = Duration::from_millis(100);

/// What one turn came to.
pub(crate) enum Turn<'a> {
    /// Nothing yet: knock again.
    Again,
    /// Somebody opened the door meanwhile.
    Knocked(UnixStream),
    /// The door is published, the daemon's process runs.
    Started(Box<Starting<'a>>),
}

/// One caller's attempt to find or start a daemon.
pub(crate) struct Starter<'a> {
    place: &'a Place,
    launch: &'a Launch,
    began: Began,
    patience: Patience,
    /// An order to start: what failed before does not matter.
    explicit: bool,
    lives: Option<Lives>,
}

/// A daemon lives and its door does not open.
struct Lives {
    record: LifeRecord,
    look_again: Instant,
    pause: Pause,
}

impl<'a> Starter<'a> {
    pub(crate) fn new(
        place: &'a Place,
        launch: &'a Launch,
        began: Began,
        deadline: Instant,
    ) -> Self {
        let patience = Patience::until(deadline);
        Self { place, launch, began, patience, explicit: false, lives: None }
    }

    /// Whether this is an order to start, to which an earlier failure does not matter.
    pub(crate) fn explicit(mut self, explicit: bool) -> Self {
        self.explicit = explicit;
        self
    }

    pub(super) fn place(&self) -> &'a Place {
        self.place
    }

    pub(super) fn launch(&self) -> &'a Launch {
        self.launch
    }

    /// Takes the spawn lock; `None` after a pause if somebody has it.
    pub(super) async fn take_spawn_lock(&mut self) -> Result<Option<SpawnLock>> {
        let lock = SpawnLock::try_take(self.place)?;
        if lock.is_none() {
            self.patience.wait(self.place).await?;
        }
        Ok(lock)
    }

    /// One turn, after a knock that found the door absent or refused.
    pub(crate) async fn turn(&mut self) -> Result<Turn<'a>> {
        inherit::check_guard()?;
        if let Some(lives) = &mut self.lives
            && Instant::now() < lives.look_again
        {
            if self.patience.is_over() {
                return Err(unreachable(self.place, &lives.record));
            }
            lives.pause.wait().await;
            return Ok(Turn::Again);
        }
        let Some(lock) = self.take_spawn_lock().await? else { return Ok(Turn::Again) };
        fault::pass(Point::StarterLocked);
        match self.place.knock()? {
            Knock::Open(stream) => return Ok(Turn::Knocked(stream)),
            Knock::Full => return Ok(Turn::Again),
            Knock::Absent | Knock::Refused => {}
        }
        match breaker::consult(self.place, self.began) {
            _ if self.explicit => {}
            Verdict::Go => {}
            Verdict::Failed(error) => return Err(Error::new(ErrorKind::StartFailed, error)),
            Verdict::Wait(rest) => {
                drop(lock);
                tokio::time::sleep(rest.min(NAP)).await;
                return Ok(Turn::Again);
            }
        }
        match take_life(self.place, &lock, &self.launch.build).await? {
            LifeAttempt::Taken(life) => self.start(lock, life).map(Box::new).map(Turn::Started),
            LifeAttempt::Held(record) => {
                drop(lock);
                self.meet(record).await;
                Ok(Turn::Again)
            }
        }
    }

    async fn meet(&mut self, record: LifeRecord) {
        let pause = match self.lives.take() {
            Some(lives) if lives.record.life_id == record.life_id => lives.pause,
            _ => Pause::new(10, 100),
        };
        let look_again = Instant::now() + RETAKE;
        self.lives.insert(Lives { record, look_again, pause }).pause.wait().await;
    }

    fn start(&self, lock: SpawnLock, life: LifeLock) -> Result<Starting<'a>> {
        fault::pass(Point::StarterTookLife);
        lock.set_phase("starting the daemon")?;
        let listener = self.place.publish(&lock, &life)?;
        let spawned = match spawn(self.place, self.launch, &lock) {
            Ok(spawned) => spawned,
            Err(error) => {
                breaker::record(self.place, &lock, error.message());
                let _ = self.place.unpublish(&lock, &life);
                return Err(error);
            }
        };
        fault::pass(Point::StarterSpawned);
        let starting = Starting::new(self.place, lock, spawned, self.launch.silence)?;
        Ok(starting.holding(life, listener))
    }
}

fn unreachable(place: &Place, record: &LifeRecord) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!(
            "the {} daemon ({}, {}) does not answer at {}; end it, the next call starts a new one: kill {}",
            place.app(),
            record.who(),
            record.state,
            place.sock().display(),
            record.pid
        ),
    ).with_mend()
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
