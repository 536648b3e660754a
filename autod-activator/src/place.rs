//! What a supervisor takes of the system: a private directory, and its share of descriptors.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The longest directory in which a socket's path still fits into its address everywhere.
const LONGEST: usize = 64;

/// Descriptors that are not for connections: those of a start, of the runtime, of the program's own.
const RESERVE: usize = 24;

/// Where the private directory may be: it is made in the first of these places that takes it. The name
/// is nobody else's.
pub(crate) fn candidates() -> io::Result<Vec<PathBuf>> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    let name = format!("autod-{:016x}", u64::from_ne_bytes(bytes));
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let parents = own.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")]);
    let parents = parents.filter(|parent| parent.is_absolute() && fits(parent));
    Ok(parents.map(|parent| parent.join(&name)).collect())
}

/// Makes a directory that nobody else can look into, for the sockets of the apps.
pub(crate) fn make(candidates: &[PathBuf]) -> io::Result<PathBuf> {
    let mut error = io::Error::from(io::ErrorKind::NotFound);
    for path in candidates {
        match make_at(path) {
            Ok(()) => return Ok(path.clone()),
            Err(reason) => error = reason,
        }
    }
    Err(error)
}

pub(crate) fn make_at(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

fn fits(parent: &Path) -> bool {
    parent.as_os_str().len() <= LONGEST
}

static SOFT_LIMIT: OnceLock<Rlimit> = OnceLock::new();

/// Lets this process have as many open files as it may. Apps are started with the limit as it was:
/// programs that go by it count on a small one.
///
/// To be called before a supervisor is opened, which goes by the limit.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    SOFT_LIMIT.get_or_init(|| limit);
    // Refused, the connections that there is no room for wait.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The limit that an app has, if it is another one than ours.
pub(crate) fn app_limit() -> Option<(u64, u64)> {
    let limit = SOFT_LIMIT.get()?;
    Some((limit.current?, limit.maximum.unwrap_or(u64::MAX)))
}

/// For how many forwarded connections, of two descriptors each, there is room.
pub(crate) fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let open = std::fs::read_dir("/dev/fd").map_or(16, Iterator::count);
    let room = limit.saturating_sub(open + RESERVE) / 2;
    room.clamp(1, tokio::sync::Semaphore::MAX_PERMITS)
}
