//! A file with the pid of a daemon, for people and scripts. Nothing in here believes it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The file, which goes with this value.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file whole or not at all.
    pub(crate) fn write(path: &Path) -> Result<Self> {
        let mut temporary = path.to_owned().into_os_string();
        temporary.push(format!(".{}", std::process::id()));
        let temporary = PathBuf::from(temporary);
        // A dead process of this pid may have left one. Made anew, so that nobody's link is followed.
        let _ = std::fs::remove_file(&temporary);
        std::fs::File::create_new(&temporary)
            .and_then(|mut file| file.write_all(content().as_bytes()))
            .and_then(|()| std::fs::rename(&temporary, path))
            .map_err(|error| {
                let _ = std::fs::remove_file(&temporary);
                Error::system(format!("cannot write the pid file {}", path.display()), error)
            })?;
        Ok(Self(path.to_owned()))
    }
}

fn content() -> String {
    format!("{}\n", std::process::id())
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A successor may have written its own.
        if std::fs::read_to_string(&self.0).is_ok_and(|text| text == content()) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_its_daemon_but_not_with_a_predecessor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let ours = PidFile::write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        drop(ours);
        assert!(!path.exists());

        let ours = PidFile::write(&path).unwrap();
        std::fs::write(&path, "1\n").unwrap();
        drop(ours);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = PidFile::write(Path::new("/nonexistent/autod/pid")).unwrap_err();
        assert_eq!(error.to_string(), "cannot write the pid file /nonexistent/autod/pid");
    }

    #[test]
    fn nobodys_link_is_followed() {
        let home = tempfile::tempdir().unwrap();
        let (path, target) = (home.path().join("pid"), home.path().join("target"));
        std::fs::write(&target, "precious").unwrap();
        let temporary = home.path().join(format!("pid.{}", std::process::id()));
        std::os::unix::fs::symlink(&target, temporary).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let _file = PidFile::write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content());
    }
}
