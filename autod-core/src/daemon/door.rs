//! Knocking at the door: one `connect(2)` that never blocks, and its four answers.
//!
//! What a refused door means is not decided here; see `start`. Nothing is ever unlinked here.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::place::{self, Place};
use crate::error::{Error, Result};

/// What a knock at the door found.
#[derive(Debug)]
pub(crate) enum Knock {
    /// Somebody listens. The stream does not block.
    Open(UnixStream),
    /// There is no door.
    Absent,
    /// There is something, and nobody listens behind it.
    Refused,
    /// Somebody listens and has no room in the queue.
    Full,
}

impl Place {
    /// Tries the door once, without waiting.
    pub(crate) fn knock(&self) -> Result<Knock> {
        let attempt = || {
            let (address, _handle) = address(self, self.door_directory(), self.door_name())?;
            connect(&address, None)
        };
        self.judge(attempt())
    }

    /// Waits in the kernel's line for room in a full queue.
    ///
    /// `None` says that there was no room within the limit, or that the door went away meanwhile:
    /// knock again to know.
    pub(crate) async fn wait_for_room(&self, limit: Duration) -> Result<Option<UnixStream>> {
        // A future that is dropped leaves its thread to the kernel's own timer, so the thread needs
        // a directory that nobody closes.
        let directory = place::copy(self.door_directory())?;
        let attempt =
            || -> rustix::io::Result<_> { address(self, directory.as_fd(), self.door_name()) };
        let (address, handle) = match attempt() {
            Ok(address) => address,
            Err(error) => return self.judge(Err(error)).map(open),
        };
        let (tell, told) = tokio::sync::oneshot::channel();
        let thread = std::thread::Builder::new().name("autod-connect".to_owned());
        // Not a blocking task of the runtime, whose end would wait for it.
        let spawned = thread.stack_size(64 << 10).spawn(move || {
            let result = connect(&address, Some(limit));
            drop((directory, handle));
            let _ = tell.send(result);
        });
        spawned.map_err(|error| {
            Error::system("cannot start a thread that waits for the daemon", error)
        })?;
        match told.await {
            Ok(result) => self.judge(result).map(open),
            Err(error) => Err(Error::system("the thread that waited for the daemon failed", error)),
        }
    }

    fn judge(&self, result: rustix::io::Result<UnixStream>) -> Result<Knock> {
        match result {
            Ok(stream) => Ok(Knock::Open(stream)),
            Err(Errno::NOENT) => Ok(Knock::Absent),
            Err(Errno::CONNREFUSED) => Ok(Knock::Refused),
            Err(Errno::AGAIN) => Ok(Knock::Full),
            Err(error) => Err(Error::system(
                format!("cannot connect to {}{}", self.sock().display(), advice(error)),
                error,
            )
            .with_mend()),
        }
    }
}

fn open(knock: Knock) -> Option<UnixStream> {
    match knock {
        Knock::Open(stream) => Some(stream),
        Knock::Absent | Knock::Refused | Knock::Full => None,
    }
}

fn advice(error: Errno) -> &'static str {
    match error {
        Errno::ACCESS | Errno::PERM => {
            "; look at its owner and mode, and whether a sandbox forbids local sockets"
        }
        Errno::MFILE | Errno::NFILE => "; too many files are open, raise the limit: ulimit -n",
        Errno::PROTOTYPE => {
            "; a socket of another kind stands there, remove it or name another path"
        }
        _ => "",
    }
}

/// The socket address of a name in a directory, with what must stay open while it is used.
fn address(
    place: &Place,
    directory: BorrowedFd<'_>,
    name: &OsStr,
) -> rustix::io::Result<(SocketAddrUnix, Option<OwnedFd>)> {
    match SocketAddrUnix::new(place.door_address(directory, name)) {
        Ok(address) => Ok((address, None)),
        #[cfg(target_os = "linux")]
        Err(Errno::NAMETOOLONG) => {
            // Even the file name alone is too long: lead there by a handle on the socket itself.
            use rustix::fs::{Mode, OFlags};
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let handle = rustix::fs::openat(directory, name, flags, Mode::empty())?;
            Ok((SocketAddrUnix::new(place::through_descriptor(&handle))?, Some(handle)))
        }
        Err(error) => Err(error),
    }
}

/// Connects; without a limit the socket never blocks, with one the kernel wakes us.
fn connect(address: &SocketAddrUnix, limit: Option<Duration>) -> rustix::io::Result<UnixStream> {
    let end = limit.map(|limit| Instant::now() + limit);
    let socket = socket(limit.is_none())?;
    loop {
        if let Some(end) = end {
            let left = end.saturating_duration_since(Instant::now());
            // Zero would mean for ever.
            set_socket_timeout(&socket, Timeout::Send, Some(left.max(Duration::from_millis(1))))?;
        }
        match rustix::net::connect(&socket, address) {
            Ok(()) => break,
            Err(Errno::INTR) if end.is_none_or(|end| Instant::now() < end) => {}
            Err(Errno::INTR) => return Err(Errno::AGAIN),
            Err(error) => return Err(error),
        }
    }
    if limit.is_some() {
        set_socket_timeout(&socket, Timeout::Send, None)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
    }
    Ok(UnixStream::from(socket))
}

#[cfg(target_os = "linux")]
fn socket(nonblocking: bool) -> rustix::io::Result<OwnedFd> {
    use rustix::net::SocketFlags;
    let mut flags = SocketFlags::CLOEXEC;
    if nonblocking {
        flags |= SocketFlags::NONBLOCK;
    }
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

#[cfg(not(target_os = "linux"))]
fn socket(nonblocking: bool) -> rustix::io::Result<OwnedFd> {
    use rustix::io::FdFlags;
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, nonblocking)?;
    Ok(socket)
}

/// Accepts a connection that waits already; never waits for one.
pub(crate) fn accept_now(listener: &impl AsFd) -> std::io::Result<Option<UnixStream>> {
    loop {
        #[cfg(target_os = "linux")]
        let accepted = rustix::net::accept_with(
            listener,
            rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK,
        );
        #[cfg(not(target_os = "linux"))]
        let accepted = rustix::net::accept(listener).and_then(|socket| {
            rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(&socket, true)?;
            Ok(socket)
        });
        match accepted {
            Ok(socket) => return Ok(Some(socket.into())),
            Err(Errno::AGAIN) => return Ok(None),
            // The one that waited has gone away again.
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::fs::OFlags;

    use super::*;
    use crate::daemon::testing::Home;

    #[test]
    fn each_answer_of_the_kernel_has_its_name() {
        let home = Home::new();
        let place = home.place();
        assert!(matches!(place.knock().unwrap(), Knock::Absent));
        std::fs::write(place.sock(), "mine").unwrap();
        assert!(matches!(place.knock().unwrap(), Knock::Refused));
        std::fs::remove_file(place.sock()).unwrap();
        let listener = UnixListener::bind(place.sock()).unwrap();
        let Knock::Open(stream) = place.knock().unwrap() else { panic!("nobody listens") };
        let flags = rustix::fs::fcntl_getfl(&stream).unwrap();
        assert!(flags.contains(OFlags::NONBLOCK));
        let flags = rustix::io::fcntl_getfd(&stream).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        drop(listener);
        assert!(matches!(place.knock().unwrap(), Knock::Refused));
    }

    #[test]
    fn an_error_is_none_of_them() {
        let home = Home::new();
        let place = home.place();
        let datagram = std::os::unix::net::UnixDatagram::bind(place.sock()).unwrap();
        let error = place.knock().unwrap_err();
        assert!(crate::error::in_full(&error).contains("another kind"), "{error}");
        drop(datagram);
    }

    #[tokio::test]
    async fn a_full_queue_is_waited_for_in_the_kernel() {
        let home = Home::new();
        let place = home.place();
        let listener = UnixListener::bind(place.sock()).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let mut queued = Vec::new();
        while let Knock::Open(stream) = place.knock().unwrap() {
            queued.push(stream);
        }
        assert!(matches!(place.knock().unwrap(), Knock::Full));
        let began = Instant::now();
        assert!(place.wait_for_room(Duration::from_millis(60)).await.unwrap().is_none());
        assert!(began.elapsed() >= Duration::from_millis(60));
        let waiting = place.wait_for_room(Duration::from_secs(20));
        let accepting = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(30));
            listener.accept().map(|_| listener)
        });
        let stream = waiting.await.unwrap().expect("room after an accept");
        let flags = rustix::fs::fcntl_getfl(&stream).unwrap();
        assert!(flags.contains(OFlags::NONBLOCK));
        drop(accepting.await.unwrap().unwrap());
    }

    #[test]
    fn a_name_too_long_for_any_address_still_opens() {
        let home = Home::new();
        let place = Place::at(&home.path().join("n".repeat(200))).unwrap();
        assert!(matches!(place.knock().unwrap(), Knock::Absent));
        let listener = UnixListener::bind(home.path().join("short")).unwrap();
        std::fs::rename(home.path().join("short"), place.sock()).unwrap();
        assert!(matches!(place.knock().unwrap(), Knock::Open(_)));
        drop(listener);
        assert!(matches!(place.knock().unwrap(), Knock::Refused));
    }
}
