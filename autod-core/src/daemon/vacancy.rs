//! Who is at a place, asked from outside: by the locks, and without leaving a trace.
//!
//! The locks are taken in their order and for a moment, without waiting. Their records stay as they
//! are, so that the last words of a dead daemon can be read. Nobody sees a lock that is held with
//! the record of another: whoever looks at the life lock holds the spawn lock.

use std::fs::File;

use rustix::fs::FileType;

use super::locks::{Attempt, SpawnLock, look_at};
use super::place::Place;
use super::record::{LifeRecord, SpawnRecord};
use super::registry;
use crate::error::Result;

/// Both locks of a place where nobody lives.
#[derive(Debug)]
pub(crate) struct Vacancy {
    /// What the last daemon said of itself; nothing if there never was one.
    pub(crate) last: Option<LifeRecord>,
    /// It has left its door behind: it did not end in order.
    pub(crate) has_door: bool,
    /// Freed last.
    locks: Option<(File, SpawnLock)>,
}

/// Somebody is at a place.
#[derive(Debug)]
pub(crate) enum Occupied {
    /// A daemon lives.
    Lives(LifeRecord),
    /// Somebody starts a daemon, asks about it, or ends it; the record is that of whoever came last.
    Busy(Option<SpawnRecord>),
}

/// Looks at the locks.
pub(crate) fn look(place: &Place) -> Result<Result<Vacancy, Occupied>> {
    let vacancy = |last, locks| -> Result<_> {
        let has_door = place.find_door()?.is_some_and(|found| found.kind == FileType::Socket);
        Ok(Ok(Vacancy { last, has_door, locks }))
    };
    let spawn = match look_at(place, &place.names().spawn)? {
        Some(Attempt::Taken(file)) => SpawnLock(file),
        Some(Attempt::Held(file)) => return Ok(Err(Occupied::Busy(SpawnRecord::read(&file)))),
        // There are no locks, or a daemon that has lost its own and is about to notice.
        None => return vacancy(None, None),
    };
    match look_at(place, &place.names().life)? {
        Some(Attempt::Taken(file)) => vacancy(Some(LifeRecord::read(&file)), Some((file, spawn))),
        Some(Attempt::Held(file)) => Ok(Err(Occupied::Lives(LifeRecord::read(&file)))),
        None => vacancy(None, None),
    }
}

impl Vacancy {
    /// Removes what the last daemon left behind and no other needs; `false` if there was nothing.
    /// The locks and the log stay.
    pub(crate) fn reap(self, place: &Place) -> Result<bool> {
        let Some(locks) = &self.locks else { return Ok(false) };
        // They were at their paths when they were taken, and who replaces them does not go by them.
        let removed = place.is_still_here() && place.remove_dead_doors()?;
        if place.is_explicit() {
            registry::leave(place.sock());
        }
        let _ = locks;
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::door::Knock;
    use crate::daemon::locks::{LifeAttempt, LifeLock};
    use crate::daemon::testing::Home;

    fn lives(place: &Place) -> LifeRecord {
        match look(place).unwrap() {
            Err(Occupied::Lives(record)) => record,
            other => panic!("{other:?}"),
        }
    }

    fn vacancy(place: &Place) -> Vacancy {
        look(place).unwrap().expect("nobody lives")
    }

    #[test]
    fn each_state_of_the_locks_has_its_name_and_a_look_changes_nothing() {
        let home = Home::new();
        let place = home.place();
        assert!(vacancy(&place).last.is_none());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        spawn.set_phase("testing").unwrap();
        match look(&place).unwrap() {
            Err(Occupied::Busy(Some(record))) => assert_eq!(record.phase, "testing"),
            other => panic!("{other:?}"),
        }
        let LifeAttempt::Taken(life) = LifeLock::try_take(&place, &spawn, "b").unwrap() else {
            panic!("somebody lives");
        };
        let listener = place.publish(&spawn, &life).unwrap();
        drop(spawn);
        assert_eq!(lives(&place), life.record());
        let record = life.record();
        drop((listener, life));
        let left = vacancy(&place);
        assert_eq!(left.last.as_ref(), Some(&record));
        assert!(left.has_door);
        drop(left);
        assert_eq!(vacancy(&place).last, Some(record), "it was only looked at");
    }

    #[test]
    fn whoever_starts_waits_for_the_reaper_and_the_reaper_for_nobody() {
        let home = Home::new();
        let place = home.place();
        let claim = || {
            let spawn = SpawnLock::try_take(&place).unwrap()?;
            match LifeLock::try_take(&place, &spawn, "b").unwrap() {
                LifeAttempt::Taken(life) => Some((place.publish(&spawn, &life).unwrap(), life)),
                LifeAttempt::Held(_) => panic!("somebody lives"),
            }
        };
        drop(claim().unwrap());
        let left = vacancy(&place);
        assert!(claim().is_none(), "the reaper is at work");
        assert!(left.reap(&place).unwrap());
        assert!(matches!(place.knock().unwrap(), Knock::Absent));
        let daemon = claim().unwrap();
        lives(&place);
        assert!(matches!(place.knock().unwrap(), Knock::Open(_)));
        drop(daemon);
        assert!(vacancy(&place).reap(&place).unwrap());
        assert!(!vacancy(&place).reap(&place).unwrap(), "nothing was left");
    }

    #[test]
    fn a_strangers_file_survives_the_reaper() {
        let home = Home::new();
        let place = home.place();
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        drop(LifeLock::try_take(&place, &spawn, "b").unwrap());
        drop(spawn);
        std::fs::write(place.sock(), "precious").unwrap();
        assert!(!vacancy(&place).has_door);
        assert!(!vacancy(&place).reap(&place).unwrap());
        assert_eq!(std::fs::read(place.sock()).unwrap(), b"precious");
    }
}
