//! Putting a daemon of a newer build in the place of the one that runs.
//!
//! The successor's process is started first and has to show that it comes as far as its `run`; only
//! then is the old daemon asked to go, which the caller does, because it takes frames. The spawn
//! lock is held all the while, so nobody else starts one in between.

use super::locks::{LifeAttempt, LifeLock};
use super::place::Place;
use super::spawn::{Launch, spawn};
use super::start::Starter;
use super::starting::Starting;
use super::waiting::take_life;
use crate::error::Result;
use crate::fault::{self, Point};

/// What an attempt to replace a daemon came to.
pub(crate) enum Succession<'a> {
    /// Somebody else is at it, or the daemon is another one by now: knock again.
    Again,
    /// A successor stands ready.
    Ready(Box<Candidate<'a>>),
}

/// A process that can become the daemon once the old one has gone. Dropped, it goes by itself.
pub(crate) struct Candidate<'a> {
    place: &'a Place,
    launch: &'a Launch,
    starting: Starting<'a>,
}

impl<'a> Starter<'a> {
    /// Prepares a successor for the daemon of this life.
    pub(crate) async fn succeed(&mut self, life: u64) -> Result<Succession<'a>> {
        let Some(lock) = self.take_spawn_lock().await? else { return Ok(Succession::Again) };
        let (place, launch) = (self.place(), self.launch());
        match LifeLock::try_take(place, &lock, &launch.build)? {
            LifeAttempt::Held(record) if record.life_id == life && !record.is_draining() => {}
            // It has gone, or goes; whatever we took is free again.
            LifeAttempt::Held(_) | LifeAttempt::Taken(_) => return Ok(Succession::Again),
        }
        lock.set_phase("replacing the daemon of an older build")?;
        let spawned = spawn(place, launch, &lock)?;
        let mut starting = Starting::new(place, lock, spawned, launch.silence)?;
        starting.seen().await?;
        Ok(Succession::Ready(Box::new(Candidate { place, launch, starting })))
    }
}

impl<'a> Candidate<'a> {
    /// Waits until the old daemon has gone, and moves the successor in. `None`: it has not heard
    /// that it should go, because its door was removed meanwhile, or hung up.
    pub(crate) async fn move_in(self) -> Result<Option<Starting<'a>>> {
        let lock = self.starting.lock();
        let LifeAttempt::Taken(life) = take_life(self.place, lock, &self.launch.build).await?
        else {
            return Ok(None);
        };
        fault::pass(Point::ReplacerTookLife);
        let listener = self.place.publish(lock, &life)?;
        Ok(Some(self.starting.holding(life, listener)))
    }
}
