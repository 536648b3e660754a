//! The door: made at a private name, published by rename, taken away again; only with both locks.
//!
//! The locks prove that nobody else publishes, so what stands at the door's name is either a dead
//! door of ours or a stranger's file, and that one survives. Connections are not known here.

use std::os::unix::net::UnixListener;

use interprocess::local_socket::{
    GenericFilePath, ListenerNonblockingMode, ListenerOptions, ToFsName,
};
use interprocess::os::unix::uds_local_socket::Listener;
use rustix::fs::{AtFlags, Dir, FileType};

use super::door::Knock;
use super::files::Found;
use super::locks::{LifeLock, SpawnLock};
use super::machine;
use super::peer::peer;
use super::place::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};

impl Place {
    /// Makes a listening door and puts it at its name.
    pub(crate) fn publish(&self, spawn: &SpawnLock, life: &LifeLock) -> Result<UnixListener> {
        self.check_locks(spawn, life)?;
        self.check_door()?;
        self.remove_private_doors()?;
        let name = format!("{}{:016x}", self.names().private, machine::random());
        let listener = self.listen(&name);
        let published = listener.and_then(|listener| {
            fault::pass(Point::DoorBound);
            rustix::fs::renameat(
                self.door_directory(),
                &*name,
                self.door_directory(),
                self.door_name(),
            )
            .map_err(|error| self.failed("publish", error))?;
            Ok(listener)
        });
        fault::pass(Point::DoorPublished);
        if published.is_err() {
            let _ = rustix::fs::unlinkat(self.door_directory(), &*name, AtFlags::empty());
        }
        published
    }

    /// Takes the door away, so that nobody new comes.
    pub(crate) fn unpublish(&self, spawn: &SpawnLock, life: &LifeLock) -> Result<()> {
        self.check_locks(spawn, life)?;
        match self.find_door()? {
            Some(found) if found.kind == FileType::Socket => {
                rustix::fs::unlinkat(self.door_directory(), self.door_name(), AtFlags::empty())
                    .map_err(|error| self.failed("remove", error))
            }
            _ => Ok(()),
        }
    }

    fn check_locks(&self, spawn: &SpawnLock, life: &LifeLock) -> Result<()> {
        let replaced = if !self.is_still_here() {
            "its directory"
        } else if !spawn.is_still_ours(self) {
            "its spawn lock"
        } else if !life.is_still_ours(self) {
            "its life lock"
        } else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Place,
            format!("{} was left alone: {replaced} was replaced; try again", self.sock().display()),
        )
        .with_mend())
    }

    pub(super) fn find_door(&self) -> Result<Option<Found>> {
        Found::at(self.door_directory(), self.door_name())
            .map_err(|error| self.failed("examine", error))
    }

    /// Removes the doors that a dead daemon has left, and tells whether there were any.
    pub(super) fn remove_dead_doors(&self) -> Result<bool> {
        self.remove_private_doors()?;
        match self.find_door()? {
            Some(found) if found.kind == FileType::Socket => {
                self.check_door()?;
                rustix::fs::unlinkat(self.door_directory(), self.door_name(), AtFlags::empty())
                    .map_err(|error| self.failed("remove", error))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn check_door(&self) -> Result<()> {
        let Some(found) = self.find_door()? else { return Ok(()) };
        let refuse = |finding: String| {
            Err(Error::new(ErrorKind::Place, format!("{} {finding}", self.sock().display()))
                .with_mend())
        };
        if found.kind != FileType::Socket {
            return refuse(format!(
                "is {}, not a daemon's socket; it was left alone, remove it or name another path: {}",
                found.kind_in_words(),
                found.removal(self.sock())
            ));
        }
        let euid = rustix::process::geteuid().as_raw();
        if found.owner != euid {
            return refuse(format!(
                "belongs to uid {}, not to uid {euid}; have it removed: {}",
                found.owner,
                found.removal(self.sock())
            ));
        }
        match self.knock()? {
            Knock::Refused | Knock::Absent => Ok(()),
            Knock::Full => {
                refuse("is served by a process without the daemon's lock; end it".to_owned())
            }
            Knock::Open(stream) => {
                let pid = peer(&stream).ok().and_then(|peer| peer.pid);
                let who = pid.map_or_else(|| "a process".to_owned(), |pid| format!("pid {pid}"));
                refuse(format!(
                    "is served by {who} without the daemon's lock; end it or name another path"
                ))
            }
        }
    }

    /// With both locks held nobody else is between bind and rename, so all of these are dead.
    fn remove_private_doors(&self) -> Result<()> {
        let entries = Dir::read_from(self.door_directory())
            .map_err(|error| self.failed("look around", error))?;
        let euid = rustix::process::geteuid().as_raw();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let rest = name.to_bytes().strip_prefix(self.names().private.as_bytes());
            if !rest.is_some_and(|rest| rest.len() == 16 && rest.iter().all(u8::is_ascii_hexdigit))
            {
                continue;
            }
            let found = rustix::fs::statat(self.door_directory(), name, AtFlags::SYMLINK_NOFOLLOW);
            if found.is_ok_and(|stat| {
                FileType::from_raw_mode(stat.st_mode) == FileType::Socket && stat.st_uid == euid
            }) {
                let _ = rustix::fs::unlinkat(self.door_directory(), name, AtFlags::empty());
            }
        }
        Ok(())
    }

    fn listen(&self, name: &str) -> Result<UnixListener> {
        let path = self.door_address(self.door_directory(), name.as_ref());
        let options = || {
            let options = ListenerOptions::new()
                .name(path.as_path().to_fs_name::<GenericFilePath>()?)
                .nonblocking(ListenerNonblockingMode::Accept)
                .reclaim_name(false);
            #[cfg(target_os = "linux")]
            let options =
                interprocess::os::unix::local_socket::ListenerOptionsExt::mode(options, 0o600);
            options.create_sync_as::<Listener>()
        };
        let listener = fault::try_pass(Point::DoorBind).and_then(|()| options());
        let listener = listener.map_err(|error| {
            Error::system(
                format!(
                    "cannot make the socket {}; name a place on a local file system",
                    self.sock().display()
                ),
                error,
            )
            .with_mend()
        })?;
        // Elsewhere the mode of a socket cannot be set before bind. Until here nobody knew its name.
        #[cfg(not(target_os = "linux"))]
        rustix::fs::chmodat(
            self.door_directory(),
            name,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            AtFlags::empty(),
        )
        .map_err(|error| self.failed("close to others", error))?;
        Ok(listener.into())
    }

    fn failed(&self, what: &str, error: rustix::io::Errno) -> Error {
        Error::system(format!("cannot {what} the socket {}", self.sock().display()), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::locks::LifeAttempt;
    use crate::daemon::testing::Home;

    fn locks(place: &Place) -> (SpawnLock, LifeLock) {
        let spawn = SpawnLock::try_take(place).unwrap().unwrap();
        let LifeAttempt::Taken(life) = LifeLock::try_take(place, &spawn, "b").unwrap() else {
            panic!("somebody lives");
        };
        (spawn, life)
    }

    fn names(home: &Home) -> Vec<String> {
        let entries = std::fs::read_dir(home.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_published_door_is_private_and_open() {
        let home = Home::new();
        let place = home.place();
        let (spawn, life) = locks(&place);
        let listener = place.publish(&spawn, &life).unwrap();
        assert!(matches!(place.knock().unwrap(), Knock::Open(_)));
        let found = place.find_door().unwrap().unwrap();
        #[cfg(target_os = "linux")]
        assert_eq!(found.mode, 0o600);
        assert_eq!(found.kind, FileType::Socket);
        assert!(listener.accept().is_ok(), "the knock is in the queue");
        let again = listener.accept().unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::WouldBlock);
        place.unpublish(&spawn, &life).unwrap();
        assert!(matches!(place.knock().unwrap(), Knock::Absent));
        assert_eq!(names(&home), ["sock.life", "sock.spawn"]);
    }

    #[test]
    fn a_dead_door_and_dead_private_doors_are_replaced() {
        let home = Home::new();
        let place = home.place();
        let (spawn, life) = locks(&place);
        drop(place.publish(&spawn, &life).unwrap());
        let dead = format!("{}0123456789abcdef", place.names().private);
        let keep = format!("{}not-one-of-ours", place.names().private);
        drop(UnixListener::bind(home.path().join(&dead)).unwrap());
        std::fs::write(home.path().join(&keep), "").unwrap();
        let listener = place.publish(&spawn, &life).unwrap();
        assert!(matches!(place.knock().unwrap(), Knock::Open(_)));
        assert_eq!(names(&home), [keep.as_str(), "sock", "sock.life", "sock.spawn"]);
        drop(listener);
    }

    #[test]
    fn a_strangers_file_at_the_door_survives() {
        let home = Home::new();
        let place = home.place();
        let (spawn, life) = locks(&place);
        std::fs::write(place.sock(), "precious").unwrap();
        let error = place.publish(&spawn, &life).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Place);
        assert!(error.message().contains("is a regular file"), "{error}");
        place.unpublish(&spawn, &life).unwrap();
        assert_eq!(std::fs::read(place.sock()).unwrap(), b"precious");
        std::fs::remove_file(place.sock()).unwrap();
        let listener = UnixListener::bind(place.sock()).unwrap();
        let error = place.publish(&spawn, &life).unwrap_err();
        assert!(error.message().contains(&format!("pid {}", std::process::id())), "{error}");
        assert!(matches!(place.knock().unwrap(), Knock::Open(_)));
        drop(listener);
    }

    #[test]
    fn nothing_is_touched_once_a_lock_or_the_directory_was_replaced() {
        let home = Home::new();
        let place = home.place();
        let (spawn, life) = locks(&place);
        let listener = place.publish(&spawn, &life).unwrap();
        std::fs::remove_file(place.life_path()).unwrap();
        let error = place.unpublish(&spawn, &life).unwrap_err();
        assert!(error.message().contains("life lock was replaced"), "{error}");
        assert!(place.publish(&spawn, &life).is_err());
        assert!(matches!(place.knock().unwrap(), Knock::Open(_)));
        drop(listener);
    }

    #[test]
    fn a_path_of_any_length_serves_by_both_routes() {
        let home = Home::new();
        let deep = home.path().join("d".repeat(200));
        std::fs::create_dir(&deep).unwrap();
        let route = |place: Place| {
            let (spawn, life) = locks(&place);
            let listener = place.publish(&spawn, &life).unwrap();
            let other = Place::at(place.sock()).unwrap();
            let seen = other.knock().unwrap();
            assert!(matches!(place.knock().unwrap(), Knock::Open(_)));
            place.unpublish(&spawn, &life).unwrap();
            drop(listener);
            seen
        };
        let place = Place::at(&deep.join("sock")).unwrap();
        assert!(matches!(route(place), Knock::Open(_)));
        let place = Place::at(&deep.join("sock")).unwrap().by_short_directory();
        let short = place.door_address(place.door_directory(), place.door_name());
        assert!(matches!(route(place), Knock::Absent), "the other looked in the long directory");
        std::fs::remove_dir(short.parent().unwrap()).unwrap();
    }
}
