//! The state that a daemon leaves to its successor: bytes of the service's own making.
//!
//! Written whole or not at all, by whoever holds the life lock, and removed only when a successor
//! is ready; what it means is the service's business.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::place::Place;
use super::tenancy::Tenancy;
use crate::error::{Error, Result};
use crate::fault::{self, Point};

impl Tenancy {
    /// Leaves a snapshot for the next life.
    pub(crate) fn write_snapshot(&self, bytes: &[u8]) -> Result<()> {
        write(self.place(), bytes).map_err(|error| failed(self.place(), "write", error))
    }

    /// What the life before left, if anything.
    pub(crate) fn read_snapshot(&self) -> Result<Option<Vec<u8>>> {
        read(self.place()).map_err(|error| failed(self.place(), "read", error))
    }

    /// This life is ready: what the one before left has been used, or was never finished.
    pub(crate) fn remove_snapshot(&self) -> Result<()> {
        let place = self.place();
        let snapshot = &place.names().snapshot;
        for name in [&unfinished(snapshot), snapshot] {
            match rustix::fs::unlinkat(place.handle(), &**name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(failed(place, "remove", error.into())),
            }
        }
        Ok(())
    }
}

/// The name under which a snapshot is written.
fn unfinished(name: &OsStr) -> OsString {
    let mut temporary = name.to_owned();
    temporary.push(".new");
    temporary
}

fn write(place: &Place, bytes: &[u8]) -> io::Result<()> {
    let name = &place.names().snapshot;
    let temporary = unfinished(name);
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(place.handle(), &*temporary, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(file);
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| {
        fault::pass(Point::SnapshotWritten);
        Ok(rustix::fs::renameat(place.handle(), &*temporary, place.handle(), &**name)?)
    });
    fault::pass(Point::SnapshotPublished);
    if written.is_err() {
        let _ = rustix::fs::unlinkat(place.handle(), &*temporary, AtFlags::empty());
    }
    written
}

fn read(place: &Place) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(place.handle(), &*place.names().snapshot, flags, Mode::empty()) {
        Ok(file) => {
            let mut bytes = Vec::new();
            File::from(file).read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn failed(place: &Place, what: &str, error: io::Error) -> Error {
    let path = place.path_of(&place.names().snapshot);
    Error::system(format!("cannot {what} the snapshot {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::testing::Home;

    #[test]
    fn a_snapshot_is_whole_or_absent() {
        let home = Home::new();
        let place = home.place();
        assert_eq!(read(&place).unwrap(), None);
        write(&place, b"first").unwrap();
        write(&place, b"second").unwrap();
        assert_eq!(read(&place).unwrap().as_deref(), Some(&b"second"[..]));
        assert!(!place.path_of("snapshot.new".as_ref()).exists());
        // A link in its place is not followed.
        let path = place.path_of(&place.names().snapshot);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(read(&place).is_err());
    }
}
