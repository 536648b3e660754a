//! Where the sockets of supervisors are.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use autod::{Daemon, Upgrade, control};

use crate::told::Told;

/// The name of the directory, and of the daemon in messages.
const NAME: &str = "autod-up";

/// How long a supervisor may take to answer when it is looked for. It does nothing else in the thread
/// that answers, so one that takes longer is stopped or stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The daemon that the supervisor of a file is, at its socket.
pub(super) fn daemon(socket: &Path) -> Daemon {
    Daemon::new(NAME)
        .sockfile(socket)
        // A supervisor goes on whatever other builds of the command there are.
        .upgrade(Upgrade::Compatible)
        .connect_timeout(PATIENCE)
        .silence_timeout(PATIENCE)
}

/// Where the supervisor of this file listens.
///
/// # Errors
///
/// The directory is not private or cannot be made, or there is no such file.
pub(super) fn socket_of(file: &Path) -> Result<PathBuf, Told> {
    let file = canonical(file)?;
    Ok(directory()?.join(format!("{:016x}.sock", fingerprint(file.as_os_str().as_bytes()))))
}

fn canonical(file: &Path) -> Result<PathBuf, Told> {
    std::fs::canonicalize(file)
        .map_err(|error| format!("cannot find {}: {error}", file.display()))
        .map_err(|text| Told::new(text, "name the file of a supervisor; `autod ps` lists them"))
}

/// Says which file the supervisor of this socket is of, for whoever finds no more than the socket.
pub(super) fn name(socket: &Path, file: &Path) {
    if let Ok(file) = std::fs::canonicalize(file) {
        // Of an earlier life it says the same. Without it the supervisor is known by its socket.
        let _ = symlink(file, named_by(socket));
    }
}

/// Not read for what it leads to, but for what it says.
fn named_by(socket: &Path) -> PathBuf {
    socket.with_extension("file")
}

/// The file whose supervisor listens, or has listened, at this socket.
pub(crate) fn file_of(socket: &Path) -> Option<PathBuf> {
    is_supervisors(socket).then(|| std::fs::read_link(named_by(socket)).ok()).flatten()
}

fn is_supervisors(socket: &Path) -> bool {
    let directory = socket.parent().and_then(Path::file_name).and_then(OsStr::to_str);
    directory.is_some_and(|directory| directory.starts_with(NAME))
}

/// Where the supervisor of this file listens, if it does or was killed.
pub(crate) fn supervisor_of(file: &Path) -> Option<PathBuf> {
    file.is_file().then(|| sockets(Some(file)).ok()?.pop()).flatten()
}

/// Where supervisors listen, or have listened until they were killed: that of this file, or all. Nothing
/// is made.
///
/// # Errors
///
/// There is no such file.
pub(super) fn sockets(file: Option<&Path>) -> Result<Vec<PathBuf>, Told> {
    let wanted = file.map(canonical).transpose()?;
    let is_meant = |socket: &PathBuf| match &wanted {
        Some(file) => file_of(socket).as_ref() == Some(file),
        None => is_supervisors(socket),
    };
    let targets = control::find().0.into_iter();
    Ok(targets.map(|target| target.socket().to_owned()).filter(is_meant).collect())
}

/// Judged by the library, as the directory of any daemon: it is this user's, and nobody else enters.
fn directory() -> Result<PathBuf, Told> {
    let path = Daemon::new(NAME).socket_path().map_err(|error| Told::from(&error))?;
    Ok(path.parent().unwrap_or(Path::new("/")).to_owned())
}

/// The same in all builds: FNV-1a.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn the_name_of_a_file_does_not_change() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
