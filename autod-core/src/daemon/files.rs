//! What the kernel says about a file, whether it is held open or found under a name.
//!
//! Two findings that name the same device and inode are the same file only while one of them is
//! held open, because numbers are reused at once. What a file is for is the callers' knowledge.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// One file or directory as the kernel knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    device: u64,
    inode: u64,
    pub(super) kind: FileType,
    /// The permission bits, with the sticky bit.
    pub(super) mode: u32,
    pub(super) owner: u32,
    pub(super) links: u64,
}

impl Found {
    #[allow(
        clippy::allow_attributes,
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::useless_conversion,
        reason = "the widths of these fields differ between the platforms"
    )]
    fn new(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            kind: FileType::from_raw_mode(stat.st_mode),
            mode: stat.st_mode as u32 & 0o1777,
            owner: stat.st_uid,
            links: stat.st_nlink as u64,
        }
    }

    /// The file that is held open.
    pub(super) fn of(file: impl AsFd) -> rustix::io::Result<Self> {
        rustix::fs::fstat(file).map(|stat| Self::new(&stat))
    }

    /// The file under a name, links not followed; `None` if there is none.
    pub(super) fn at(directory: impl AsFd, name: &OsStr) -> rustix::io::Result<Option<Self>> {
        absent(rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// The file at a path, links not followed; `None` if there is none.
    pub(super) fn at_path(path: &Path) -> rustix::io::Result<Option<Self>> {
        absent(rustix::fs::lstat(path))
    }

    /// The file that a path leads to; `None` if there is none.
    pub(super) fn behind_path(path: &Path) -> rustix::io::Result<Option<Self>> {
        absent(rustix::fs::stat(path))
    }

    /// Whether both are one file; one of them must be held open.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }

    /// The kind in words, with its article.
    pub(super) fn kind_in_words(&self) -> &'static str {
        match self.kind {
            FileType::RegularFile => "a regular file",
            FileType::Directory => "a directory",
            FileType::Symlink => "a symbolic link",
            FileType::Socket => "a socket",
            FileType::Fifo => "a named pipe",
            _ => "a device",
        }
    }

    /// The command that removes it.
    pub(super) fn removal(&self, path: &Path) -> String {
        let options = if self.kind == FileType::Directory { "-r " } else { "" };
        format!("rm {options}{}", path.display())
    }
}

fn absent(result: rustix::io::Result<Stat>) -> rustix::io::Result<Option<Found>> {
    match result {
        Ok(stat) => Ok(Some(Found::new(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a directory; a link is followed only on demand.
pub(super) fn open_directory(path: &Path, follow: bool) -> rustix::io::Result<OwnedFd> {
    let mut flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    if !follow {
        flags |= OFlags::NOFOLLOW;
    }
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    if directory.as_raw_fd() > 2 {
        return Ok(directory);
    }
    // The caller was started with closed standard descriptors. What is opened next would become its
    // standard output, and its `println!` would go into a lock or into the daemon.
    let moved = rustix::io::fcntl_dupfd_cloexec(&directory, 3)?;
    drop(directory);
    fill_standard_descriptors()?;
    Ok(moved)
}

/// Opens `/dev/null` on each of the descriptors 0 to 2 that is closed.
pub(super) fn fill_standard_descriptors() -> rustix::io::Result<()> {
    use std::os::fd::IntoRawFd as _;
    loop {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?;
        if null.as_raw_fd() > 2 {
            return Ok(());
        }
        // Not CLOEXEC and never closed: that is what a standard descriptor is.
        let _ = null.into_raw_fd();
    }
}

/// Reads a small file from its beginning; what lies past `limit` is left out.
pub(super) fn read_start(file: &File, limit: usize) -> std::io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; limit];
    let mut filled = 0;
    while filled < limit {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_the_same_under_its_name_and_another_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("a")).unwrap();
        File::create(directory.path().join("b")).unwrap();
        let held = Found::of(&file).unwrap();
        let handle = open_directory(directory.path(), false).unwrap();
        assert!(Found::at(&handle, OsStr::new("a")).unwrap().unwrap().is_same(&held));
        assert!(!Found::at(&handle, OsStr::new("b")).unwrap().unwrap().is_same(&held));
        assert!(Found::at(&handle, OsStr::new("c")).unwrap().is_none());
        assert_eq!(held.kind_in_words(), "a regular file");
        assert_eq!(held.links, 1);
    }

    #[test]
    fn a_link_is_a_finding_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        assert_eq!(Found::at_path(&link).unwrap().unwrap().kind_in_words(), "a symbolic link");
        assert_eq!(Found::behind_path(&link).unwrap().unwrap().kind_in_words(), "a directory");
        assert!(open_directory(&link, false).is_err());
        assert!(open_directory(&link, true).is_ok());
    }
}
