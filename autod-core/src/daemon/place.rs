//! The place of one daemon: its directory, held open, and the names of its files there.
//!
//! A place believes nothing that it finds; who runs is the locks' knowledge. It is opened once and
//! stays on the directory it opened, even if another one stands at that path later.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::files::{Found, open_directory};
use super::machine::fingerprint;
use super::names::{Names, check_name};
use super::runtime::{Directory, Surroundings, enter};
use crate::error::{Error, ErrorKind, Result, Whom};

/// The longest path that fits into a socket address with its end mark.
const ADDRESS: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Where one daemon lives.
#[derive(Debug)]
pub(crate) struct Place {
    app: String,
    directory: Directory,
    sock: PathBuf,
    names: Names,
    explicit: bool,
    route: Route,
    notes: Vec<String>,
}

/// How a socket address leads to the door. Length and platform alone decide, so that all processes
/// agree.
#[derive(Debug)]
enum Route {
    /// The path fits.
    Direct,
    /// Through `/proc/self/fd`.
    Descriptor,
    /// The door stands in a short directory instead.
    Elsewhere(Directory),
}

impl Place {
    /// The place of an application of this user, made if it is absent.
    pub(crate) fn of_app(app: &str, instance: Option<&OsStr>) -> Result<Self> {
        Self::in_surroundings(&Surroundings::of_process(), app, instance)
    }

    pub(super) fn in_surroundings(
        surroundings: &Surroundings,
        app: &str,
        instance: Option<&OsStr>,
    ) -> Result<Self> {
        check_name(app)?;
        let name = match instance {
            Some(key) => format!("{app}-{:016x}", fingerprint(key.as_bytes())),
            None => app.to_owned(),
        };
        let (directory, notes) = surroundings.find(&name)?;
        let sock = directory.path.join("sock");
        Self::new(app.to_owned(), directory, sock, false, notes)
    }

    /// The place around an explicit socket path.
    pub(crate) fn at(sockfile: &Path) -> Result<Self> {
        let usage = |finding: &str| {
            Error::new(
                ErrorKind::Usage,
                format!(
                    "the socket path {} {finding}; name a file in a directory",
                    sockfile.display()
                ),
            )
            .with_mend()
        };
        let sock = std::path::absolute(sockfile)
            .map_err(|error| usage("cannot be made absolute").caused_by(error))?;
        let name = sock.file_name().ok_or_else(|| usage("has no file name"))?;
        if sockfile.as_os_str().as_bytes().last() == Some(&b'/') {
            return Err(usage("ends in a slash"));
        }
        let app = sock.file_stem().unwrap_or(name).to_string_lossy().into_owned();
        let directory = shared_directory(sock.parent().unwrap_or(Path::new("/")), &sock)?;
        Self::new(app, directory, sock, true, Vec::new())
    }

    /// The same place in the daemon, from what its starter sent.
    pub(crate) fn reopen(sock: &Path, explicit: bool, app: &str) -> Result<Self> {
        if explicit {
            return Ok(Self::at(sock)?.named(app));
        }
        let path = sock.parent().unwrap_or(Path::new("/"));
        let directory = enter(path, rustix::process::geteuid().as_raw())?.map_err(|error| {
            Error::system(format!("cannot make the directory {}", path.display()), error)
        })?;
        Self::new(app.to_owned(), directory, sock.to_owned(), false, Vec::new())
    }

    /// The place in a directory of its own.
    pub(super) fn inside(app: &str, directory: Directory) -> Result<Self> {
        let sock = directory.path.join("sock");
        Self::new(app.to_owned(), directory, sock, false, Vec::new())
    }

    /// Whether both are one place.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.directory.found.is_same(&other.directory.found) && self.names.life == other.names.life
    }

    fn new(
        app: String,
        directory: Directory,
        sock: PathBuf,
        explicit: bool,
        notes: Vec<String>,
    ) -> Result<Self> {
        let names = if explicit { Names::beside(&sock) } else { Names::inside() };
        let longest = names.sock.len().max(names.private.len() + 16);
        let fits = directory.path.as_os_str().len() + 1 + longest <= ADDRESS;
        let route = match (fits, cfg!(target_os = "linux")) {
            (true, _) => Route::Direct,
            (false, true) => Route::Descriptor,
            (false, false) => Route::Elsewhere(short_directory(&sock)?),
        };
        Ok(Self { app, directory, sock, names, explicit, route, notes })
    }

    /// Gives an explicit place the name that its errors use.
    pub(crate) fn named(mut self, app: &str) -> Self {
        app.clone_into(&mut self.app);
        self
    }

    /// The application's name.
    pub(crate) fn app(&self) -> &str {
        &self.app
    }

    /// The door's absolute path, as people know it.
    pub(crate) fn sock(&self) -> &Path {
        &self.sock
    }

    /// The directory's path.
    pub(crate) fn dir(&self) -> &Path {
        &self.directory.path
    }

    /// The daemon of this place, in the words of errors.
    pub(crate) fn whom(&self) -> Whom {
        let directory = self.dir().file_name().unwrap_or_default().display();
        let (sock, log) = (self.sock.display(), self.log_path());
        let whom = Whom::named(&self.app).at(&sock);
        if self.explicit { whom.known_as(sock, log) } else { whom.known_as(directory, log) }
    }

    /// Whether the caller named the socket.
    pub(crate) fn is_explicit(&self) -> bool {
        self.explicit
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.path_of(&self.names.log)
    }

    pub(crate) fn life_path(&self) -> PathBuf {
        self.path_of(&self.names.life)
    }

    /// Why better places did not do; for the log.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.directory.path.join(name)
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The directory of all files but perhaps the door.
    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.directory.handle.as_fd()
    }

    /// What stands under a name in the directory.
    pub(super) fn find(&self, name: &OsStr) -> Result<Option<Found>> {
        Found::at(self.handle(), name).map_err(|error| {
            Error::system(format!("cannot examine {}", self.path_of(name).display()), error)
        })
    }

    /// The directory in which the door stands.
    pub(super) fn door_directory(&self) -> BorrowedFd<'_> {
        match &self.route {
            Route::Elsewhere(short) => short.handle.as_fd(),
            Route::Direct | Route::Descriptor => self.handle(),
        }
    }

    /// A path for a socket address to `name` in the door's directory, which is open as `directory`.
    pub(super) fn door_address(&self, directory: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
        match &self.route {
            Route::Direct => self.path_of(name),
            Route::Descriptor => through_descriptor(&directory).join(name),
            Route::Elsewhere(short) => short.path.join(name),
        }
    }

    /// The door's name in the door's directory.
    pub(super) fn door_name(&self) -> &OsStr {
        match &self.route {
            Route::Elsewhere(_) => OsStr::new("sock"),
            Route::Direct | Route::Descriptor => &self.names.sock,
        }
    }

    /// Whether the directory's path still leads to the directory that is held open.
    pub(crate) fn is_still_here(&self) -> bool {
        let found =
            if self.explicit { Found::behind_path(self.dir()) } else { Found::at_path(self.dir()) };
        matches!(found, Ok(Some(found)) if found.is_same(&self.directory.found))
    }

    #[cfg(test)]
    pub(super) fn by_short_directory(mut self) -> Self {
        self.route = Route::Elsewhere(short_directory(&self.sock).unwrap());
        self
    }
}

/// The path of an open file by its number.
pub(super) fn through_descriptor(file: &impl std::os::fd::AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// The directory of an explicit socket: it need not be private, but nobody else may replace files.
fn shared_directory(path: &Path, sock: &Path) -> Result<Directory> {
    let handle = open_directory(path, true).map_err(|error| {
        Error::new(
            ErrorKind::Place,
            format!(
                "cannot open the directory of the socket {}; make it or name another",
                sock.display()
            ),
        )
        .with_mend()
        .caused_by(error)
    })?;
    let found = Found::of(&handle)
        .map_err(|error| Error::system(format!("cannot examine {}", path.display()), error))?;
    let euid = rustix::process::geteuid().as_raw();
    if found.owner != euid && found.owner != 0 {
        return Err(Error::new(
            ErrorKind::Place,
            format!(
                "the directory {} of the socket belongs to uid {}, not to uid {euid} or root; name a socket elsewhere",
                path.display(),
                found.owner
            ),
        ).with_mend());
    }
    if found.mode & 0o022 != 0 && found.mode & 0o1000 == 0 {
        return Err(Error::new(
            ErrorKind::Place,
            format!(
                "others may replace files in the directory {} of the socket (mode {:04o}); close it: chmod go-w {0}",
                path.display(),
                found.mode
            ),
        ).with_mend());
    }
    Ok(Directory { handle, found, path: path.to_owned() })
}

fn short_directory(sock: &Path) -> Result<Directory> {
    let surroundings = Surroundings::of_process();
    let name =
        format!("autod-{:016x}-{}", fingerprint(sock.as_os_str().as_bytes()), surroundings.euid);
    let path = surroundings.temporary.join(name);
    enter(&path, surroundings.euid)?.map_err(|error| {
        Error::system(
            format!("cannot make the directory {} for a short socket path", path.display()),
            error,
        )
    })
}

/// A copy of an open directory for another thread.
pub(super) fn copy(directory: BorrowedFd<'_>) -> Result<OwnedFd> {
    directory.try_clone_to_owned().map_err(|error| {
        Error::system("cannot copy the descriptor of the daemon's directory", error)
    })
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
