//! The directory that a daemon works for, named by its program: is it still the one of the start?
//!
//! It is not held open, because that would keep its file system from being unmounted. What a root
//! that is gone means for the daemon is decided elsewhere.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, ErrorKind, Result};

/// A project root as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    path: PathBuf,
    identity: Identity,
}

/// Inode numbers are used again at once; the time of birth tells the new directory from the old one
/// where the file system knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

impl Root {
    /// Finds the directory at a path; links are followed.
    pub(crate) fn find(path: &Path) -> Result<Self> {
        let refuse = |finding: &str| {
            let text = format!("the project root {} {finding}; name a directory", path.display());
            Error::new(ErrorKind::Place, text).with_mend()
        };
        let found = std::fs::metadata(path).map_err(|error| {
            if is_absence(&error) {
                refuse("does not exist")
            } else {
                refuse("cannot be examined").caused_by(error)
            }
        })?;
        if !found.is_dir() {
            return Err(refuse("is not a directory"));
        }
        Ok(Self { path: path.to_owned(), identity: Identity::of(&found) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its path leads nowhere any more, or to another directory. A file system that does not
    /// answer proves nothing, so this may take as long as that.
    pub(crate) async fn is_gone(&self) -> bool {
        let (tell, told) = tokio::sync::oneshot::channel();
        let root = self.clone();
        // Not a blocking task of the runtime, whose end would wait for it.
        let thread = std::thread::Builder::new().name("autod-root".to_owned()).stack_size(64 << 10);
        let spawned = thread.spawn(move || {
            let _ = tell.send(root.look());
        });
        spawned.is_ok() && told.await.unwrap_or(false)
    }

    fn look(&self) -> bool {
        match std::fs::metadata(&self.path) {
            Ok(found) => !found.is_dir() || Identity::of(&found) != self.identity,
            Err(error) => is_absence(&error),
        }
    }
}

impl Identity {
    fn of(found: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { device: found.dev(), inode: found.ino(), born: found.created().ok() }
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_root_is_gone_when_it_is_removed_moved_or_replaced() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("project");
        let aside = home.path().join("aside");
        std::fs::create_dir(&path).unwrap();
        let root = Root::find(&path).unwrap();
        assert!(!root.is_gone().await);
        std::fs::write(path.join("file"), "what is in it does not matter").unwrap();
        assert!(!root.is_gone().await);
        std::fs::rename(&path, &aside).unwrap();
        assert!(root.is_gone().await, "moved");
        std::fs::create_dir(&path).unwrap();
        assert!(root.is_gone().await, "replaced");
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(root.is_gone().await, "a file");
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        assert!(!root.is_gone().await, "moved back");
    }

    #[tokio::test]
    async fn a_new_directory_with_the_old_number_is_another_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("project");
        std::fs::create_dir(&path).unwrap();
        let root = Root::find(&path).unwrap();
        if root.identity.born.is_none() {
            return;
        }
        // Until the clock of the file system has ticked.
        loop {
            std::fs::remove_dir(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
            if Root::find(&path).unwrap().identity.born != root.identity.born {
                break;
            }
        }
        assert!(root.is_gone().await);
    }

    #[tokio::test]
    async fn what_cannot_be_looked_at_is_not_gone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("project");
        std::fs::create_dir(&path).unwrap();
        let root = Root::find(&path).unwrap();
        std::fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();
        assert!(!root.is_gone().await, "a loop of links is an error, not an absence");
        assert!(Root::find(&path).unwrap_err().message().contains("cannot be examined"));
    }

    #[test]
    fn only_a_directory_can_be_a_root() {
        for (path, finding) in
            [("/nonexistent/project", "does not exist"), ("/dev/null", "is not a directory")]
        {
            let error = Root::find(Path::new(path)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Place);
            assert!(error.message().contains(&format!("{path} {finding}")), "{error}");
        }
    }
}
