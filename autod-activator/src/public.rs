//! The public sockets: made once, owned by the supervisor from then on, whatever becomes of the app.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::address::Address;
use crate::error::{Error, Kind, Result};

/// How many clients wait in the kernel's queue. With the usual 128 a burst during a start waits for
/// the clients' retries, many times as long as the start.
const BACKLOG: i32 = 4096;

#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) name: Arc<str>,
    pub(crate) address: Address,
    pub(crate) socket: OwnedFd,
    /// What is removed in the end.
    _file: Option<SocketFile>,
}

/// A Unix socket's file, and the lock that makes it ours.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    _lock: File,
}

impl Public {
    /// Listens at this address.
    pub(crate) fn open(name: &str, address: &Address) -> Result<Self> {
        let name = Arc::from(name);
        match address {
            Address::Tcp(at) => {
                let socket = TcpListener::bind(at).map_err(|error| cannot(address, error))?;
                rustix::net::listen(&socket, BACKLOG)
                    .map_err(|error| cannot(address, error.into()))?;
                let at = socket.local_addr().unwrap_or(*at);
                Ok(Self { name, address: Address::Tcp(at), socket: socket.into(), _file: None })
            }
            Address::Unix(path) => {
                let (socket, file) = open_unix(path).map_err(|error| cannot(address, error))?;
                Ok(Self { name, address: address.clone(), socket, _file: Some(file) })
            }
        }
    }

    /// Takes a socket that listens already, and that its maker looks after.
    pub(crate) fn adopt(name: &str, socket: OwnedFd) -> Result<Self> {
        let unusable = |error| Error::system(format!("the socket {name} cannot be used"), error);
        if !sockopt::socket_acceptconn(&socket).map_err(|error| unusable(error.into()))? {
            return Err(unusable(io::ErrorKind::InvalidInput.into()));
        }
        let address = address_of(&socket).map_err(unusable)?;
        Ok(Self { name: Arc::from(name), address, socket, _file: None })
    }

    /// The next client, if one waits; never blocks. For moments at which no app accepts.
    pub(crate) fn accept_now(&self) -> Option<OwnedFd> {
        rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).ok()
    }

    /// Whether a client waits.
    pub(crate) fn has_visitor(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// The flag is shared with the app's copies: most programs expect a listener that blocks.
    pub(crate) fn set_blocking(&self, blocking: bool) {
        let _ = rustix::io::ioctl_fionbio(&self.socket, !blocking);
    }
}

impl AsFd for Public {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn cannot(address: &Address, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::AddrInUse => Kind::InUse,
        io::ErrorKind::NotFound => Kind::NoDirectory,
        _ => Kind::System,
    };
    Error::new(kind, format!("cannot listen at {address}")).caused_by(error)
}

fn address_of(socket: &OwnedFd) -> io::Result<Address> {
    let socket = socket.try_clone()?;
    match rustix::net::getsockname(&socket)?.address_family() {
        AddressFamily::UNIX => {
            let address = UnixListener::from(socket).local_addr()?;
            Ok(Address::Unix(address.as_pathname().unwrap_or(Path::new("")).to_owned()))
        }
        AddressFamily::INET | AddressFamily::INET6 => {
            Ok(Address::Tcp(TcpListener::from(socket).local_addr()?))
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = std::fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// With the lock beside it nobody who goes by the lock listens there. A socket that still answers
/// belongs to somebody who does not; one that does not is what a killed process has left.
fn open_unix(path: &Path) -> io::Result<(OwnedFd, SocketFile)> {
    let address = SocketAddrUnix::new(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = File::options().create(true).truncate(false).write(true).open(beside)?;
    lock.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    lock.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => io::Error::from(io::ErrorKind::AddrInUse),
        std::fs::TryLockError::Error(error) => error,
    })?;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is not a socket"));
        }
        Ok(_) => {
            let probe = unix_socket(SocketFlags::NONBLOCK)?;
            match rustix::net::connect(&probe, &address) {
                Err(Errno::CONNREFUSED) => std::fs::remove_file(path)?,
                // A full queue is somebody's too.
                Ok(()) | Err(Errno::AGAIN) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    let socket = unix_socket(SocketFlags::empty())?;
    rustix::net::bind(&socket, &address)?;
    // Nobody can connect before it listens.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let file = SocketFile { path: path.to_owned(), identity: identity(path)?, _lock: lock };
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket, file))
}

fn unix_socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_a_live_one_and_anything_else_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sock");
        let address = Address::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "it is left over");
        let public = Public::open("it", &address).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = Public::open("it", &address).unwrap_err();
        assert!(error.is_in_use(), "{error}");
        drop(public);
        assert!(!path.exists(), "it is removed in the end");

        let live = UnixListener::bind(&path).unwrap();
        let error = Public::open("it", &address).unwrap_err();
        assert!(error.is_in_use(), "{error}");
        drop(live);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        assert!(Public::open("it", &address).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_directory_that_is_missing_is_what_the_help_names() {
        let directory = tempfile::tempdir().unwrap();
        let address = Address::Unix(directory.path().join("run/sock"));
        let error = Public::open("it", &address).unwrap_err();
        assert!(error.help().contains("directory"), "{}", error.help());
    }

    #[test]
    fn a_port_that_is_taken_is_told_apart() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(taken.local_addr().unwrap());
        assert!(Public::open("it", &address).unwrap_err().is_in_use());
    }

    #[test]
    fn only_a_listening_socket_is_adopted() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(Public::adopt("it", one.into()).is_err());
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(socket.local_addr().unwrap());
        assert_eq!(Public::adopt("it", socket.into()).unwrap().address, address);
    }
}
