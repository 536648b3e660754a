//! A running daemon's hold on its place: the life lock, its state, and the right to leave.
//!
//! When to drain and whom to tell is the server's business; here is only what makes it true for
//! other processes.

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::FlockOperation;
use tokio::time::Instant;

use super::inherit::check_guard;
use super::locks::{LifeAttempt, LifeLock, SpawnFile, SpawnLock};
use super::machine;
use super::place::Place;
use super::record::State;
use super::waiting::{Patience, take_life};
use crate::error::{Error, ErrorKind, Result};

/// The size at which a log that is being written to is rotated, in bytes.
const LOG: u64 = 16 << 20;

/// How long a claim waits for another process's start.
const PATIENCE: Duration = Duration::from_secs(10);

/// The tenancy of one daemon; it ends with the process, or when the last of those who hold it lets go.
#[derive(Debug)]
pub(crate) struct Tenancy {
    place: Place,
    life: LifeLock,
    spawn: SpawnFile,
    /// The door is ours to take away.
    has_door: AtomicBool,
}

impl Tenancy {
    /// Moves in by itself, for serving in the foreground: no starter, and the door is our own.
    pub(crate) async fn claim(place: Place, build: &str) -> Result<(Self, UnixListener)> {
        check_guard()?;
        let mut patience = Patience::until(Instant::now() + PATIENCE);
        let spawn = loop {
            match SpawnLock::try_take(&place)? {
                Some(spawn) => break spawn,
                None => patience.wait(&place).await?,
            }
        };
        match take_life(&place, &spawn, build).await? {
            LifeAttempt::Taken(life) => {
                let listener = place.publish(&spawn, &life)?;
                Ok((Self::new(place, life)?, listener))
            }
            LifeAttempt::Held(record) => Err(Error::new(
                ErrorKind::AlreadyRunning,
                format!(
                    "the {} daemon ({}, {}) has {} already; stop it first",
                    place.app(),
                    record.who(),
                    record.state,
                    place.sock().display()
                ),
            )
            .with_mend()),
        }
    }

    /// Moves in with what a starter handed over.
    pub(crate) fn from_inherited(place: Place, life: LifeLock) -> Result<Self> {
        Self::new(place, life)
    }

    fn new(place: Place, life: LifeLock) -> Result<Self> {
        if !place.is_explicit() {
            // Keeps cleaners of temporary files away from the directory. No cleaner, no loss.
            let _ = rustix::fs::flock(place.handle(), FlockOperation::NonBlockingLockShared);
        }
        let spawn = SpawnFile::open(&place)?;
        Ok(Self { place, life, spawn, has_door: AtomicBool::new(true) })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The identity of this life.
    pub(crate) fn life_id(&self) -> u64 {
        self.life.record().life_id
    }

    /// The start is over. A daemon that drains already goes on draining.
    pub(crate) fn set_running(&self) -> Result<()> {
        self.life.set_running()
    }

    /// Takes the spawn lock if it is free. A daemon never waits for it.
    pub(crate) fn try_spawn_lock(&self) -> Result<Option<SpawnLock>> {
        SpawnLock::try_take(&self.place)
    }

    /// Announces that this daemon is gone within the limit.
    pub(crate) fn begin_drain(&self, limit: Duration) -> Result<()> {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let until = machine::timer_milliseconds().saturating_add(limit);
        self.life.set_state(State::Draining { until })
    }

    /// Puts a new door at its name, for a daemon whose door was removed.
    pub(crate) fn publish(&self, spawn: &SpawnLock) -> Result<UnixListener> {
        let listener = self.place.publish(spawn, &self.life)?;
        self.has_door.store(true, Ordering::Relaxed);
        Ok(listener)
    }

    /// Lets the daemon be found, wherever its socket stands.
    pub(crate) fn register(&self) {
        if self.place.is_explicit() {
            super::registry::enter(&self.place);
        }
    }

    /// Takes the door away.
    pub(crate) fn unpublish(&self, spawn: &SpawnLock) -> Result<()> {
        self.place.unpublish(spawn, &self.life)?;
        self.has_door.store(false, Ordering::Relaxed);
        if self.place.is_explicit() {
            super::registry::leave(self.place.sock());
        }
        Ok(())
    }

    /// The directory, both locks and the door, by paths that lead to the files we hold.
    #[cfg(target_os = "linux")]
    pub(super) fn watched_paths(&self) -> Vec<std::path::PathBuf> {
        let names = self.place.names();
        let directory = super::place::through_descriptor(&self.place.handle());
        let mut paths: Vec<_> = [&names.spawn, &names.life].map(|name| directory.join(name)).into();
        paths.push(self.place.sock().to_owned());
        if !self.place.is_explicit() {
            paths.push(directory);
        }
        paths
    }

    /// Keeps cleaners away from files that stand in a directory which is not ours alone.
    pub(crate) fn keep_young(&self) {
        if self.place.is_explicit() {
            self.spawn.keep_young();
            self.life.keep_young();
        }
    }

    /// Rotates the log if it has grown past its limit.
    ///
    /// # Errors
    ///
    /// The log is not safe to touch, or cannot be made anew.
    pub(crate) fn try_rotate_log(&self) -> Result<()> {
        super::log::rotate_own(&self.place, &self.life, LOG)
    }

    /// The same, and says so in the log if it cannot be done.
    pub(crate) fn rotate_log(&self) {
        if let Err(error) = self.try_rotate_log() {
            tracing::warn!(error = %crate::error::in_full(&error), "the log was not rotated");
        }
    }

    /// Whether both locks and the directory are still the ones at their paths. If not, this daemon
    /// must drain and end and touch nothing there.
    pub(crate) fn is_still_ours(&self) -> bool {
        self.place.is_still_here()
            && self.life.is_still_ours(&self.place)
            && self.spawn.is_still_ours(&self.place)
    }
}

/// A program may return from `main`, or drop its runtime, before its daemon has left in order. With the
/// spawn lock busy the door stays where it is: its next holder replaces it.
impl Drop for Tenancy {
    fn drop(&mut self) {
        if *self.has_door.get_mut()
            && let Ok(Some(spawn)) = self.try_spawn_lock()
        {
            // It stays if the place was taken from us, and is nobody's then who could be told.
            let _ = self.unpublish(&spawn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::door::Knock;
    use crate::daemon::locks::life_record;
    use crate::daemon::testing::Home;

    #[tokio::test]
    async fn the_second_claim_names_the_first() {
        let home = Home::new();
        let (tenancy, listener) = Tenancy::claim(home.place(), "1").await.unwrap();
        assert!(matches!(tenancy.place().knock().unwrap(), Knock::Open(_)));
        tenancy.set_running().unwrap();
        let error = Tenancy::claim(home.place(), "1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyRunning);
        assert!(error.message().contains(&format!("pid {}", std::process::id())), "{error}");
        drop((tenancy, listener));
        Tenancy::claim(home.place(), "1").await.unwrap();
    }

    #[tokio::test]
    async fn a_daemon_leaves_in_order() {
        let home = Home::new();
        let (tenancy, _listener) = Tenancy::claim(home.private_place(), "1").await.unwrap();
        let spawn = tenancy.try_spawn_lock().unwrap().unwrap();
        assert!(tenancy.try_spawn_lock().unwrap().is_none());
        tenancy.begin_drain(Duration::from_secs(3)).unwrap();
        let until = life_record(tenancy.place()).unwrap().until().unwrap();
        assert!(until > machine::timer_milliseconds() + 2_000);
        tenancy.unpublish(&spawn).unwrap();
        assert!(matches!(tenancy.place().knock().unwrap(), Knock::Absent));
    }

    #[tokio::test]
    async fn a_private_directory_is_locked_against_cleaners() {
        let home = Home::new();
        let (tenancy, _listener) = Tenancy::claim(home.private_place(), "1").await.unwrap();
        let cleaner = std::fs::File::open(tenancy.place().dir()).unwrap();
        assert!(matches!(cleaner.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
        cleaner.try_lock_shared().unwrap();
        // The directory of an explicit socket is others' too.
        let home = Home::new();
        let (tenancy, _listener) = Tenancy::claim(home.place(), "1").await.unwrap();
        std::fs::File::open(tenancy.place().dir()).unwrap().try_lock().unwrap();
    }

    #[tokio::test]
    async fn locks_beside_an_explicit_socket_do_not_grow_old() {
        let home = Home::new();
        let (tenancy, _listener) = Tenancy::claim(home.place(), "1").await.unwrap();
        let modified = |name: &str| {
            let path = home.path().join(name);
            std::fs::metadata(path).unwrap().modified().unwrap()
        };
        let day = std::time::SystemTime::now() - Duration::from_secs(24 * 3600);
        for name in ["sock.spawn", "sock.life"] {
            let file = std::fs::File::options().write(true).open(home.path().join(name)).unwrap();
            file.set_modified(day).unwrap();
            assert_eq!(modified(name), day);
        }
        tenancy.keep_young();
        for name in ["sock.spawn", "sock.life"] {
            let touched = modified(name);
            assert!(touched.elapsed().unwrap() < Duration::from_secs(60));
            tenancy.keep_young();
            assert_eq!(modified(name), touched, "not each time");
        }
    }

    #[tokio::test]
    async fn each_replaced_lock_shows() {
        for lock in ["spawn.lock", "life.lock"] {
            let home = Home::new();
            let (tenancy, _listener) = Tenancy::claim(home.private_place(), "1").await.unwrap();
            let path = tenancy.place().dir().join(lock);
            std::fs::write(path.with_extension("new"), "").unwrap();
            std::fs::rename(path.with_extension("new"), &path).unwrap();
            assert!(!tenancy.is_still_ours(), "{lock}");
        }
    }

    #[tokio::test]
    async fn a_robbed_daemon_knows_it_and_touches_nothing() {
        let home = Home::new();
        let (old, _listener) = Tenancy::claim(home.private_place(), "1").await.unwrap();
        assert!(old.is_still_ours());
        std::fs::remove_dir_all(old.place().dir()).unwrap();
        let (new, _new_listener) = Tenancy::claim(home.private_place(), "1").await.unwrap();
        assert!(!old.is_still_ours() && new.is_still_ours());
        assert!(old.try_spawn_lock().is_err());
        let spawn = new.try_spawn_lock().unwrap().unwrap();
        assert!(old.unpublish(&spawn).is_err() && old.publish(&spawn).is_err());
        assert!(matches!(new.place().knock().unwrap(), Knock::Open(_)));
    }
}
