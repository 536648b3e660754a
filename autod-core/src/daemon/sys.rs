//! The system calls that neither std nor rustix offers in a safe form.
//!
//! Each function is as small as its unsafe block lets it be and decides nothing.
#![expect(unsafe_code, reason = "what a child does before its exec, and three calls of libc")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Lets the child start as a daemon: own session, default signals, private files, as many open
/// files as it may have, and of all descriptors past 2 only `kept`.
pub(super) fn detach(command: &mut Command, kept: BorrowedFd<'_>) {
    let kept = kept.as_raw_fd();
    // SAFETY: `prepare` makes system calls on plain values only. It neither allocates nor locks,
    // so it is sound in the child of a fork of a process with many threads.
    unsafe {
        command.pre_exec(move || prepare(kept));
    }
}

fn prepare(kept: RawFd) -> io::Result<()> {
    // SAFETY: all of these are async-signal-safe. The signal set and the limit live on this stack
    // and are written by the kernel before they are read; a zeroed sigaction is SIG_DFL with an
    // empty mask. Signals that cannot be changed are refused, and that is all right.
    unsafe {
        if libc::setsid() == -1 {
            return Err(io::Error::last_os_error());
        }
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        for signal in 1..=64 {
            libc::sigaction(signal, &raw const default, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::umask(0o077);
        raise_open_files();
        mark_all_past_standard();
        if libc::fcntl(kept, libc::F_SETFD, 0) == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn raise_open_files() {
    // SAFETY: the limit lives on this stack and is used only if the kernel filled it.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            // macOS refuses more than this, whatever its hard limit says.
            #[cfg(target_os = "macos")]
            {
                limit.rlim_cur = limit.rlim_cur.min(10_240);
            }
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// Marks all descriptors from 3 on so that the exec closes them; nothing is closed before it,
/// because std reports a failed exec through one of them.
fn mark_all_past_standard() {
    // SAFETY: both calls change flags of descriptors and read or write no memory of ours.
    unsafe {
        #[cfg(target_os = "linux")]
        if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
            == 0
        {
            return;
        }
        // An older kernel. A limit of a thousand million would take minutes, so it is capped.
        let limit = match libc::sysconf(libc::_SC_OPEN_MAX) {
            limit @ 0..=65_536 => RawFd::try_from(limit).unwrap_or(65_536),
            _ => 65_536,
        };
        for descriptor in 3..limit {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Takes over the descriptor that the starter left open and named in the environment.
///
/// The caller must have seen the name of the descriptor exactly once; `inherit` removes the
/// variable and keeps a flag.
pub(super) fn adopt(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor <= 2 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: getsockopt writes one number into `kind` and fails if this is no socket, fcntl changes
    // a flag. Past both the number is an open socket, and nothing in this process has opened or wrapped it: it came through the exec.
    unsafe {
        let mut kind: libc::c_int = 0;
        let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
        let (level, option) = (libc::SOL_SOCKET, libc::SO_TYPE);
        let value = (&raw mut kind).cast();
        if libc::getsockopt(descriptor, level, option, value, &raw mut length) == -1
            || libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) == -1
        {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Takes over a descriptor past the standard ones that a supervisor left open and named in the
/// environment.
///
/// The caller must take each number once; `activation` does so once in a process, and removes the
/// variables.
pub(crate) fn adopt_descriptor(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor <= 2 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: fcntl changes a flag and fails if nothing is open there. Past it the number is open, and
    // nothing in this process has opened or wrapped it: it came through the exec.
    unsafe {
        if libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Closes the standard descriptors, as a caller in a closed shell has them.
#[cfg(test)]
pub(super) fn close_standard() {
    for descriptor in 0..3 {
        // SAFETY: done by a process of a test that prints nothing before they are open again.
        unsafe { libc::close(descriptor) };
    }
}

/// Removes variables from this process's environment.
pub(crate) fn forget_variables(names: &[&str]) {
    for name in names {
        // SAFETY: std's own readers are locked out while this runs, and it is called in the first
        // act of a daemon, before anything that could read the environment through C runs.
        unsafe { std::env::remove_var(name) };
    }
}

/// Ends the process without running anything of it any more.
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: the call ends the process; there is nothing left to be unsound.
    unsafe { libc::_exit(code) }
}

/// The uid, the gid and, if it can be told, the pid of the other end.
#[cfg(target_os = "linux")]
pub(super) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<(u32, u32, Option<u32>)> {
    // rustix's version would hold the pid as non-zero; it is zero across pid namespaces.
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes, the size of the structure, into it.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    let pid = u32::try_from(credentials.pid).ok().filter(|pid| *pid != 0);
    Ok((credentials.uid, credentials.gid, pid))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<(u32, u32, Option<u32>)> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the call writes two numbers of the right types.
    if unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((uid, gid, None))
}

/// The private temporary directory that macOS gives each user, whatever TMPDIR says.
#[cfg(target_os = "macos")]
pub(super) fn user_temporary_directory() -> Option<std::path::PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    let mut buffer = vec![0_u8; 1024];
    // SAFETY: the call writes at most the length of the buffer, its end mark included.
    let length = unsafe {
        libc::confstr(libc::_CS_DARWIN_USER_TEMP_DIR, buffer.as_mut_ptr().cast(), buffer.len())
    };
    if length < 2 || length > buffer.len() {
        return None;
    }
    buffer.truncate(length - 1);
    Some(std::ffi::OsString::from_vec(buffer).into())
}

/// The identity of this boot.
#[cfg(target_os = "macos")]
pub(super) fn boot_session() -> Option<String> {
    let mut buffer = vec![0_u8; 64];
    let mut length = buffer.len();
    // SAFETY: the name ends in NUL, and the call writes at most `length` bytes into the buffer.
    let result = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            buffer.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    if result == -1 {
        return None;
    }
    buffer.truncate(length);
    String::from_utf8(buffer).ok().map(|text| text.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, IntoRawFd as _};
    use std::os::unix::net::UnixStream;
    use std::process::Stdio;

    use super::*;

    /// Runs a shell script detached, with the first of the sockets kept, and gives its output.
    #[cfg(target_os = "linux")]
    fn detached(script: &str, kept: &UnixStream) -> String {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null());
        detach(&mut command, kept.as_fd());
        let forking = crate::daemon::testing::forking();
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        drop(forking);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_detached_child_has_a_session_a_mask_and_one_descriptor() {
        let (kept, other) = UnixStream::pair().unwrap();
        let leaked = rustix::io::dup(&other).unwrap();
        assert!(rustix::io::fcntl_getfd(&leaked).unwrap().is_empty(), "it would be inherited");
        let script = "umask; ulimit -Sn; ulimit -Hn; cut -d' ' -f1,6 /proc/$$/stat
            grep -E 'Sig(Blk|Ign)' /proc/$$/status | cut -f2; ls /proc/$$/fd";
        let output = detached(script, &kept);
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines[0], "0077");
        assert_eq!(lines[1], lines[2], "the soft limit is the hard one");
        let (pid, session) = lines[3].split_once(' ').unwrap();
        assert_eq!(pid, session);
        assert_eq!(lines[4], "0000000000000000", "nothing is blocked");
        // Signals 32 and 33 are the C library's own; it lets nobody change them.
        let ignored = u64::from_str_radix(lines[5], 16).unwrap() & !0x1_8000_0000;
        assert_eq!(ignored, 0, "nothing is ignored");
        let descriptors: Vec<i32> = lines[6..].iter().map(|line| line.parse().unwrap()).collect();
        assert!(descriptors.contains(&kept.as_raw_fd()), "{descriptors:?}");
        assert!(!descriptors.contains(&leaked.as_raw_fd()), "{descriptors:?}");
    }

    #[test]
    fn only_an_open_descriptor_past_the_standard_ones_is_adopted() {
        assert!(adopt(1).is_err());
        assert!(adopt(-1).is_err());
        assert!(adopt(1_000_000).is_err());
        let file = tempfile::tempfile().unwrap();
        assert!(adopt(file.as_raw_fd()).is_err(), "no socket");
        let (one, _other) = UnixStream::pair().unwrap();
        let adopted = adopt(one.into_raw_fd()).unwrap();
        assert!(rustix::io::fcntl_getfd(&adopted).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn any_open_descriptor_of_a_supervisors_is_adopted() {
        assert!(adopt_descriptor(2).is_err());
        assert!(adopt_descriptor(1_000_000).is_err());
        let adopted = adopt_descriptor(tempfile::tempfile().unwrap().into_raw_fd()).unwrap();
        assert!(rustix::io::fcntl_getfd(&adopted).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn a_forgotten_variable_is_gone() {
        let name = "PATH_OF_A_TEST_THAT_NOBODY_SETS";
        forget_variables(&[name]);
        assert!(std::env::var_os(name).is_none());
    }

    #[test]
    fn credentials_of_something_else_are_an_error() {
        let file = tempfile::tempfile().unwrap();
        assert!(peer_credentials(file.as_fd()).is_err());
    }
}
