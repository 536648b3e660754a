//! Patience: waiting for the spawn lock in turns, and for a draining daemon to be gone.
//!
//! A flock cannot be waited for together with a door, so it is tried again and again, with pauses
//! that grow. What is done once it is there is the callers' business.

use std::time::Duration;

use tokio::time::Instant;

use super::locks::{LifeAttempt, LifeLock, SpawnLock};
use super::machine;
use super::place::Place;
use super::record::{SpawnRecord, State};
use super::vacancy::{Occupied, look};
use crate::error::{Error, ErrorKind, Result};

/// How long after its announced end a draining daemon is still waited for. Its watchdog ends it one
/// second after that end; this is well past it.
const MARGIN: Duration = Duration::from_secs(3);

/// How long an overdue daemon is looked at all the same: somebody may just have ended it, and a process
/// that dies keeps its locks until its last thread is gone.
const LAST_LOOK: Duration = Duration::from_millis(300);

/// Waits that grow from a first to a longest one.
pub(super) struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    pub(super) fn new(first: u64, longest: u64) -> Self {
        Self { next: Duration::from_millis(first), longest: Duration::from_millis(longest) }
    }

    pub(super) async fn wait(&mut self) {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        tokio::time::sleep(pause).await;
    }
}

/// Waiting for the spawn lock; whoever holds it gives new patience by showing progress.
pub(crate) struct Patience {
    window: Duration,
    deadline: Instant,
    pause: Pause,
    seen: Option<SpawnRecord>,
}

impl Patience {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self {
            window: deadline.saturating_duration_since(Instant::now()),
            deadline,
            pause: Pause::new(1, 50),
            seen: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Waits a little, or gives up with the name of the holder.
    pub(crate) async fn wait(&mut self, place: &Place) -> Result<()> {
        let holder = SpawnLock::holder(place);
        if holder.is_some() && holder != self.seen {
            let progress = |holder: &SpawnRecord| holder.phase != SpawnLock::LOOKING;
            if self.seen.is_some() && holder.as_ref().is_some_and(progress) {
                self.deadline = self.deadline.max(Instant::now() + self.window);
            }
            self.seen = holder;
        } else if self.is_over() {
            let holder =
                holder.map_or_else(|| "an unknown process".to_owned(), |holder| holder.to_string());
            return Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "gave up waiting for the {} daemon: {holder} holds the lock {}; end that process if it hangs",
                    place.app(),
                    place.path_of(&place.names().spawn).display()
                ),
            ).with_mend());
        }
        self.pause.wait().await;
        Ok(())
    }
}

/// Takes the life lock; a draining daemon is waited for under the spawn lock.
pub(super) async fn take_life(
    place: &Place,
    spawn: &SpawnLock,
    build: &str,
) -> Result<LifeAttempt> {
    let mut pause = Pause::new(1, 20);
    let mut announced = None;
    let began = Instant::now();
    loop {
        let attempt = LifeLock::try_take(place, spawn, build)?;
        let LifeAttempt::Held(record) = &attempt else { return Ok(attempt) };
        if record.is_foreign() {
            return Err(Error::new(
                ErrorKind::Place,
                format!(
                    "the {} daemon of host {} (or of another boot) holds {}; use a directory that machines do not share",
                    place.app(),
                    record.host,
                    place.life_path().display()
                ),
            ).with_mend());
        }
        let State::Draining { until } = record.state else { return Ok(attempt) };
        let now = Duration::from_millis(machine::timer_milliseconds());
        if now > Duration::from_millis(until) + MARGIN && began.elapsed() >= LAST_LOOK {
            return Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "the {} daemon ({}) wanted to be gone and is not; end it: kill -9 {}",
                    place.app(),
                    record.who(),
                    record.pid
                ),
            )
            .with_mend());
        }
        if announced != Some(until) {
            spawn.set_phase("waiting for the old daemon to go")?;
            announced = Some(until);
        }
        pause.wait().await;
    }
}

/// Who is there although nobody opens.
pub(crate) enum Behind {
    Nobody,
    /// The daemon of this life, which drains.
    Leaving(u64),
    /// Somebody starts, leaves, or makes a new door.
    Busy,
}

impl Behind {
    /// Looks once, after a knock that found the door absent or refused.
    pub(crate) fn the_door(place: &Place) -> Result<Self> {
        Ok(match look(place)? {
            Ok(_) => Self::Nobody,
            Err(Occupied::Lives(record)) if record.is_draining() => Self::Leaving(record.life_id),
            Err(Occupied::Lives(_) | Occupied::Busy(_)) => Self::Busy,
        })
    }
}

/// Waits until the daemon of this life holds the life lock no more. What it has written of itself there
/// stays.
pub(crate) async fn wait_until_gone(place: &Place, life: u64, deadline: Instant) -> Result<()> {
    let mut patience = Patience::until(deadline);
    let mut pause = Pause::new(1, 20);
    loop {
        match look(place)? {
            Err(Occupied::Busy(_)) => patience.wait(place).await?,
            Err(Occupied::Lives(record)) if record.life_id == life => {
                if patience.is_over() {
                    return Err(Error::new(
                        ErrorKind::Timeout,
                        format!(
                            "the {} daemon ({}) has not gone; end it: kill -9 {}",
                            place.app(),
                            record.who(),
                            record.pid
                        ),
                    )
                    .with_mend());
                }
                pause.wait().await;
            }
            Ok(_) | Err(Occupied::Lives(_)) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::testing::Home;

    #[tokio::test]
    async fn progress_of_the_holder_gives_new_patience() {
        let home = Home::new();
        let place = home.place();
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        let mut patience = Patience::until(Instant::now() + Duration::from_millis(200));
        patience.wait(&place).await.unwrap();
        while !patience.is_over() {
            patience.wait(&place).await.unwrap();
        }
        spawn.set_phase("further").unwrap();
        patience.wait(&place).await.unwrap();
        assert!(!patience.is_over());
        let error = loop {
            if let Err(error) = patience.wait(&place).await {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(
            error.message().contains(&format!("pid {} (further", std::process::id())),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_daemon_of_another_machine_or_boot_is_an_error() {
        let home = Home::new();
        let place = home.place();
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        let LifeAttempt::Taken(life) = take_life(&place, &spawn, "a").await.unwrap() else {
            panic!("somebody lives");
        };
        let record = std::fs::read_to_string(place.life_path()).unwrap();
        let foreign = record.replace(machine::boot_id(), &"0".repeat(machine::boot_id().len()));
        assert_ne!(foreign, record);
        std::fs::write(place.life_path(), foreign).unwrap();
        let error = take_life(&place, &spawn, "b").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Place);
        assert!(error.message().contains("or of another boot"), "{error}");
        // What nobody holds is not believed.
        drop(life);
        assert!(matches!(take_life(&place, &spawn, "b").await.unwrap(), LifeAttempt::Taken(_)));
    }

    #[tokio::test]
    async fn a_draining_daemon_is_waited_for_and_a_running_one_is_not() {
        let home = Home::new();
        let place = home.place();
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        let LifeAttempt::Taken(life) = take_life(&place, &spawn, "a").await.unwrap() else {
            panic!("somebody lives");
        };
        life.set_state(State::Running).unwrap();
        assert!(matches!(take_life(&place, &spawn, "b").await.unwrap(), LifeAttempt::Held(_)));
        life.set_state(State::Draining { until: machine::timer_milliseconds() + 5_000 }).unwrap();
        let end = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            drop(life);
        });
        let LifeAttempt::Taken(life) = take_life(&place, &spawn, "b").await.unwrap() else {
            panic!("it was draining");
        };
        end.join().unwrap();
        assert_eq!(SpawnLock::holder(&place).unwrap().phase, "waiting for the old daemon to go");
        life.set_state(State::Draining { until: 0 }).unwrap();
        let error = take_life(&place, &spawn, "c").await.unwrap_err();
        assert!(error.help().contains("kill -9"), "{error}");
        // It dies as the error says, and not quite at once.
        let end = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            drop(life);
        });
        let attempt = take_life(&place, &spawn, "d").await.unwrap();
        assert!(matches!(attempt, LifeAttempt::Taken(_)));
        end.join().unwrap();
    }
}
