//! The two locks of a daemon, and the proof that they are still the ones at their paths.
//!
//! The spawn lock belongs to whoever starts, publishes or unpublishes; the life lock to the one
//! open file description that lives exactly as long as the daemon. Locks are only ever closed:
//! an explicit unlock would free the lock for every process that shares the description. The files
//! are never unlinked. What is done under the locks is not known here.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::files::Found;
use super::place::Place;
use super::record::{LifeRecord, SpawnRecord, State};
use crate::error::{Error, ErrorKind, Result};

/// The right to start, publish and unpublish.
#[derive(Debug)]
pub(crate) struct SpawnLock(pub(super) File);

impl SpawnLock {
    /// The first phase of each holder. It is no progress: a herd that finds nothing to do shows it all the time.
    pub(super) const LOOKING: &str = "looking at the daemon";

    /// Takes the lock if nobody has it; never waits.
    pub(crate) fn try_take(place: &Place) -> Result<Option<Self>> {
        match take(place, &place.names().spawn)? {
            Attempt::Taken(file) => {
                let lock = Self(file);
                lock.set_phase(Self::LOOKING)?;
                if place.is_still_here() {
                    return Ok(Some(lock));
                }
                Err(Error::new(
                    ErrorKind::Place,
                    format!(
                        "the directory {} was replaced while it was used; try again",
                        place.dir().display()
                    ),
                )
                .with_mend())
            }
            Attempt::Held(_) => Ok(None),
        }
    }

    /// Tells those who wait what is going on; each change gives them new patience.
    pub(crate) fn set_phase(&self, phase: &str) -> Result<()> {
        SpawnRecord::new(phase).write(&self.0).map_err(|error| {
            Error::system("cannot write into the spawn lock; make room if the disk is full", error)
                .with_mend()
        })
    }

    /// What the last holder wrote; it holds the lock now if taking it just failed.
    pub(crate) fn holder(place: &Place) -> Option<SpawnRecord> {
        SpawnRecord::read(&open_to_read(place, &place.names().spawn)?)
    }

    pub(crate) fn is_still_ours(&self, place: &Place) -> bool {
        is_at_its_path(&self.0, place, &place.names().spawn)
    }
}

/// The spawn lock's file, held open by a daemon that has not locked it: its replacement shows.
#[derive(Debug)]
pub(super) struct SpawnFile(File);

impl SpawnFile {
    pub(super) fn open(place: &Place) -> Result<Self> {
        open(place, &place.names().spawn).map(Self)
    }

    pub(super) fn is_still_ours(&self, place: &Place) -> bool {
        is_at_its_path(&self.0, place, &place.names().spawn)
    }

    pub(super) fn keep_young(&self) {
        keep_young(&self.0);
    }
}

/// What became of an attempt to take the life lock.
#[derive(Debug)]
pub(crate) enum LifeAttempt {
    Taken(LifeLock),
    /// A daemon lives and says this of itself.
    Held(LifeRecord),
}

/// The life of a daemon.
#[derive(Debug)]
pub(crate) struct LifeLock {
    file: File,
    record: Mutex<LifeRecord>,
}

impl LifeLock {
    /// Takes the lock if nobody lives, and writes the record of a new life at once.
    pub(crate) fn try_take(place: &Place, _proof: &SpawnLock, build: &str) -> Result<LifeAttempt> {
        match take(place, &place.names().life)? {
            Attempt::Taken(file) => {
                let lock = Self { file, record: Mutex::new(LifeRecord::new(build)) };
                lock.change(|_| {})?;
                Ok(LifeAttempt::Taken(lock))
            }
            Attempt::Held(file) => Ok(LifeAttempt::Held(LifeRecord::read(&file))),
        }
    }

    /// The lock that a starter took and handed over; this process becomes its pid.
    pub(super) fn inherited(descriptor: OwnedFd, place: &Place) -> Result<Self> {
        let file = File::from(descriptor);
        let mut record = LifeRecord::read(&file);
        if record.state == State::Unknown || !is_at_its_path(&file, place, &place.names().life) {
            return Err(Error::new(
                ErrorKind::Place,
                format!(
                    "the life lock {} was replaced during the start; try again",
                    place.life_path().display()
                ),
            )
            .with_mend());
        }
        record.pid = std::process::id();
        let lock = Self { file, record: Mutex::new(record) };
        lock.change(|_| {})?;
        Ok(lock)
    }

    /// The record as this process wrote it.
    pub(crate) fn record(&self) -> LifeRecord {
        self.lock_record().clone()
    }

    pub(crate) fn set_running(&self) -> Result<()> {
        self.change(|record| {
            if record.state == State::Starting {
                record.state = State::Running;
            }
        })
    }

    pub(crate) fn set_state(&self, state: State) -> Result<()> {
        self.change(|record| record.state = state)
    }

    pub(crate) fn is_still_ours(&self, place: &Place) -> bool {
        is_at_its_path(&self.file, place, &place.names().life)
    }

    pub(super) fn keep_young(&self) {
        keep_young(&self.file);
    }

    fn change(&self, change: impl FnOnce(&mut LifeRecord)) -> Result<()> {
        let mut record = self.lock_record();
        change(&mut record);
        record.write(&self.file).map_err(|error| {
            Error::system("cannot write into the life lock; make room if the disk is full", error)
                .with_mend()
        })
    }

    fn lock_record(&self) -> MutexGuard<'_, LifeRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for LifeLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Place {
    /// The process that the life record names, for messages only.
    pub(crate) fn daemon_pid(&self) -> Option<u32> {
        life_record(self).map(|record| record.pid)
    }
}

/// What the life lock's file says, for errors. Only a held lock makes it true.
pub(crate) fn life_record(place: &Place) -> Option<LifeRecord> {
    open_to_read(place, &place.names().life).map(|file| LifeRecord::read(&file))
}

fn open_to_read(place: &Place, name: &OsStr) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::openat(place.handle(), name, flags, Mode::empty()).ok().map(File::from)
}

/// Touches a file that looks old: cleaners of temporary files go by its times, and not by its lock.
/// Not each time, because the daemon is told of a touch and looks again.
fn keep_young(file: &File) {
    const OLD: Duration = Duration::from_secs(3600);
    let changed = file.metadata().and_then(|found| found.modified());
    if changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > OLD)) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// Takes a lock whose file is there, for a look; nothing is made or written. `None` if it is not
/// there.
pub(super) fn look_at(place: &Place, name: &OsStr) -> Result<Option<Attempt>> {
    match place.find(name)? {
        Some(_) => take_opened(place, name, OFlags::empty()).map(Some),
        None => Ok(None),
    }
}

pub(super) enum Attempt {
    Taken(File),
    Held(File),
}

fn take(place: &Place, name: &OsStr) -> Result<Attempt> {
    take_opened(place, name, OFlags::CREATE)
}

fn take_opened(place: &Place, name: &OsStr, how: OFlags) -> Result<Attempt> {
    // Each round means that somebody replaced the file in between, which no autod does.
    for _ in 0..16 {
        let file = open_with(place, name, how)?;
        let held = loop {
            match file.try_lock() {
                Ok(()) => break false,
                Err(TryLockError::WouldBlock) => break true,
                Err(TryLockError::Error(error))
                    if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(error)) => {
                    let path = place.path_of(name);
                    return Err(Error::system(
                        format!(
                            "cannot lock {}; name a place on a local file system",
                            path.display()
                        ),
                        error,
                    )
                    .with_mend());
                }
            }
        };
        if is_at_its_path(&file, place, name) {
            return Ok(if held { Attempt::Held(file) } else { Attempt::Taken(file) });
        }
    }
    Err(refuse(place, name, "is replaced again and again; find out what removes it"))
}

fn is_at_its_path(file: &File, place: &Place, name: &OsStr) -> bool {
    match (Found::of(file), Found::at(place.handle(), name)) {
        (Ok(held), Ok(Some(found))) => held.is_same(&found),
        _ => false,
    }
}

fn open(place: &Place, name: &OsStr) -> Result<File> {
    open_with(place, name, OFlags::CREATE)
}

fn open_with(place: &Place, name: &OsStr, how: OFlags) -> Result<File> {
    // A named pipe would block without NONBLOCK; a regular file does not mind it.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | how;
    let euid = rustix::process::geteuid().as_raw();
    for _ in 0..16 {
        let file = match rustix::fs::openat(place.handle(), name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => file,
            Err(Errno::INTR) => continue,
            Err(error) => {
                if let Ok(Some(found)) = Found::at(place.handle(), name) {
                    judge(place, name, &found, euid)?;
                }
                let path = place.path_of(name);
                return Err(Error::system(
                    format!("cannot open the lock {}", path.display()),
                    error,
                ));
            }
        };
        let found = Found::of(&file).map_err(|error| {
            Error::system(
                format!("cannot examine the lock {}", place.path_of(name).display()),
                error,
            )
        })?;
        if found.links > 0 {
            judge(place, name, &found, euid)?;
            return Ok(file.into());
        }
    }
    Err(refuse(place, name, "is removed again and again; find out what does it"))
}

fn judge(place: &Place, name: &OsStr, found: &Found, euid: u32) -> Result<()> {
    let path = place.path_of(name);
    let removal = found.removal(&path);
    let finding = if found.kind != FileType::RegularFile {
        format!("is {}, not a regular file; remove it: {removal}", found.kind_in_words())
    } else if found.owner != euid {
        format!("belongs to uid {}, not to uid {euid}; have it removed: {removal}", found.owner)
    } else if found.links != 1 {
        format!("has {} names; remove this one: {removal}", found.links)
    } else if found.mode & 0o077 != 0 {
        let mode = found.mode;
        format!("is open to others (mode {mode:04o}); close it: chmod 600 {}", path.display())
    } else {
        return Ok(());
    };
    Err(refuse(place, name, &finding))
}

fn refuse(place: &Place, name: &OsStr, finding: &str) -> Error {
    Error::new(ErrorKind::Place, format!("the lock {} {finding}", place.path_of(name).display()))
        .with_mend()
}

#[cfg(test)]
#[path = "locks_tests.rs"]
mod tests;
