//! A restart that somebody asks for from outside: the program of a daemon is run as the daemon was,
//! and told by its environment to put a new daemon in the place of the old one and to do nothing
//! else.
//!
//! The guard of the start stands in the environment too, so a program of a build that does not know
//! this refuses to be a caller: what its arguments say is not done a second time.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::daemon::{DEPTH, forget_variables};

const RESTART: &str = "AUTOD_RESTART";

/// The place of the daemon to restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Errand {
    pub(crate) sock: PathBuf,
    pub(crate) explicit: bool,
}

/// The variables by which the program of the daemon with this name is told.
pub(crate) fn variables(name: &str, explicit: bool, sock: &Path) -> [(&'static str, OsString); 2] {
    let mut value = OsString::from(format!("{}:{name}:", u8::from(explicit)));
    value.push(sock);
    [(RESTART, value), (DEPTH, "1".into())]
}

impl Errand {
    /// The errand of this process, if it is for the daemon with this name. To be called while the
    /// process has one thread.
    pub(crate) fn take(name: &str) -> Option<Self> {
        let errand = Self::parse(&std::env::var_os(RESTART)?, name)?;
        forget_variables(&[RESTART, DEPTH]);
        Some(errand)
    }

    fn parse(value: &OsStr, name: &str) -> Option<Self> {
        let bytes = value.as_bytes();
        let explicit = match bytes.first()? {
            b'0' => false,
            b'1' => true,
            _ => return None,
        };
        let sock =
            bytes[1..].strip_prefix(b":")?.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
        let sock = PathBuf::from(OsString::from_vec(sock.to_vec()));
        sock.is_absolute().then_some(Self { sock, explicit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_is_for_one_daemon_at_one_place() {
        for (explicit, sock) in [(true, "/a/b:c"), (false, "/run/x/sock")] {
            let [(_, value), _] = variables("tool:x", explicit, Path::new(sock));
            let errand = Errand { sock: sock.into(), explicit };
            assert_eq!(Errand::parse(&value, "tool:x"), Some(errand));
            assert_eq!(Errand::parse(&value, "tool"), None, "x:/… is no absolute path");
            assert_eq!(Errand::parse(&value, "other"), None);
        }
        assert_eq!(Errand::parse("".as_ref(), "tool"), None);
        assert_eq!(Errand::parse("1:tool:relative".as_ref(), "tool"), None);
        assert!(Errand::take("tool").is_none());
    }
}
