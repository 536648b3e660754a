//! The system calls that neither std nor rustix offers in a safe form: what a child does between
//! fork and exec.
//!
//! std's own exec is not used: `LISTEN_PID` is known in the child only, and std takes the environment
//! as it was before. The child calls `execve` itself, with arguments that were made before the fork.
#![expect(unsafe_code, reason = "what a child does between fork and exec")]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

/// What is executed.
#[derive(Debug)]
pub(crate) struct Program {
    /// The file, found before.
    pub(crate) path: CString,
    /// With the program's name as the first.
    pub(crate) arguments: Vec<CString>,
    /// `NAME=VALUE`, without `LISTEN_PID`.
    pub(crate) environment: Vec<CString>,
    /// Whether `LISTEN_PID` is set.
    pub(crate) listen_pid: bool,
    /// Descriptors and the numbers that they have in the child.
    pub(crate) descriptors: Vec<(OwnedFd, RawFd)>,
    /// The soft and the hard limit of open files, if they are not ours.
    pub(crate) open_files: Option<(u64, u64)>,
    /// The signal that the child gets when the thread that started it ends.
    pub(crate) death_signal: i32,
}

const PID_PREFIX: &[u8] = b"LISTEN_PID=";
/// Ten digits and a NUL.
const PID_ROOM: usize = PID_PREFIX.len() + 11;

/// All that the child uses. It is made before the fork, because a child of a process with many
/// threads must not allocate.
struct Prepared {
    path: CString,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    /// `LISTEN_PID=` and room for the digits; the last of `envp` points to it.
    pid: Box<[u8; PID_ROOM]>,
    descriptors: Vec<(OwnedFd, RawFd)>,
    /// Where the error number goes if there is no exec.
    report: OwnedFd,
    open_files: Option<libc::rlimit>,
    parent: libc::pid_t,
    death_signal: i32,
    /// What `argv` and `envp` point to.
    _strings: [Vec<CString>; 2],
}

// SAFETY: the pointers lead to the strings and the box in the same structure, which are neither moved
// out of their allocations nor changed but by the child, in its own copy of the memory.
unsafe impl Send for Prepared {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for Prepared {}

/// Starts `program` with the directory, the standard descriptors and the process group of `command`.
///
/// # Errors
///
/// Those of the fork and of the exec. The child is reaped then.
pub(crate) fn spawn(mut command: Command, program: Program) -> io::Result<Child> {
    let highest = program.descriptors.iter().map(|(_, number)| *number).max().unwrap_or(2);
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut prepared = Prepared::new(program, above(&write, highest)?, highest)?;
    drop(write);
    // SAFETY: `become_program` makes system calls on what was prepared; it neither allocates nor
    // locks, and it does not return if its work fails half-way.
    unsafe {
        command.pre_exec(move || prepared.become_program());
    }
    let mut child = command.spawn()?;
    // The other end lives in the closure.
    drop(command);
    let mut number = [0; 4];
    if File::from(read).read_exact(&mut number).is_err() {
        return Ok(child);
    }
    let _ = child.wait();
    Err(io::Error::from_raw_os_error(i32::from_ne_bytes(number)))
}

/// A copy of the descriptor past all numbers that the child fills.
fn above(descriptor: &OwnedFd, highest: RawFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(descriptor, highest + 1)?)
}

impl Prepared {
    fn new(program: Program, report: OwnedFd, highest: RawFd) -> io::Result<Self> {
        let mut pid = Box::new([0; PID_ROOM]);
        pid[..PID_PREFIX.len()].copy_from_slice(PID_PREFIX);
        let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
            strings.iter().map(|string| string.as_ptr()).collect()
        };
        let mut argv = pointers(&program.arguments);
        argv.push(std::ptr::null());
        let mut envp = pointers(&program.environment);
        if program.listen_pid {
            envp.push(pid.as_ptr().cast());
        }
        envp.push(std::ptr::null());
        let descriptors = program
            .descriptors
            .into_iter()
            .map(|(descriptor, number)| Ok((above(&descriptor, highest)?, number)))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            path: program.path,
            argv,
            envp,
            pid,
            descriptors,
            report,
            open_files: program
                .open_files
                .map(|(soft, hard)| libc::rlimit { rlim_cur: soft, rlim_max: hard }),
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            death_signal: program.death_signal,
            _strings: [program.arguments, program.environment],
        })
    }

    /// Runs in the child. Does not return: std's own way to report an error may have been closed.
    fn become_program(&mut self) -> io::Result<()> {
        // SAFETY: all calls are async-signal-safe and work on memory of this structure or this stack.
        // `execve` gets NUL-terminated strings in arrays that end with a null pointer.
        unsafe {
            default_signals();
            #[cfg(target_os = "linux")]
            {
                libc::prctl(libc::PR_SET_PDEATHSIG, self.death_signal);
                // The parent may have died before it took effect.
                if libc::getppid() != self.parent {
                    libc::_exit(127);
                }
            }
            #[cfg(not(target_os = "linux"))]
            let _ = (self.death_signal, self.parent);
            if let Some(limit) = &self.open_files {
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const *limit);
            }
            self.write_pid(libc::getpid());
            self.place_descriptors();
            libc::execve(self.path.as_ptr(), self.argv.as_ptr(), self.envp.as_ptr());
            self.give_up()
        }
    }

    fn write_pid(&mut self, pid: libc::pid_t) {
        let mut digits = [0; 10];
        let mut at = digits.len();
        let mut rest = pid.unsigned_abs();
        while at == digits.len() || rest > 0 {
            at -= 1;
            digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        let length = digits.len() - at;
        self.pid[PID_PREFIX.len()..PID_PREFIX.len() + length].copy_from_slice(&digits[at..]);
    }

    /// Of all descriptors past 2 the child keeps those that it is given.
    fn place_descriptors(&self) {
        // SAFETY: the calls change the table of descriptors of the child, which runs nothing else.
        unsafe {
            close_on_exec();
            for (descriptor, number) in &self.descriptors {
                // All copies lie past the highest number, so none is overwritten before it is used,
                // and the new one has no close-on-exec flag.
                if libc::dup2(descriptor.as_raw_fd(), *number) == -1 {
                    self.give_up();
                }
            }
        }
    }

    fn give_up(&self) -> ! {
        let number = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO).to_ne_bytes();
        // SAFETY: writes four bytes of this stack, and ends the child without running anything of
        // its parent's.
        unsafe {
            libc::write(self.report.as_raw_fd(), number.as_ptr().cast(), number.len());
            libc::_exit(127)
        }
    }
}

/// What the supervisor ignores or blocks is not what its apps do.
///
/// # Safety
///
/// For a child between fork and exec.
unsafe fn default_signals() {
    // SAFETY: the set lives on this stack; a zeroed sigaction is SIG_DFL with an empty mask. Signals
    // that cannot be changed are refused, and that is all right.
    unsafe {
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        for signal in 1..=64 {
            libc::sigaction(signal, &raw const default, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Nothing of the supervisor's, and of the program that it is a part of, is inherited by accident.
///
/// # Safety
///
/// For a child between fork and exec.
unsafe fn close_on_exec() {
    // SAFETY: changes flags of descriptors only.
    unsafe {
        #[cfg(target_os = "linux")]
        if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
            == 0
        {
            return;
        }
        let limit = match libc::sysconf(libc::_SC_OPEN_MAX) {
            limit @ 0..=65_536 => RawFd::try_from(limit).unwrap_or(65_536),
            _ => 65_536,
        };
        for descriptor in 3..limit {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn shell(script: &str) -> (Command, Program) {
        let mut command = Command::new("/bin/sh");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let text = |text: &str| CString::new(text).unwrap();
        let program = Program {
            path: text("/bin/sh"),
            arguments: vec![text("sh"), text("-c"), text(script)],
            environment: vec![text("PATH=/usr/bin:/bin"), text("A=1")],
            listen_pid: true,
            descriptors: Vec::new(),
            open_files: Some((77, 78)),
            death_signal: libc::SIGKILL,
        };
        (command, program)
    }

    fn output((command, program): (Command, Program)) -> String {
        let output = spawn(command, program).unwrap().wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_child_knows_its_own_pid_and_has_the_given_environment_only() {
        let printed = output(shell("echo $LISTEN_PID $$; /usr/bin/env | grep -c HOME; exit 0"));
        let mut lines = printed.lines();
        let (one, other) = lines.next().unwrap().split_once(' ').unwrap();
        assert_eq!(one, other);
        assert_eq!(lines.next(), Some("0"));
    }

    #[test]
    fn the_child_has_the_descriptors_that_it_is_given_and_no_others() {
        let leaked = rustix::io::fcntl_dupfd_cloexec(io::stderr(), 50).unwrap();
        rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
        let (mut command, mut program) =
            shell("echo one >&5; echo two >&9; for f in /proc/$$/fd/*; do echo ${f##*/}; done");
        let (first, second) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        program.descriptors =
            vec![(first.try_clone().unwrap().into(), 5), (second.try_clone().unwrap().into(), 9)];
        command.stderr(Stdio::null());
        let printed = output((command, program));
        let numbers: Vec<i32> = printed.lines().filter_map(|line| line.parse().ok()).collect();
        assert!(numbers.contains(&5) && numbers.contains(&9), "{printed}");
        assert!(!numbers.contains(&leaked.as_raw_fd()), "{printed}");
        let length = |file: &File| file.metadata().unwrap().len();
        assert_eq!((length(&first), length(&second)), (4, 4));
    }

    #[test]
    fn many_descriptors_at_once_do_not_hide_the_error_of_an_exec() {
        let (command, mut program) = shell("");
        program.path = CString::new("/nonexistent/program").unwrap();
        program.descriptors =
            (3..60).map(|number| (tempfile::tempfile().unwrap().into(), number)).collect();
        let error = spawn(command, program).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_limit_of_open_files_is_the_apps_own() {
        assert_eq!(output(shell("ulimit -Sn; ulimit -Hn")), "77\n78\n");
    }

    #[test]
    fn signals_are_as_they_are_by_default() {
        let printed = output(shell("grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2"));
        let masks: Vec<u64> =
            printed.lines().map(|line| u64::from_str_radix(line, 16).unwrap()).collect();
        assert_eq!(masks[0], 0, "nothing is blocked");
        // Signals 32 and 33 are the C library's own.
        assert_eq!(masks[1] & !0x1_8000_0000, 0, "nothing is ignored");
    }
}
