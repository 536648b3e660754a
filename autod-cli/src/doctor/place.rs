//! The directory in which daemons have theirs: whether locks and sockets work there.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use autod::control;

use super::Finding;
use crate::style::bytes;

const MEND: &str = "look at the owner and mode of the directory, and whether a sandbox forbids it";

const LOCAL: &str = "set XDG_RUNTIME_DIR to a directory on a local file system";

/// The longest path that a socket address takes.
const ADDRESS: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What a lock and a log need, and some more.
const ROOM: u64 = 1 << 20;

pub(super) fn examine() -> Vec<Finding> {
    let mut findings = Vec::new();
    if std::env::var_os("XDG_RUNTIME_DIR").is_none_or(|value| value.is_empty()) {
        findings.push(Finding::note(
            "runtime-directory",
            "XDG_RUNTIME_DIR is not set; that is well as long as all commands find the same place",
        ));
    }
    let mut chosen = None;
    for home in control::homes() {
        if let Some(finding) = home.finding {
            findings.push(Finding::warning(
                "runtime-directory",
                format!("{} is not used: it {finding}", home.path.display()),
                "set XDG_RUNTIME_DIR to a directory of your own with mode 0700, or unset it",
            ));
        } else if chosen.is_none() {
            // Daemons go on to the next one, too.
            match Trial::begin(&home.path) {
                Ok(trial) => chosen = Some((home.path, trial)),
                Err(finding) => findings.push(finding),
            }
        }
    }
    let Some((path, trial)) = chosen else { return findings };
    let place = path.display();
    findings.push(Finding::well("runtime-directory", format!("daemons have theirs in {place}")));
    findings.push(file_system(&path));
    findings.extend(room(&path));
    findings.extend(tried(&path, &trial));
    findings
}

/// File systems on which a lock may not hold for all who see the file.
#[cfg(target_os = "linux")]
fn file_system(path: &Path) -> Finding {
    const CHECK: &str = "file-system";
    let system = match rustix::fs::statfs(path) {
        Ok(system) => system,
        Err(error) => {
            let text = format!("cannot examine the file system of {}: {error}", path.display());
            return Finding::warning(CHECK, text, "set XDG_RUNTIME_DIR to another directory");
        }
    };
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "32 bits name it")]
    kind_of_file_system(path, system.f_type as u32)
}

/// By the number that statfs gives.
#[cfg(target_os = "linux")]
fn kind_of_file_system(path: &Path, kind: u32) -> Finding {
    let (name, shared) = match kind {
        0x0102_1994 => ("tmpfs", false),
        0x8584_58f6 => ("ramfs", false),
        0xef53 => ("ext4", false),
        0x5846_5342 => ("xfs", false),
        0x9123_683e => ("btrfs", false),
        0x2fc1_2fc1 => ("zfs", false),
        0x794c_7630 => ("overlayfs", false),
        0x6969 => ("nfs", true),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => ("smb", true),
        0x0102_1997 => ("9p", true),
        0x6573_5546 => ("fuse", true),
        0x00c3_6400 => ("ceph", true),
        0x6a65_6a62 => ("virtiofs", true),
        _ => ("a file system without a name here", false),
    };
    if shared {
        let text = format!(
            "{} is on {name}, whose locks and sockets are not for one machine alone",
            path.display()
        );
        return Finding::warning("file-system", text, LOCAL);
    }
    Finding::well("file-system", format!("{} is on {name}", path.display()))
}

#[cfg(not(target_os = "linux"))]
fn file_system(path: &Path) -> Finding {
    Finding::well("file-system", format!("{} is there", path.display()))
}

fn room(path: &Path) -> Option<Finding> {
    let system = rustix::fs::statvfs(path).ok()?;
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let has_inodes = system.f_files == 0 || system.f_favail > 0;
    room_left(path, free, has_inodes)
}

fn room_left(path: &Path, free: u64, has_inodes: bool) -> Option<Finding> {
    let mend = "make room there: locks, sockets and logs of daemons need some";
    if free < ROOM {
        let text = format!("{} has {} left", path.display(), bytes(free));
        return Some(Finding::error("room", text, mend));
    }
    if !has_inodes {
        return Some(Finding::error(
            "room",
            format!("{} has no inodes left", path.display()),
            mend,
        ));
    }
    None
}

/// Does what a daemon does there, in a directory of its own.
fn tried(base: &Path, trial: &Trial) -> Vec<Finding> {
    let mut findings = vec![lock(base, trial.lock()), socket(base, trial.socket())];
    let length = trial.sock().as_os_str().len();
    if length > ADDRESS {
        findings.push(Finding::warning(
            "socket-path",
            format!(
                "paths of sockets in {} have more than the {ADDRESS} bytes of an address: programs with autod \
                 reach them all the same, others do not",
                base.display()
            ),
            "set XDG_RUNTIME_DIR to a shorter path",
        ));
    }
    findings
}

fn lock(base: &Path, tried: std::io::Result<bool>) -> Finding {
    match tried {
        Ok(true) => Finding::well("locks", "file locks hold"),
        Ok(false) => Finding::error(
            "locks",
            format!("a locked file in {} can be locked a second time", base.display()),
            LOCAL,
        ),
        Err(error) => Finding::error(
            "locks",
            format!("cannot lock a file in {}: {error}", base.display()),
            MEND,
        ),
    }
}

fn socket(base: &Path, tried: std::io::Result<()>) -> Finding {
    match tried {
        Ok(()) => Finding::well("sockets", "a socket can be made and reached"),
        Err(error) => Finding::error(
            "sockets",
            format!("cannot use a local socket in {}: {error}", base.display()),
            "allow AF_UNIX sockets in the sandbox or container, or run the service in process",
        ),
    }
}

/// A directory that is removed.
struct Trial(PathBuf);

impl Trial {
    fn begin(base: &Path) -> Result<Self, Finding> {
        let path = base.join(format!(".autod-doctor-{}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => {
                let text = format!("cannot make a directory in {}: {error}", base.display());
                Err(Finding::error("runtime-directory", text, MEND))
            }
        }
    }

    /// Whether a lock keeps another one away.
    fn lock(&self) -> std::io::Result<bool> {
        let path = self.0.join("lock");
        let open = || -> std::io::Result<File> {
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)
        };
        let (first, second) = (open()?, open()?);
        let locked = |file: &File| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        };
        Ok(locked(&first)? && !locked(&second)?)
    }

    fn sock(&self) -> PathBuf {
        self.0.join("sock")
    }

    fn socket(&self) -> std::io::Result<()> {
        let directory = File::open(&self.0)?;
        let mut path = self.sock();
        // As a daemon does it, whose path may be longer than an address.
        if cfg!(target_os = "linux") && path.as_os_str().len() > ADDRESS {
            path = format!("/proc/self/fd/{}/sock", directory.as_raw_fd()).into();
        }
        let listener = UnixListener::bind(&path)?;
        let _ours = UnixStream::connect(&path)?;
        listener.accept()?;
        Ok(())
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
