use super::*;
use crate::daemon::testing::Home;

fn taken(place: &Place, spawn: &SpawnLock) -> LifeLock {
    match LifeLock::try_take(place, spawn, "b").unwrap() {
        LifeAttempt::Taken(lock) => lock,
        LifeAttempt::Held(record) => panic!("held by {record:?}"),
    }
}

#[test]
fn one_holder_at_a_time_and_its_record_names_it() {
    let home = Home::new();
    let place = home.place();
    let lock = SpawnLock::try_take(&place).unwrap().unwrap();
    lock.set_phase("testing").unwrap();
    assert!(SpawnLock::try_take(&place).unwrap().is_none());
    let holder = SpawnLock::holder(&place).unwrap();
    assert_eq!((holder.pid, holder.phase.as_str()), (std::process::id(), "testing"));
    drop(lock);
    assert!(SpawnLock::try_take(&place).unwrap().is_some());
}

#[test]
fn a_life_is_known_by_its_record() {
    let home = Home::new();
    let place = home.place();
    let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
    let life = taken(&place, &spawn);
    life.set_state(State::Draining { until: 5 }).unwrap();
    let LifeAttempt::Held(record) = LifeLock::try_take(&place, &spawn, "b").unwrap() else {
        panic!("two lives");
    };
    assert_eq!(record, life.record());
    assert_eq!(record.until(), Some(5));
    drop(life);
    assert_ne!(taken(&place, &spawn).record().life_id, record.life_id);
}

#[test]
fn a_replaced_lock_is_noticed_and_a_new_one_is_taken() {
    let home = Home::new();
    let place = home.place();
    let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
    let life = taken(&place, &spawn);
    assert!(spawn.is_still_ours(&place) && life.is_still_ours(&place));
    std::fs::remove_file(place.life_path()).unwrap();
    std::fs::remove_file(place.path_of(&place.names().spawn)).unwrap();
    assert!(!spawn.is_still_ours(&place) && !life.is_still_ours(&place));
    let second = SpawnLock::try_take(&place).unwrap().unwrap();
    drop(taken(&place, &second));
    assert!(!spawn.is_still_ours(&place));
}

#[test]
fn a_removed_directory_is_an_error() {
    let home = Home::new();
    let place = home.place();
    std::fs::remove_dir_all(home.path()).unwrap();
    std::fs::create_dir(home.path()).unwrap();
    assert!(SpawnLock::try_take(&place).is_err());
}

#[test]
fn a_file_that_is_no_lock_of_ours_is_refused_and_survives() {
    let home = Home::new();
    let place = home.place();
    let path = place.path_of(&place.names().spawn);
    let target = home.path().join("target");
    let refused = |finding: &str| {
        let error = SpawnLock::try_take(&place).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Place, "{error:?}");
        assert!(crate::error::in_full(&error).contains(finding), "{error}");
        assert!(error.message().contains(path.to_str().unwrap()), "{error}");
    };
    std::fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    refused("is a symbolic link");
    std::fs::remove_file(&path).unwrap();
    std::fs::hard_link(&target, &path).unwrap();
    refused("has 2 names");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused("is a directory");
    std::fs::remove_dir(&path).unwrap();
    rustix::fs::mknodat(place.handle(), &*place.names().spawn, FileType::Fifo, Mode::RWXU, 0)
        .unwrap();
    refused("is a named pipe");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    refused("chmod 600");
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
}

#[test]
fn a_lock_of_somebody_else_is_refused_by_name() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = Home::new();
    let place = home.place();
    drop(SpawnLock::try_take(&place).unwrap());
    std::os::unix::fs::chown(place.path_of(&place.names().spawn), Some(4321), None).unwrap();
    let error = SpawnLock::try_take(&place).unwrap_err();
    assert!(error.message().contains("belongs to uid 4321, not to uid 0"), "{error}");
}
