//! Where the directory of an application is, when nobody named a place: found or made, and judged.
//!
//! Every process of the user must come to the same answer, so only what belongs to the user's
//! session is asked, and `TMPDIR` is not. What stands in the directory is not known here.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};
use rustix::io::Errno;

use super::files::{Found, open_directory};
use crate::error::{Error, ErrorKind, Result};

/// A private directory of ours, held open.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) handle: OwnedFd,
    pub(super) found: Found,
    pub(super) path: PathBuf,
}

/// What decides about the directory; a test can make its own.
pub(super) struct Surroundings {
    pub(super) runtime_variable: Option<OsString>,
    pub(super) run_user: Option<PathBuf>,
    pub(super) temporary: PathBuf,
    pub(super) euid: u32,
}

impl Surroundings {
    pub(super) fn of_process() -> Self {
        let euid = rustix::process::geteuid().as_raw();
        #[cfg(target_os = "macos")]
        let temporary = super::sys::user_temporary_directory().unwrap_or_else(|| "/tmp".into());
        #[cfg(not(target_os = "macos"))]
        let temporary = PathBuf::from("/tmp");
        Self {
            runtime_variable: std::env::var_os("XDG_RUNTIME_DIR"),
            run_user: cfg!(target_os = "linux").then(|| format!("/run/user/{euid}").into()),
            temporary,
            euid,
        }
    }

    /// Where directories of daemons may stand, by whatever environment they were started, the best
    /// first.
    pub(super) fn bases(&self) -> Vec<Base> {
        let variable = self.runtime_variable.as_deref().filter(|value| !value.is_empty());
        let variable = variable.map(|value| (PathBuf::from(value), 0o022));
        // That it is not there is no fault: not every system has it.
        let fixed = self.run_user.clone().filter(|path| path.exists()).map(|base| (base, 0o077));
        let private = variable.into_iter().chain(fixed).map(|(path, forbidden)| Base {
            finding: self.judge_base(&path, forbidden).err(),
            suffix: String::new(),
            path,
        });
        let suffix = format!("-{}", self.euid);
        let shared = Base { path: self.temporary.clone(), suffix, finding: None };
        private.chain([shared]).collect()
    }

    /// Finds or makes the directory called `name`, and says which better places did not do.
    pub(super) fn find(&self, name: &str) -> Result<(Directory, Vec<String>)> {
        let mut notes = Vec::new();
        let variable = self.runtime_variable.as_deref().filter(|value| !value.is_empty());
        let variable = variable.map(|value| (PathBuf::from(value), "XDG_RUNTIME_DIR ", 0o022));
        let fixed = self.run_user.clone().map(|base| (base, "", 0o077));
        for (base, label, forbidden) in variable.into_iter().chain(fixed) {
            let finding = match self.judge_base(&base, forbidden) {
                Ok(()) => match enter(&base.join(name), self.euid)? {
                    Ok(directory) => return Ok((directory, notes)),
                    Err(error) => format!("has no room for a directory: {error}"),
                },
                Err(finding) => finding,
            };
            notes.push(format!("{label}{} was passed over: it {finding}", base.display()));
        }
        let path = self.temporary.join(format!("{name}-{}", self.euid));
        match enter(&path, self.euid)? {
            Ok(directory) => Ok((directory, notes)),
            Err(error) => Err(Error::system(
                format!(
                    "cannot make the directory {}; set XDG_RUNTIME_DIR to a directory of your own",
                    path.display()
                ),
                error,
            )
            .with_mend()),
        }
    }

    fn judge_base(&self, base: &Path, forbidden: u32) -> Result<(), String> {
        if !base.is_absolute() {
            return Err("is not an absolute path".to_owned());
        }
        let found = match Found::behind_path(base) {
            Ok(Some(found)) => found,
            Ok(None) => return Err("does not exist".to_owned()),
            Err(error) => return Err(format!("cannot be examined: {error}")),
        };
        if found.kind != FileType::Directory {
            return Err(format!("is {}", found.kind_in_words()));
        }
        if found.owner != self.euid {
            return Err(format!("belongs to uid {}, not to uid {}", found.owner, self.euid));
        }
        if found.mode & forbidden != 0 {
            return Err(format!("is open to others (mode {:04o})", found.mode));
        }
        Ok(())
    }
}

/// A directory in which directories of daemons stand, and how their names end there.
pub(super) struct Base {
    pub(super) path: PathBuf,
    pub(super) suffix: String,
    /// Why it cannot be used.
    pub(super) finding: Option<String>,
}

/// Opens a directory of ours that is there; `None` if there is none.
pub(super) fn look_into(path: &Path, euid: u32) -> Result<Option<Directory>> {
    match open_directory(path, false) {
        Ok(handle) => judge(handle, path, euid).map(Some),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => {
            Err(Error::system(format!("cannot open the directory {}", path.display()), error))
        }
    }
}

/// Opens a directory of ours, made if it is absent. The inner error says that the system did not
/// let us make it; a directory that is there but not private is an error.
pub(super) fn enter(path: &Path, euid: u32) -> Result<Result<Directory, Errno>> {
    for _ in 0..8 {
        match open_directory(path, false) {
            Ok(handle) => return judge(handle, path, euid).map(Ok),
            Err(Errno::NOENT) => match rustix::fs::mkdir(path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Ok(Err(error)),
            },
            Err(error) => {
                return Err(match Found::at_path(path) {
                    Ok(Some(found)) if found.kind != FileType::Directory => place(format!(
                        "{} is {}, not a directory; remove it: {}",
                        path.display(),
                        found.kind_in_words(),
                        found.removal(path)
                    )),
                    Ok(Some(found)) if found.owner != euid => foreign(path, found.owner, euid),
                    _ => Error::system(
                        format!("cannot open the directory {}", path.display()),
                        error,
                    ),
                });
            }
        }
    }
    Err(place(format!("the directory {} does not stay; find out what removes it", path.display())))
}

fn judge(handle: OwnedFd, path: &Path, euid: u32) -> Result<Directory> {
    let found = Found::of(&handle)
        .map_err(|error| Error::system(format!("cannot examine {}", path.display()), error))?;
    if found.owner != euid {
        return Err(foreign(path, found.owner, euid));
    }
    if found.mode & 0o077 != 0 {
        return Err(place(format!(
            "the directory {} is open to others (mode {:04o}); close it: chmod 700 {0}",
            path.display(),
            found.mode
        )));
    }
    Ok(Directory { handle, found, path: path.to_owned() })
}

fn foreign(path: &Path, owner: u32, euid: u32) -> Error {
    place(format!(
        "the directory {} belongs to uid {owner}, not to uid {euid}; have it removed (rm -r {0}), or set XDG_RUNTIME_DIR to a directory of your own",
        path.display()
    ))
}

fn place(message: String) -> Error {
    Error::new(ErrorKind::Place, message).with_mend()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    struct Fixture {
        root: tempfile::TempDir,
        surroundings: Surroundings,
    }

    fn fixture() -> Fixture {
        let root = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let surroundings = Surroundings {
            runtime_variable: Some(make("xdg").into()),
            run_user: Some(make("user")),
            temporary: make("tmp"),
            euid: rustix::process::geteuid().as_raw(),
        };
        chmod(&root.path().join("user"), 0o700);
        chmod(&root.path().join("xdg"), 0o755);
        Fixture { root, surroundings }
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    impl Fixture {
        fn found(&self) -> (String, usize) {
            let (directory, notes) = self.surroundings.find("counter").unwrap();
            let path = directory.path.strip_prefix(self.root.path()).unwrap();
            (path.to_str().unwrap().to_owned(), notes.len())
        }
    }

    #[test]
    fn a_good_variable_wins_and_its_directory_is_private() {
        let fixture = fixture();
        assert_eq!(fixture.found(), ("xdg/counter".to_owned(), 0));
        assert_eq!(fixture.found(), ("xdg/counter".to_owned(), 0), "the second time it is there");
        let mode = Found::at_path(&fixture.root.path().join("xdg/counter")).unwrap().unwrap().mode;
        assert_eq!(mode, 0o700);
    }

    #[test]
    fn a_bad_variable_falls_through_with_a_note() {
        let mut fixture = fixture();
        for bad in ["relative", "/dev/null", "/nonexistent/autod"] {
            fixture.surroundings.runtime_variable = Some(bad.into());
            assert_eq!(fixture.found(), ("user/counter".to_owned(), 1), "{bad}");
        }
        let open = fixture.root.path().join("xdg");
        chmod(&open, 0o777);
        fixture.surroundings.runtime_variable = Some(open.into());
        assert_eq!(fixture.found(), ("user/counter".to_owned(), 1));
    }

    #[test]
    fn an_absent_or_empty_variable_is_no_fault() {
        let mut fixture = fixture();
        for absent in [None, Some(OsString::new())] {
            fixture.surroundings.runtime_variable = absent;
            assert_eq!(fixture.found(), ("user/counter".to_owned(), 0));
        }
    }

    #[test]
    fn the_temporary_directory_is_the_last_place() {
        let mut fixture = fixture();
        fixture.surroundings.runtime_variable = None;
        chmod(&fixture.root.path().join("user"), 0o750);
        let euid = fixture.surroundings.euid;
        assert_eq!(fixture.found(), (format!("tmp/counter-{euid}"), 1));
    }

    #[test]
    fn a_link_an_open_directory_and_a_file_are_refused() {
        let fixture = fixture();
        let place = fixture.root.path().join("xdg/counter");
        let refused = |reason: &str| {
            let error = fixture.surroundings.find("counter").err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Place);
            assert!(crate::error::in_full(&error).contains(reason), "{error}");
            assert!(error.message().contains(place.to_str().unwrap()), "{error}");
        };
        symlink(fixture.root.path(), &place).unwrap();
        refused("is a symbolic link");
        std::fs::remove_file(&place).unwrap();
        std::fs::write(&place, "x").unwrap();
        refused("is a regular file");
        std::fs::remove_file(&place).unwrap();
        std::fs::create_dir(&place).unwrap();
        chmod(&place, 0o777);
        refused("chmod 700");
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused() {
        let mut fixture = fixture();
        fixture.surroundings.temporary = fixture.root.path().to_owned();
        fixture.surroundings.runtime_variable = None;
        fixture.surroundings.run_user = None;
        fixture.surroundings.euid += 1;
        let place = fixture.root.path().join(format!("counter-{}", fixture.surroundings.euid));
        std::fs::create_dir(&place).unwrap();
        chmod(&place, 0o700);
        let error = fixture.surroundings.find("counter").err().unwrap();
        assert!(error.message().contains("belongs to uid"), "{error}");
    }
}
