//! Who is at the other end of a socket, and whether we talk to them.
//!
//! Credentials are those of the process that connected, or of the one that called `listen`: they
//! say which user it is, not which process serves.

use std::os::fd::AsFd;
use std::path::Path;

use super::sys;
use crate::error::{Error, ErrorKind, Result};

/// The process at the other end of a connection, as the kernel vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Absent if the system does not tell or the process lives in another pid namespace.
    pub(crate) pid: Option<u32>,
}

impl Peer {
    /// The effective user id it had when it connected.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The effective group id it had when it connected.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Its process id, if the system tells and it lives in our pid namespace.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }
}

/// Asks the kernel who is at the other end.
pub(crate) fn peer(socket: &impl AsFd) -> Result<Peer> {
    let (uid, gid, pid) = sys::peer_credentials(socket.as_fd()).map_err(|error| {
        Error::system("cannot find out who is at the other end of the socket", error)
    })?;
    Ok(Peer { uid, gid, pid })
}

/// Lets through ourselves and root.
pub(crate) fn check_peer(peer: &Peer) -> Result<()> {
    let euid = rustix::process::geteuid().as_raw();
    if peer.uid == euid || peer.uid == 0 {
        return Ok(());
    }
    Err(denied(format!(
        "the other end of the socket belongs to uid {}, we are uid {euid}",
        peer.uid
    )))
}

/// The same for whoever listens at this door.
pub(crate) fn check_listener(peer: &Peer, sock: &Path) -> Result<()> {
    if check_peer(peer).is_ok() {
        return Ok(());
    }
    Err(denied(format!(
        "uid {} listens on {}, we are uid {}; nothing was sent: have it removed (rm {1}), or name \
         another path",
        peer.uid,
        sock.display(),
        rustix::process::geteuid().as_raw()
    )))
}

fn denied(message: String) -> Error {
    Error::new(ErrorKind::Denied, message).with_mend()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn we_are_our_own_peer() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = peer(&one).unwrap();
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        assert_eq!(peer.gid, rustix::process::getegid().as_raw());
        assert_eq!(peer.pid, cfg!(target_os = "linux").then(std::process::id));
        check_peer(&peer).unwrap();
    }

    #[test]
    fn others_are_denied_by_name_and_root_is_not() {
        let euid = rustix::process::geteuid().as_raw();
        let other = Peer { uid: euid + 77, gid: 0, pid: None };
        let error = check_peer(&other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.message().contains(&format!("uid {}", euid + 77)));
        assert!(error.message().contains(&format!("uid {euid}")));
        let error = check_listener(&other, Path::new("/run/a/sock")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(crate::error::in_full(&error).contains("nothing was sent"), "{error}");
        assert!(crate::error::in_full(&error).contains("(rm /run/a/sock)"), "{error}");
        check_peer(&Peer { uid: 0, gid: 0, pid: None }).unwrap();
    }
}
