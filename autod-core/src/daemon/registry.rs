//! Where the daemons of this user are, those included whose socket stands anywhere.
//!
//! A daemon with a directory of its own is found by that. One beside an explicit socket leaves a
//! link to it in the directory `.autod`, which stands among those others and which no application
//! can be called. Neither proves that a daemon lives, nor is missed by one that does: only locks
//! count, and a daemon whose link cannot be made serves all the same.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::files::{Found, open_directory};
use super::machine::fingerprint;
use super::names::{Names, check_name};
use super::place::Place;
use super::runtime::{Surroundings, look_into};
use crate::error::Result;

const DIRECTORY: &str = ".autod";

/// A directory in which directories of daemons stand.
#[derive(Debug)]
#[non_exhaustive]
pub struct Home {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is not used.
    pub finding: Option<String>,
}

/// What kept daemons from being found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Obstacle {
    /// What it is.
    pub text: String,
    /// What to do about it.
    pub help: String,
    /// The one of the [`homes`](crate::control::homes) that it is about; else it is about one daemon.
    pub home: Option<PathBuf>,
}

impl Obstacle {
    fn of_home(path: &Path, text: String) -> Self {
        let help = "`autod doctor` says how to mend it".to_owned();
        Self { text, help, home: Some(path.to_owned()) }
    }
}

/// The directories in which those of daemons stand, the best first.
pub(crate) fn homes() -> Vec<Home> {
    let bases = Surroundings::of_process().bases().into_iter();
    bases.map(|base| Home { path: base.path, finding: base.finding }).collect()
}

/// All places of daemons of this user that can be found, and what kept others from being found.
pub(crate) fn find_places() -> (Vec<Place>, Vec<Obstacle>) {
    find_in(&Surroundings::of_process())
}

fn find_in(surroundings: &Surroundings) -> (Vec<Place>, Vec<Obstacle>) {
    let mut obstacles = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    let mut add = |name: &str, place: Result<Option<Place>>| match place {
        Ok(Some(place)) => {
            // One directory may be reached by two bases.
            if !places.iter().any(|known| known.is_same(&place)) {
                places.push(place);
            }
            None
        }
        Ok(None) => None,
        Err(error) => {
            let why = crate::error::chain(&error);
            let text = format!("the {name} daemon cannot be asked: {why}");
            Some(Obstacle { text, help: error.help(), home: None })
        }
    };
    for base in surroundings.bases() {
        if let Some(finding) = base.finding {
            let text = format!("{} is passed over: it {finding}", base.path.display());
            obstacles.push(Obstacle::of_home(&base.path, text));
            continue;
        }
        let entries = open_directory(&base.path, true).and_then(Dir::read_from);
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let text = format!("cannot read the directory {}: {error}", base.path.display());
                obstacles.push(Obstacle::of_home(&base.path, text));
                continue;
            }
        };
        let mut names: Vec<OsString> = entries
            .flatten()
            .map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
            .collect();
        names.sort();
        for name in names {
            let Some(app) = name.to_str().and_then(|name| name.strip_suffix(&base.suffix)) else {
                continue;
            };
            let path = base.path.join(&name);
            if app == DIRECTORY {
                obstacles.extend(
                    links(&path, surroundings.euid).iter().filter_map(|sock| {
                        add(&sock.display().to_string(), Place::existing_at(sock))
                    }),
                );
            } else if check_name(app).is_ok() {
                obstacles.extend(add(app, Place::existing_of(app, &path, surroundings.euid)));
            }
        }
    }
    (places, obstacles)
}

/// The sockets that the links of a directory lead to.
fn links(path: &Path, euid: u32) -> Vec<PathBuf> {
    let Ok(Some(directory)) = look_into(path, euid) else { return Vec::new() };
    let Ok(entries) = Dir::read_from(&directory.handle) else { return Vec::new() };
    let read = |name: &std::ffi::CStr| {
        let target = rustix::fs::readlinkat(&directory.handle, name, Vec::new()).ok()?;
        Some(PathBuf::from(OsString::from_vec(target.into_bytes())))
    };
    entries.flatten().filter_map(|entry| read(entry.file_name())).collect()
}

/// A link in one of the directories.
struct Link {
    directory: OwnedFd,
    name: String,
}

impl Link {
    fn new(directory: OwnedFd, sock: &Path) -> Self {
        Self { directory, name: format!("{:016x}", fingerprint(sock.as_os_str().as_bytes())) }
    }

    fn make(&self, sock: &Path) -> rustix::io::Result<()> {
        match rustix::fs::symlinkat(sock, &self.directory, &*self.name) {
            // Of an earlier life: it leads to the same socket.
            Err(Errno::EXIST) => Ok(()),
            made => made,
        }
    }

    fn remove(&self) {
        let _ = rustix::fs::unlinkat(&self.directory, &*self.name, AtFlags::empty());
    }
}

/// Lets the daemon of an explicit socket be found. To be called with both locks held.
pub(super) fn enter(place: &Place) {
    enter_in(&Surroundings::of_process(), place);
}

fn enter_in(surroundings: &Surroundings, place: &Place) {
    let made = surroundings
        .find(DIRECTORY)
        .map(|(directory, _)| Link::new(directory.handle, place.sock()).make(place.sock()));
    match made {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the daemon cannot be found by autod ps"),
        Err(error) => tracing::debug!(%error, "the daemon cannot be found by autod ps"),
    }
}

/// The daemon of an explicit socket is gone. To be called with both locks held, or when there is no
/// directory any more in which they could stand.
pub(super) fn leave(sock: &Path) {
    leave_in(&Surroundings::of_process(), sock);
}

fn leave_in(surroundings: &Surroundings, sock: &Path) {
    for base in surroundings.bases() {
        let path = base.path.join(format!("{DIRECTORY}{}", base.suffix));
        if let Ok(Some(directory)) = look_into(&path, surroundings.euid) {
            Link::new(directory.handle, sock).remove();
        }
    }
}

/// Removes the links whose directories are gone, and tells their sockets.
pub(crate) fn remove_dead_links() -> Vec<PathBuf> {
    remove_dead_links_in(&Surroundings::of_process(), || {})
}

fn remove_dead_links_in(surroundings: &Surroundings, between: impl Fn()) -> Vec<PathBuf> {
    let is_gone = |sock: &PathBuf| sock.parent().is_none_or(|parent| !parent.is_dir());
    let mut removed = Vec::new();
    for base in surroundings.bases() {
        let path = base.path.join(format!("{DIRECTORY}{}", base.suffix));
        for sock in links(&path, surroundings.euid).into_iter().filter(is_gone) {
            let Ok(Some(directory)) = look_into(&path, surroundings.euid) else { continue };
            between();
            let link = Link::new(directory.handle, &sock);
            link.remove();
            // A daemon makes its link after its directory. So either the directory is there now, or
            // its link is still to come.
            if is_gone(&sock) {
                removed.push(sock);
            } else {
                let _ = link.make(&sock);
            }
        }
    }
    removed
}

impl Place {
    /// The place in a directory of its own, if a daemon has ever been there. Nothing is made.
    pub(super) fn existing_of(app: &str, path: &Path, euid: u32) -> Result<Option<Self>> {
        // Told before it is judged: others keep their directories here too, with other modes.
        if !matches!(Found::at_path(&path.join(Names::inside().life)), Ok(Some(found)) if found.kind == FileType::RegularFile)
        {
            return Ok(None);
        }
        look_into(path, euid)?.map(|directory| Self::inside(app, directory)).transpose()
    }

    /// The place around a socket, if its directory is there. Nothing is made.
    pub(crate) fn existing_at(sock: &Path) -> Result<Option<Self>> {
        let euid = rustix::process::geteuid().as_raw();
        if let (Some(name), Some(path)) = (sock.file_name(), sock.parent())
            && name == Names::inside().sock
            && let Some(app) = path.file_name().and_then(OsStr::to_str)
            && let Some(place) = Self::existing_of(app, path, euid)?
        {
            return Ok(Some(place));
        }
        match sock.parent().map(Path::is_dir) {
            Some(false) => Ok(None),
            _ => Self::at(sock).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::testing::Home;

    fn found(home: &Home) -> Vec<PathBuf> {
        let (places, obstacles) = find_in(&home.surroundings());
        assert!(obstacles.is_empty(), "{obstacles:?}");
        places.iter().map(|place| place.sock().to_owned()).collect()
    }

    #[tokio::test]
    async fn places_of_both_kinds_are_found_and_nothing_is_made() {
        let home = Home::new();
        for stranger in ["pulse", "systemd"] {
            std::fs::create_dir_all(home.path().join(stranger)).unwrap();
        }
        assert!(found(&home).is_empty());
        let own = home.private_place();
        let explicit = home.place();
        let (one, _listener) = crate::daemon::Tenancy::claim(own, "1").await.unwrap();
        let (two, _listener) = crate::daemon::Tenancy::claim(explicit, "1").await.unwrap();
        enter_in(&home.surroundings(), two.place());
        let expected = [two.place().sock(), one.place().sock()];
        assert_eq!(found(&home), expected);
        enter_in(&home.surroundings(), two.place());
        leave_in(&home.surroundings(), two.place().sock());
        assert_eq!(found(&home), [one.place().sock()]);
        for stranger in ["pulse", "systemd"] {
            assert_eq!(std::fs::read_dir(home.path().join(stranger)).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_link_is_removed_with_its_directory_unless_that_comes_back_meanwhile() {
        let home = Home::new();
        let directory = home.path().join("project");
        std::fs::create_dir(&directory).unwrap();
        let place = Place::at(&directory.join("sock")).unwrap();
        let surroundings = home.surroundings();
        enter_in(&surroundings, &place);
        assert!(remove_dead_links_in(&surroundings, || {}).is_empty());
        std::fs::remove_dir(&directory).unwrap();
        assert!(found(&home).is_empty());
        // A daemon starts there between the look and the removal, and finds the link.
        let again = || {
            std::fs::create_dir(&directory).unwrap();
            enter_in(&surroundings, &place);
        };
        assert!(remove_dead_links_in(&surroundings, again).is_empty());
        assert_eq!(found(&home), [place.sock()]);
        std::fs::remove_dir(&directory).unwrap();
        assert_eq!(remove_dead_links_in(&surroundings, || {}), [place.sock()]);
        std::fs::create_dir(&directory).unwrap();
        assert!(found(&home).is_empty());
    }
}
