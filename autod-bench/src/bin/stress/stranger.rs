//! A listener of another user, who takes whatever he is told.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::Result;

/// Nobody's.
pub(crate) const UID: u32 = 65_534;

/// Only root can be somebody else.
pub(crate) fn is_possible() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) struct Stranger(UnixListener);

impl Stranger {
    /// The kernel names whoever calls `listen` to those who connect; a thread of Linux can be
    /// another user than its process.
    pub(crate) fn listen(path: &Path) -> Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        let listen = move || {
            let uid = rustix::process::Uid::from_raw(UID);
            rustix::thread::set_thread_res_uid(None, uid, None)?;
            rustix::net::listen(&socket, 16)?;
            Ok(socket)
        };
        let listening: rustix::io::Result<_> =
            std::thread::spawn(listen).join().map_err(|_| "the stranger panicked")?;
        Ok(Self(listening?.into()))
    }

    /// How many bytes those have sent who have hung up by now.
    pub(crate) fn heard(self) -> Result<usize> {
        self.0.set_nonblocking(true)?;
        let mut heard = 0;
        while let Ok((mut stream, _)) = self.0.accept() {
            heard += stream.read_to_end(&mut Vec::new())?;
        }
        Ok(heard)
    }
}
